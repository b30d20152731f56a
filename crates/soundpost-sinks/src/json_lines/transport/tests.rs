//! Tests of the transport to files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use serde_json::Value as Json;
use soundpost_store::Record;

use super::*;
use crate::format::fixtures::{ORIGIN, numbered_call};

fn records(sequences: std::ops::Range<u64>) -> Vec<Record> {
    sequences.map(numbered_call).map(Record::Call).collect()
}

fn lines(path: &Path) -> Lines {
    Lines::new(&JsonLines::new(path).unwrap())
}

fn write(lines: &mut Lines, records: &[Record]) -> Answer {
    lines.write(Batch { origin: ORIGIN, records }).unwrap_or_else(Answer::none)
}

fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    // Zero characters are omitted.
    let number = |line: &str| serde_json::from_str::<Json>(line).unwrap()["char_count"].as_u64().unwrap_or(0);
    text.lines().map(number).collect()
}

#[test]
fn records_become_lines_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.jsonl");
    let mut lines = lines(&path);
    for batch in [records(0..1), records(1..500)] {
        assert_eq!(write(&mut lines, &batch), Answer::taken(batch.len(), Losses::default()));
    }
    assert!(numbers(&path).into_iter().eq(0..500));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn unwritable_path_is_misconfigured() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("folder");
    let (path, batch) = (folder.join("calls.jsonl"), records(0..3));
    let mut lines = lines(&path);
    let mut refused = || {
        let answer = write(&mut lines, &batch);
        let Verdict::Misconfigured(why) = &answer.rest else { panic!("{answer:?}") };
        assert!(answer.settled == 0 && why.starts_with(path.to_str().unwrap()), "{why}");
    };
    fs::write(&folder, "").unwrap();
    refused();
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    symlink("/dev/null", &path).unwrap();
    refused();
    fs::remove_file(&path).unwrap();
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
        refused();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    // Lines are written as soon as the path is writable.
    assert_eq!(write(&mut lines, &batch).rest, Verdict::Taken);
    assert!(numbers(&path).into_iter().eq(0..3));
}

#[test]
fn missing_folder_is_created_for_readers_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/tts/calls.jsonl");
    let mut lines = Lines::new(&JsonLines::new(&path).unwrap().mode(0o640));
    for batch in [0..3, 3..6] {
        assert_eq!(write(&mut lines, &records(batch)).rest, Verdict::Taken);
        let mode = path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777;
        assert!(mode & 0o700 == 0o700 && mode & 0o027 == 0, "{mode:o}");
        fs::remove_dir_all(directory.path().join("logs")).unwrap();
    }
}

/// Returns a command that runs this test in a separate process, with a variable set.
fn in_a_process(test: &str, value: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("json_lines::transport::tests::{test}"), "--nocapture"])
        .env(CHILD, value);
    command
}

const CHILD: &str = "SOUNDPOST_LINES_TEST";

#[test]
fn file_of_another_writer_is_retried() {
    if let Some(path) = std::env::var_os(CHILD) {
        let mut lines = lines(Path::new(&path));
        assert_eq!(write(&mut lines, &records(0..1)).rest, Verdict::Taken);
        // The process ends when its input is closed.
        io::stdin().lines().for_each(drop);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.jsonl");
    let mut command = in_a_process("file_of_another_writer_is_retried", &path);
    let mut other = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let mut lines = lines(&path);
    let answer = write(&mut lines, &records(1..3));
    assert!(matches!(answer.rest, Verdict::Later { .. }) && answer.settled == 0, "{answer:?}");
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    assert_eq!(write(&mut lines, &records(1..3)).rest, Verdict::Taken);
    assert_eq!(numbers(&path), [0, 1, 2]);
}

#[test]
fn full_disk_leaves_no_partial_line() {
    if std::env::var_os(CHILD).is_none() {
        // The test limits the process's file size.
        let output = in_a_process("full_disk_leaves_no_partial_line", Path::new("1")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
        return;
    }
    // All threads of Soundpost ignore this signal.
    SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.jsonl");
    let mut lines = lines(&path);
    assert_eq!(write(&mut lines, &records(0..10)).rest, Verdict::Taken);
    let (free, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    let full = fs::metadata(&path).unwrap().len();
    for more in [0, 1, 700, 2000] {
        setrlimit(Resource::RLIMIT_FSIZE, full + more, most).unwrap();
        for _ in 0..2 {
            let answer = write(&mut lines, &records(10..20));
            assert!(matches!(answer.rest, Verdict::Later { .. }) && answer.settled == 0, "{answer:?}");
            assert_eq!(fs::metadata(&path).unwrap().len(), full);
        }
    }
    setrlimit(Resource::RLIMIT_FSIZE, free, most).unwrap();
    assert_eq!(write(&mut lines, &records(10..20)).rest, Verdict::Taken);
    assert!(numbers(&path).into_iter().eq(0..20));
}

#[test]
fn hostile_records_are_truncated_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.jsonl");
    let long = "\0é".repeat(5 << 20);
    let mut row = numbered_call(1);
    row.call.fields = vec![("long".into(), soundpost_core::FieldValue::Text(long))];
    row.call
        .fields
        .extend((0..10_000).map(|number| (format!("f{number}"), soundpost_core::FieldValue::Int(number))));
    let answer = write(&mut lines(&path), &[Record::Call(row)]);
    assert_eq!((answer.settled, answer.losses.shortened), (1, 1));
    let line = fs::read_to_string(&path).unwrap();
    let read: serde_json::Map<String, Json> = serde_json::from_str(&line).unwrap();
    let fields = read.keys().filter(|name| name.starts_with('f')).count() as u64;
    assert_eq!(answer.losses.left_out, 10_000 - fields);
    assert!(line.len() <= lines::LINE && fields > 50);
}
