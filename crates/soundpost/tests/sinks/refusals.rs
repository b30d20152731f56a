//! Tests of receivers that reject records.

use std::time::Duration;

use soundpost::sink::{Capture, Verdict};

use crate::common::{Directory, Ending, until};
use crate::state::{Scraped, id, record, service, stored};

#[test]
fn rejections_of_single_records_do_not_stop_delivery() {
    let directory = Directory::new();
    let is_old = |line: &String| id(line).starts_with("old");
    let capture = Capture::new().batch(50).judged_by(move |lines| match lines.iter().any(is_old) {
        true => Verdict::Faulty("400 Bad Request: too old".into()),
        false => Verdict::Taken,
    });
    let telemetry = service(&directory, "old").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    // The receiver has never accepted anything.
    record(&telemetry, "old", 300);
    record(&telemetry, "live", 5);
    until("what it takes has arrived", || Scraped::of(&telemetry.render(), "capture").delivered == 5.0);
    let text = telemetry.render();
    let scraped = Scraped::of(&text, "capture");
    assert_eq!((scraped.rejected, scraped.pending, scraped.up), (300.0, 0.0, 1.0));
    assert!(text.contains("old_unhealthy{reason=\"sink_misconfigured\"} 0"), "{text}");
    let ids: Vec<_> = capture.lines().iter().map(|line| id(line)).collect();
    assert_eq!(ids, ["live0", "live1", "live2", "live3", "live4"]);
}

#[test]
fn settled_records_are_stored_while_others_wait() {
    let directory = Directory::new();
    let capture = Capture::new().judged_by(|lines| match lines {
        [line] if id(line) == "r0" => Verdict::Refused("not this one".into()),
        [line] if id(line) == "r1" => Verdict::Taken,
        [_] => Verdict::Later { why: "busy".into(), retry_after: Some(Duration::from_secs(300)) },
        _ => Verdict::TooLarge("one at a time".into()),
    });
    let telemetry = service(&directory, "settled").sink(capture).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 10);
    let count =
        || stored(telemetry.directory(), "capture").map(|state| (state.delivered, state.rejected.refused));
    until("the store knows", || count() == Some((1, 1)));
    let scraped = || Scraped::of(&telemetry.render(), "capture");
    until("a scrape shows it", || {
        (scraped().delivered, scraped().rejected, scraped().pending) == (1.0, 1.0, 8.0)
    });
}
