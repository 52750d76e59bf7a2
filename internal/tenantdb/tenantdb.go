// Package tenantdb holds all SQL of the tenants' databases. Its admin side
// (Servers) makes them: the template, the clones, their roles and what those
// may do. Its data side (Pools, DB) signs in as one tenant's role and merges,
// tombstones, counts and reads that tenant's records.
//
// It knows the data model but no vendor: documents are opaque to it, and the
// columns that a document fills are given by its caller.
//
// All writes of imported records of one tenant are serial: each takes the
// database's merge lock first and holds it to the end of its short transaction.
// That keeps derived data right and deadlocks out.
package tenantdb

import (
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

const (
	// group is the role that owns nothing, cannot log in and holds what every
	// tenant may do inside its own database.
	group = "wosool_tenant"

	prefix         = "t_"
	templatePrefix = "wosool_template_"
	// unfinished ends the name of a database that is being made: nobody but its
	// maker ever sees it, so that a half-made one may be dropped.
	unfinished = "_new"

	// roleConnections bounds one tenant's connections over all processes.
	roleConnections = 64
)

// Name returns the name of a tenant's database and of its role.
func Name(tenant uuid.UUID) string {
	return prefix + strings.ReplaceAll(tenant.String(), "-", "")
}

var validName = regexp.MustCompile(`^` + prefix + `[a-z0-9_-]{1,54}$`)

// checkNames refuses names that are not a tenant's: what they are used for
// (dropping, granting) must never reach another database.
func checkNames(names ...string) error {
	for _, n := range names {
		if !validName.MatchString(n) {
			return fault.New(fault.Invalid, "%q is no name of a tenant's database or role: %q and at most 54 of a-z, 0-9, - and _", n, prefix)
		}
	}
	return nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal quotes s for the statements that take no parameters.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
