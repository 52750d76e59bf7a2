package tenantdb

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// State is how a tenant's database stands at its server.
type State struct {
	Version     string // of PostgreSQL
	Connections int    // open to the database now, this one among them
	Most        int    // that the server allows to it; 0: it sets no limit of its own
}

// State asks the server how the database stands.
func (d *DB) State(ctx context.Context) (State, error) {
	var st State
	err := d.looking(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT current_setting('server_version'),
			       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
			       greatest(datconnlimit, 0)
			FROM pg_database
			WHERE datname = current_database()`).Scan(&st.Version, &st.Connections, &st.Most)
	})
	return st, wrap(err, "ask how the database stands")
}
