-- +goose NO TRANSACTION
-- +goose Up
-- Retention changes while the system runs: parts that are there learn when their rows end without being rewritten, and
-- merges then drop the rows. Days are what is promised, so a part is rewritten for that once a day at most: by default
-- it is every four hours, with all of a month that ends day by day.
ALTER TABLE events MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;
ALTER TABLE replay MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;
ALTER TABLE signals MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;
ALTER TABLE sessions MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;
ALTER TABLE session_days MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;
ALTER TABLE known_values MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;
ALTER TABLE page_views MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400;

-- +goose Down
ALTER TABLE events RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
ALTER TABLE replay RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
ALTER TABLE signals RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
ALTER TABLE sessions RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
ALTER TABLE session_days RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
ALTER TABLE known_values RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
ALTER TABLE page_views RESET SETTING materialize_ttl_recalculate_only, merge_with_ttl_timeout;
