CREATE TABLE IF NOT EXISTS schema_version ON CLUSTER gosight (version_id Int64, is_applied UInt8, date Date DEFAULT now(), tstamp DateTime DEFAULT now())
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/gosight/schema_version', '{shard}-{replica}') ORDER BY version_id;

CREATE TABLE IF NOT EXISTS events_local ON CLUSTER gosight
(
    project     LowCardinality(String),
    session_id  String,
    event_id    String,
    user_id     String,
    event_type  LowCardinality(String),
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
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
    x           Float32 CODEC(ZSTD(1)),
    y           Float32 CODEC(ZSTD(1)),
    page_x      Float32 CODEC(ZSTD(1)),
    page_y      Float32 CODEC(ZSTD(1)),
    vw          UInt16 CODEC(ZSTD(1)),
    vh          UInt16 CODEC(ZSTD(1)),
    selector    String CODEC(ZSTD(1)),
    text        String CODEC(ZSTD(1)),
    name        LowCardinality(String),
    value       Float64 CODEC(ZSTD(1)),
    metadata    Map(LowCardinality(String), String),
    payload     String CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/gosight/events_local', '{replica}')
PARTITION BY toYYYYMM(received_at)
ORDER BY (project, session_id, event_id);

CREATE TABLE IF NOT EXISTS events ON CLUSTER gosight AS gosight.events_local
ENGINE = Distributed(gosight, gosight, events_local, cityHash64(project, session_id));

CREATE TABLE IF NOT EXISTS replay_local ON CLUSTER gosight
(
    project     LowCardinality(String),
    session_id  String CODEC(ZSTD(1)),
    event_id    String CODEC(ZSTD(1)),
    part        UInt16 CODEC(ZSTD(1)),
    parts       UInt16 CODEC(ZSTD(1)),
    page_id     String CODEC(ZSTD(1)),
    kind        LowCardinality(String),
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    data        String CODEC(ZSTD(3)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/gosight/replay_local', '{replica}')
PARTITION BY toYYYYMM(received_at)
ORDER BY (project, session_id, event_id, part)
SETTINGS index_granularity = 512, index_granularity_bytes = 1048576;

CREATE TABLE IF NOT EXISTS replay ON CLUSTER gosight AS gosight.replay_local
ENGINE = Distributed(gosight, gosight, replay_local, cityHash64(project, session_id));

CREATE TABLE IF NOT EXISTS signals_local ON CLUSTER gosight
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
    detected_by    LowCardinality(String),
    final          Bool,
    first_event_id String CODEC(ZSTD(1)),
    agent_id       LowCardinality(String),
    region         LowCardinality(String),
    version        UInt64 CODEC(ZSTD(1)),
    is_deleted     UInt8,
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_arrival inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/gosight/signals_local', '{replica}', version, is_deleted)
ORDER BY (project, session_id, signal_id);

CREATE TABLE IF NOT EXISTS signals ON CLUSTER gosight AS gosight.signals_local
ENGINE = Distributed(gosight, gosight, signals_local, cityHash64(project, session_id));

CREATE TABLE IF NOT EXISTS sessions_local ON CLUSTER gosight
(
    project      LowCardinality(String),
    session_id   String CODEC(ZSTD(1)),
    started_at   SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    ended_at     SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    received_at  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    inserted_at  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    country      SimpleAggregateFunction(max, LowCardinality(String)),
    city         SimpleAggregateFunction(max, LowCardinality(String)),
    browser      SimpleAggregateFunction(max, LowCardinality(String)),
    os           SimpleAggregateFunction(max, LowCardinality(String)),
    device       SimpleAggregateFunction(max, LowCardinality(String)),
    has_replay   SimpleAggregateFunction(max, UInt8),
    last_user    SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), user_id String)) CODEC(ZSTD(1)),
    first_url    SimpleAggregateFunction(min, Tuple(at DateTime64(3, 'UTC'), url String)) CODEC(ZSTD(1)),
    latest_url   SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), url String)) CODEC(ZSTD(1)),
    event_hashes SimpleAggregateFunction(groupUniqArrayArray(1000000), Array(UInt64)) CODEC(ZSTD(1)),
    click_hashes SimpleAggregateFunction(groupUniqArrayArray(1000000), Array(UInt64)) CODEC(ZSTD(1)),
    error_hashes SimpleAggregateFunction(groupUniqArrayArray(1000000), Array(UInt64)) CODEC(ZSTD(1)),
    page_hashes  SimpleAggregateFunction(groupUniqArrayArray(100000), Array(UInt64)) CODEC(ZSTD(1)),
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/gosight/sessions_local', '{replica}')
ORDER BY (project, session_id)
SETTINGS index_granularity = 1024;

