package tenantdb

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
)

// A maker that was killed leaves an unfinished template, at worst one that is
// already marked as a template and closed.
func TestTemplateIsBuiltWhereItWasKilled(t *testing.T) {
	t.Parallel()
	s, err := NewServers(t.Context(), []string{dbtest.AdminURL(t)}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	server := s.Names()[0]
	for _, left := range []string{"ALLOW_CONNECTIONS true", "ALLOW_CONNECTIONS false IS_TEMPLATE true"} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			name := templatePrefix + "0_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
			dbtest.Cleanup(t, []string{name, name + unfinished}, nil)
			err := s.do(t.Context(), server, "", func(c *pgx.Conn) error {
				_, err := c.Exec(t.Context(), `CREATE DATABASE `+name+unfinished+` TEMPLATE template0 `+left)
				return errors.Join(err, s.buildTemplate(t.Context(), c, server, name))
			})
			if err != nil {
				t.Fatal(err)
			}
			err = s.do(t.Context(), server, "", func(c *pgx.Conn) error {
				var template, open, public bool
				err := c.QueryRow(t.Context(), `
					SELECT datistemplate, datallowconn, datacl::text LIKE '%{=%' OR datacl::text LIKE '%,=%'
					FROM pg_database
					WHERE datname = $1`, name).Scan(&template, &open, &public)
				if !template || open || public {
					t.Errorf("template %t, open %t, open to PUBLIC %t", template, open, public)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
