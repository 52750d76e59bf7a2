-- +goose Up

-- Authorization-code flows that are under way or ended a short while ago. Neither
-- the state nor what the browser's cookie holds is here, only their SHA-256.
CREATE TABLE installs (
    state_hash   bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz -- a state is good for one answer of Salla
);
CREATE INDEX installs_expires_at_idx ON installs (expires_at);
