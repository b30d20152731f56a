-- Version 1. A version that was released is never changed: the next one is a file of its own.

-- The operations and labels that calls have; last: the newest call of the kind.
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    operation TEXT NOT NULL,
    labels TEXT NOT NULL,
    last INTEGER NOT NULL,
    UNIQUE (operation, labels)
) STRICT;

-- Calls that have ended. Times are nanoseconds. sequence is one ascending number over everything that sinks are
-- given: stored_calls, stored_events and moments, without gaps; ordinal is the same over one of those tables. So what
-- is pending is a difference and not a count. A request id of 32 hexadecimal digits is a blob of 16 bytes.
CREATE TABLE stored_calls (
    sequence INTEGER PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    request_id ANY NOT NULL,
    kind INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    duration INTEGER NOT NULL,
    busy INTEGER NOT NULL,
    queued INTEGER,
    first_audio INTEGER,
    underrun INTEGER,
    audio_seconds REAL NOT NULL,
    characters INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    streaming INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    died_in TEXT,
    gpu_memory_before INTEGER,
    gpu_memory_peak INTEGER,
    gpu_memory_delta INTEGER,
    gpu_utilization INTEGER,
    gpu_shared INTEGER,
    gpu_of_process INTEGER,
    fields TEXT,
    stages TEXT,
    stage_counts TEXT,
    stage_failures TEXT
) STRICT;
CREATE INDEX stored_calls_ended ON stored_calls (ended);
CREATE INDEX stored_calls_failed ON stored_calls (ended) WHERE outcome <> 'ok';

-- Log events; an empty text is NULL. level: 0 debug, 1 info, 2 warning, 3 error, 4 critical.
CREATE TABLE stored_events (
    sequence INTEGER PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    time INTEGER NOT NULL,
    level INTEGER NOT NULL,
    message TEXT NOT NULL,
    logger TEXT,
    file TEXT,
    line INTEGER,
    thread TEXT,
    request_id ANY,
    operation TEXT,
    pid INTEGER NOT NULL,
    fields TEXT
) STRICT;

