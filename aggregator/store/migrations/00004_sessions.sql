-- +goose NO TRANSACTION
-- +goose Up
-- One row a visit, made from the ledger as it is written. Every aggregate is idempotent (min, max, union of a
-- set), so that an event inserted any number of times changes nothing: a count is the size of a set of 64-bit
-- hashes of ids. A session's sets are cut at 1,000,000: above that its counts stand still and only the ledger
-- is exact; it bounds a row to 8 MB whatever a client does.
-- Counts are ALIAS columns: name them, `SELECT *` leaves them out. Don't read them over many sessions, they load
-- the sets; filter and sort on the other columns first.
CREATE TABLE IF NOT EXISTS sessions
(
    project      LowCardinality(String),
    session_id   String CODEC(ZSTD(1)),
    started_at   SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    ended_at     SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    received_at  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    -- When the last of its rows arrived, for live views.
    inserted_at  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    country      SimpleAggregateFunction(max, LowCardinality(String)),
    city         SimpleAggregateFunction(max, LowCardinality(String)),
    browser      SimpleAggregateFunction(max, LowCardinality(String)),
    os           SimpleAggregateFunction(max, LowCardinality(String)),
    device       SimpleAggregateFunction(max, LowCardinality(String)),
    has_replay   SimpleAggregateFunction(max, UInt8),
    -- (when, what), so that the earliest or the latest wins however rows are repeated or reordered.
    last_user    SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), user_id String)) CODEC(ZSTD(1)),
    first_url    SimpleAggregateFunction(min, Tuple(at DateTime64(3, 'UTC'), url String)) CODEC(ZSTD(1)),
    latest_url   SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), url String)) CODEC(ZSTD(1)),
    event_hashes SimpleAggregateFunction(groupUniqArrayArray(1000000), Array(UInt64)) CODEC(ZSTD(1)),
    click_hashes SimpleAggregateFunction(groupUniqArrayArray(1000000), Array(UInt64)) CODEC(ZSTD(1)),
    error_hashes SimpleAggregateFunction(groupUniqArrayArray(1000000), Array(UInt64)) CODEC(ZSTD(1)),
    -- Of page_id, or of the URL where there is none.
    page_hashes  SimpleAggregateFunction(groupUniqArrayArray(100000), Array(UInt64)) CODEC(ZSTD(1)),
    -- cityHash64(cutQueryStringAndFragment(url)): has(url_hashes, …) answers "visited this page".
    url_hashes   SimpleAggregateFunction(groupUniqArrayArray(100000), Array(UInt64)) CODEC(ZSTD(1)),
    user_id      String ALIAS last_user.user_id,
    entry_url    String ALIAS first_url.url,
    last_url     String ALIAS latest_url.url,
    events       UInt64 ALIAS length(event_hashes),
    clicks       UInt64 ALIAS length(click_hashes),
    errors       UInt64 ALIAS length(error_hashes),
    pages        UInt64 ALIAS length(page_hashes),
    INDEX by_start started_at TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (project, session_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_from_events TO sessions AS
SELECT
    project,
    session_id,
    min(events.ts) AS started_at,
    max(events.ts) AS ended_at,
    max(events.received_at) AS received_at,
    max(events.inserted_at) AS inserted_at,
    max(events.country) AS country,
    max(events.city) AS city,
    max(events.browser) AS browser,
    max(events.os) AS os,
    max(events.device) AS device,
    max(toUInt8(event_type = 'full_snapshot')) AS has_replay,
    max(if(user_id = '', (toDateTime64(0, 3, 'UTC'), ''), (events.ts, user_id))) AS last_user,
    min(if(url = '', (toDateTime64('2299-12-31 23:59:59', 3, 'UTC'), ''), (events.ts, url))) AS first_url,
    max(if(url = '', (toDateTime64(0, 3, 'UTC'), ''), (events.ts, url))) AS latest_url,
    groupUniqArray(1000000)(cityHash64(event_id)) AS event_hashes,
    groupUniqArrayIf(1000000)(cityHash64(event_id), event_type IN ('click', 'dblclick', 'contextmenu')) AS click_hashes,
    groupUniqArrayIf(1000000)(cityHash64(event_id), event_type = 'error') AS error_hashes,
    groupUniqArrayIf(100000)(cityHash64(if(page_id = '', url, page_id)), page_id != '' OR url != '') AS page_hashes,
    groupUniqArrayIf(100000)(cityHash64(cutQueryStringAndFragment(url)), url != '') AS url_hashes
FROM events
GROUP BY project, session_id;

-- +goose Down
DROP VIEW IF EXISTS sessions_from_events;
DROP TABLE IF EXISTS sessions;
