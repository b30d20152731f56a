-- Names of version 2 for a reader of a file of version 1, which it does not change.
CREATE TEMP VIEW call_series AS SELECT * FROM kinds;
CREATE TEMP VIEW vitals_samples AS SELECT *, NULL AS origin FROM moments;
CREATE TEMP VIEW state AS
    SELECT replace(name, 'deleted_moments', 'deleted_vitals_samples') AS name, value FROM main.state;