-- When vitals were sampled, milliseconds: what a sink of vitals is given is a moment.
CREATE TABLE moments (sequence INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;

-- What was in flight when its process died, so that it is stored once whoever finds it.
CREATE TABLE deaths (
    segment INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    call INTEGER NOT NULL,
    PRIMARY KEY (segment, slot, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX deaths_call ON deaths (call);

-- Up to where everything of a segment is stored.
CREATE TABLE segment_cursors (segment INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;

-- A sink has everything up to its cursor behind it. kinds: 1 calls + 2 events + 4 moments are given to it; passed: how
-- many of those there ever were up to the cursor, and start: up to when it was added; since then each was delivered,
-- rejected or dropped.
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
    dropped_damage INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- deleted_through: the newest record that retention removed; deleted_<table>: the ordinal of the newest of that table.
-- thinned_<table>: up to where vitals are one a minute.
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Vitals: one row for each sample, time in milliseconds, numbers scaled to whole ones where that is shorter
-- (the view divides them again), NULL where there is no value.
CREATE TABLE host_samples (
    time INTEGER PRIMARY KEY,
    cpu_usage_ratio INTEGER,
    cpu_limit_cores INTEGER,
    cpu_throttled_seconds INTEGER,
    host_memory_used_bytes INTEGER,
    host_memory_total_bytes INTEGER,
    load1 INTEGER,
    requests_in_flight INTEGER
) STRICT;
CREATE TABLE process_samples (
    time INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    process_resident_memory_bytes INTEGER,
    process_cpu_seconds INTEGER,
    process_threads INTEGER,
    process_open_fds INTEGER,
    PRIMARY KEY (time, pid)
) STRICT, WITHOUT ROWID;
CREATE TABLE gpus (
    id INTEGER PRIMARY KEY,
    gpu TEXT NOT NULL,
    uuid TEXT NOT NULL,
    name TEXT NOT NULL,
    mig TEXT NOT NULL,
    UNIQUE (gpu, uuid, name, mig)
) STRICT;
CREATE TABLE gpu_samples (
    time INTEGER NOT NULL,
    id INTEGER NOT NULL,
    gpu_memory_used_bytes INTEGER,
    gpu_memory_total_bytes INTEGER,
    gpu_utilization_ratio INTEGER,
    gpu_memory_utilization_ratio INTEGER,
    gpu_temperature_celsius INTEGER,
    gpu_power_watts INTEGER,
    gpu_power_limit_watts INTEGER,
    gpu_fan_ratio INTEGER,
    gpu_clock_graphics_hertz INTEGER,
    gpu_clock_sm_hertz INTEGER,
    gpu_clock_memory_hertz INTEGER,
    gpu_clock_video_hertz INTEGER,
    gpu_pcie_send_bytes_per_second INTEGER,
    gpu_pcie_receive_bytes_per_second INTEGER,
    gpu_throttled_power_cap INTEGER,
    gpu_throttled_hardware_slowdown INTEGER,
    gpu_throttled_sync_boost INTEGER,
    gpu_throttled_thermal INTEGER,
    gpu_throttled_hardware_thermal INTEGER,
    gpu_throttled_power_brake INTEGER,
    gpu_energy_joules INTEGER,
    gpu_ecc_errors_corrected INTEGER,
    gpu_ecc_errors_uncorrected INTEGER,
    gpu_xid_errors INTEGER,
    PRIMARY KEY (time, id)
) STRICT, WITHOUT ROWID;
-- pid 0: all processes that are not of the service.
CREATE TABLE gpu_process_samples (
    time INTEGER NOT NULL,
    gpu TEXT NOT NULL,
    pid INTEGER NOT NULL,
    gpu_process_memory_bytes INTEGER,
    PRIMARY KEY (time, gpu, pid)
) STRICT, WITHOUT ROWID;

CREATE VIEW calls AS SELECT
    sequence,
    strftime('%Y-%m-%dT%H:%M:%fZ', ended / 1e9, 'unixepoch') AS time,
    ended / 1e9 AS unix,
    operation,
    CASE outcome WHEN 'ok' THEN 'success' WHEN 'cancelled' THEN 'cancelled' WHEN 'abandoned' THEN 'cancelled'
        ELSE 'error' END AS status,
    outcome,
    CASE typeof(request_id) WHEN 'blob' THEN lower(hex(request_id)) ELSE request_id END AS request_id,
    duration / 1e6 AS duration_ms,
    busy / 1e6 AS busy_ms,
    queued / 1e6 AS queue_ms,
    first_audio / 1e6 AS first_audio_ms,
    underrun / 1e6 AS underrun_ms,
    audio_seconds,
    CASE WHEN audio_seconds > 0 THEN busy / 1e9 / audio_seconds END AS rtf,
    characters AS char_count,
    chunks,
    streaming,
    died_in,
    fields ->> '$.error_type' AS error_type,
    fields ->> '$.error' AS error,
    gpu_memory_before / 1048576.0 AS gpu_memory_before_mb,
    gpu_memory_peak / 1048576.0 AS gpu_memory_peak_mb,
    gpu_memory_delta / 1048576.0 AS gpu_memory_delta_mb,
    gpu_utilization / 1e4 AS gpu_utilization,
    gpu_shared,
    gpu_of_process,
    labels,
    coalesce(fields, '{}') AS fields,
    coalesce(stages, '{}') AS stages,
    coalesce(stage_counts, '{}') AS stage_counts,
    coalesce(stage_failures, '{}') AS stage_failures,
    pid
FROM stored_calls JOIN kinds ON kinds.id = kind;

CREATE VIEW events AS SELECT
    sequence,
    strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e9, 'unixepoch') AS time,
    time / 1e9 AS unix,
    CASE level WHEN 0 THEN 'debug' WHEN 1 THEN 'info' WHEN 2 THEN 'warning' WHEN 3 THEN 'error' ELSE 'critical' END
        AS level,
    message,
    coalesce(logger, '') AS logger,
    coalesce(file, '') AS file,
    line,
    coalesce(thread, '') AS thread,
    CASE typeof(request_id) WHEN 'blob' THEN lower(hex(request_id)) ELSE coalesce(request_id, '') END AS request_id,
    coalesce(operation, '') AS operation,
    coalesce(fields, '{}') AS fields,
    pid
FROM stored_events;

CREATE VIEW vitals_host AS SELECT
    strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e3, 'unixepoch') AS time,
    time / 1e3 AS unix,
    cpu_usage_ratio / 1e4 AS cpu_usage_ratio,
    cpu_limit_cores / 1e3 AS cpu_limit_cores,
    cpu_throttled_seconds / 1e3 AS cpu_throttled_seconds,
    host_memory_used_bytes,
    host_memory_total_bytes,
    load1 / 1e2 AS load1,
    requests_in_flight
FROM host_samples;

CREATE VIEW vitals_process AS SELECT
    strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e3, 'unixepoch') AS time,
    time / 1e3 AS unix,
    pid,
    process_resident_memory_bytes,
    process_cpu_seconds / 1e3 AS process_cpu_seconds,
    process_threads,
    process_open_fds
FROM process_samples;

CREATE VIEW vitals_gpu AS SELECT
    strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e3, 'unixepoch') AS time,
    time / 1e3 AS unix,
    gpu,
    uuid,
    name,
    mig,
    gpu_memory_used_bytes,
    gpu_memory_total_bytes,
    gpu_utilization_ratio / 1e4 AS gpu_utilization_ratio,
    gpu_memory_utilization_ratio / 1e4 AS gpu_memory_utilization_ratio,
    gpu_temperature_celsius / 1e1 AS gpu_temperature_celsius,
    gpu_power_watts / 1e2 AS gpu_power_watts,
    gpu_power_limit_watts / 1e2 AS gpu_power_limit_watts,
    gpu_fan_ratio / 1e2 AS gpu_fan_ratio,
    gpu_clock_graphics_hertz * 1e6 AS gpu_clock_graphics_hertz,
    gpu_clock_sm_hertz * 1e6 AS gpu_clock_sm_hertz,
    gpu_clock_memory_hertz * 1e6 AS gpu_clock_memory_hertz,
    gpu_clock_video_hertz * 1e6 AS gpu_clock_video_hertz,
    gpu_pcie_send_bytes_per_second * 1e3 AS gpu_pcie_send_bytes_per_second,
    gpu_pcie_receive_bytes_per_second * 1e3 AS gpu_pcie_receive_bytes_per_second,
    gpu_throttled_power_cap,
    gpu_throttled_hardware_slowdown,
    gpu_throttled_sync_boost,
    gpu_throttled_thermal,
    gpu_throttled_hardware_thermal,
    gpu_throttled_power_brake,
    gpu_energy_joules,
    gpu_ecc_errors_corrected,
    gpu_ecc_errors_uncorrected,
    gpu_xid_errors
