package web

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// Circuit is something outside that does not answer: a provider, a store at Salla,
// a server of tenant databases. What needs it waits.
type Circuit struct {
	Name      string    `json:"name"`
	Since     time.Time `json:"since"`      // the first failure of those that opened it
	Reason    string    `json:"reason"`     // of the last one
	NextProbe time.Time `json:"next_probe"` // when one call may try again
}

// ReadCircuits returns the circuits that are open.
func ReadCircuits(ctx context.Context, db *store.DB) ([]Circuit, error) {
	open, err := db.OpenCircuits(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Circuit, len(open))
	for i, c := range open {
		list[i] = Circuit{Name: c.Name, Since: c.Since().UTC(), Reason: c.Reason, NextProbe: c.RetryAt.UTC()}
	}
	return list, nil
}

// needsYouAfter is how long a circuit may be open before somebody should look.
const needsYouAfter = 15 * time.Minute

// circuitFact says that what a fact is about does not answer, where its circuit is
// open. waiting is how many pieces of work need it.
func circuitFact(f templates.Fact, value string, c store.Circuit, waiting int, when func(time.Time) templates.Moment) templates.Fact {
	next := when(*c.RetryAt)
	f.Kind, f.Value, f.Href, f.Time = templates.Broken, value, "", &next
	f.Note = "since " + when(c.Since()).Clock + " (" + c.Reason + ")"
	if waiting > 0 {
		f.Note += " · " + templates.Plural(waiting, "piece of work waits", "pieces of work wait")
	}
	f.Note += " · next probe"
	return f
}

// withCircuits puts what the circuits know into the facts about the providers, and
// adds the servers of tenant databases that do not answer.
func withCircuits(facts []templates.Fact, now snapshot, when func(time.Time) templates.Moment) []templates.Fact {
	for _, c := range now.circuits {
		label, value, waiting := "Salla", "does not answer", now.salla.Failing+now.salla.Limited
		switch {
		case c.Kind == store.CircuitStore:
			continue
		case c.Kind == store.CircuitDatabase:
			f := templates.Fact{Label: "Tenant databases"}
			facts = append(facts, circuitFact(f, "one does not answer", c, 0, when))
			continue
		case c.Name == circuit.NameClerk:
			label, waiting = "Clerk", now.clerk.Failing+now.clerk.Limited
		case c.Name == circuit.NameAccounts:
			value = "gives no new tokens"
		}
		for i := range facts {
			if facts[i].Label == label && facts[i].Value != "does not answer" {
				facts[i] = circuitFact(facts[i], value, c, waiting, when)
			}
		}
	}
	return facts
}

// storesNamed is how many broken stores have a sentence of their own.
const storesNamed = 3

// circuitNotices are the sentences about what has not answered for so long that
// somebody should look.
func circuitNotices(now snapshot, when func(time.Time) templates.Moment) []templates.Notice {
	var list []templates.Notice
	stores := 0
	for _, c := range now.circuits {
		if c.Now.Sub(*c.OpenedAt) < needsYouAfter {
			continue
		}
		n := templates.Notice{Kind: templates.Broken, Href: "/admin/lanes", Link: "see"}
		todo := "What needs it waits and goes on by itself. Look whether it is down, or our way to it."
		if c.Kind == store.CircuitStore {
			if stores++; stores > storesNamed {
				continue
			}
			provider := "Salla"
			switch id, atClerk := circuit.TenantOf(c.Name); {
			case atClerk:
				n.Href, provider = tenantHref(id), "Clerk"
			case c.Merchant != nil:
				n.Href = "/admin/tenants?q=" + strconv.FormatInt(*c.Merchant, 10)
			}
			n.Kind = templates.Wait
			todo = "Other stores go on; this one's work waits and goes on by itself. If it stays, ask " + provider + "."
		}
		n.Text = circuitWords(c, when) + " " + todo
		list = append(list, n)
	}
	if more := stores - storesNamed; more > 0 {
		list = append(list, templates.Notice{
			Kind: templates.Wait, Href: "/admin/tenants", Link: "see",
			Text: "Salla or Clerk has not answered for " + templates.Plural(more, "more store", "more stores") + " for a quarter of an hour and longer.",
		})
	}
	return list
}

// circuitWords is the sentence about an open circuit.
func circuitWords(c store.Circuit, when func(time.Time) templates.Moment) string {
	name := circuit.Says(c)
	if _, atClerk := circuit.TenantOf(c.Name); atClerk {
		name = "Clerk for one store"
	} else if c.Merchant != nil {
		name = fmt.Sprintf("Salla for the store %d", *c.Merchant)
	}
	return sentence(fmt.Sprintf("%s has not answered since %s (%s)", name, when(c.Since()).Clock, c.Reason))
}

// storeCircuits reads the open circuits of one tenant, at Salla and at Clerk.
func (s *Server) storeCircuits(ctx context.Context, t store.Tenant) ([]store.Circuit, error) {
	names := []string{circuit.ClerkName(t.ID)}
	if t.Merchant != nil {
		names = []string{circuit.StoreName(*t.Merchant), names[0]}
	}
	var open []store.Circuit
	for _, name := range names {
		c, err := s.DB.OpenCircuit(ctx, name)
		if err != nil {
			return nil, err
		}
		if c != nil {
			open = append(open, *c)
		}
	}
	return open, nil
}

// circuitNotice says on a tenant's page who does not answer for its store.
func (x whole) circuitNotice(when func(time.Time) templates.Moment) []templates.Notice {
	var list []templates.Notice
	for _, c := range x.circuits {
		provider := "Salla"
		if _, atClerk := circuit.TenantOf(c.Name); atClerk {
			provider = "Clerk"
		}
		list = append(list, templates.Notice{Kind: templates.Wait, Text: fmt.Sprintf(
			"%s has not answered for this store since %s (%s): its work waits and goes on by itself. Next probe at %s.",
			provider, when(c.Since()).Clock, c.Reason, when(*c.RetryAt).Clock)})
	}
	return list
}
