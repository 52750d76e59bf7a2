package tenant

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/fault"
)

func TestCanMove(t *testing.T) {
	t.Parallel()
	legal := map[Status][]Status{
		Pending:        {Provisioning, Suspended, Deprovisioning},
		Provisioning:   {Ready, Failed, Suspended, Deprovisioning},
		Ready:          {Suspended, Deprovisioning},
		Failed:         {Provisioning, Suspended, Deprovisioning},
		Suspended:      {Pending, Provisioning, Ready, Failed, Deprovisioning},
		Deprovisioning: {Deleted},
		Deleted:        nil,
	}
	for _, from := range Statuses() {
		for _, to := range Statuses() {
			if got, want := CanMove(from, to), slices.Contains(legal[from], to); got != want {
				t.Errorf("CanMove(%s, %s) = %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	err := Refuse(Ready, "resumed")
	if !errors.Is(err, fault.Conflict) || err.Error() != "a ready tenant cannot be resumed" {
		t.Errorf("error = %v", err)
	}
}

func TestGiven(t *testing.T) {
	t.Parallel()
	merchant, none := int64(1), int64(0)
	good := Given{Name: "متجر", Slug: "shop-1", OwnerEmail: "a@b.co", Merchant: &merchant}
	for _, tt := range []struct {
		name  string
		edit  func(*Given)
		wrong string // the field that is named; "" where nothing is wrong
	}{
		{"whole", func(*Given) {}, ""},
		{"no merchant", func(g *Given) { g.Merchant = nil }, ""},
		{"a name of 256 letters", func(g *Given) { g.Name = strings.Repeat("م", 256) }, ""},
		{"a name of 257", func(g *Given) { g.Name = strings.Repeat("م", 257) }, "name"},
		{"a blank name", func(g *Given) { g.Name = " \t" }, "name"},
		{"a name of two lines", func(g *Given) { g.Name = "a\nb" }, "name"},
		{"a short slug", func(g *Given) { g.Slug = "ab" }, "slug"},
		{"a long slug", func(g *Given) { g.Slug = strings.Repeat("a", 41) }, "slug"},
		{"an upper-case slug", func(g *Given) { g.Slug = "Shop" }, "slug"},
		{"a slug with a line break", func(g *Given) { g.Slug = "shop\n" }, "slug"},
		{"no address", func(g *Given) { g.OwnerEmail = "" }, "owner_email"},
		{"an address with a name", func(g *Given) { g.OwnerEmail = "A <a@b.co>" }, "owner_email"},
		{"merchant 0", func(g *Given) { g.Merchant = &none }, "merchant"},
	} {
		g := good
		tt.edit(&g)
		err := g.Check()
		if tt.wrong == "" && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.wrong != "" && (!errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), tt.wrong+" ")) {
			t.Errorf("%s: error = %v, want one about %s", tt.name, err, tt.wrong)
		}
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		" owner@example.com ": "owner@example.com",
		"غير متوفر":           "",
		"a@b.co, c@d.co":      "",
		"Shop <a@b.co>":       "",
		"":                    "",
	} {
		if got := Email(typed); got != want {
			t.Errorf("Email(%q) = %q, want %q", typed, got, want)
		}
	}
}
