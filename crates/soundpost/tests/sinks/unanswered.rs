//! Tests of sinks without replies: GELF over TCP with resets, rotated files and standard output.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use soundpost::sink::{Graylog, JsonLines};

use crate::common::{Directory, Ending, until};
use crate::state::{Scraped, id, record, service};

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(10);

/// Reads at least a number of bytes and all available data, and resets the connection.
fn cut(mut stream: TcpStream, bytes: usize) -> Vec<u8> {
    let (mut read, mut part) = (Vec::new(), [0; 4096]);
    while read.len() < bytes {
        match stream.read(&mut part) {
            Ok(more) if more > 0 => read.extend_from_slice(&part[..more]),
            _ => break,
        }
    }
    // Unread data in the kernel would be lost without being detected.
    stream.set_nonblocking(true).unwrap();
    while let Ok(more @ 1..) = stream.read(&mut part) {
        read.extend_from_slice(&part[..more]);
    }
    setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    read
}

/// Returns the request ids of whole frames, in order.
fn ids(read: &[u8]) -> Vec<String> {
    let whole = read.iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
    let frames = read[..whole].split(|byte| *byte == 0).filter(|frame| !frame.is_empty());
    frames.map(|frame| id(&String::from_utf8(frame.to_vec()).unwrap().replace("\"_", "\""))).collect()
}

#[test]
fn gelf_over_tcp_survives_resets_without_a_loss() {
    // Maximum number of connections to reset.
    const CUTS: usize = 12;
    let directory = Directory::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sink = Graylog::new(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let has: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let keep = has.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            // The resets together cover less than the sent data.
            let most = if number < CUTS { getrandom::u64().unwrap() as usize % 20_000 } else { usize::MAX };
            keep.lock().unwrap().push(ids(&cut(stream, most)));
        }
    });
    let telemetry = service(&directory, "resets").sink(sink.longest_wait(SHORT).batch(500)).start().unwrap();
    let ending = Ending(telemetry.clone());
    for round in 0..4 {
        record(&telemetry, &format!("r{round}-"), 250);
        let _ = Scraped::of(&telemetry.render(), "graylog");
    }
    until("all is settled", || {
        let scraped = Scraped::of(&telemetry.render(), "graylog");
        scraped.delivered == 1000.0 && scraped.pending == 0.0
    });
    // The last connection ends with the service.
    drop(ending);
    let all: Vec<_> =
        (0..4).flat_map(|round| (0..250).map(move |index| format!("r{round}-{index}"))).collect();
    until("the server has read all", || {
        let has: BTreeSet<_> = has.lock().unwrap().iter().flatten().cloned().collect();
        all.iter().all(|id| has.contains(id))
    });
    assert!(has.lock().unwrap().len() > 1, "no connection was cut");
    // Each connection is ordered and has no duplicates.
    for ids in has.lock().unwrap().iter() {
        let places: Vec<_> = ids.iter().map(|id| all.iter().position(|other| other == id).unwrap()).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    }
}

#[test]
fn rotated_files_have_every_line_once() {
    let directory = Directory::new();
    let path = directory.path().join("lines.jsonl");
    for round in 0..3 {
        let lines = JsonLines::new(&path).unwrap().rotate_bytes(20_000).keep(1000).batch(20);
        let telemetry = service(&directory, "files").sink(lines).start().unwrap();
        let _ending = Ending(telemetry.clone());
        record(&telemetry, &format!("r{round}-"), 200);
        assert!(telemetry.flush(LONG));
    }
    let mut files: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().starts_with(path.to_str().unwrap()));
    // Sorted by number; the file without a number is the last.
    files.sort_by_key(|file| (*file == path, file.clone()));
    assert!(files.len() > 5, "{files:?}");
    let texts: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert!(texts.iter().all(|text| text.len() <= 20_000 && text.ends_with('\n')));
    let ids: Vec<_> = texts.iter().flat_map(|text| text.lines()).map(id).collect();
    let rounds = (0..3).flat_map(|round| (0..200).map(move |index| format!("r{round}-{index}")));
    assert!(ids.into_iter().eq(rounds));
}

#[test]
fn lines_on_standard_output_are_whole() {
    const CHILD: &str = "SOUNDPOST_STANDARD_OUTPUT";
    if let Some(directory) = std::env::var_os(CHILD) {
        let builder = soundpost::Telemetry::builder("stdout")
            .directory(directory)
            .listen(None)
            .sample_interval(None)
            .start_event(false);
        let sink = JsonLines::new("-").unwrap().batch(10);
        let telemetry = builder.facade(false).sink(sink).start().unwrap();
        for round in 0..20 {
            record(&telemetry, &format!("r{round}-"), 20);
            println!("the service says {round}");
        }
        assert!(telemetry.flush(LONG));
        return telemetry.shutdown(LONG);
    }
    let directory = Directory::new();
    let test = "unanswered::lines_on_standard_output_are_whole";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, directory.path());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let said = text.lines().filter_map(|line| line.split_once("the service says ")).map(|(_, round)| round);
    assert!(said.eq((0..20).map(|round| round.to_string()).collect::<Vec<_>>()), "{text}");
    // The test program also writes text before the first line.
    let lines = text.lines().filter_map(|line| line.find("{\"time\"").map(|at| &line[at..]));
    let ids: Vec<_> = lines.map(id).collect();
    let rounds = (0..20).flat_map(|round| (0..20).map(move |index| format!("r{round}-{index}")));
    assert!(ids.into_iter().eq(rounds), "{text}");
}
