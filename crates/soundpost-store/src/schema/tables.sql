-- Tables and indexes beside those that follow from columns: see columns.rs and samples.rs.
--
-- sequence is one ascending number without gaps over stored_calls, stored_events and vitals_samples, the records that
-- sinks receive; ordinal is the same within one of these tables. Pending records are a difference of these numbers. An
-- erased record keeps its place, with a negative ordinal.

CREATE INDEX stored_calls_ended ON stored_calls (ended);
CREATE INDEX stored_calls_failed ON stored_calls (ended) WHERE outcome <> 'ok';

-- A checksum covers the columns before it but last; NULL in a row that was edited. The default is that of a row whose end is
-- lost, and no checksum. See checked.rs.

-- Operations and labels of calls; last: the newest call of the series.
CREATE TABLE call_series (
    id INTEGER PRIMARY KEY,
    operation TEXT NOT NULL,
    labels TEXT NOT NULL,
    last INTEGER NOT NULL,
    checksum INTEGER DEFAULT 0,
    UNIQUE (operation, labels)
) STRICT;

-- Calls in flight when their process died, so that each is stored once.
CREATE TABLE deaths (
    segment INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    call INTEGER NOT NULL,
    PRIMARY KEY (segment, slot, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX deaths_call ON deaths (call);

-- Position up to which each segment is stored.
CREATE TABLE segment_cursors (
    segment INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    checksum INTEGER DEFAULT 0
) STRICT;

-- kinds: 1 calls + 2 events + 4 vitals. passed: records of these kinds ever stored up to the cursor; start: up to the
-- time when the sink was added. Every record between them was delivered, rejected or dropped.
CREATE TABLE sink_cursors (
    sink TEXT PRIMARY KEY,
    kinds INTEGER NOT NULL,
    start INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    rejected_refused INTEGER NOT NULL,
    rejected_too_large INTEGER NOT NULL,
    rejected_empty INTEGER NOT NULL,
    dropped_retention INTEGER NOT NULL,
    dropped_damage INTEGER NOT NULL,
    dropped_erased INTEGER NOT NULL DEFAULT 0,
    checksum INTEGER DEFAULT 0
) STRICT, WITHOUT ROWID;

-- deleted_through: the newest record that retention removed; deleted_<table>: the ordinal of the newest of that table.
-- thinned_<table>: the time up to which vitals are one a minute.
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE TABLE gpus (
    id INTEGER PRIMARY KEY,
    gpu TEXT NOT NULL,
    uuid TEXT NOT NULL,
    name TEXT NOT NULL,
    mig TEXT NOT NULL,
    checksum INTEGER DEFAULT 0,
    UNIQUE (gpu, uuid, name, mig)
) STRICT;
