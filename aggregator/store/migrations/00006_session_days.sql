-- +goose NO TRANSACTION
-- +goose Up
-- Where lists look: one narrow row a visit and UTC day, in the order of days, so that the latest visits and those of
-- a period are found without reading the others. `sessions` has the exact counts; this has what one filters by.
-- Every aggregate is idempotent, as there. A day is that of the events' own time.
CREATE TABLE IF NOT EXISTS session_days
(
    project     LowCardinality(String),
    day         Date,
    session_id  String CODEC(ZSTD(1)),
    started_at  SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    ended_at    SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    inserted_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    country     SimpleAggregateFunction(max, LowCardinality(String)),
    browser     SimpleAggregateFunction(max, LowCardinality(String)),
    device      SimpleAggregateFunction(max, LowCardinality(String)),
    -- (when, who): the latest wins.
    last_user   SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), user_id String)) CODEC(ZSTD(1)),
    -- 1 where a script failed.
    failed      SimpleAggregateFunction(max, UInt8),
    -- What the visit touched that day: has(touched, cityHash64('page:https://shop.example/cart')). See known_values
    -- for the kinds; 'prop:basket.items=3' is a custom event's property. Cut at 10,000.
    touched     SimpleAggregateFunction(groupUniqArrayArray(10000), Array(UInt64)) CODEC(ZSTD(1)),
    INDEX by_touched touched TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (project, day, session_id)
SETTINGS index_granularity = 2048;

-- Every value of a kind that somebody touched, so that "part of the address" is looked for among thousands of
-- addresses and not among all events. Kinds: page (URL without query and fragment), event (a custom event's name),
-- prop (basket.items, a property without its value), error (a message), release (from the events' metadata).
CREATE TABLE IF NOT EXISTS known_values
(
    project     LowCardinality(String),
    kind        LowCardinality(String),
    value       String CODEC(ZSTD(1)),
    first_day   SimpleAggregateFunction(min, Date),
    last_day    SimpleAggregateFunction(max, Date),
    inserted_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    -- What session_days.touched holds for it.
    hash        UInt64 ALIAS cityHash64(concat(kind, ':', value))
)
ENGINE = AggregatingMergeTree
ORDER BY (project, kind, value);

-- What is there already. Properties of custom events are found from now on.
INSERT INTO session_days (project, day, session_id, started_at, ended_at, received_at, inserted_at, country, browser,
    device, last_user, failed, touched)
SELECT project, toDate(ts) AS day, session_id, min(ts), max(ts), max(received_at), max(inserted_at), max(country),
    max(browser), max(device),
    max(if(user_id = '', (toDateTime64(0, 3, 'UTC'), ''), (ts, user_id))), max(event_type = 'error'),
    groupUniqArrayArray(10000)(arrayConcat(
        if(url = '', [], [cityHash64(concat('page:', cutQueryStringAndFragment(url)))]),
        if(event_type = 'custom', [cityHash64(concat('event:', name))], []),
        if(event_type = 'error', [cityHash64(concat('error:', text))], []),
        if(metadata['release'] = '', [], [cityHash64(concat('release:', metadata['release']))])))
FROM events GROUP BY project, day, session_id;

INSERT INTO known_values (project, kind, value, first_day, last_day, inserted_at)
SELECT project, kind, value, min(toDate(ts)), max(toDate(ts)), max(inserted_at)
FROM (
    SELECT project, ts, inserted_at, arrayJoin([('page', cutQueryStringAndFragment(url)),
        ('event', if(event_type = 'custom', toString(name), '')), ('error', if(event_type = 'error', text, '')),
        ('release', metadata['release'])]) AS touch,
        tupleElement(touch, 1) AS kind, tupleElement(touch, 2) AS value FROM events)
WHERE value != '' GROUP BY project, kind, value;

-- +goose Down
DROP TABLE IF EXISTS known_values;
DROP TABLE IF EXISTS session_days;
