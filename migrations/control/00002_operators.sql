-- +goose Up

-- The people who may sign in to the console.
CREATE TABLE operators (
    id           uuid PRIMARY KEY,
    email        text NOT NULL, -- in lower case: an address is one operator's, however it is written
    password     text NOT NULL, -- argon2id with its cost, in PHC form
    created_at   timestamptz NOT NULL DEFAULT now(),
    password_at  timestamptz NOT NULL DEFAULT now(),
    signed_in_at timestamptz,
    CONSTRAINT operators_email_key UNIQUE (email)
);

-- Where operators are signed in. How long a session lasts is internal/store/sessions.go's.
CREATE TABLE sessions (
    id          uuid PRIMARY KEY,
    token_hash  bytea NOT NULL, -- SHA-256: the token itself is in the browser's cookie only
    operator_id uuid NOT NULL REFERENCES operators ON DELETE CASCADE,
    address     text NOT NULL,
    agent       text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(), -- to a minute
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash)
);
CREATE INDEX sessions_operator_id_idx ON sessions (operator_id, created_at DESC);

-- Attempts to sign in that did not succeed, by what they had in common. A key is
-- the hash of an address or of an e-mail as it was typed, which may be anything.
CREATE TABLE sign_in_attempts (
    key     bytea PRIMARY KEY,
    failed  integer NOT NULL,
    last_at timestamptz NOT NULL,
    until   timestamptz NOT NULL -- nothing with this key is tried before
);
CREATE INDEX sign_in_attempts_last_at_idx ON sign_in_attempts (last_at);

-- The networks from which operators have signed in: guessing from elsewhere does
-- not shut them out there.
CREATE TABLE operator_networks (
    operator_id  uuid NOT NULL REFERENCES operators ON DELETE CASCADE,
    network      text NOT NULL,
    signed_in_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (operator_id, network)
);

-- Worker processes, by what they last said of themselves.
CREATE TABLE workers (
    id           uuid PRIMARY KEY,
    host         text NOT NULL,
    pid          integer NOT NULL,
    version      text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    stopping_at  timestamptz, -- asked to stop: it finishes what it has in hand
    stopped_at   timestamptz,
    concurrency  integer NOT NULL,
    lanes        text[] NOT NULL,
    memory_bytes bigint NOT NULL,
    busy         jsonb NOT NULL DEFAULT '[]' -- [{task, row, tenant, since}]
);
CREATE INDEX workers_seen_at_idx ON workers (seen_at);
