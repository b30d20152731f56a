//! Tests of files of lines.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;
use tempfile::TempDir;

use super::*;
use crate::json_lines::lines::BEGINNING;

const SECOND: u64 = 1_000_000_000;
/// A time far after those of the test files, which are of the machine.
const NOW: u64 = 4_000_000_000 * SECOND;
const ENDLESS: Rotation = Rotation { bytes: u64::MAX, age: None, keep: 1000 };

fn line(number: usize, length: usize) -> String {
    let begin = str::from_utf8(BEGINNING).unwrap();
    format!("{begin}{number}\",\"message\":\"{}\"}}\n", "x".repeat(length))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Returns a directory, the path of a file in it, and its writer.
fn place(rotation: Rotation) -> (TempDir, PathBuf, LineFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.jsonl");
    let file = LineFile::new(path.clone(), 0o600, rotation);
    (directory, path, file)
}

/// Returns the sorted names in a directory.
fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn file_has_one_writer_even_if_it_is_read() {
    let (_directory, path, mut file) = place(ENDLESS);
    file.append(b"one\n", NOW).unwrap();
    // Closing the file in this process must not release the lock.
    assert_eq!(read(&path), "one\n");
    let mut other = LineFile::new(path.clone(), 0o600, ENDLESS);
    let error = other.append(b"two\n", NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().ends_with("another writes to it"), "{error}");
    drop(file);
    other.append(b"two\n", NOW).unwrap();
    assert_eq!(read(&path), "one\ntwo\n");
}

#[test]
fn lines_are_appended_to_a_file_of_its_mode() {
    for mode in [0o600, 0o664] {
        let (_directory, path, _) = place(ENDLESS);
        let mut file = LineFile::new(path.clone(), mode, ENDLESS);
        file.append(b"one\n", NOW).unwrap();
        file.append(b"two\nthree\n", NOW).unwrap();
        file.sync().unwrap();
        assert_eq!(read(&path), "one\ntwo\nthree\n");
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode);
        drop(file);
        LineFile::new(path.clone(), 0o600, ENDLESS).append(b"four\n", NOW).unwrap();
        assert_eq!(read(&path), "one\ntwo\nthree\nfour\n");
    }
}

#[test]
fn full_files_get_numbers_and_the_oldest_are_removed() {
    let (directory, path, mut file) = place(Rotation { bytes: 8, age: None, keep: 2 });
    for name in ["calls.jsonl.1", "calls.jsonl.0000001", "calls.jsonl.000007.gz", "calls.jsonl-000001"] {
        fs::write(directory.path().join(name), "of somebody else").unwrap();
    }
    let foreign = names(&directory);
    for number in 0..6 {
        file.append(format!("line {number}\n").as_bytes(), NOW).unwrap();
    }
    let mut expected = foreign;
    expected.extend(["calls.jsonl", "calls.jsonl.000004", "calls.jsonl.000005"].map(str::to_owned));
    expected.sort();
    assert_eq!(names(&directory), expected);
    assert_eq!(read(&path), "line 5\n");
    assert_eq!(read(&directory.path().join("calls.jsonl.000004")), "line 3\n");
    // Large numbers have more digits.
    fs::rename(directory.path().join("calls.jsonl.000005"), directory.path().join("calls.jsonl.9999999"))
        .unwrap();
    file.append(b"line 6\n", NOW).unwrap();
    assert_eq!(read(&directory.path().join("calls.jsonl.10000000")), "line 5\n");
}

#[test]
fn no_full_file_is_kept_if_the_limit_is_zero() {
    let (directory, path, mut file) = place(Rotation { bytes: 0, age: None, keep: 0 });
    file.append(b"one\n", NOW).unwrap();
    file.append(b"two\n", NOW).unwrap();
    assert_eq!((names(&directory), read(&path)), (vec!["calls.jsonl".to_owned()], "two\n".to_owned()));
}

#[test]
fn file_has_lines_of_one_period() {
    let hour = 3600 * SECOND;
    let rotation = Rotation { age: Some(Duration::from_secs(3600)), ..ENDLESS };
    let (directory, path, mut file) = place(rotation.clone());
    let begin = NOW / hour * hour;
    file.append(b"a\n", begin).unwrap();
    file.append(b"b\n", begin + hour - 1).unwrap();
    file.append(b"c\n", begin + hour).unwrap();
    // The clock steps back and forward again.
    file.append(b"d\n", begin).unwrap();
    file.append(b"e\n", begin + hour).unwrap();
    assert_eq!(read(&directory.path().join("calls.jsonl.000001")), "a\nb\n");
    assert_eq!(read(&path), "c\nd\ne\n");
    drop(file);
    // Another writer derives the period from the modification time.
    let mut other = LineFile::new(path.clone(), 0o600, rotation);
    let written = path.metadata().unwrap().mtime() as u64 * SECOND;
    other.append(b"f\n", written).unwrap();
    other.append(b"g\n", written + hour).unwrap();
    assert_eq!(read(&directory.path().join("calls.jsonl.000002")), "c\nd\ne\nf\n");
    assert_eq!(read(&path), "g\n");
}

