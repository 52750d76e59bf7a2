package store

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Only what is certainly the server's is an outage: work that fails by itself is
// given up.
func TestOutageIsTheServers(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08000": true, "08006": true, "40001": true, "40P01": true, "53100": true, "53200": true, "53300": true,
		"55P03": true, "57P01": true, "57P02": true, "57P03": true, "58030": true, "25006": true,
		"40002": false, "53400": false, "55000": false, "55006": false, "57014": false, "57P04": false, "58P01": false, "42601": false,
	} {
		if got := IsOutage(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("%s is an outage: %v, want %v", code, got, want)
		}
	}
}
