-- +goose NO TRANSACTION
-- +goose Up
-- When a visit was seen to come to a page: one row for each block of events and page in it, so there may be several
-- for one stay. They are for sequences (paths, funnels), where what repeats itself falls together; they are not to be
-- counted.
CREATE TABLE IF NOT EXISTS page_views
(
    project     LowCardinality(String),
    session_id  String,
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- URL without query and fragment.
    page        String,
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (project, session_id, ts, page);

INSERT INTO page_views (project, session_id, ts, page, inserted_at)
SELECT project, session_id, ts, cutQueryStringAndFragment(url) AS page, inserted_at
FROM events WHERE url != '' AND event_type NOT IN ('full_snapshot', 'mutation', 'pointer');

-- +goose Down
DROP TABLE IF EXISTS page_views;
