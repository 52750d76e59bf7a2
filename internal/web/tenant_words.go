package web

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// statusOf is the state of a tenant as a dot and a word, and what stands beside it.
func statusOf(status string, suspendedBy, connection *string) (kind, word, note string) {
	switch tenant.Status(status) {
	case tenant.Pending:
		return templates.Off, status, "no grant yet"
	case tenant.Provisioning:
		return templates.Run, status, ""
	case tenant.Failed:
		return templates.Broken, status, ""
	case tenant.Suspended:
		if text(suspendedBy) == string(tenant.ByUninstall) {
			return templates.Off, status, "app uninstalled"
		}
		return templates.Off, status, "by an operator"
	case tenant.Ready:
		if text(connection) == store.ConnectionParked {
			return templates.Wait, status, "needs re-authorisation"
		}
		return templates.Well, status, ""
	}
	return templates.Off, status, ""
}

// whole is what tells why a tenant is, or is not, as it should be.
type whole struct {
	tenant     store.Tenant
	steps      []store.Step
	connection *store.Connection // nil: there never was one
	runs       []store.Run       // newest first
	counts     store.StoreCounts
	circuits   []store.Circuit // its own that are open
	notes      int             // that stand; at most 100 are counted
	dead       store.DeadCount // only the overview has counted it
	ownerGone  bool            // nobody administers its organization at Clerk any more
}

// why says in one sentence why a tenant is not in use as it should be, and what to
// do; nil where all is well.
func (x whole) why() *templates.Notice {
	t := x.tenant
	switch tenant.Status(t.Status) {
	case tenant.Pending:
		return &templates.Notice{Kind: templates.Wait, Text: pendingWords(t)}
	case tenant.Provisioning:
		return x.whyUnfinished()
	case tenant.Failed:
		return x.whyFailed()
	case tenant.Suspended:
		if text(t.SuspendedBy) == string(tenant.ByUninstall) {
			return &templates.Notice{Kind: templates.Off, Text: "Suspended: the merchant uninstalled the app. " +
				"Everything is kept. It goes on by itself when they install the app again."}
		}
		return &templates.Notice{Kind: templates.Off, Text: "Suspended by an operator: its database takes no logins, " +
			"its events are kept and wait. Resume lets it go on where it was."}
	case tenant.Deprovisioning:
		return &templates.Notice{Kind: templates.Wait, Text: "It is being removed."}
	case tenant.Deleted:
		return &templates.Notice{Kind: templates.Off, Text: "It was removed: only this record is left."}
	}
	return x.whyNotFresh()
}

func pendingWords(t store.Tenant) string {
	if t.Installed {
		return "Not ready: the app is installed, but Salla has not sent the store's grant yet. " +
			"It goes on by itself when that comes; if it does not come within minutes, ask the merchant to open the app once more."
	}
	return "Not ready: the store has not granted access. Ask the merchant to install the app; it goes on by itself then."
}

// whyUnfinished says how far setting up has come.
func (x whole) whyUnfinished() *templates.Notice {
	for _, s := range x.steps {
		if s.Over() {
			continue
		}
		switch said := text(s.Error); {
		case tenant.StepStatus(s.Status) == tenant.StepWaiting:
			return &templates.Notice{Kind: templates.Wait, Text: fmt.Sprintf("Not ready yet: the step %s %s.", s.Name, waitText(said))}
		case said != "" && s.Status != string(tenant.StepPending):
			what, todo := splitAdvice(said)
			return &templates.Notice{Kind: templates.Wait, Text: strings.TrimSpace(fmt.Sprintf(
				"Not ready yet: the step %s did not succeed at its attempt %d: %s %s", s.Name, s.Attempt, closed(what), todo))}
		case s.Status == string(tenant.StepRunning):
			return &templates.Notice{Kind: templates.Run, Text: fmt.Sprintf("Being set up: the step %s runs.", s.Name)}
		}
		if said := text(x.tenant.LastError); said != "" {
			return &templates.Notice{Kind: templates.Wait, Text: "Not ready yet: it " + waitText(said) + "."}
		}
		return &templates.Notice{Kind: templates.Run, Text: fmt.Sprintf("Being set up: the step %s is next. A worker takes it up within seconds.", s.Name)}
	}
	return &templates.Notice{Kind: templates.Run, Text: "Being set up: every step is done; it becomes ready in a moment."}
}

