//! Damaged, cut, foreign files among the segments: nobody falls over, only what is damaged is lost.
#![allow(clippy::expect_used)]

mod common;
#[path = "common/damage.rs"]
mod damage;

use common::*;
use damage::*;
use soundpost_core::MIN_SEGMENT_BYTES;

#[test]
fn a_flipped_bit_loses_one_record_at_most_and_is_counted() {
    let bytes = specimen(MIN_SEGMENT_BYTES);
    let records = records(&bytes);
    // Everything before the records in steps, all heads and a part of the records, the rest in steps.
    let header = 0..64 * 8 * 8;
    let before = (header.end..records.start * 8).step_by(131);
    let inside = (records.start * 8..records.end * 8).step_by(53);
    let after = (records.end * 8..bytes.len() * 8).step_by(2503);
    let end = records.end * 8..records.end * 8 + 64;
    assert!(flip(header.step_by(3).chain(before).chain(inside).chain(end).chain(after)) > 100);
}

/// Every bit of a segment; takes minutes: `cargo test -p soundpost-core --release --test damage -- --ignored`.
#[test]
#[ignore = "takes minutes; see docs/reliability.md"]
fn every_flipped_bit() {
    let bits = specimen(MIN_SEGMENT_BYTES).len() * 8;
    let effects = flip(0..bits);
    println!("{bits} bits flipped one by one; {effects} of them changed what is shown; 0 panics");
}

#[test]
fn a_cut_segment_is_refused_and_set_aside() {
    // Longer than the smallest, so that a cut one may still have a size that could be.
    let bytes = specimen(MIN_SEGMENT_BYTES + 4096);
    let lengths = (0..200).chain((200..bytes.len()).step_by(977)).chain(MIN_SEGMENT_BYTES - 9..bytes.len());
    truncate(&bytes, lengths.filter(|length| *length < 200 || length % 37 == 0));
}

/// Every length: `cargo test -p soundpost-core --release --test damage -- --ignored`.
#[test]
#[ignore = "takes a minute; see docs/reliability.md"]
fn every_cut() {
    let bytes = specimen(MIN_SEGMENT_BYTES + 4096);
    truncate(&bytes, 0..bytes.len());
    println!("cut at each of {} bytes; 0 panics", bytes.len());
}

fn truncate(bytes: &[u8], lengths: impl Iterator<Item = usize>) {
    let bench = Bench::new();
    bench.lay(bytes);
    assert!(bench.read().0.len() > 5);
    for (index, length) in lengths.enumerate() {
        bench.lay(&bytes[..length]);
        let (seen, damage) = bench.read();
        // A word that is cut in two is no word: what is left of the last one may still be whole.
        if length / 8 < bytes.len() / 8 {
            assert!(seen.keys().all(|key| key.starts_with("svc_")), "{length}: {seen:?}");
            assert!(damage >= 1.0, "{length}");
        }
        if index % 50 == 0 {
            bench.collector().merge_dead();
            assert!(!bench.file().exists(), "{length}: out of the way");
            let aside = bench.file().with_extension("damaged");
            assert!(aside.exists(), "{length}: for whoever wants to look");
        }
    }
}

#[test]
fn folding_a_damaged_segment_keeps_what_is_sound() {
    let bytes = specimen(MIN_SEGMENT_BYTES);
    let records = records(&bytes);
    for bit in (records.start * 8..records.end * 8).step_by(1499) {
        let bench = Bench::new();
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        bench.lay(&damaged);
        let gauges = |shown: Shown| -> Shown {
            // Gauges end with their process, calls in flight are read from what lives.
            shown.into_iter().filter(|(key, _)| !key.starts_with("level")).collect()
        };
        let before = gauges(bench.read().0);
        assert_eq!(bench.collector().merge_dead(), 1);
        assert_eq!(gauges(bench.read().0), before, "bit {bit}");
    }
}

#[test]
fn foreign_files_are_left_alone_or_set_aside() {
    let bench = Bench::new();
    let (sound, _) = bench.read();
    let directory = bench.file().parent().expect("a directory").to_path_buf();
    let outside = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(outside.path(), specimen(MIN_SEGMENT_BYTES)).expect("written");
    std::fs::create_dir(directory.join("directory.segment")).expect("made");
    std::os::unix::fs::symlink(outside.path(), directory.join("link.segment")).expect("made");
    std::os::unix::fs::symlink("/nowhere", directory.join("dangling.segment")).expect("made");
    std::fs::write(directory.join("empty.segment"), []).expect("written");
    std::fs::write(directory.join("text.segment"), "not a segment\n".repeat(20_000)).expect("written");
    std::fs::write(directory.join("zeros.segment"), vec![0; MIN_SEGMENT_BYTES]).expect("written");
    std::fs::write(directory.join("ones.segment"), vec![0xFF; MIN_SEGMENT_BYTES]).expect("written");
    std::fs::write(directory.join("unrelated"), "x").expect("written");
    let fifo = std::ffi::CString::new(directory.join("fifo.segment").as_os_str().as_encoded_bytes());
    // SAFETY: the path is a valid C string.
    assert_eq!(unsafe { libc::mkfifo(fifo.expect("no NUL").as_ptr(), 0o600) }, 0);
    let (seen, damage) = bench.read();
    assert_eq!(seen, sound, "nothing of them is shown");
    assert!(damage >= 5.0, "{damage}");
    let mut collector = bench.collector();
    assert_eq!(collector.merge_dead(), 0);
    for name in ["empty", "text", "zeros", "ones"] {
        assert!(!directory.join(format!("{name}.segment")).exists(), "{name} is out of the way");
        assert!(directory.join(format!("{name}.damaged")).exists(), "{name}");
    }
    assert!(directory.join("unrelated").exists());
    assert!(outside.path().exists(), "what a link points to is not touched");
    assert_eq!(bench.read().0, sound);
}

#[test]
fn files_of_other_users_are_not_read() {
    if soundpost_core::user_id() != 0 {
        return;
    }
    let bench = Bench::new();
    let (sound, _) = bench.read();
    bench.lay(&specimen(MIN_SEGMENT_BYTES));
    std::os::unix::fs::chown(bench.file(), Some(65_534), None).expect("given away");
    assert_eq!(bench.read().0, sound);
    assert_eq!(bench.collector().merge_dead(), 0);
}

#[test]
fn damaged_totals_do_not_keep_the_living_from_being_read() {
    let home = Home::new();
    let registry = home.registry();
    let ended = home.registry();
    ended
        .family(soundpost_core::Spec::counter("c"))
        .expect("a family")
        .counter(&[])
        .expect("a counter")
        .increment();
    drop(ended);
    let mut collector = home.collector(&registry);
    assert_eq!(collector.merge_dead(), 1);
    assert_eq!(value(&collector.snapshot(), "c", &[]), Some(1.0));
    let totals = home.segment_files()[0].with_file_name("retired.totals");
    std::fs::write(&totals, b"nonsense").expect("written");
    let counter = registry.family(soundpost_core::Spec::counter("c")).expect("a family").counter(&[]);
    counter.expect("a counter").increment_by(5.0);
    assert_eq!(value(&collector.snapshot(), "c", &[]), Some(6.0), "who has read them keeps them");
    assert_eq!(value(&home.snapshot(&registry), "c", &[]), Some(5.0));
    assert!(errors(&home.snapshot(&registry), "segment_damaged") >= 1.0);
}
