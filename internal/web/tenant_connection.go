package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/provision"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// connectionPage is the page of a tenant's grant, of the webhooks of its store, and of
// the requests that Salla allows.
func (s *Server) connectionPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	at := moments(r)
	v := templates.TenantFactsView{
		Head: x.head("connection", at), Title: "Grant at Salla", Facts: connectionFacts(x, at),
		More: []templates.FactsSection{subscriptionFacts(x, at)},
	}
	if x.tenant.Merchant != nil {
		v.More = append(v.More, s.allowanceSection(r.Context(), *x.tenant.Merchant, at))
	}
	return s.render(w, r, http.StatusOK, templates.TenantFacts(s.frame(r, x.tenant.Name+": connection", "tenants"), v))
}

// connectionFacts says how a tenant's grant stands. No token is among them.
func connectionFacts(x whole, at func(time.Time) templates.Moment) []templates.Fact {
	c := x.connection
	if c == nil {
		return []templates.Fact{
			{Label: "State", Kind: templates.Off, Value: "no grant yet"},
			{Label: "What the merchant must do", Value: "Install the app in Salla and accept what it asks for."},
		}
	}
	moment := func(label string, t *time.Time, note string) templates.Fact {
		m := momentOf(at, t)
		return templates.Fact{Label: label, Time: &m, Note: note}
	}
	state := templates.Fact{Label: "State", Value: strings.ReplaceAll(c.Status, "_", " "), Kind: templates.Well}
	switch {
	case c.Status == store.ConnectionParked:
		state.Value, state.Kind = "needs re-authorisation", templates.Broken
	case c.Status == store.ConnectionRevoked:
		state.Kind = templates.Off
	case c.RefreshUnknownAt != nil:
		state.Value, state.Kind = "refresh unknown", templates.Wait
	case c.Status == store.ConnectionRefreshing:
		state.Kind = templates.Run
	}
	facts := []templates.Fact{
		state,
		moment("Granted", c.GrantedAt, "the authorization that this grant descends from"),
		moment("Refreshed", c.RefreshedAt, ""),
		moment("Refreshed again", c.RefreshAt, "by itself"),
		moment("Access token ends", c.ExpiresAt, ""),
		{Label: "Scopes", Value: strings.Join(c.Scopes, ", ")},
		{Label: "Version", Value: templates.Count(c.Version), Note: "grants stored so far"},
	}
	if c.RefreshUnknownAt != nil {
		facts = append(facts, moment("Refresh without answer", c.RefreshUnknownAt, ""))
	}
	if c.RevokedAt != nil {
		facts = append(facts, moment("Uninstalled", c.RevokedAt, ""))
	}
	if said := text(c.ParkedReason); said != "" {
		facts = append(facts, templates.Fact{Label: "Why", Value: said})
	}
	return append(facts, templates.Fact{Label: "What the merchant must do", Value: merchantTodo(*c)})
}

// merchantTodo is what only the merchant can do about a grant.
func merchantTodo(c store.Connection) string {
	switch {
	case c.Status == store.ConnectionParked:
		return "Reinstall the app in Salla: that gives a new grant, and waiting work goes on by itself."
	case c.Status == store.ConnectionRevoked:
		return "Install the app again, if they want it: everything is kept until then."
	case c.RefreshUnknownAt != nil:
		return "Reinstall the app before the access token ends."
	}
	return "nothing"
}

// subscriptionFacts says how the store's webhooks stand, as the step subscriptions
// left them.
func subscriptionFacts(x whole, at func(time.Time) templates.Moment) templates.FactsSection {
	v := templates.FactsSection{Title: "Webhooks of the store", Note: "which events Salla sends here, and how they are protected"}
	i := slices.IndexFunc(x.steps, func(s store.Step) bool { return s.Name == string(tenant.StepSubscriptions) })
	if i < 0 {
		return v
	}
	step := x.steps[i]
	var told struct {
		Address  string           `json:"address"`
		Strategy string           `json:"strategy"`
		Signed   map[string]int64 `json:"signed"`
	}
	if len(step.Intent) > 0 {
		_ = json.Unmarshal(step.Intent, &told) // what can't be read was not told
	}
	view := stepView(step, time.Now())
	state := templates.Fact{Label: "State", Kind: view.Kind, Value: view.Status, Note: view.Error}
	events := templates.Fact{Label: "Events", Value: fmt.Sprintf("%d of %d confirmed so far", len(told.Signed), len(provision.Events()))}
	switch tenant.StepStatus(step.Status) {
	case tenant.StepDone:
		state.Value, state.Note = "in place", "read back at Salla"
		moment := momentOf(at, step.FinishedAt)
		state.Time = &moment
		events.Value, v.Names = templates.Count(len(provision.Events())), strings.Join(provision.Events(), ", ")
	case tenant.StepSkipped:
		state.Value, state.Note = "not yet", text(step.Error)
	}
	v.Facts = []templates.Fact{
		state,
		{Label: "Sent to", Value: told.Address, Mono: true},
		{Label: "Protection", Value: told.Strategy},
		events,
	}
	return v
}

// allowanceSection says how many requests Salla allows the store's plan, and how many
// of them are taken. Redis keeps that: where it does not answer, the page says so.
func (s *Server) allowanceSection(ctx context.Context, merchant int64, at func(time.Time) templates.Moment) templates.FactsSection {
	v := templates.FactsSection{Title: "Requests to Salla", Note: "one limit for the store, shared by all workers"}
	if s.Allowance == nil {
		v.Facts = []templates.Fact{{Label: "In this window", Value: "not known", Note: "this process does not ask"}}
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	states, err := s.Allowance(ctx, merchant)
	if err != nil {
		s.Log.WarnContext(ctx, "what Salla allows a store is not known", "merchant", merchant, "error", err)
		v.Facts = []templates.Fact{{Label: "In this window", Kind: templates.Wait, Value: "not known", Note: "Redis does not answer"}}
		return v
	}
	v.Facts = allowanceFacts(states[merchant], time.Now(), at)
	return v
}

func allowanceFacts(a budget.State, now time.Time, at func(time.Time) templates.Moment) []templates.Fact {
	used := templates.Fact{
		Label: "In the last " + windowWords(a.Window), Kind: templates.Well,
		Value: fmt.Sprintf("%s of %s requests", templates.Count(max(a.Limit-a.Left, 0)), templates.Count(a.Limit)), Note: "as Salla's answers say",
	}
	if !a.Known {
		used.Note = "a careful guess, until an answer of Salla has told the limit"
	}
	if a.Left <= 0 {
		used.Kind = templates.Wait
		used.Note = joined(used.Note, "further ones wait")
	}
	facts := []templates.Fact{used}
	if !a.Reset.IsZero() && a.Reset.After(now) {
		facts = append(facts, templates.Fact{Label: "Whole again", Value: spokenDelay(a.Reset, now)})
	}
	if a.BlockedUntil.After(now) {
		until := at(a.BlockedUntil)
		facts = append(facts, templates.Fact{Label: "Salla asked for silence", Kind: templates.Wait, Value: "until", Time: &until})
	}
	if c := a.Customers; c.Limit > 0 {
		facts = append(facts, templates.Fact{
			Label: "Customers endpoints", Value: fmt.Sprintf("%s of %s", templates.Count(max(c.Limit-c.Left, 0)), templates.Count(c.Limit)),
			Note: "in " + windowWords(c.Window) + ", shared by all stores of this address",
		})
	}
	return facts
}

// windowWords is a window of time as people say it.
func windowWords(d time.Duration) string {
	if d == time.Minute || d <= 0 {
		return "minute"
	}
	return templates.Duration(d)
}
