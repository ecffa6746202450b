-- +goose NO TRANSACTION
-- +goose Up
-- What the replay plays: rrweb events, large ones cut into parts whose concatenation in order is the event.
-- Rows are big, so granules are small: a seek reads about a megabyte around the moment, not a whole session.
CREATE TABLE IF NOT EXISTS replay
(
    project     LowCardinality(String),
    session_id  String CODEC(ZSTD(1)),
    event_id    String CODEC(ZSTD(1)),
    -- From 0, of parts; an event that was not cut has part 0 of 1.
    part        UInt16 CODEC(ZSTD(1)),
    parts       UInt16 CODEC(ZSTD(1)),
    page_id     String CODEC(ZSTD(1)),
    -- full_snapshot or mutation.
    kind        LowCardinality(String),
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    -- Sorted by session, so that neighbours share words: compressed in blocks of a megabyte.
    data        String CODEC(ZSTD(3)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (project, session_id, event_id, part)
SETTINGS index_granularity = 512, index_granularity_bytes = 1048576;

-- +goose Down
DROP TABLE IF EXISTS replay;
