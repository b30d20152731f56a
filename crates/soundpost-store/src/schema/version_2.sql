-- From version 1 to 2: names of tables and of a column.
ALTER TABLE kinds RENAME TO call_series;
ALTER TABLE stored_calls RENAME COLUMN kind TO series;
ALTER TABLE moments RENAME TO vitals_samples;
UPDATE state SET name = 'deleted_vitals_samples' WHERE name = 'deleted_moments';
