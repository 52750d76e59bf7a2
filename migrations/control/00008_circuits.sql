-- +goose Up

-- A circuit stands between our work and one thing outside that answers or does not:
-- a provider, one store at Salla, one server of tenant databases. It is known to the
-- whole fleet. A row stays when its circuit closes; one that never failed has none.
CREATE TABLE circuits (
    name          text PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('provider', 'store', 'database')),
    merchant      bigint,                               -- whose store it is
    failures      integer NOT NULL DEFAULT 0,           -- in a row, without a success between
    origins       bigint[] NOT NULL DEFAULT '{}',       -- the stores that these failures came from, a few of them
    failing_since timestamptz,                          -- the first of them
    failed_at     timestamptz,                          -- the last of them
    reason        text NOT NULL DEFAULT '',             -- of the last of them, in a few words
    opened_at     timestamptz,                          -- null: it is closed
    retry_at      timestamptz,                          -- while it is open: when one call may try again
    probes        integer NOT NULL DEFAULT 0,           -- that failed since it opened
    probe_holder  uuid,                                 -- the one call that is let through, and until when
    probe_until   timestamptz,                          -- nobody else is
    closed_at     timestamptz,
    CHECK ((opened_at IS NULL) = (retry_at IS NULL))
);

-- What every process asks for again and again: the few that are not in order.
CREATE INDEX circuits_failing_idx ON circuits (name) WHERE failures > 0;