CREATE TABLE IF NOT EXISTS sessions ON CLUSTER gosight AS gosight.sessions_local
ENGINE = Distributed(gosight, gosight, sessions_local, cityHash64(project, session_id));

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_from_events ON CLUSTER gosight TO sessions_local AS
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
FROM events_local AS events
GROUP BY project, session_id;

CREATE TABLE IF NOT EXISTS alerts_sent ON CLUSTER gosight
(
    project      LowCardinality(String),
    rule         String CODEC(ZSTD(1)),
    window_start DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    sent_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    signals      UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/gosight/alerts_sent', '{shard}-{replica}', sent_at)
ORDER BY (project, rule, window_start)
TTL toDateTime(sent_at) + INTERVAL 60 DAY;

CREATE TABLE IF NOT EXISTS session_days_local ON CLUSTER gosight
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
    last_user   SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), user_id String)) CODEC(ZSTD(1)),
    failed      SimpleAggregateFunction(max, UInt8),
    touched     SimpleAggregateFunction(groupUniqArrayArray(10000), Array(UInt64)) CODEC(ZSTD(1)),
    INDEX by_touched touched TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/gosight/session_days_local', '{replica}')
ORDER BY (project, day, session_id)
SETTINGS index_granularity = 2048;

CREATE TABLE IF NOT EXISTS session_days ON CLUSTER gosight AS gosight.session_days_local
ENGINE = Distributed(gosight, gosight, session_days_local, cityHash64(project, session_id));

CREATE TABLE IF NOT EXISTS known_values ON CLUSTER gosight
(
    project     LowCardinality(String),
    kind        LowCardinality(String),
    value       String CODEC(ZSTD(1)),
    first_day   SimpleAggregateFunction(min, Date),
    last_day    SimpleAggregateFunction(max, Date),
    inserted_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    hash        UInt64 ALIAS cityHash64(concat(kind, ':', value))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/all/gosight/known_values', '{shard}-{replica}')
ORDER BY (project, kind, value);

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

CREATE TABLE IF NOT EXISTS page_views_local ON CLUSTER gosight
(
    project     LowCardinality(String),
    session_id  String,
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    page        String,
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/gosight/page_views_local', '{replica}')
ORDER BY (project, session_id, ts, page);

CREATE TABLE IF NOT EXISTS page_views ON CLUSTER gosight AS gosight.page_views_local
ENGINE = Distributed(gosight, gosight, page_views_local, cityHash64(project, session_id));

INSERT INTO page_views (project, session_id, ts, page, inserted_at)
SELECT project, session_id, ts, cutQueryStringAndFragment(url) AS page, inserted_at
FROM events WHERE url != '' AND event_type NOT IN ('full_snapshot', 'mutation', 'pointer');

CREATE TABLE IF NOT EXISTS segments ON CLUSTER gosight
(
    project    LowCardinality(String),
    id         String,
    name       String,
    filter     String,
    changed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/gosight/segments', '{shard}-{replica}', changed_at, is_deleted)
ORDER BY (project, id);

CREATE TABLE IF NOT EXISTS annotations ON CLUSTER gosight
(
    project    LowCardinality(String),
    id         String,
    at         DateTime64(3, 'UTC'),
    title      String,
    text       String,
    changed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/gosight/annotations', '{shard}-{replica}', changed_at, is_deleted)
ORDER BY (project, id);

CREATE TABLE IF NOT EXISTS registry ON CLUSTER gosight
(
    kind     LowCardinality(String),
    id       String,
    version  UInt64,
    document String CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/gosight/registry', '{shard}-{replica}', version)
ORDER BY (kind, id);

CREATE TABLE IF NOT EXISTS audit ON CLUSTER gosight
(
    at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    project LowCardinality(String),
    actor   String CODEC(ZSTD(1)),
    action  LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    detail  String CODEC(ZSTD(1))
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/gosight/audit', '{shard}-{replica}')
ORDER BY (project, at)
TTL toDateTime(at) + INTERVAL 400 DAY;

ALTER TABLE events_local ON CLUSTER gosight MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE replay_local ON CLUSTER gosight MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE signals_local ON CLUSTER gosight MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE sessions_local ON CLUSTER gosight MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE events_local ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE replay_local ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE signals_local ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE sessions_local ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE session_days_local ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE known_values ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE page_views_local ON CLUSTER gosight MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

ALTER TABLE events_local ON CLUSTER gosight MODIFY COLUMN payload String CODEC(ZSTD(3));

ALTER TABLE events ON CLUSTER gosight MODIFY COLUMN payload String CODEC(ZSTD(3));
