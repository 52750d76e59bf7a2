package tenantdb_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	seed := tenantdb.Seed{
		Company:  tenantdb.Company{SourceID: "1234", Name: "متجر التجربة", Email: "store@example.com"},
		Owner:    tenantdb.Owner{Email: "owner@example.com"},
		Timezone: "Asia/Dubai",
	}
	if err := db.SetOwner(t.Context(), tenantdb.Owner{UserID: "user_1"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("owner of an empty CRM: got %v, want not found", err)
	}
	missing, err := db.VerifySeed(t.Context(), seed)
	if err != nil || len(missing) != 3*15+11+6+2+3 {
		t.Errorf("an empty CRM misses %d things, %v", len(missing), err)
	}
	for range 2 {
		if err := db.Seed(t.Context(), seed); err != nil {
			t.Fatal(err)
		}
		missing, err := db.VerifySeed(t.Context(), seed)
		if err != nil || len(missing) > 0 {
			t.Errorf("still missing: %v, %v", missing, err)
		}
	}
	got := value(t, c, `SELECT concat_ws(' ', (SELECT count(*) FROM company), (SELECT count(*) FROM members),
		(SELECT count(*) FROM roles), (SELECT count(*) FROM role_permissions), (SELECT count(*) FROM pipelines),
		(SELECT count(*) FROM pipeline_stages), (SELECT count(*) FROM settings), (SELECT count(*) FROM workflows),
		(SELECT count(*) FROM agent_settings))`)
	if want := "1 1 3 45 2 11 6 2 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = value(t, c, `SELECT string_agg(concat_ws('', r.key, ' ', p.object, ' ', p.can_read, p.can_update, p.can_delete), E'\n'
		ORDER BY r.key, p.object) FROM role_permissions p JOIN roles r ON r.id = p.role_id WHERE p.object IN ('people', 'members')`)
	want := `ADMIN members ttt
ADMIN people ttt
EDITOR members tff
EDITOR people ttf
VIEWER members tff
VIEWER people tff`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	got = value(t, c, `SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM settings`)
	want = `currency="SAR" date_format="dd/MM/yyyy" locale="ar-SA" onboarding={"complete": true} timezone="Asia/Dubai" week_start="sunday"`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	got = value(t, c, `SELECT concat_ws(' ', store_name, widget_primary_color, call_triggers) FROM agent_settings`)
	if want := `متجر التجربة #2563eb ["abandoned_cart", "high_value_lead"]`; got != want {
		t.Errorf("agent settings: got %s, want %s", got, want)
	}

	// The owner accepts; what people changed stays.
	exec(t, c, `UPDATE settings SET value = '"en-US"' WHERE key = 'locale'`)
	exec(t, c, `UPDATE role_permissions SET can_delete = true WHERE object = 'people'`)
	if err := db.SetOwner(t.Context(), tenantdb.Owner{UserID: "user_1", Email: "owner@example.com"}); err != nil {
		t.Fatal(err)
	}
	if missing, err := db.VerifySeed(t.Context(), seed); err != nil || cmp.Diff([]string{"owner"}, missing) != "" {
		t.Errorf("got %v, %v, want another owner noticed", missing, err)
	}
	seed.Owner.UserID = "user_1"
	if err := db.Seed(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	got = value(t, c, `SELECT concat_ws(' ', (SELECT value FROM settings WHERE key = 'locale'), (SELECT user_id FROM members),
		(SELECT count(*) FROM role_permissions WHERE object = 'people' AND can_delete))`)
	if want := `"en-US" user_1 3`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := db.Seed(t.Context(), tenantdb.Seed{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a company without a name: got %v, want invalid", err)
	}
}
