package store

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsOutage tells whether err is about a PostgreSQL server, whichever it is, and not
// about what was asked of it: it does not answer, has no room or is being stopped,
// the connection broke, or somebody else was in the way. A statement that was
// cancelled (57014) may be too slow by itself: it is none.
func IsOutage(err error) bool {
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "40001", "40P01", // serialization, deadlock
			"53100", "53200", "53300", // disk, memory, connections
			"55P03",                   // a lock that was not to be had
			"57P01", "57P02", "57P03", // stopped, crashed, not started yet
			"58030", // input and output
			"25006": // a standby that has not taken over yet
			return true
		case "55000": // a database that lets nobody in now
			return connect
		}
		return strings.HasPrefix(pg.Code, "08") // connection
	}
	// A deadline of the caller's own is none of this.
	_, network := errors.AsType[*net.OpError](err)
	return connect || network || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
