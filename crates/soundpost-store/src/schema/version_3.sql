-- From version 2 to 3: checksums of all rows, whose columns follow from the tables. The file may hold removed records from
-- before they were overwritten.
INSERT OR REPLACE INTO state (name, value) VALUES ('remains', 1);