// whyFailed names the step that stopped setting up.
func (x whole) whyFailed() *templates.Notice {
	for _, s := range x.steps {
		if tenant.StepStatus(s.Status) != tenant.StepFailed {
			continue
		}
		said := text(s.Error)
		if said == "" {
			said = text(x.tenant.LastError)
		}
		what, todo := splitAdvice(said)
		if todo == "" {
			todo = "Mend the cause, then retry."
		}
		return &templates.Notice{Kind: templates.Broken, Text: fmt.Sprintf("Not ready: the step %s failed: %s %s", s.Name, closed(what), todo)}
	}
	what, todo := splitAdvice(text(x.tenant.LastError))
	if todo == "" {
		todo = "Retry goes on with the first step that is not done."
	}
	return &templates.Notice{Kind: templates.Broken, Text: strings.TrimSpace("Not ready: setting it up failed. " + closed(what) + " " + todo)}
}

// whyNotFresh says why a tenant that is ready does not hear of its store.
func (x whole) whyNotFresh() *templates.Notice {
	c := x.connection
	switch {
	case x.tenant.State == "failed":
		return &templates.Notice{Kind: templates.Broken, Text: "Its last act did not come to an end: " +
			closed(text(x.tenant.LastError)) + " Retry takes it up again."}
	case c == nil || c.Status == store.ConnectionRevoked:
		return &templates.Notice{Kind: templates.Wait, Text: "Ready, but no Salla store has granted it access: nothing is imported. " +
			"Ask the merchant to install the app; it goes on by itself then."}
	case c.Status == store.ConnectionParked:
		why := "Salla does not accept its grant any more"
		if said := text(c.ParkedReason); said != "" {
			why += ": " + said
		}
		return &templates.Notice{Kind: templates.Broken, Text: "Needs the merchant: " + closed(why) +
			" Ask them to reinstall the app; waiting work goes on by itself."}
	case c.RefreshUnknownAt != nil && c.Status == store.ConnectionRefreshing:
		return &templates.Notice{Kind: templates.Wait, Text: "Nobody knows whether Salla took its last refresh token, so it is not sent again. " +
			"Work goes on with the old access token until that ends; ask the merchant to reinstall the app before then."}
	}
	return nil
}

// more is what else is worth a look at a tenant.
func (x whole) more(path string) []templates.Notice {
	var list []templates.Notice
	if text(x.tenant.ClerkOwner) == "invited" && x.tenant.Status == string(tenant.Ready) {
		list = append(list, templates.Notice{Kind: templates.Wait, Text: "Its owner is invited and has not accepted yet: " +
			"until then nobody can sign in to it. Clerk has sent the invitation; ask the merchant to look for it."})
	}
	if x.ownerGone {
		list = append(list, templates.Notice{
			Kind: templates.Broken, Text: "Its owner, or its organization, is gone at Clerk: nobody can manage who signs in to it. " +
				"Make somebody the organization's org:admin at Clerk; if the organization itself was deleted, ask the merchant to install the app again: that makes a new one.",
			Href: path + "/database", Link: "see who was",
		})
	}
	if n := x.deadBeside(); n > 0 {
		count := templates.Plural(n, "piece of its work was", "pieces of its work were")
		if x.dead.AtLeast {
			count = "At least " + count
		}
		list = append(list, templates.Notice{
			Kind: templates.Broken, Text: count + " given up: the list says why. Mend the cause, then retry all that failed.",
			Href: listHref(failedPath, nil, "tenant", x.tenant.ID.String()), Link: "see why",
		})
	}
	if rejected := x.counts.Rejected; rejected > 0 {
		list = append(list, templates.Notice{
			Kind: templates.Wait, Text: templates.Plural(rejected, "record was", "records were") + " rejected by its newest import: kept whole, with the reason.",
			Href: path + "/rejects", Link: "see them",
		})
	}
	return list
}

// deadBeside is how much of a tenant's work was given up beside the tenant's own, which
// its head tells of.
func (x whole) deadBeside() int {
	n := x.dead.N
	if n > 0 && x.tenant.State == "failed" {
		n--
	}
	return n
}

// stepViews is the ladder of a tenant's steps.
func stepViews(steps []store.Step, now time.Time) []templates.StepView {
	list := make([]templates.StepView, len(steps))
	for i, s := range steps {
		list[i] = stepView(s, now)
	}
	return list
}

