-- +goose NO TRANSACTION
-- +goose Up

-- Every page that ends asks for its stream's others. They are built while pages
-- come in; one whose building was cut off is dropped and begun again.

-- Which of a stream's pages are not done: few, however long the stream.
DROP INDEX CONCURRENTLY IF EXISTS pages_stream_open_idx;
CREATE INDEX CONCURRENTLY pages_stream_open_idx ON pages (stream_id) WHERE state <> 'done';

-- Whether a list that only names its next page has given the same records before.
DROP INDEX CONCURRENTLY IF EXISTS pages_digest_idx;
CREATE INDEX CONCURRENTLY pages_digest_idx ON pages (stream_id, digest) WHERE digest IS NOT NULL;
