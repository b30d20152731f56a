//! Tests of the status of a failing sink: reason, start and backlog.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use soundpost::sink::{Capture, SinkProblem, Verdict};

use crate::common::{Directory, Ending, until};
use crate::state::{Scraped, damage_call, id, record, service};

const SHORT: Duration = Duration::from_millis(20);

/// Returns the sink's status; `None` before the first report.
fn lag(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("soundpost_sink_lag_seconds{sink=\"capture\"}"))?;
    Some(line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

#[test]
fn problem_of_a_sink_is_kept_while_it_lasts() {
    let directory = Directory::new();
    let says = Arc::new(Mutex::new(Verdict::later("connection refused")));
    let verdict = says.clone();
    let capture = Capture::new().longest_wait(SHORT).judged_by(move |_| verdict.lock().unwrap().clone());
    let telemetry = service(&directory, "problems").sink(capture).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let problems = || SinkProblem::all(telemetry.directory());
    until("it is known", || lag(&telemetry.render()) == Some(0.0));
    assert_eq!(problems(), []);
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    record(&telemetry, "r", 3);
    until("it is down", || !problems().is_empty());
    let down = problems().remove(0);
    assert_eq!((&*down.sink, down.misconfigured, &*down.why), ("capture", false, "connection refused"));
    assert!((began..began + 300).contains(&down.since_unix), "{down:?}");
    let before = lag(&telemetry.render()).unwrap();
    assert!((0.001..300.0).contains(&before), "{before}");
    until("it is further behind", || lag(&telemetry.render()) > Some(before));
    // The reason is new, but the start is the same.
    *says.lock().unwrap() =
        Verdict::Misconfigured(format!("401: Bearer hunter2-hunter2-hunter2 {}", "x".repeat(5000)));
    until("it is another", || problems()[0].misconfigured);
    let wrong = problems().remove(0);
    assert_eq!(wrong.since_unix, down.since_unix);
    assert!(wrong.why.starts_with("401: ") && !wrong.why.contains("hunter2") && wrong.why.len() == 1024);
    *says.lock().unwrap() = Verdict::Taken;
    until("it works", || problems().is_empty());
    until("nothing is behind", || lag(&telemetry.render()) == Some(0.0));
}

#[test]
fn damaged_records_are_dropped_and_the_others_delivered() {
    let directory = Directory::new();
    let down = Capture::new().judged_by(|_| Verdict::later("connection refused"));
    let telemetry = service(&directory, "damaged").sink(down).start().unwrap();
    record(&telemetry, "r", 5);
    until("they are stored", || Scraped::of(&telemetry.render(), "capture").pending == 5.0);
    telemetry.shutdown(Duration::from_secs(5));
    [2, 5].iter().for_each(|sequence| damage_call(&telemetry, *sequence));
    let capture = Capture::new();
    let telemetry = service(&directory, "damaged").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    until("the rest is delivered", || Scraped::of(&telemetry.render(), "capture").delivered == 3.0);
    let ids: Vec<_> = capture.lines().iter().map(|line| id(line).to_owned()).collect();
    assert_eq!(ids, ["r0", "r2", "r3"]);
    let scraped = telemetry.render();
    let counts = Scraped::of(&scraped, "capture");
    assert_eq!((counts.delivered, counts.dropped, counts.up), (3.0, 2.0, 1.0));
    assert!(
        scraped.contains("soundpost_sink_dropped_total{reason=\"damage\",sink=\"capture\"} 2"),
        "{scraped}"
    );
    let notices = telemetry.notices(0);
    let named: Vec<_> = notices.iter().filter(|notice| notice.message.contains("are damaged")).collect();
    assert!(named.len() == 1 && named[0].warning, "{notices:?}");
}