#[test]
fn clock_that_was_ahead_causes_one_rotation() {
    let (hour, year) = (3600 * SECOND, 365 * 24 * 3600 * SECOND);
    let (directory, path, mut file) = place(Rotation { age: Some(Duration::from_secs(3600)), ..ENDLESS });
    for (lines, at) in [("a\n", NOW), ("b\n", NOW + year), ("c\n", NOW), ("d\n", NOW + hour)] {
        file.append(lines.as_bytes(), at).unwrap();
    }
    assert_eq!(names(&directory), ["calls.jsonl", "calls.jsonl.000001", "calls.jsonl.000002"]);
    assert_eq!(read(&directory.path().join("calls.jsonl.000002")), "b\nc\n");
    assert_eq!(read(&path), "d\n");
}

#[test]
fn partial_line_is_removed_and_other_text_is_completed() {
    let (whole, half) = (line(1, 10), line(2, 10));
    for cut in 1..half.len() {
        let (_directory, path, mut file) = place(ENDLESS);
        fs::write(&path, format!("{whole}{}", &half[..cut])).unwrap();
        file.append(half.as_bytes(), NOW).unwrap();
        assert_eq!(read(&path), format!("{whole}{half}"));
    }
    let long = "x".repeat(3 << 20);
    for (before, after) in [
        ("no feed", "no feed\n"),
        ("{\"time\":1", "{\"time\":1\n"),
        ("\n", "\n"),
        ("", ""),
        (&half[..20], ""),
        (&*long, &*format!("{long}\n")),
        (&*format!("{long}\n{}", &half[..20]), &*format!("{long}\n")),
    ] {
        let (_directory, path, mut file) = place(ENDLESS);
        fs::write(&path, before).unwrap();
        file.append(whole.as_bytes(), NOW).unwrap();
        assert!(read(&path) == format!("{after}{whole}"), "{} bytes before", before.len());
    }
    // The longest possible line, without its end.
    let (_directory, path, mut file) = place(ENDLESS);
    let longest = line(3, crate::json_lines::lines::LINE - line(3, 0).len());
    fs::write(&path, format!("{whole}{}", longest.trim_end())).unwrap();
    file.append(half.as_bytes(), NOW).unwrap();
    assert!(read(&path) == format!("{whole}{half}"));
}

#[test]
fn moved_removed_or_truncated_file_is_written_again() {
    let (directory, path, mut file) = place(ENDLESS);
    let moved = directory.path().join("moved");
    file.append(b"one\n", NOW).unwrap();
    fs::rename(&path, &moved).unwrap();
    file.append(b"two\n", NOW).unwrap();
    assert_eq!((read(&moved), read(&path)), ("one\n".to_owned(), "two\n".to_owned()));
    fs::remove_file(&path).unwrap();
    file.append(b"three\n", NOW).unwrap();
    assert_eq!(read(&path), "three\n");
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    file.append(b"four\n", NOW).unwrap();
    assert_eq!(read(&path), "four\n");
    fs::write(&path, "left").unwrap();
    file.append(b"five\n", NOW).unwrap();
    assert_eq!(read(&path), "left\nfive\n");
}

