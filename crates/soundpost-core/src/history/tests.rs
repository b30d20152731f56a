//! Tests of the ring under wrapping, damage and concurrent reads, of files, and of GPU memory around calls.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proptest::prelude::*;

use super::memory::HistoryMemory;
use super::ring::{RawSample, SampleRing};
use super::*;
use crate::sync::{AtomicU64, Ordering};
use crate::{GpuUse, ServiceDir};

const SECOND: u64 = 1_000_000_000;

fn words(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// Returns the times of all samples, newest first.
fn times(ring: &SampleRing<'_>) -> Vec<u64> {
    let mut times = Vec::new();
    ring.back(|raw: &RawSample| {
        times.push(raw.at);
        true
    });
    times
}

fn place(root: &std::path::Path) -> ServiceDir {
    ServiceDir::open_with_shared_memory(root, "svc", root).expect("a place")
}

/// Makes a point without labels, or with the label `gpu`.
fn point<'a>(name: &'a str, gpu: &'a [String], value: f64) -> Point<'a> {
    let label_names: &[&str] = if gpu.is_empty() { &[] } else { &["gpu"] };
    Point { name, label_names, label_values: gpu, value: Some(value) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_samples_are_there_and_whole(
        sizes in prop::collection::vec(0_usize..40, 1..60),
        length in 200_usize..400,
    ) {
        let (cursors, ring_words) = (words(2), words(length));
        let ring = SampleRing::new(&cursors, &ring_words);
        let mut kept = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let values: Vec<(u16, Option<f64>)> =
                (0..*size).map(|id| (id as u16, (id % 3 > 0).then_some(number as f64))).collect();
            ring.append(number as u64, 0, &values);
            kept.push(values);
        }
        let mut back = Vec::new();
        ring.back(|raw: &RawSample| {
            back.push((raw.at, raw.values.clone()));
            true
        });
        // The ring holds as many as fit, without a gap, up to the last.
        let all = kept.into_iter().enumerate().map(|(number, values)| (number as u64, values)).rev();
        let expected: Vec<_> = all.take(back.len()).collect();
        prop_assert_eq!(&back, &expected);
        let used = |size: usize| 5 + size.div_ceil(4) + size;
        let next = sizes.len() - back.len();
        let total: usize = sizes[next..].iter().map(|size| used(*size)).sum();
        prop_assert!(next == 0 || total + used(sizes[next - 1]) > length);
    }

    #[test]
    fn a_damaged_word_costs_its_sample_at_most(
        sizes in prop::collection::vec(0_usize..20, 2..20),
        at in any::<prop::sample::Index>(),
        bit in 0_u32..64,
    ) {
        let (cursors, ring_words) = (words(2), words(400));
        let ring = SampleRing::new(&cursors, &ring_words);
        for (number, size) in sizes.iter().enumerate() {
            let values: Vec<_> = (0..*size).map(|id| (id as u16, Some(1.0))).collect();
            ring.append(number as u64, 0, &values);
        }
        let before = times(&ring);
        let hit = at.index(ring_words.len());
        ring_words[hit].fetch_xor(1 << bit, Ordering::Relaxed);
        let after = times(&ring);
        prop_assert!(after.len() + 1 >= before.len(), "{before:?} {after:?}");
        prop_assert!(after.iter().all(|time| before.contains(time)));
        // The next sample is appended after them.
        ring.append(1000, 0, &[]);
        prop_assert_eq!(times(&ring)[0], 1000);
    }

    #[test]
    fn damaged_cursors_lose_nothing_for_long(cursor in 0_usize..2, bit in 0_u32..64, count in 1_u64..60) {
        let (cursors, ring_words) = (words(2), words(300));
        let ring = SampleRing::new(&cursors, &ring_words);
        (0..count).for_each(|number| ring.append(number, 0, &[(1, Some(2.0))]));
        let before = times(&ring);
        cursors[cursor].fetch_xor(1 << bit, Ordering::Relaxed);
        // Damage never causes a panic or an invented sample.
        prop_assert!(times(&ring).iter().all(|time| before.contains(time)));
        (0..60).for_each(|number| ring.append(1000 + number, 0, &[(1, Some(2.0))]));
        let after = times(&ring);
        prop_assert_eq!(after[0], 1059);
        prop_assert!(after.len() >= before.len().min(30), "{after:?}");
    }
}

#[test]
fn a_reader_beside_the_writer_sees_whole_samples_only() {
    let (cursors, ring_words) = (words(2), words(500));
    let ring = SampleRing::new(&cursors, &ring_words);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..60_000_u64 {
                let values: Vec<_> = (0..number % 23).map(|id| (id as u16, Some(number as f64))).collect();
                ring.append(number, number, &values);
            }
            done.store(true, Relaxed);
        });
        while !done.load(Relaxed) {
            let mut last = u64::MAX;
            ring.back(|raw: &RawSample| {
                assert!(raw.at < last && raw.unix == raw.at, "{raw:?}");
                assert!(raw.values.iter().all(|(_, value)| *value == Some(raw.at as f64)), "{raw:?}");
                assert_eq!(raw.values.len() as u64, raw.at % 23);
                last = raw.at;
                true
            });
        }
    });
}

