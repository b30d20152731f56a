-- Names of version 2 for a reader of a file of version 1, which it does not change.
CREATE TEMP VIEW call_series AS SELECT *, NULL AS checksum FROM kinds;
CREATE TEMP VIEW vitals_samples AS SELECT *, NULL AS origin, NULL AS checksum FROM moments;
CREATE TEMP VIEW state AS
    SELECT replace(name, 'deleted_moments', 'deleted_vitals_samples') AS name, value, NULL AS checksum
    FROM main.state;
