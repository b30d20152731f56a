//! Secrets appear neither in the segment nor in records that are read from it.
#![allow(clippy::expect_used)]

mod common;

use common::*;
use soundpost_core::snapshot::{MetricValue, RingEvent, RingReader};
use soundpost_core::{Calls, FieldValue, Options, Outcome, Spec};

/// Begins no other text of the test.
const CANARY: &str = "kAnArY";

/// Whether the canary is in a segment file, also where its text lies in words.
fn found_in_segments(home: &Home) -> bool {
    let files = home.segment_files();
    assert!(!files.is_empty());
    files.iter().any(|file| {
        let bytes = std::fs::read(file).expect("a segment");
        bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes())
    })
}

#[test]
fn calls_keep_no_secrets() {
    let home = Home::new();
    let registry = home.registry();
    let calls = Calls::new(&registry).expect("request metrics");
    let mut drain = RingReader::new(home.place("svc"), registry.clone());
    let secret = format!("{CANARY}0123456789");
    let operation = calls.operation("synthesize").labels(["voice", "api_key"]).expect("labels");
    for voice in ["anna", &format!("{secret}@example.com")] {
        let call = operation.start_with([voice, &secret]);
        call.field("apiKey", secret.as_str());
        call.field("tts_text", format!("你好 {secret}"));
        call.field("note", format!("password={secret}"));
        call.field("long", format!("{} Bearer {secret}", "x".repeat(8180)));
        call.field("otp", 123_456);
        call.field("emotion", "sad");
        call.end_with(Outcome::Error, "HTTPError", &format!("401 for https://lin:{secret}@host/"));
    }
    drain.attach(|_| Ok::<_, ()>(None)).expect("nothing is asked");
    let drained = drain.read(usize::MAX, |_| true);
    let calls: Vec<_> = drained.records.iter().filter_map(RingEvent::call).collect();
    let [first, second] = calls[..] else { panic!("two calls: {drained:?}") };
    assert!(!format!("{drained:?}").contains(CANARY) && !found_in_segments(&home));
    let label = |call: &soundpost_core::FinishedCall, name: &str| {
        call.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.clone())
    };
    assert_eq!(label(first, "api_key").as_deref(), Some("[REDACTED:key]"));
    assert_eq!(label(second, "voice").as_deref(), Some("[REDACTED:email]"));
    let field = |name: &str| {
        first.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).expect("a field")
    };
    let text = |text: &str| FieldValue::from(text);
    assert_eq!(field("apiKey"), text("[REDACTED:key]"));
    assert_eq!(field("tts_text"), text("[text of 19 characters]"));
    assert_eq!(field("note"), text("password=[REDACTED:key]"));
    assert_eq!(field("long"), text(&format!("{} Bearer [RED", "x".repeat(8180))));
    assert_eq!(field("otp"), text("[REDACTED:key]"));
    assert_eq!(field("emotion"), text("sad"));
    assert_eq!(field("error"), text("401 for https://[REDACTED:url]@host/"));

    let snapshot = home.snapshot(&registry);
    let redactions = |rule: &str| value(&snapshot, "soundpost_redactions", &[("rule", rule)]);
    assert_eq!(
        (redactions("key"), redactions("text"), redactions("email")),
        (Some(8.0), Some(2.0), Some(1.0))
    );
    assert_eq!((redactions("authorization"), redactions("url")), (Some(2.0), Some(2.0)));
    assert_eq!(redactions("card"), None);
}

#[test]
fn metrics_have_no_secrets_in_their_labels() {
    let home = Home::new();
    let registry = home.registry();
    let spec = Spec::counter("logins").labels(&["who", "token"]);
    let family = registry.family(spec).expect("a family");
    for _ in 0..3 {
        family.counter(&[&format!("{CANARY}@example.com"), CANARY]).expect("a counter").increment();
    }
    let facade = registry.metrics_recorder();
    metrics::with_local_recorder(&facade, || {
        metrics::counter!("visits_total", "cookie" => CANARY).increment(1);
        metrics::counter!("visits_total", "cookie" => CANARY).increment(1);
    });
    let snapshot = home.snapshot(&registry);
    assert!(!format!("{snapshot:?}").contains(CANARY) && !found_in_segments(&home));
    let labels = [("who", "[REDACTED:email]"), ("token", "[REDACTED:key]")];
    assert_eq!(value(&snapshot, "logins", &labels), Some(3.0));
    assert_eq!(value(&snapshot, "visits", &[("cookie", "[REDACTED:key]")]), Some(2.0));
    let own = snapshot.families.iter().filter(|family| family.name.starts_with("soundpost_redactions"));
    assert!(own.flat_map(|family| &family.series).all(|series| matches!(series.value, MetricValue::Int(_))));
}

#[test]
fn notices_have_no_secrets_and_the_newest_changes_are_kept() {
    let home = Home::new();
    let registry = home.registry();
    registry.diagnostics().warn_once("sink", &format!("once: https://lin:{CANARY}@host/"));
    registry.diagnostics().info_once("sink", &format!("once: password={CANARY}"));
    for number in 0..3000 {
        let message = format!("change {number}: Bearer {CANARY}{number}");
        match number % 2 {
            0 => registry.diagnostics().warn("sink", &message),
            _ => registry.diagnostics().info("sink", &message),
        }
    }
    registry.diagnostics().info_once("sink", "once: the last");
    let notices = registry.diagnostics().notices(0);
    assert!(!format!("{notices:?}").contains(CANARY));
    let of = |what: &str| notices.iter().filter(|notice| notice.message.starts_with(what)).count();
    assert_eq!((of("once"), of("change")), (3, 1024));
    assert_eq!(notices[2].message, "change 1976: Bearer [REDACTED:authorization]");
    assert_eq!(notices[2].number, 1978);
    assert!(notices.is_sorted_by(|before, after| before.number < after.number));
    let after: Vec<_> =
        registry.diagnostics().notices(3001).into_iter().map(|notice| notice.message).collect();
    assert_eq!(after, ["change 2999: Bearer [REDACTED:authorization]", "once: the last"]);
    assert!(registry.diagnostics().notices(3003).is_empty());
}

#[test]
fn text_is_recorded_where_that_is_asked_for() {
    let home = Home::new();
    let registry = home.registry_with(Options {
        record_text: true,
        redact: vec!["TICKET-[0-9]+".into()],
        ..Options::default()
    });
    let calls = Calls::new(&registry).expect("request metrics");
    let call = calls.operation("synthesize").start();
    call.field("tts_text", "ein Käuzchen, TICKET-7");
    let fields = call.fields();
    assert_eq!(fields, [("tts_text".to_owned(), FieldValue::from("ein Käuzchen, [REDACTED:own]"))]);
    call.finish();
}

#[test]
fn a_pattern_that_cannot_be_used_is_an_error_at_the_start() {
    let home = Home::new();
    let options = Options { redact: vec!["(".into()], ..Options::default() };
    let place = home.place("svc");
    let identity = soundpost_core::ServiceIdentity::new("svc");
    let error = soundpost_core::Registry::open(&place, identity, options).err().expect("an error");
    assert!(error.is_config() && error.to_string().contains("redact: the pattern \"(\""), "{error}");
}
