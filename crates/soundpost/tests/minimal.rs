//! Recording and rendering with any set of features, also with none.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use soundpost::{Builder, Seconds, Telemetry};
use soundpost_testkit::{ended_well, forked};

const TIMEOUT: Duration = Duration::from_secs(10);

fn builder(directory: &Path) -> Builder {
    Telemetry::builder("tiny").directory(directory).facade(false)
}

#[test]
fn calls_of_a_dead_process_stay_in_the_totals() {
    let directory = tempfile::tempdir().unwrap();
    let telemetry = builder(directory.path()).start().unwrap();
    let synthesize = telemetry.operation("synthesize").labels(["voice"]).unwrap();
    let record = |count: usize| {
        for _ in 0..count {
            let call = synthesize.start_with(["anna"]);
            call.chunk(Seconds(0.5));
            call.finish();
        }
    };
    record(2);
    let child = forked(|| record(3));
    assert!(ended_well(child));
    assert!(telemetry.flush(TIMEOUT));
    assert!(telemetry.recover(TIMEOUT));
    let text = telemetry.render();
    let total = r#"tiny_request_total{operation="synthesize",outcome="ok",status="success",voice="anna"} 5"#;
    let audio = r#"tiny_audio_seconds_total{operation="synthesize",voice="anna"} 2.5"#;
    for line in [total, audio] {
        assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
    }
    telemetry.shutdown(TIMEOUT);
}

#[test]
fn settings_of_a_missing_part_are_refused() {
    let parts = [
        ("server", cfg!(feature = "server"), "listen", "127.0.0.1:0"),
        ("store", cfg!(feature = "store"), "store_days", "3"),
        ("gpu", cfg!(feature = "gpu"), "gpu", "all"),
        ("sinks", cfg!(feature = "sinks"), "sinks", "http://127.0.0.1:1/"),
    ];
    for (feature, _, name, value) in parts.into_iter().filter(|(_, is_built, ..)| !is_built) {
        let mut settings = soundpost::Settings::default();
        settings.set(name, value.to_owned());
        let error = settings.complete().unwrap_err().to_string();
        assert!(
            error.starts_with(name) && error.contains(&format!("lacks the feature `{feature}`")),
            "{error}"
        );
    }
}
