//! Tests that every lost record is counted, under random replies, retention and kills.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use soundpost::sink::{Capture, Loki, LokiEncoding, LokiExtras, Verdict};

use crate::common::{Directory, Ending, until};
use crate::state::{Scraped, id, record, service, stored};
use soundpost_testkit::{Reply, Server};

const SHORT: Duration = Duration::from_millis(5);

fn chance(of: u64) -> u64 {
    getrandom::u64().unwrap() % of
}

#[test]
fn counts_add_up_in_every_scrape() {
    let directory = Directory::new();
    let capture = Capture::new().longest_wait(SHORT).batch(50).judged_by(|lines| {
        if lines.iter().any(|line| id(line).ends_with("13")) {
            return Verdict::Refused("unlucky".into());
        }
        match chance(8) {
            0 => Verdict::Later { why: "busy".into(), retry_after: None },
            1 => Verdict::Misconfigured("forbidden".into()),
            2 if lines.len() > 1 => Verdict::TooLarge("too large".into()),
            _ => Verdict::Taken,
        }
    });
    let telemetry = service(&directory, "looks").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    for round in 0..20 {
        record(&telemetry, &format!("r{round}-"), 100);
        let _ = Scraped::of(&telemetry.render(), "capture");
        let _ = stored(telemetry.directory(), "capture");
    }
    let all = |scraped: &Scraped| scraped.accepted == 2000.0 && scraped.pending == 0.0;
    until("all is settled", || all(&Scraped::of(&telemetry.render(), "capture")));
    let scraped = Scraped::of(&telemetry.render(), "capture");
    assert_eq!((scraped.delivered, scraped.rejected, scraped.dropped), (1980.0, 20.0, 0.0));
    let ids: Vec<_> = capture.lines().iter().map(|line| id(line)).collect();
    let rounds = (0..20).flat_map(|round| (0..100).map(move |index| format!("r{round}-{index}")));
    let wanted: Vec<_> = rounds.filter(|id| !id.ends_with("13")).collect();
    assert_eq!(ids, wanted);
}

#[test]
fn records_removed_by_retention_are_counted() {
    let directory = Directory::new();
    let down = Capture::new().longest_wait(SHORT);
    let down = down.judged_by(|_| Verdict::Later { why: "down".into(), retry_after: None });
    let builder = service(&directory, "retention").store_days(1e-8);
    let telemetry = builder.sink(down).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 500);
    let wait = Instant::now() + Duration::from_secs(30);
    loop {
        let scraped = Scraped::of(&telemetry.render(), "capture");
        if scraped.dropped == 500.0 {
            assert_eq!((scraped.accepted, scraped.delivered, scraped.pending), (500.0, 0.0, 0.0));
            return;
        }
        assert!(Instant::now() < wait, "{scraped:?}");
        std::thread::yield_now();
    }
}

const DIRECTORY: &str = "SOUNDPOST_SINK_KILLS_DIRECTORY";
const URL: &str = "SOUNDPOST_SINK_KILLS_URL";
const ROUND: &str = "SOUNDPOST_SINK_KILLS_ROUND";
const SERVICE: &str = "kills";
/// Number of records in a batch.
const BATCH: usize = 40;
/// Number of calls of a round.
const CALLS: usize = 400;

/// Runs the process that is killed; it is not a test by itself.
#[test]
fn killed_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let (url, round) = (std::env::var(URL).unwrap(), std::env::var(ROUND).unwrap());
    let loki = Loki::new(&url)
        .unwrap()
        .longest_wait(SHORT)
        .batch(BATCH)
        .encoding(LokiEncoding::Json)
        .extras(LokiExtras::Logfmt);
    let telemetry = soundpost::Telemetry::builder(SERVICE)
        .directory(directory)
        .listen(None)
        .sample_interval(None)
        .facade(false)
        .version("V7")
        .start_event(false)
        .sink(loki)
        .start()
        .unwrap();
    record(&telemetry, &format!("k{round}-"), CALLS);
    std::fs::write(telemetry.directory().join(&round), "").unwrap();
    loop {
        std::thread::park();
    }
}

struct Killed(Child);

impl Killed {
    fn start(directory: &Path, url: &str, round: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "conservation::killed_process", "--nocapture"]);
        command.env(DIRECTORY, directory).env(URL, url).env(ROUND, round.to_string());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the request ids in a JSON push with logfmt, in order.
pub(crate) fn ids(body: &str) -> Vec<String> {
    let parts = body.split("request_id=").skip(1);
    parts.map(|part| part.split([' ', '"', '\\']).next().unwrap().to_owned()).collect()
}

#[test]
fn kill_repeats_at_most_a_batch_and_loses_nothing() {
    const ROUNDS: usize = 6;
    let directory = Directory::new();
    let has: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = has.clone();
    let server = Server::start(move |request| {
        let mut body = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&request.body[..]), &mut body)
            .unwrap();
        match chance(10) {
            0 => return Reply::status(503),
            1 => return Reply::Cut,
            2 => return Reply::status(429),
            _ => {}
        }
        keep.lock().unwrap().extend(ids(&body));
        Reply::status(204)
    });
    let url = format!("http://{}", server.address);
    let home = directory.path().join(SERVICE);
    for round in 0..ROUNDS {
        let killed = Killed::start(directory.path(), &url, round);
        until("all of the round is recorded", || home.join(round.to_string()).exists());
        // At a random time of the delivery, or before.
        let wanted = has.lock().unwrap().len() + chance(2 * CALLS as u64) as usize;
        let patience = Instant::now() + Duration::from_millis(500);
        while has.lock().unwrap().len() < wanted && Instant::now() < patience {
            let _ = stored(&home, "loki");
        }
        drop(killed);
        let _ = stored(&home, "loki");
    }
    let last = Killed::start(directory.path(), &url, ROUNDS);
    let all = (CALLS * (ROUNDS + 1)) as u64;
    until("all is delivered", || {
        stored(&home, "loki").is_some_and(|state| state.accepted == all && state.pending == 0)
    });
    drop(last);
    let state = stored(&home, "loki").unwrap();
    assert_eq!((state.delivered, state.rejected.total(), state.dropped.total()), (all, 0, 0));
    let has = has.lock().unwrap();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    has.iter().for_each(|id| *times.entry(id).or_default() += 1);
    assert_eq!(times.len() as u64, all);
    let repeated = has.len() - times.len();
    assert!(repeated <= BATCH * ROUNDS, "{repeated} repeated");
    // In the order of recording, except duplicates and calls that ended at about the same time, which a request orders
    // by the wall clock.
    for round in 0..=ROUNDS {
        let mut known = BTreeSet::new();
        let numbers =
            has.iter().filter_map(|id| id.strip_prefix(&format!("k{round}-"))?.parse::<usize>().ok());
        let first = numbers.filter(|number| known.insert(*number));
        assert!(first.enumerate().all(|(place, number)| place.abs_diff(number) <= BATCH));
    }
}

#[test]
fn agent_ships_to_its_sinks_with_the_version_of_the_service() {
    let directory = Directory::new();
    let server = Server::start(|_| Reply::status(204));
    let capture = Capture::new();
    let agent = service(&directory, SERVICE).agent().sink(capture.clone()).start().unwrap();
    let _ending = Ending(agent);
    let _service = Killed::start(directory.path(), &format!("http://{}", server.address), 0);
    until("all of it is shipped", || capture.lines().len() == CALLS);
    assert!(capture.lines().iter().all(|line| line.contains("\"version\":\"V7\"")));
    until("the service's own sink has it, too", || server.requests() > 0);
}
