//! A host without address space or file descriptors: it continues, records, and learns the cause.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use common::{Directory, get, until, value};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use soundpost::Telemetry;
use soundpost::read::store::{CallFilter, Reader};

const AMOUNT: &str = "SOUNDPOST_TEST_AMOUNT";

/// Runs the test in a process of its own for each amount, and returns what each printed.
fn with_each(test: &str, amounts: impl Iterator<Item = u64>, body: impl FnOnce(u64)) -> Vec<String> {
    if let Ok(amount) = std::env::var(AMOUNT) {
        body(amount.parse().unwrap());
        return Vec::new();
    }
    let run = |amount: u64| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output =
            command.args(["--exact", test, "--nocapture"]).env(AMOUNT, amount.to_string()).output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{amount}: {:?}\n{out}\n{err}", output.status);
        out
    };
    amounts.map(run).collect()
}

fn stored(telemetry: &Telemetry) -> usize {
    let reader = Reader::open(telemetry.directory()).unwrap();
    reader.map_or(0, |reader| reader.calls(&CallFilter::default()).unwrap().len())
}

#[test]
fn small_address_space_aborts_no_host() {
    let rooms = [1, 4, 7, 9, 16, 24, 32, 40, 44, 64, 100, 160, 180, 250, 300, 400, 600, 900];
    let outputs = with_each("small_address_space_aborts_no_host", rooms.into_iter(), |room| {
        let directory = Directory::new();
        let size: u64 =
            std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
        let (_, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
        setrlimit(Resource::RLIMIT_AS, size * 4096 + (room << 20), hard).unwrap();
        let telemetry = match directory.serving("small").start() {
            Ok(telemetry) => telemetry,
            Err(error) => {
                assert!(room < 8 && error.to_string().contains("ulimit -v"), "{room}: {error}");
                return;
            }
        };
        telemetry.operation("synthesize").start().finish();
        let text = telemetry.render();
        let calls = r#"small_request_total{operation="synthesize",outcome="ok",status="success"}"#;
        assert_eq!(value(&text, calls), Some(1.0), "{room}: {text}");
        let is_short = value(&text, r#"small_unhealthy{reason="memory_exhausted"}"#) == Some(1.0);
        let has_notice = telemetry.notices(0).iter().any(|notice| notice.message.contains("ulimit -v"));
        assert_eq!(is_short, has_notice, "{room}: {:?}", telemetry.notices(0));
        telemetry.shutdown(Duration::from_secs(5));
        println!("short {is_short}, stored {}", stored(&telemetry));
    });
    if !outputs.is_empty() {
        let is_short = |output: &&String| output.contains("short true");
        assert!(outputs.iter().filter(is_short).count() > 5, "{outputs:?}");
        assert!(outputs.last().unwrap().contains("short false, stored 1"), "{outputs:?}");
    }
}

/// Opens files until there are no more descriptors, and leaves some.
fn exhaust(left: u64) -> Vec<File> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 128, hard).unwrap();
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    files.truncate(files.len() - usize::try_from(left).unwrap());
    files
}

const COUNTED: &str = r#"soundpost_errors_total{part="descriptors"}"#;

#[test]
fn start_without_descriptors_is_counted_as_that_and_recovers() {
    let test = "start_without_descriptors_is_counted_as_that_and_recovers";
    with_each(test, (0..24).step_by(3), |left| {
        let directory = Directory::new();
        let files = exhaust(left);
        let telemetry = directory.serving("few").start().unwrap();
        telemetry.operation("synthesize").start().finish();
        let flag = r#"few_unhealthy{reason="descriptors_exhausted"}"#;
        let flag = || value(&telemetry.render(), flag);
        let is_flagged = flag() == Some(1.0);
        assert!(is_flagged || left > 5, "{:?}", telemetry.notices(0));
        if is_flagged {
            until("it is counted", || value(&telemetry.render(), COUNTED) > Some(0.0));
            let is_named = |notice: &soundpost::Notice| notice.message.contains("ulimit -n");
            until("it is noticed", || telemetry.notices(0).iter().any(is_named));
        }
        for reason in ["port_taken", "locks_unusable"] {
            let flag = format!(r#"few_unhealthy{{reason="{reason}"}}"#);
            assert_ne!(value(&telemetry.render(), &flag), Some(1.0), "{left}");
        }
        drop(files);
        let is_served = |address: String| std::net::TcpStream::connect(address).is_ok();
        until("it recovers", || flag() != Some(1.0) && telemetry.address().is_some_and(is_served));
        assert!(get(&telemetry.address().unwrap(), "/metrics", "").0.contains("200 OK"));
        assert!(telemetry.flush(Duration::from_secs(10)), "{left}");
        assert_eq!(stored(&telemetry), 1, "{left}");
        telemetry.shutdown(Duration::from_secs(5));
    });
}

#[test]
fn running_without_descriptors_is_counted_as_that_and_recovers() {
    let test = "running_without_descriptors_is_counted_as_that_and_recovers";
    with_each(test, std::iter::once(0), |_| {
        let directory = Directory::new();
        let telemetry = directory.serving("few").start().unwrap();
        let address = telemetry.address().unwrap();
        assert!(telemetry.flush(Duration::from_secs(10)));
        let files = exhaust(1);
        // The last descriptor is the client's.
        let _client = std::net::TcpStream::connect(&address).unwrap();
        telemetry.operation("synthesize").start().finish();
        let flag = r#"few_unhealthy{reason="descriptors_exhausted"}"#;
        until("it is flagged", || value(&telemetry.render(), flag) == Some(1.0));
        assert!(value(&telemetry.render(), COUNTED) > Some(0.0));
        // A failed accept is not repeated at once.
        let accepts = value(&telemetry.render(), COUNTED).unwrap();
        std::thread::park_timeout(Duration::from_millis(500));
        assert!(value(&telemetry.render(), COUNTED).unwrap() - accepts < 50.0);
        drop(files);
        until("it recovers", || value(&telemetry.render(), flag) == Some(0.0));
        assert!(get(&address, "/metrics", "").0.contains("200 OK"));
        assert!(telemetry.flush(Duration::from_secs(10)));
        assert_eq!(stored(&telemetry), 1);
        telemetry.shutdown(Duration::from_secs(5));
    });
}
