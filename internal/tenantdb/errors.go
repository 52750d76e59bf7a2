package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/fault"
)

// SQLSTATE codes that this package acts on.
const (
	codeTooManyConnections = "53300"
	codeObjectInUse        = "55006"
	codeDuplicateDatabase  = "42P04"
	codeDuplicateObject    = "42710"
	codeUnknownDatabase    = "3D000"
	codeNotNull            = "23502"
	codeUnique             = "23505"
	codeCheck              = "23514"
	codeDeadlock           = "40P01"
)

// sqlError shows of a PostgreSQL error only what cannot quote a record's values.
type sqlError struct {
	err   *pgconn.PgError
	cause error // err, and that it came at the sign-in if it did
}

func (e *sqlError) Error() string {
	where := strings.Trim(e.err.TableName+"."+e.err.ColumnName, ".")
	if e.err.ConstraintName != "" {
		where = e.err.ConstraintName
	}
	text := "postgres: SQLSTATE " + e.err.Code
	if c := class(e.err); c != "22" && c != "23" {
		text = "postgres: " + e.err.Message + " (SQLSTATE " + e.err.Code + ")"
	}
	if where != "" {
		text += " at " + where
	}
	return text
}

func (e *sqlError) Unwrap() error { return e.cause }

// Outage tells whether the server has failed, for all whose databases it has, and
// why in a few words. What one database or one role is refused is none.
func (e *sqlError) Outage() (why string, after time.Duration, failed bool) {
	switch code := e.err.Code; {
	case code == "57P01", code == "57P02":
		return "it is being stopped", 0, true
	case code == "57P03":
		return "it is starting or stopping", 0, true
	case code == codeTooManyConnections && !ownLimit(e.err):
		return "no connection is free", 0, true
	case class(e.err) == "08":
		return "connection broken", 0, true
	}
	return "", 0, false
}

// ownLimit tells of too many connections whether they are those of one database or
// role, by the place in PostgreSQL that says so: its words are in any language.
func ownLimit(err *pgconn.PgError) bool {
	return err.Routine == "CheckMyDatabase" || err.Routine == "InitializeSessionUserId" ||
		strings.Contains(err.Message, "for database") || strings.Contains(err.Message, "for role")
}

// signIn is translate for what a sign-in answers. A server that says nothing until
// the connection's own time is over is Unavailable; where it is the caller's time
// that is over nothing is known.
func signIn(ctx context.Context, err error) error {
	var pg *pgconn.PgError
	if _, connect := errors.AsType[*pgconn.ConnectError](err); connect && ctx.Err() == nil && !errors.As(err, &pg) {
		return fmt.Errorf("%w: %w", fault.Unavailable, err)
	}
	return translate(err)
}

// translate gives err a kind where it has one: NotFound, Forbidden (the server
// refuses the login or the act), Unavailable (worth another try).
func translate(err error) error {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var kind *fault.Error
	switch {
	case err == nil, errors.As(err, &kind), errors.Is(err, fault.ErrLost),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: %w", fault.NotFound, err)
	case errors.As(err, &pg):
		shown := &sqlError{err: pg, cause: pg}
		if errors.As(err, &connect) {
			shown.cause = connect
		}
		switch {
		case pg.Code == codeUnknownDatabase:
			return fmt.Errorf("%w: %w", fault.NotFound, shown)
		case pg.Code == "28000", pg.Code == "28P01", pg.Code == "42501":
			return fmt.Errorf("%w: %w", fault.Forbidden, shown)
		case slices.Contains([]string{"08", "40", "53", "55", "57"}, class(pg)):
			return fmt.Errorf("%w: %w", fault.Unavailable, shown)
		}
		return shown
	case errors.As(err, &connect), pgconn.SafeToRetry(err), pgconn.Timeout(err):
		return fmt.Errorf("%w: %w", fault.Unavailable, err)
	}
	return err
}

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return slices.Contains(codes, pg.Code)
}

// class is the first part of an SQLSTATE code.
func class(err *pgconn.PgError) string { return err.Code[:min(2, len(err.Code))] }

// isBadValue tells whether err is about the record's own values, so that the
// record and not the act has failed.
func isBadValue(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return errors.Is(err, errNotJSON)
	}
	return class(pg) == "22" || class(pg) == "54" || pg.Code == codeNotNull || pg.Code == codeCheck
}
