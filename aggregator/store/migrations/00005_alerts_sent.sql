-- +goose NO TRANSACTION
-- +goose Up
-- Which alerts were posted: one row for a rule and its window. Whoever evaluates the rules next, after a restart too,
-- keeps quiet until the rule's cooldown is over.
CREATE TABLE IF NOT EXISTS alerts_sent
(
    project      LowCardinality(String),
    rule         String CODEC(ZSTD(1)),
    -- Where the cooldown began: its length's multiple, so that two who post at once write one row.
    window_start DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    sent_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    signals      UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(sent_at)
ORDER BY (project, rule, window_start)
-- Longer than any cooldown that a rule may have.
TTL toDateTime(sent_at) + INTERVAL 60 DAY;

-- +goose Down
DROP TABLE IF EXISTS alerts_sent;
