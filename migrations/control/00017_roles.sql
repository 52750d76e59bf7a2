-- +goose Up

-- What an operator may do: a viewer looks, an operator acts on stores and work, an
-- admin also says who may do what. Whoever was there before could do everything.
ALTER TABLE operators
    ADD COLUMN IF NOT EXISTS role text NOT NULL DEFAULT 'admin'
        CONSTRAINT operators_role_check CHECK (role IN ('viewer', 'operator', 'admin'));
