-- +goose NO TRANSACTION
-- +goose Up
-- Projects, keys, tokens, agents and erasures: one JSON document each (internal/registry). The whole is read at
-- once and is small, so nothing of it needs a column.
CREATE TABLE IF NOT EXISTS registry
(
    kind     LowCardinality(String),
    id       String,
    -- When it was written, Unix microseconds: the latest stands.
    version  UInt64,
    document String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kind, id);

-- Who did what that others may ask about later: reads of replays, exports, erasures, changes of the registry.
CREATE TABLE IF NOT EXISTS audit
(
    at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- Whose data; * for the whole installation.
    project LowCardinality(String),
    actor   String CODEC(ZSTD(1)),
    action  LowCardinality(String),
    -- A session's or key's id; of a person that was erased only the tombstone.
    subject String CODEC(ZSTD(1)),
    detail  String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (project, at)
TTL toDateTime(at) + INTERVAL 400 DAY;

-- +goose Down
DROP TABLE IF EXISTS audit;
DROP TABLE IF EXISTS registry;
