package tenantdb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// Seed is what a new CRM starts with. Empty settings get the defaults of a
// store in Saudi Arabia.
type Seed struct {
	Company Company
	Owner   Owner
	// Locale as ar-SA, Currency as SAR, Timezone as Asia/Riyadh, DateFormat as
	// dd/MM/yyyy, WeekStart as sunday.
	Locale, Currency, Timezone, DateFormat, WeekStart string
}

// Company is the store.
type Company struct{ SourceID, Name, Email, Domain, AvatarURL string }

// Owner is the store's owner. UserID is empty while they are only invited.
type Owner struct{ UserID, Name, Email string }

func (s Seed) settings() map[string]any {
	or := func(v, otherwise string) string {
		if v == "" {
			return otherwise
		}
		return v
	}
	return map[string]any{
		"locale":      or(s.Locale, "ar-SA"),
		"currency":    or(s.Currency, "SAR"),
		"timezone":    or(s.Timezone, "Asia/Riyadh"),
		"date_format": or(s.DateFormat, "dd/MM/yyyy"),
		"week_start":  or(s.WeekStart, "sunday"),
		"onboarding":  map[string]any{"complete": true},
	}
}

// Seed fills a new CRM: company, owner, roles, pipelines, settings, agent
// settings and default workflows. Called again it adds what is missing, brings
// company and owner up to date and leaves alone what people have changed.
func (d *DB) Seed(ctx context.Context, s Seed) error {
	if s.Company.Name == "" {
		return fault.New(fault.Invalid, "a company has a name")
	}
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		for _, step := range []func(context.Context, pgx.Tx) error{
			s.company, seedRoles, s.owner, seedPipelines, s.keepSettings, s.agent, seedWorkflows,
		} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "seed the CRM")
}

func (s Seed) company(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO company (source_id, name, email, domain, avatar_url)
		VALUES (nullif($1, ''), $2, nullif($3, ''), nullif($4, ''), nullif($5, ''))
		ON CONFLICT (only_one) DO UPDATE
		SET source_id = excluded.source_id, name = excluded.name, email = excluded.email,
			domain = excluded.domain, avatar_url = excluded.avatar_url, updated_at = now()`,
		s.Company.SourceID, s.Company.Name, s.Company.Email, s.Company.Domain, s.Company.AvatarURL)
	return wrap(err, "seed the company")
}

func seedRoles(ctx context.Context, tx pgx.Tx) error {
	for _, r := range roles() {
		_, err := tx.Exec(ctx, `
			INSERT INTO roles (key, name_ar, name_en)
			VALUES ($1, $2, $3)
			ON CONFLICT (key) DO NOTHING`, r.key, r.ar, r.en)
		if err != nil {
			return fmt.Errorf("seed roles: %w", err)
		}
		edits, deletes := permissions(r)
		_, err = tx.Exec(ctx, `
			INSERT INTO role_permissions (role_id, object, can_read, can_create, can_update, can_delete)
			SELECT roles.id, o.object, true, o.edits, o.edits, o.deletes
			FROM roles, unnest($2::text[], $3::boolean[], $4::boolean[]) AS o (object, edits, deletes)
			WHERE roles.key = $1
			ON CONFLICT (role_id, object) DO NOTHING`, r.key, objects(), edits, deletes)
		if err != nil {
			return fmt.Errorf("seed permissions: %w", err)
		}
	}
	return nil
}

func (s Seed) owner(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO members (role_id, user_id, name, email, is_owner)
		SELECT id, nullif($1, ''), nullif($2, ''), nullif($3, ''), true
		FROM roles
		WHERE key = 'ADMIN'
		ON CONFLICT (is_owner) WHERE is_owner DO UPDATE
		SET user_id = excluded.user_id, name = excluded.name, email = excluded.email, updated_at = now()`,
		s.Owner.UserID, s.Owner.Name, s.Owner.Email)
	return wrap(err, "seed the owner")
}

