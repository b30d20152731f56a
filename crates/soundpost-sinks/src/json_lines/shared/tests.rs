//! Tests with pipes that are read, full or closed.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_millis(20);

fn read_some(from: &OwnedFd, most: usize) -> Vec<u8> {
    let mut read = vec![0; most];
    let length = nix::unistd::read(from, &mut read).unwrap();
    read.truncate(length);
    read
}

#[test]
fn full_pipe_does_not_block() {
    let (read, written) = pipe().unwrap();
    let mut lines = SharedLines::default();
    let all: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let put = lines.write(&written, all.as_bytes(), PATIENCE).unwrap();
    assert!(put > 0 && put < all.len());
    assert_eq!(lines.write(&written, &all.as_bytes()[put..], PATIENCE).unwrap(), 0);
    // Whole lines are written, and the rest follows when there is room.
    let mut found = read_some(&read, 1 << 20);
    assert_eq!(found, &all.as_bytes()[..put]);
    assert_eq!(found.last(), Some(&b'\n'));
    let mut at = put;
    while at < all.len() {
        at += lines.write(&written, &all.as_bytes()[at..], PATIENCE).unwrap();
        found.extend(read_some(&read, 1 << 20));
    }
    drop(written);
    File::from(read).read_to_end(&mut found).unwrap();
    assert!(found == all.as_bytes());
}

#[test]
fn partially_written_line_is_completed_first() {
    let (read, written) = pipe().unwrap();
    let mut lines = SharedLines::default();
    let long = "x".repeat(1 << 20) + "\n";
    assert_eq!(lines.write(&written, long.as_bytes(), PATIENCE).unwrap(), long.len());
    assert_eq!(lines.write(&written, b"next\n", PATIENCE).unwrap(), 0);
    let reader = std::thread::spawn(move || {
        let mut found = String::new();
        File::from(read).read_to_string(&mut found).unwrap();
        found
    });
    while lines.write(&written, b"next\n", Duration::from_secs(10)).unwrap() == 0 {}
    drop(written);
    assert!(reader.join().unwrap() == long + "next\n");
}

#[test]
fn descriptor_flags_are_kept_and_tolerated() {
    for flags in [OFlag::empty(), OFlag::O_NONBLOCK] {
        let (read, written) = pipe().unwrap();
        fcntl(&written, FcntlArg::F_SETFL(flags)).unwrap();
        let before = fcntl(&written, FcntlArg::F_GETFL).unwrap();
        let mut lines = SharedLines::default();
        let all = "a line\n".repeat(20_000);
        let put = lines.write(&written, all.as_bytes(), PATIENCE).unwrap();
        assert!(put > 0 && put < all.len());
        assert_eq!(fcntl(&written, FcntlArg::F_GETFL).unwrap(), before);
        assert_eq!(read_some(&read, 1 << 20), &all.as_bytes()[..put]);
    }
}

#[test]
fn missing_reader_and_closed_descriptor_are_errors() {
    let (read, written) = pipe().unwrap();
    drop(read);
    let mut lines = SharedLines::default();
    assert_eq!(lines.write(&written, b"x\n", PATIENCE).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(lines.write(&full, b"x\n", PATIENCE).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[test]
fn file_accepts_all_lines() {
    let mut file = tempfile::tempfile().unwrap();
    let all = "a line\n".repeat(20_000);
    let mut lines = SharedLines::default();
    assert_eq!(lines.write(&file, all.as_bytes(), PATIENCE).unwrap(), all.len());
    let mut found = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_string(&mut found).unwrap();
    assert!(found == all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_line_is_written_once_and_whole(
        batches in vec(vec(0_usize..9000, 1..6), 1..8),
        takes in vec(1_usize..20_000, 60),
    ) {
        let (read, written) = pipe().unwrap();
        fcntl(&written, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let mut lines = SharedLines::default();
        let (mut number, mut expected, mut found) = (0, Vec::new(), Vec::new());
        let mut takes = takes.into_iter().cycle();
        for batch in batches {
            let batch: String = batch.into_iter().map(|length| {
                number += 1;
                format!("{number} {}\n", "x".repeat(length))
            }).collect();
            let mut at = 0;
            while at < batch.len() {
                let put = lines.write(&written, &batch.as_bytes()[at..], Duration::ZERO).unwrap();
                at += put;
                prop_assert!(put == 0 || batch.as_bytes()[at - 1] == b'\n');
                if put == 0 {
                    found.extend(read_some(&read, takes.next().unwrap()));
                }
            }
            expected.extend_from_slice(batch.as_bytes());
        }
        // The last line may be incomplete.
        while lines.write(&written, b"end\n", Duration::ZERO).unwrap() == 0 {
            found.extend(read_some(&read, takes.next().unwrap()));
        }
        expected.extend_from_slice(b"end\n");
        drop(written);
        File::from(read).read_to_end(&mut found).unwrap();
        prop_assert!(found == expected);
    }
}