#[test]
fn it_is_read_while_it_is_written_and_afterwards_and_gone_on_with() {
    let root = tempfile::tempdir().expect("a directory");
    let place = place(root.path());
    assert!(HistoryReader::open(&place).is_err());
    let writer = HistoryWriter::open(&place, 1 << 20);
    assert_eq!(writer.fallback(), None);
    writer.append_at(5 * SECOND, 100, [point("load1", &[], 0.5)]);
    let mut reader = HistoryReader::open(&place).expect("a history");
    assert!(!reader.is_over());
    writer.append_at(6 * SECOND, 101, [point("load1", &[], 0.75), point(GPU_MEMORY, &["0".into()], 7.0)]);
    let samples = reader.samples(0..=u64::MAX);
    assert_eq!(
        samples.iter().map(|sample| (sample.at, sample.unix)).collect::<Vec<_>>(),
        [(5 * SECOND, 100), (6 * SECOND, 101)]
    );
    let series = reader.get(samples[1].values[1].0).expect("a series");
    assert_eq!((series.name.as_str(), series.label("gpu")), (GPU_MEMORY, Some("0")));
    drop(writer);

    let mut late = HistoryReader::open(&place).expect("what is left");
    assert!(late.is_over(), "a copy");
    assert_eq!(late.samples(0..=u64::MAX), samples);

    let writer = HistoryWriter::open(&place, 1 << 20);
    writer.append_at(7 * SECOND, 102, [point("load1", &[], 1.0)]);
    assert_eq!(writer.reader().samples(0..=u64::MAX).len(), 3);
    assert_eq!(writer.reader().series().count(), 2);
    drop(writer);

    // Another interval makes a file of another size, which takes over the samples.
    let writer = HistoryWriter::open(&place, 2 << 20);
    writer.append_at(8 * SECOND, 103, [point("load1", &[], 1.0)]);
    let mut reader = HistoryReader::open(&place).expect("a history");
    assert_eq!(reader.samples(6 * SECOND..=8 * SECOND).len(), 3);
    let values = reader.as_of(8 * SECOND, 10 * SECOND);
    assert_eq!(values.len(), 2);
}