// SetOwner records who the owner is, once they have accepted. fault.NotFound
// before Seed.
func (d *DB) SetOwner(ctx context.Context, o Owner) error {
	err := d.with(ctx, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, `
			UPDATE members
			SET user_id = nullif($1, ''), name = nullif($2, ''), email = nullif($3, ''), updated_at = now()
			WHERE is_owner`, o.UserID, o.Name, o.Email)
		if err == nil && tag.RowsAffected() == 0 {
			return fault.New(fault.NotFound, "the CRM has no owner yet")
		}
		return err
	})
	return wrap(err, "set the owner")
}

func seedPipelines(ctx context.Context, tx pgx.Tx) error {
	for i, p := range pipelines() {
		_, err := tx.Exec(ctx, `
			INSERT INTO pipelines (key, name_ar, name_en, position)
			VALUES ($1, $2, $3, $4)
			ON CONFLICT (key) DO NOTHING`, p.key, p.ar, p.en, i+1)
		if err != nil {
			return fmt.Errorf("seed pipelines: %w", err)
		}
		for j, stage := range p.stages {
			_, err := tx.Exec(ctx, `
				INSERT INTO pipeline_stages (pipeline_id, key, name_ar, name_en, position)
				SELECT id, $2, $3, $4, $5
				FROM pipelines
				WHERE key = $1
				ON CONFLICT (pipeline_id, key) DO NOTHING`, p.key, stage.key, stage.ar, stage.en, j+1)
			if err != nil {
				return fmt.Errorf("seed stages: %w", err)
			}
		}
	}
	return nil
}

func (s Seed) keepSettings(ctx context.Context, tx pgx.Tx) error {
	values, err := json.Marshal(s.settings())
	if err != nil {
		return fmt.Errorf("seed settings: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO settings (key, value)
		SELECT key, value
		FROM jsonb_each($1)
		ON CONFLICT (key) DO NOTHING`, values)
	return wrap(err, "seed settings")
}

func (s Seed) agent(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO agent_settings (store_name)
		SELECT $1
		WHERE NOT EXISTS (SELECT FROM agent_settings)`, s.Company.Name)
	return wrap(err, "seed agent settings")
}

func seedWorkflows(ctx context.Context, tx pgx.Tx) error {
	for _, w := range workflows() {
		_, err := tx.Exec(ctx, `
			INSERT INTO workflows (name, trigger, status, is_active_workflow)
			SELECT $1, $2, $3, $3 = 'ACTIVE'
			WHERE NOT EXISTS (SELECT FROM workflows WHERE name = $1)`, w.name, w.trigger, w.status)
		if err != nil {
			return fmt.Errorf("seed workflows: %w", err)
		}
	}
	return nil
}

// VerifySeed reads back what Seed has filled and names what is missing.
func (d *DB) VerifySeed(ctx context.Context, s Seed) ([]string, error) {
	var want []string
	for _, r := range roles() {
		for _, o := range objects() {
			want = append(want, "permission "+r.key+" "+o)
		}
	}
	for _, p := range pipelines() {
		for _, stage := range p.stages {
			want = append(want, "stage "+p.key+" "+stage.key)
		}
	}
	for key := range s.settings() {
		want = append(want, "setting "+key)
	}
	for _, w := range workflows() {
		want = append(want, "workflow "+w.name)
	}
	want = append(want, "company "+s.Company.Name, "owner", "agent settings")
	var have []string
	err := d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, `
			SELECT 'permission ' || r.key || ' ' || p.object FROM role_permissions p JOIN roles r ON r.id = p.role_id
			UNION ALL
			SELECT 'stage ' || p.key || ' ' || s.key FROM pipeline_stages s JOIN pipelines p ON p.id = s.pipeline_id
			UNION ALL
			SELECT 'setting ' || key FROM settings
			UNION ALL
			SELECT 'workflow ' || name FROM workflows
			UNION ALL
			SELECT 'company ' || name FROM company
			UNION ALL
			SELECT 'owner' FROM members WHERE is_owner AND user_id IS NOT DISTINCT FROM nullif($1, '')
			UNION ALL
			SELECT 'agent settings' FROM agent_settings`, s.Owner.UserID)
		var err error
		have, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the seed back: %w", err)
	}
	missing := slices.DeleteFunc(want, func(w string) bool { return slices.Contains(have, w) })
	slices.SortFunc(missing, strings.Compare)
	return missing, nil
}
