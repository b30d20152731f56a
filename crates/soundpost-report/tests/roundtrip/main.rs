//! `decode(encode(x)) == canonical(x)` for both formats, against a strict reader and against a
//! parser that is not ours.
//!
//! `SOUNDPOST_CASES` sets the number of cases a test (256 by default), for the long run of `docs/reliability.md`:
//! `SOUNDPOST_CASES=1000000 cargo test --release -p soundpost-report --test roundtrip`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod exposition;

use exposition::arbitrary::{Range, snapshots};
use exposition::canonical::canonical;
use exposition::{Exposed, Format, difference, peer, reader};
use proptest::prelude::*;
use soundpost_core::snapshot::Snapshot;

fn config() -> ProptestConfig {
    let cases = std::env::var("SOUNDPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn encoded(snapshot: &Snapshot, format: Format) -> String {
    match format {
        Format::Text => soundpost_report::exposition::text(snapshot),
        Format::OpenMetrics => soundpost_report::exposition::openmetrics(snapshot),
    }
}

fn check(
    snapshot: &Snapshot,
    format: Format,
    read: fn(&str, Format) -> Result<Exposed, String>,
    exact: bool,
) -> Result<(), TestCaseError> {
    let expected = canonical(snapshot, format);
    if expected.is_empty() {
        return Ok(());
    }
    let text = encoded(snapshot, format);
    match read(&text, format) {
        Ok(got) => match difference(&expected, &got, exact) {
            None => Ok(()),
            Some(difference) => Err(TestCaseError::fail(format!("{difference}\n{text}"))),
        },
        Err(error) => Err(TestCaseError::fail(format!("{error}\n{text}"))),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn text_reads_back(snapshot in snapshots(Range::Full)) {
        check(&snapshot, Format::Text, reader::read, true)?;
    }

    #[test]
    fn openmetrics_reads_back(snapshot in snapshots(Range::Full)) {
        check(&snapshot, Format::OpenMetrics, reader::read, true)?;
    }

    #[test]
    fn text_reads_back_in_another_parser(snapshot in snapshots(Range::Peer)) {
        check(&snapshot, Format::Text, peer::read, false)?;
    }

    #[test]
    fn openmetrics_reads_back_in_another_parser(snapshot in snapshots(Range::Peer)) {
        check(&snapshot, Format::OpenMetrics, peer::read, false)?;
    }
}