#[test]
fn files_that_are_no_history_are_refused_and_replaced() {
    let root = tempfile::tempdir().expect("a directory");
    let place = place(root.path());
    let file = place.history_files().next().expect("a path");
    let target = root.path().join("elsewhere");
    std::fs::write(&target, "not ours").expect("a file");
    std::os::unix::fs::symlink(&target, &file).expect("a link");
    assert!(HistoryReader::open(&place).is_err());
    drop(HistoryWriter::open(&place, 1 << 20));
    assert_eq!(std::fs::read_to_string(&target).expect("a file"), "not ours");
    assert!(HistoryReader::open(&place).is_ok());
    let whole = std::fs::read(&file).expect("a file");
    for contents in [&b""[..], b"short", &whole[..whole.len() - 8], &vec![0; whole.len()]] {
        std::fs::write(&file, contents).expect("a file");
        assert!(HistoryReader::open(&place).is_err());
    }
    let mut other_boot = whole.clone();
    other_boot[3 * 8] ^= 1;
    std::fs::write(&file, other_boot).expect("a file");
    assert!(HistoryReader::open(&place).is_err());
    let writer = HistoryWriter::open(&place, 1 << 20);
    writer.append([point("load1", &[], 1.0)]);
    assert_eq!(HistoryReader::open(&place).expect("a new one").samples(0..=u64::MAX).len(), 1);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn where_there_can_be_no_file_it_is_in_memory() {
    let root = tempfile::tempdir().expect("a directory");
    let place = place(root.path());
    std::fs::remove_dir_all(root.path()).expect("removed");
    let writer = HistoryWriter::open(&place, 1 << 20);
    assert!(writer.fallback().is_some());
    writer.append([point("load1", &[], 1.0)]);
    assert_eq!(writer.reader().samples(0..=u64::MAX).len(), 1);
    assert!(HistoryReader::open(&place).is_err());
}

#[test]
fn a_table_full_of_what_is_gone_is_made_anew() {
    let root = tempfile::tempdir().expect("a directory");
    let place = place(root.path());
    let writer = HistoryWriter::open(&place, 1 << 20);
    let old = writer.reader();
    for number in 0..20_000_u64 {
        let label = [number.to_string()];
        writer.append_at(number, number, [point("process_threads", &label, number as f64)]);
    }
    assert!(old.is_over());
    let mut reader = HistoryReader::open(&place).expect("a history");
    let samples = reader.samples(0..=u64::MAX);
    assert!(samples.len() > 800, "{}", samples.len());
    let named = samples.iter().filter(|sample| {
        let series = reader.get(sample.values[0].0).and_then(|series| series.label("gpu"));
        series == Some(sample.at.to_string().as_str())
    });
    assert_eq!(named.count(), samples.len());
    assert_eq!(samples.last().map(|sample| sample.at), Some(19_999));
}

#[test]
fn every_word_may_be_damaged() {
    let root = tempfile::tempdir().expect("a directory");
    let place = place(root.path());
    let writer = HistoryWriter::open(&place, 1 << 20);
    for number in 0..20 {
        writer.append_at(number, 0, [point("load1", &[], 1.0), point(GPU_MEMORY, &["0".into()], 5.0)]);
    }
    let file = place.history_files().next().expect("a path");
    let memory = HistoryMemory::read(&file).expect("mapped");
    let used: Vec<usize> =
        (0..memory.all_words().len()).filter(|at| memory.all_words()[*at].load(Relaxed) != 0).collect();
    drop(writer);
    let whole = std::fs::read(&file).expect("a file");
    assert!(used.len() > 100, "{}", used.len());
    for at in used {
        for bit in [0, 17, 40, 63] {
            let mut damaged = whole.clone();
            damaged[at * 8 + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, &damaged).expect("a file");
            if let Ok(mut reader) = HistoryReader::open(&place) {
                assert!(reader.samples(0..=u64::MAX).len() <= 20);
                let window = CallWindow { pid: 1, started: 10, ended: 12 };
                let _ = window.gpu_use(&mut reader, false);
            }
        }
    }
}

/// Appends samples of GPU memory: seconds, memory of all, memory of process 7, utilization. The wall clock
/// steps by an hour between them.
fn use_of(samples: &[(u64, f64, Option<f64>, f64)], started: u64, ended: u64) -> Option<GpuUse> {
    let writer = HistoryWriter::in_memory(1 << 20);
    let device = ["0".to_owned()];
    for (second, used, own, utilization) in samples {
        let own_labels = ["0".to_owned(), "7".to_owned()];
        let own = own.map(|own| Point {
            name: GPU_PROCESS_MEMORY,
            label_names: &["gpu", "pid"],
            label_values: &own_labels,
            value: Some(own),
        });
        let points = [point(GPU_MEMORY, &device, *used), point(GPU_UTILIZATION, &device, *utilization)];
        let unix = [2, 1, 3][*second as usize % 3] * 3600 * SECOND;
        writer.append_at(second * SECOND, unix, points.into_iter().chain(own));
        // A sample of another source between them.
        writer.append_at(second * SECOND + 1, 0, [point("load1", &[], 3.0)]);
    }
    let window = CallWindow { pid: 7, started: started * SECOND + 5, ended: ended * SECOND + 5 };
    window.gpu_use(&mut writer.reader(), false)
}

#[test]
fn the_use_of_a_call_is_that_of_its_window() {
    let of_all = [
        (1, 90.0, None, 0.9),
        (2, 10.0, None, 0.8),
        (3, 30.0, None, 0.5),
        (4, 50.0, None, 0.7),
        (5, 20.0, None, 0.1),
        (6, 99.0, None, 0.1),
    ];
    let whole = use_of(&of_all, 2, 4).expect("samples");
    assert_eq!((whole.memory_before, whole.memory_peak, whole.memory_delta), (10, 50, 10));
    assert_eq!(whole.utilization_mean, Some(0.6));
    assert!(!whole.of_process && !whole.shared);
    let running = use_of(&of_all[..4], 2, 4).expect("samples");
    assert_eq!((running.memory_before, running.memory_peak, running.memory_delta), (10, 50, 40));
    // Between two samples, peak and delta come from the later one.
    let short = use_of(&of_all, 2, 2).expect("samples");
    assert_eq!((short.memory_peak, short.memory_delta, short.utilization_mean), (30, 20, None));
    let last = use_of(&of_all, 6, 7).expect("samples");
    assert_eq!((last.memory_peak, last.memory_delta), (99, 0));
    assert_eq!(use_of(&of_all, 0, 4), None, "nothing is known of before");
    assert_eq!(use_of(&of_all, 200, 201), None, "too long ago");
    assert_eq!(use_of(&[], 2, 4), None);

    let own = of_all.map(|(second, used, _, utilization)| (second, used, Some(used / 2.0), utilization));
    let own = use_of(&own, 2, 4).expect("samples");
    assert_eq!((own.memory_before, own.memory_peak, own.memory_delta, own.of_process), (5, 25, 5, true));
    // A process without earlier data does not count as one without memory.
    let mut late = of_all;
    (late[2].2, late[3].2) = (Some(1.0), Some(2.0));
    let late = use_of(&late, 2, 4).expect("samples");
    assert_eq!((late.memory_before, late.of_process), (10, false));
}

/// Returns the use of a call from 5 s to 7 s, with samples at these seconds that are of now for 2 s.
fn use_with_samples_at(seconds: &[u64], name: &'static str) -> Option<GpuUse> {
    let writer = HistoryWriter::in_memory(1 << 20);
    writer.set_max_age(Duration::from_secs(2));
    let labels = ["0".to_owned(), "7".to_owned()];
    for second in seconds {
        let value = Some(*second as f64);
        let point = Point { name, label_names: &["gpu", "pid"], label_values: &labels, value };
        writer.append_at(second * SECOND, 0, [point]);
    }
    let window = CallWindow { pid: 7, started: 5 * SECOND, ended: 7 * SECOND };
    window.gpu_use(&mut writer.reader(), false)
}

#[test]
fn figures_older_than_two_intervals_are_absent() {
    let peak = |seconds: &[u64]| use_with_samples_at(seconds, GPU_PROCESS_MEMORY).map(|it| it.memory_peak);
    assert_eq!(peak(&[4, 5, 6, 7]), Some(7));
    assert_eq!(peak(&[3, 9]), Some(9), "each within two intervals of start and end");
    assert_eq!(peak(&[2, 6, 7]), None, "too old at the start");
    assert_eq!(peak(&[3, 4]), None, "too old at the end");
    assert_eq!(peak(&[4, 10]), None, "the source was away at the end");
}

#[test]
fn process_memory_counts_where_the_device_reports_none() {
    let used = use_with_samples_at(&[4, 6, 8], GPU_PROCESS_MEMORY).unwrap();
    assert_eq!((used.memory_before, used.memory_peak, used.of_process), (4, 8, true));
}

#[test]
fn devices_that_the_process_does_not_see_are_not_counted() {
    let writer = HistoryWriter::in_memory(1 << 20);
    let labels = |gpu: &str, mig: &str, pid: &str| [gpu, mig, pid].map(String::from);
    let see = |gpu, mig, pid| (GPU_VISIBLE, labels(gpu, mig, pid), 1.0);
    let used = |gpu, mig, value| (GPU_MEMORY, labels(gpu, mig, ""), value);
    for (second, grown) in [(1, 0.0), (3, 5.0)] {
        let values = [
            used("0", "", 100.0 + grown),
            used("1", "", 1000.0 + grown * 10.0),
            used("2", "", 10_000.0),
            used("2", "4", 7.0 + grown),
            see("0", "", "7"),
            see("1", "", "8"),
            see("2", "4", "9"),
        ];
        let label_names = &["gpu", "mig", "pid"];
        let points = values.iter().map(|(name, labels, value)| Point {
            name,
            label_names,
            label_values: labels,
            value: Some(*value),
        });
        writer.append_at(second * SECOND, 0, points);
    }
    let of = |pid| {
        let window = CallWindow { pid, started: 2 * SECOND, ended: 2 * SECOND + 1 };
        window
            .gpu_use(&mut writer.reader(), true)
            .map(|gpu| (gpu.memory_before, gpu.memory_delta, gpu.shared))
    };
    assert_eq!(of(7), Some((100, 5, true)));
    assert_eq!(of(8), Some((1000, 50, true)));
    assert_eq!(of(9), Some((7, 5, true)));
    assert_eq!(of(10), None, "it sees none of them");
}

#[test]
fn sizes_hold_a_quarter_of_an_hour() {
    let seconds = std::time::Duration::from_secs_f64;
    let default = history_bytes(seconds(1.0), Some(seconds(0.1)));
    assert!((2 << 20..=6 << 20).contains(&default), "{default}");
    assert_eq!(history_bytes(seconds(60.0), None), 1 << 20);
    assert_eq!(history_bytes(seconds(0.1), Some(seconds(0.05))), 8 << 20);
    // A GPU, a host and eight processes: 75 values a second; and 10 fast samples of 4 values.
    let writer = HistoryWriter::in_memory(default);
    let labels: Vec<[String; 1]> = (0..75_u32).map(|number| [number.to_string()]).collect();
    for tenth in 0..9_500 {
        let count = if tenth % 10 == 0 { 75 } else { 4 };
        let points = labels[..count].iter().map(|label| point("x", label, 1.0));
        writer.append_at(tenth * SECOND / 10, 0, points);
    }
    let samples = writer.reader().samples(0..=u64::MAX);
    assert!(samples.len() > 9_000, "{}", samples.len());
}
