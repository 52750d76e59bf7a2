-- +goose Up

-- Windows of dates in which a long list of orders is read. Columns with constant
-- defaults are there at once, however large the tables are.
-- +goose StatementBegin
DO $$
BEGIN
    SET LOCAL lock_timeout = '5s';
    ALTER TABLE streams
        ADD COLUMN IF NOT EXISTS window_aim integer NOT NULL DEFAULT 0, -- records that a window aims at; 0: not read in windows
        ADD COLUMN IF NOT EXISTS again boolean NOT NULL DEFAULT false,  -- only windows that an earlier pass could not prove
        ADD COLUMN IF NOT EXISTS to_inclusive boolean NOT NULL DEFAULT false, -- the source has shown records of a window's last day
        ADD COLUMN IF NOT EXISTS asked_at timestamptz,                  -- when its first page was asked for
        ADD COLUMN IF NOT EXISTS total_low bigint,                      -- the least and the most that pages announced
        ADD COLUMN IF NOT EXISTS total_high bigint;
    ALTER TABLE pages
        ADD COLUMN IF NOT EXISTS date_range text NOT NULL DEFAULT '';   -- FROM..TO: page_or_cursor is a page of that window
END
$$;
-- +goose StatementEnd

CREATE TABLE stream_windows (
    stream_id  uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    seq        integer NOT NULL,
    from_date  text NOT NULL,
    to_date    text NOT NULL DEFAULT '',    -- '': without an end
    total      bigint,                      -- as its first page announced it; NULL: not yet
    total_low  bigint,                      -- the least and the most that its pages announced
    total_high bigint,
    last_page  integer NOT NULL DEFAULT 0,  -- as last announced; 0: unknown
    next_page  integer NOT NULL DEFAULT 1,
    pages      integer NOT NULL DEFAULT 0,  -- that are done
    records    bigint NOT NULL DEFAULT 0,
    asked_at   timestamptz,                 -- when its first page was asked for
    CONSTRAINT stream_windows_pkey PRIMARY KEY (stream_id, seq),
    CONSTRAINT stream_windows_range_key UNIQUE (stream_id, from_date, to_date)
);
