package web

import (
	"context"
	"errors"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// shutError says why nobody can look into a tenant's database now. It is no failure
// of the page: that shows it as a sentence.
type shutError struct {
	notice templates.Notice
	err    error // for the log; may be nil
}

func (e *shutError) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return e.notice.Text
}

func (e *shutError) Unwrap() error { return e.err }

// shut takes the sentence out of what lookInto returned; every other error stays.
func shut(err error) (*templates.Notice, error) {
	if closed, ok := errors.AsType[*shutError](err); ok {
		return &closed.notice, nil
	}
	return nil, err
}

// shutStatus says, as a *shutError, that a tenant's status keeps its database shut.
func shutStatus(t store.Tenant) error {
	switch {
	case t.Status == string(tenant.Suspended):
		return &shutError{notice: templates.Notice{Kind: templates.Off, Text: "The store is suspended: its database takes no logins. " +
			"Its records are kept; they can be looked at again once it is resumed."}}
	case t.DatabaseName == nil:
		return &shutError{notice: templates.Notice{
			Kind: templates.Wait, Text: "The store has no database yet: the step database makes it.",
			Href: tenantHref(t.ID), Link: "see its steps",
		}}
	}
	return nil
}

// lookTimeout bounds a look into a tenant's database, signing in included.
const lookTimeout = 8 * time.Second

// lookInto runs fn on a tenant's database, as the tenant's own role. Where that
// can't be reached, the error says it in a sentence: see shut.
func (s *Server) lookInto(ctx context.Context, t store.Tenant, fn func(context.Context, *tenantdb.DB) error) error {
	if err := shutStatus(t); err != nil {
		return err
	}
	if s.OpenTenant == nil {
		return &shutError{notice: templates.Notice{Kind: templates.Off, Text: "This process does not open the databases of stores."}}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var err error
	for range 2 { // a connection that was kept may have been ended meanwhile: the second is new
		var db *tenantdb.DB
		if db, err = s.OpenTenant(ctx, t.ID); err != nil {
			break
		}
		err = fn(ctx, db)
		if err == nil || errors.Is(err, fault.NotFound) {
			return err
		}
		if tenantdb.TooSlow(err) || !errors.Is(err, fault.Unavailable) {
			break
		}
	}
	n, ok := shutWords(t, err)
	if !ok || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	s.Log.WarnContext(ctx, "a tenant's database cannot be looked into", "tenant_id", t.ID, "error", err)
	return &shutError{notice: n, err: err}
}

// shutWords says why a database can't be looked into, and what to do; false where
// that is not the reason of err.
func shutWords(t store.Tenant, err error) (templates.Notice, bool) {
	n := templates.Notice{Kind: templates.Broken}
	switch {
	case tenantdb.TooSlow(err):
		n.Kind = templates.Wait
		n.Text = "Looking through all records took too long and was stopped, so that the store's own work goes on. " +
			"Search by a whole e-mail, phone, number or id: those are found at once."
	case errors.Is(err, fault.Forbidden):
		n.Text = "The database refused the store's own role: its login is closed, or its password was changed outside. " +
			"If the store was suspended a moment ago, that is why; else run its step database again."
	case errors.Is(err, fault.NotFound):
		n.Text = "The database is not where the store's record says: see the page database, and whether its server is in TENANT_DATABASE_URLS."
	case errors.Is(err, fault.Conflict):
		n.Text = "The store has no database yet: the step database makes it."
	case errors.Is(err, fault.Unavailable), errors.Is(err, context.DeadlineExceeded), unreachable(err):
		n.Text = "The store's database does not answer now. Its records are safe; look whether the server " + text(t.DatabaseServer) + " is up, then try again."
	default:
		return n, false
	}
	return n, true
}