FROM gpu_samples JOIN gpus USING (id);

CREATE VIEW vitals_gpu_process AS SELECT
    strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e3, 'unixepoch') AS time,
    time / 1e3 AS unix,
    gpu,
    pid,
    gpu_process_memory_bytes
FROM gpu_process_samples;

-- What is asked for most, of everything: one row for each sample and thing sampled.
CREATE VIEW vitals AS SELECT time, unix, 'host' AS entity, NULL AS gpu, NULL AS pid,
    cpu_usage_ratio, host_memory_used_bytes, host_memory_total_bytes, load1,
    NULL AS process_resident_memory_bytes, NULL AS process_cpu_seconds, NULL AS process_threads,
    NULL AS gpu_memory_used_bytes, NULL AS gpu_memory_total_bytes, NULL AS gpu_utilization_ratio,
    NULL AS gpu_temperature_celsius, NULL AS gpu_power_watts, NULL AS gpu_process_memory_bytes
FROM vitals_host
UNION ALL SELECT time, unix, 'process', NULL, pid, NULL, NULL, NULL, NULL,
    process_resident_memory_bytes, process_cpu_seconds, process_threads, NULL, NULL, NULL, NULL, NULL, NULL
FROM vitals_process
UNION ALL SELECT time, unix, 'gpu', gpu, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    gpu_memory_used_bytes, gpu_memory_total_bytes, gpu_utilization_ratio, gpu_temperature_celsius, gpu_power_watts,
    NULL
FROM vitals_gpu
UNION ALL SELECT time, unix, 'gpu_process', gpu, pid, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, gpu_process_memory_bytes
FROM vitals_gpu_process;
