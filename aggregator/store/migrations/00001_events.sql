-- +goose NO TRANSACTION
-- +goose Up
-- The ledger: every accepted event has one row here, replay events too (with an empty payload). Identity is
-- (project, session_id, event_id) and nothing else: a retry may carry another ts or received_at, so neither may
-- stand in the sorting key, and FINAL merges across partitions.
-- What neighbours repeat (a session's rows stand together) is left to LZ4, ClickHouse's default: ZSTD on every
-- column cost a third more CPU at insert and at each merge. ZSTD takes the payloads.
-- Partitions follow received_at, which is bounded by when GoSight ran, whatever clocks clients have.
CREATE TABLE IF NOT EXISTS events
(
    project     LowCardinality(String),
    session_id  String,
    event_id    String,
    user_id     String,
    event_type  LowCardinality(String),
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- When the row arrived here: what a live view asks for, since received_at may be old after an outage.
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    url         String,
    page_id     String,
    agent_id    LowCardinality(String),
    region      LowCardinality(String),
    country     LowCardinality(String),
    city        LowCardinality(String),
    browser     LowCardinality(String),
    os          LowCardinality(String),
    device      LowCardinality(String),
    -- From the payload, for events that have them; 0 and '' elsewhere.
    x           Float32 CODEC(ZSTD(1)),
    y           Float32 CODEC(ZSTD(1)),
    page_x      Float32 CODEC(ZSTD(1)),
    page_y      Float32 CODEC(ZSTD(1)),
    vw          UInt16 CODEC(ZSTD(1)),
    vh          UInt16 CODEC(ZSTD(1)),
    selector    String CODEC(ZSTD(1)),
    -- A click's text, an error's message.
    text        String CODEC(ZSTD(1)),
    -- A custom event's or web vital's name.
    name        LowCardinality(String),
    -- A web vital's value, a scroll's depth in %, a network call's status.
    value       Float64 CODEC(ZSTD(1)),
    metadata    Map(LowCardinality(String), String),
    payload     String CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (project, session_id, event_id);

-- +goose Down
DROP TABLE IF EXISTS events;
