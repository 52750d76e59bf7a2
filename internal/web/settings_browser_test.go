package web

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
)

// The settings in a real browser, by hand: somebody is added, made more, removed, and
// who does it changes their own password; nothing is wider than the window, in both
// themes.
func TestSettingsInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.Passwords = light()
	d.h = d.s.Handler()
	badr := d.colleague("badr@wosool.example", store.RoleOperator)
	d.colleague("layla.alotaibi.of.a.long.name@wosool.example", store.RoleAdmin)
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)
	for theme, width := range map[string]int64{"light": 1440, "dark": 420} {
		tab.Look(theme, width)
		for name, page := range map[string]struct{ path, shows string }{
			"operators": {settingsPath, "badr@wosool.example"},
			"sessions":  {allSessionsPath, "this one"},
			"remove":    {operatorPath(badr, "remove"), "Type"},
		} {
			tab.Go(server.URL+page.path, page.shows)
			tab.Shoot(fmt.Sprintf("settings-%s-%s-%d", name, theme, width))
		}
	}

	tab.Look("light", 1440)
	tab.Go(server.URL+settingsPath, "Add an operator")
	tab.Fill("email", "dana@wosool.example")
	tab.Press("Add")
	tab.Shows("The operator is added")
	tab.Shoot("settings-password")
	if got := tab.Text(`document.querySelector("#password .mono").textContent`); len(got) < 20 {
		t.Errorf("the password is %q", got)
	}
	dana := one[uuid.UUID](d.site, `SELECT id FROM operators WHERE email = 'dana@wosool.example'`)
	tab.Go(server.URL+operatorPath(dana, "remove"), "Type")
	tab.Fill("confirm", "dana@wosool.example")
	tab.Press("Remove")
	tab.Shows("is removed and signed out everywhere")
	dbtest.Eventually(t, 10*time.Second, "she is gone", func() bool {
		return one[int](d.site, `SELECT count(*) FROM operators WHERE id = $1`, dana) == 0
	})

	d.knows(secret)
	tab.Go(server.URL+accountPath, "Second factor")
	tab.Press("Change it…")
	tab.Shows("Everywhere else you are signed out")
	tab.Shoot("account-password")
	tab.Fill("password", secret)
	tab.Fill("new", "another long password")
	tab.Fill("again", "another long password")
	tab.Press("Change it")
	tab.Shows("The password is changed")
	tab.Clean(server.URL)
}