#[test]
fn path_without_a_regular_file_is_rejected() {
    let (directory, path, mut file) = place(ENDLESS);
    let target = directory.path().join("target");
    fs::write(&target, "").unwrap();
    symlink(&target, &path).unwrap();
    let error = file.append(b"x\n", NOW).unwrap_err();
    assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(file.append(b"x\n", NOW).unwrap_err().kind(), ErrorKind::InvalidInput);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(file.append(b"x\n", NOW).is_err());
    fs::remove_dir(&path).unwrap();
    fs::hard_link(&target, &path).unwrap();
    assert!(
        file.append(b"x\n", NOW).unwrap_err().to_string().ends_with("it has a second name (a hard link)")
    );
    fs::remove_file(&path).unwrap();
    if nix::unistd::geteuid().is_root() {
        fs::write(&path, "").unwrap();
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(file.append(b"x\n", NOW).unwrap_err().to_string().ends_with("it belongs to another user"));
        assert_eq!(read(&path), "");
        fs::remove_file(&path).unwrap();
    }
    file.append(b"x\n", NOW).unwrap();
    assert_eq!((read(&target), read(&path)), (String::new(), "x\n".to_owned()));
    let mut below_a_file = LineFile::new(target.join("calls.jsonl"), 0o600, ENDLESS);
    assert_eq!(below_a_file.append(b"x\n", NOW).unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn rotation_skips_existing_names_and_is_retried() {
    let (directory, path, mut file) = place(Rotation { bytes: 4, ..ENDLESS });
    file.append(b"one\n", NOW).unwrap();
    // Existing entries of any kind are kept.
    fs::create_dir(directory.path().join("calls.jsonl.000001")).unwrap();
    file.append(b"two\n", NOW).unwrap();
    assert_eq!(read(&directory.path().join("calls.jsonl.000002")), "one\n");
    assert_eq!(read(&path), "two\n");
    let highest = directory.path().join(format!("calls.jsonl.{}", u64::MAX));
    fs::write(&highest, "of another program").unwrap();
    symlink(&highest, directory.path().join("calls.jsonl.000003")).unwrap();
    fs::create_dir(directory.path().join("calls.jsonl.000900")).unwrap();
    file.append(b"four\n", NOW).unwrap();
    file.append(b"two\n", NOW).unwrap();
    assert_eq!(read(&directory.path().join("calls.jsonl.000004")), "two\n");
    assert_eq!(read(&directory.path().join("calls.jsonl.000005")), "four\n");
    assert_eq!((read(&highest).as_str(), read(&path).as_str()), ("of another program", "two\n"));
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(file.append(b"three\n", NOW).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(read(&path), "two\n");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        file.append(b"three\n", NOW).unwrap();
        assert_eq!(read(&path), "three\n");
    }
}

#[test]
fn erased_lines_leave_the_file_and_its_writer_continues() {
    let (directory, path, mut file) = place(Rotation { bytes: 25, ..ENDLESS });
    for lines in ["mine 1\nyours 1\nyours 2\n", "yours 3\nmine 2\n", "mine 3\nyours 4\n"] {
        file.append(lines.as_bytes(), NOW).unwrap();
    }
    assert_eq!(names(&directory), ["calls.jsonl", "calls.jsonl.000001", "calls.jsonl.000002"]);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let mine = |line: &[u8]| line.starts_with(b"mine");
    assert_eq!(erase_lines(&path, true, &mine).unwrap(), 3);
    assert!(read(&path).contains("mine"), "a dry run changes nothing");
    assert_eq!(erase_lines(&path, false, &mine).unwrap(), 3);
    assert_eq!(erase_lines(&path, false, &mine).unwrap(), 0);
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
    file.append(b"yours 5\n", NOW).unwrap();
    let all = names(&directory).iter().map(|name| read(&directory.path().join(name))).collect::<String>();
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["yours 1", "yours 2", "yours 3", "yours 4", "yours 5"]);
}

#[test]
fn lines_appended_while_others_are_erased_are_kept() {
    let (directory, path, mut file) = place(Rotation { bytes: 4000, ..ENDLESS });
    let writer = std::thread::spawn(move || {
        for number in 0..600 {
            let lines = format!("mine {number}\nyours {number}\n");
            while let Err(error) = file.append(lines.as_bytes(), NOW) {
                assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
                std::thread::yield_now();
            }
        }
    });
    let mine = |line: &[u8]| line.starts_with(b"mine");
    let mut erased = 0;
    while !writer.is_finished() {
        erased += erase_lines(&path, false, &mine).or_else(not_yet).unwrap();
    }
    writer.join().unwrap();
    erased += erase_lines(&path, false, &mine).unwrap();
    let all: String = names(&directory).iter().map(|name| read(&directory.path().join(name))).collect();
    assert_eq!((all.matches("mine").count(), all.matches("yours").count(), erased), (0, 600, 600));
}

fn not_yet(error: std::io::Error) -> std::io::Result<u64> {
    if error.kind() == ErrorKind::NotFound { Ok(0) } else { Err(error) }
}

#[test]
fn erasing_opens_only_regular_files_of_its_user() {
    let (directory, path, _) = place(ENDLESS);
    let target = directory.path().join("target");
    fs::write(&target, "mine\n").unwrap();
    let erase = || erase_lines(&path, false, &|_| true);
    assert_eq!(erase().unwrap_err().kind(), ErrorKind::NotFound);
    symlink(&target, &path).unwrap();
    assert!(erase().is_err());
    fs::remove_file(&path).unwrap();
    fs::hard_link(&target, &path).unwrap();
    assert!(erase().unwrap_err().to_string().ends_with("it has a second name (a hard link)"));
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(erase().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(read(&target), "mine\n");
}

/// An event between two batches.
#[derive(Clone, Debug)]
enum Step {
    /// A batch with lines of these lengths, a number of seconds later.
    Lines(Vec<usize>, u64),
    /// A kill of the writer when this part, of 256, of a batch with lines of these lengths is written.
    Killed(Vec<usize>, usize),
    /// A restart of the writer.
    Reopened,
    /// A rename of the file.
    Moved,
    /// A clock step back by this number of seconds.
    Back(u64),
    Synced,
}

fn step() -> impl Strategy<Value = Step> {
    let lines = || vec(0_usize..200, 1..5);
    prop_oneof![
        8 => (lines(), 0_u64..30).prop_map(|(lines, later)| Step::Lines(lines, later)),
        2 => (lines(), 0_usize..256).prop_map(|(lines, part)| Step::Killed(lines, part)),
        1 => Just(Step::Reopened),
        1 => Just(Step::Moved),
        1 => (0_u64..100).prop_map(Step::Back),
        1 => Just(Step::Synced),
    ]
}

/// Returns the number of cases, from `SOUNDPOST_CASES` or small, because each case syncs files.
fn config() -> ProptestConfig {
    let cases = std::env::var("SOUNDPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_line_is_in_one_file_once(
        steps in vec(step(), 1..40),
        max_bytes in 1_u64..2000,
        age in proptest::option::of(1_u64..60),
    ) {
        let rotation = Rotation { bytes: max_bytes, age: age.map(Duration::from_secs), keep: 1000 };
        let (directory, path, mut file) = place(rotation.clone());
        let (mut now, mut number, mut moved) = (NOW, 0, 0);
        // The longest file, and the batch of a killed writer.
        let (mut longest, mut torn) = (max_bytes, 0);
        // Whole lines of a killed writer are written again.
        let mut again = BTreeSet::new();
        let mut batch = |lengths: &[usize]| -> Vec<(usize, String)> {
            lengths.iter().map(|length| { number += 1; (number, line(number, *length)) }).collect()
        };
        for step in steps {
            match step {
                Step::Lines(lengths, later) => {
                    now += later * SECOND;
                    let lines: String = batch(&lengths).into_iter().map(|(_, line)| line).collect();
                    longest = longest.max(lines.len() as u64);
                    file.append(lines.as_bytes(), now).unwrap();
                }
                Step::Killed(lengths, part) => {
                    let batch = batch(&lengths);
                    let lines: String = batch.iter().map(|(_, line)| line.as_str()).collect();
                    let cut = lines.len() * part / 256;
                    let mut dying = OpenOptions::new().create(true).append(true).open(&path).unwrap();
                    dying.write_all(&lines.as_bytes()[..cut]).unwrap();
                    let whole = lines[..cut].matches('\n').count();
                    again.extend(batch[..whole].iter().map(|(number, _)| *number));
                    file = LineFile::new(path.clone(), 0o600, rotation.clone());
                    file.append(lines.as_bytes(), now).unwrap();
                    (longest, torn) = (longest.max(lines.len() as u64), torn.max(cut as u64));
                }
                Step::Reopened => file = LineFile::new(path.clone(), 0o600, rotation.clone()),
                Step::Moved => {
                    moved += 1;
                    let _ = fs::rename(&path, directory.path().join(format!("moved-{moved}")));
                }
                Step::Back(seconds) => now -= seconds * SECOND,
                Step::Synced => file.sync().unwrap(),
            }
        }
        let mut found = Vec::new();
        for name in names(&directory) {
            let text = read(&directory.path().join(name));
            prop_assert!(text.len() as u64 <= longest + torn);
            prop_assert!(text.is_empty() || text.ends_with('\n'));
            for text in text.lines() {
                let number: usize = text[BEGINNING.len()..].split('"').next().unwrap().parse().unwrap();
                prop_assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
                found.push(number);
            }
        }
        found.sort_unstable();
        let expected: Vec<_> = (1..=number).collect();
        let once: Vec<_> = found.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        prop_assert_eq!(once, expected);
        let twice = found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        prop_assert_eq!(twice.collect::<BTreeSet<_>>(), again);
    }
}
