-- +goose NO TRANSACTION
-- +goose Up
-- What the detectors found. Both passes write under one signal_id; the centre's word stands over the edge's, and
-- within a pass the later revision over the earlier: that is `version`. A retracted signal vanishes under FINAL.
CREATE TABLE IF NOT EXISTS signals
(
    project        LowCardinality(String),
    session_id     String CODEC(ZSTD(1)),
    signal_id      String CODEC(ZSTD(1)),
    user_id        String CODEC(ZSTD(1)),
    kind           LowCardinality(String),
    ts             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at    DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    url            String CODEC(ZSTD(1)),
    page_id        String CODEC(ZSTD(1)),
    selector       String CODEC(ZSTD(1)),
    text           String CODEC(ZSTD(1)),
    x              Float64 CODEC(ZSTD(1)),
    y              Float64 CODEC(ZSTD(1)),
    count          UInt32 CODEC(ZSTD(1)),
    duration_ms    UInt32 CODEC(ZSTD(1)),
    -- 'edge' or 'centre'.
    detected_by    LowCardinality(String),
    -- False while a burst is still going on.
    final          Bool,
    first_event_id String CODEC(ZSTD(1)),
    agent_id       LowCardinality(String),
    region         LowCardinality(String),
    version        UInt64 CODEC(ZSTD(1)),
    is_deleted     UInt8,
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (project, session_id, signal_id);

-- +goose Down
DROP TABLE IF EXISTS signals;
