-- +goose NO TRANSACTION
-- +goose Up
-- What analysts keep: a segment is a list's filter with a name; an annotation is a moment worth a line on charts. The
-- latest word on an id stands.
CREATE TABLE IF NOT EXISTS segments
(
    project    LowCardinality(String),
    id         String,
    name       String,
    -- The query string of the sessions list, as the UI and the API have it.
    filter     String,
    changed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
ENGINE = ReplacingMergeTree(changed_at, is_deleted)
ORDER BY (project, id);

CREATE TABLE IF NOT EXISTS annotations
(
    project    LowCardinality(String),
    id         String,
    at         DateTime64(3, 'UTC'),
    title      String,
    text       String,
    changed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
ENGINE = ReplacingMergeTree(changed_at, is_deleted)
ORDER BY (project, id);

-- +goose Down
DROP TABLE IF EXISTS annotations;
DROP TABLE IF EXISTS segments;
