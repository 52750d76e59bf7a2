package store

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsOutage tells whether err is about a PostgreSQL server, whichever it is, and not
// about what was asked of it: it does not answer, has no room or is being stopped,
// the connection broke, or somebody else was in the way for too long.
func IsOutage(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code[:min(2, len(pg.Code))] {
		case "08", // connection
			"40", // serialization, deadlock
			"53", // no resources: connections, disk, memory
			"55", // locks
			"57", // shut down, cancelled, not started yet
			"58": // the server's own system
			return true
		}
		return pg.Code == "25006" // a standby that has not taken over yet
	}
	// A deadline of the caller's own is none of this.
	_, network := errors.AsType[*net.OpError](err)
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	return connect || network || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