func stepView(s store.Step, now time.Time) templates.StepView {
	v := templates.StepView{Name: s.Name, Status: s.Status, Kind: templates.Off}
	if s.StartedAt != nil && s.FinishedAt != nil && s.Status == string(tenant.StepDone) {
		v.Took = templates.Duration(s.FinishedAt.Sub(*s.StartedAt))
	}
	if s.Attempt > 1 {
		v.Note = "attempt " + strconv.Itoa(s.Attempt)
	}
	said := text(s.Error)
	switch tenant.StepStatus(s.Status) {
	case tenant.StepDone:
		v.Kind = templates.Well
	case tenant.StepRunning:
		v.Kind = templates.Run
		if s.StartedAt != nil {
			v.Took = templates.Duration(now.Sub(*s.StartedAt).Truncate(time.Second))
		}
		if said != "" {
			v.Kind = templates.Wait
			v.Error, v.Todo = splitAdvice(said)
		}
	case tenant.StepWaiting:
		v.Kind = templates.Wait
		v.Error, v.Todo = sentence(waitText(said)), waitTodo(said, now)
		if s.StartedAt != nil {
			begun := now.Sub(*s.StartedAt).Truncate(time.Second)
			v.Took, v.Note = templates.Duration(begun), joined(v.Note, "waits")
			v.Error = closed(v.Error) + " The step began " + templates.Duration(begun) + " ago."
		}
	case tenant.StepFailed:
		v.Kind = templates.Broken
		v.Error, v.Todo = splitAdvice(said)
		if v.Todo == "" {
			v.Todo = "Mend the cause, then retry."
		}
	case tenant.StepSkipped:
		v.Note = said
	case tenant.StepPending:
		v.Status = "not yet"
	}
	return v
}

// splitAdvice parts what went wrong from what to do about it: the last sentence,
// where there are two.
func splitAdvice(said string) (what, todo string) {
	i := strings.LastIndex(said, ". ")
	if i < 0 {
		return said, ""
	}
	if r, _ := utf8.DecodeRuneInString(said[i+2:]); !unicode.IsUpper(r) {
		return said, ""
	}
	return said[:i], closed(said[i+2:])
}

// closed ends a sentence.
func closed(said string) string {
	said = strings.TrimSpace(said)
	if said == "" || strings.ContainsRune(".!?…", []rune(said)[utf8.RuneCountInString(said)-1]) {
		return said
	}
	return said + "."
}

// waitTodo says who ends a wait, and when.
func waitTodo(said string, now time.Time) string {
	if found := untilTime.FindString(said); found != "" {
		if until, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(found, " until ")); err == nil {
			return "Nothing is to be done: it goes on by itself " + spokenDelay(until, now) + "."
		}
	}
	if strings.Contains(said, "grant") || strings.Contains(said, "installed in the store") {
		return "The merchant ends this wait: ask them to install the app, or to open it once more; it goes on by itself then."
	}
	return "Nothing is to be done: it goes on by itself."
}

var untilTime = regexp.MustCompile(` until \d{4}-\d\d-\d\dT[\d:.]+Z`)

// waitText says what is waited for, without the moment: the page shows that as a time.
func waitText(said string) string {
	said = untilTime.ReplaceAllString(strings.TrimSpace(said), "")
	said = strings.TrimPrefix(said, "waits for ")
	if why, ok := strings.CutPrefix(said, "grant: "); ok {
		said = "the merchant: " + why
	}
	if said == "" {
		return "waits"
	}
	return "waits for " + said
}

// leftWords is how long work will still take.
func leftWords(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "seconds left"
	case d < 90*time.Second:
		return "about a minute left"
	case d < 90*time.Minute:
		return fmt.Sprintf("about %d minutes left", int(d.Round(time.Minute)/time.Minute))
	case d < 36*time.Hour:
		return fmt.Sprintf("about %d hours left", int(d.Round(time.Hour)/time.Hour))
	}
	return fmt.Sprintf("about %d days left", int(d.Round(24*time.Hour)/(24*time.Hour)))
}

// text is what a pointer points to, "" where it is nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// many prints a count that is not counted beyond most: 10,000+.
func many(n, most int) string {
	if n >= most {
		return templates.Count(most) + "+"
	}
	return templates.Count(n)
}
