-- +goose NO TRANSACTION
-- +goose Up
-- Up to 128 MiB a part is two files (Compact) and not two or three for each of 30 columns (Wide, by default from
-- 10 MiB on): a fifth of the engine's CPU under load went into the file system's search for free inodes.
ALTER TABLE events MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE replay MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE signals MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE sessions MODIFY SETTING min_bytes_for_wide_part = 134217728;

-- +goose Down
ALTER TABLE events RESET SETTING min_bytes_for_wide_part;
ALTER TABLE replay RESET SETTING min_bytes_for_wide_part;
ALTER TABLE signals RESET SETTING min_bytes_for_wide_part;
ALTER TABLE sessions RESET SETTING min_bytes_for_wide_part;
