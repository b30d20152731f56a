//! Outcomes of calls that are marked, or judged by their output.

use soundpost_core::{Call, Outcome, Seconds};

use crate::common::*;
use crate::{Service, work};

type Step = fn(&Call);

#[test]
fn marked_call_goes_on_and_ends_as_marked() {
    let service = Service::new();
    let call = service.start();
    call.chunk(Seconds(1.0));
    call.mark(Outcome::Truncated);
    call.mark_error(&std::io::Error::other("CUDA out of memory"));
    call.mark_error(&std::io::Error::other("no tokens left"));
    assert!(call.is_active());
    call.chunk(Seconds(1.0));
    work(2);
    call.finish();
    assert_eq!(service.count(Outcome::Oom), 1.0);
    let snapshot = service.snapshot();
    assert_eq!(value(&snapshot, "svc_audio_seconds", &[("operation", "op")]), Some(2.0));
    assert!(service.observed("request_busy_seconds").1 >= 0.002);
}

#[test]
fn mark_yields_only_to_what_the_call_says() {
    let cases: [(&[Outcome], Step, Outcome); 10] = [
        (&[Outcome::Oom], |call| call.finish(), Outcome::Oom),
        (&[Outcome::Oom], |call| call.abandon(), Outcome::Oom),
        (&[Outcome::Oom], |call| call.end_raised(Outcome::Timeout, "Empty", "queue"), Outcome::Oom),
        (&[Outcome::Oom], |call| call.end_with(Outcome::Error, "", "said"), Outcome::Error),
        (&[Outcome::Oom, Outcome::Ok], |call| call.finish(), Outcome::Ok),
        (&[Outcome::Truncated], |call| call.finish(), Outcome::Truncated),
        (&[Outcome::Truncated], |call| call.end_raised(Outcome::Oom, "", ""), Outcome::Oom),
        (&[Outcome::Invalid, Outcome::Error], |call| call.finish(), Outcome::Invalid),
        (&[Outcome::Ok], |call| call.abandon(), Outcome::Ok),
        (&[Outcome::Ok, Outcome::Poisoned], |call| call.finish(), Outcome::Poisoned),
    ];
    for (marks, end, expected) in cases {
        let service = Service::new();
        let call = service.start();
        marks.iter().for_each(|mark| call.mark(*mark));
        end(&call);
        assert_eq!(service.count(expected), 1.0, "{marks:?} {expected:?}");
    }
}

#[test]
fn withdrawn_mark_takes_its_error_along() {
    let service = Service::new();
    let call = service.start();
    call.field("voice", "anna");
    call.handle().mark_with(Outcome::Oom, "OutOfMemoryError", "CUDA out of memory");
    assert_eq!(call.fields().len(), 3);
    call.mark(Outcome::Ok);
    assert_eq!(call.fields(), [("voice".to_owned(), "anna".into())]);
}

#[test]
fn deciding_stage_that_fails_marks_its_call() {
    let service = Service::new();
    let outcome = |decides: bool, fail: fn(&soundpost_core::Stage)| {
        let call = service.start();
        let stage = call.stage("llm").decides(decides);
        std::thread::spawn(move || fail(&stage)).join().expect("a stage on another thread");
        call.chunk(Seconds(0.3));
        call.finish();
        [Outcome::Ok, Outcome::Error, Outcome::Oom].map(|outcome| service.count(outcome))
    };
    assert_eq!(outcome(false, |stage| stage.fail()), [1.0, 0.0, 0.0]);
    assert_eq!(outcome(true, |stage| stage.fail()), [1.0, 1.0, 0.0]);
    assert_eq!(outcome(true, |stage| stage.fail_with(Outcome::Oom, "", "")), [1.0, 1.0, 1.0]);
    assert_eq!(outcome(true, |_| ()), [2.0, 1.0, 1.0]);
}

#[test]
fn dropped_call_is_judged_by_its_output() {
    let cases: [(bool, Step, Outcome); 9] = [
        (true, |_| (), Outcome::Abandoned),
        (true, |call| call.silence(Seconds(1.0)), Outcome::Silent),
        (true, |call| call.nothing(), Outcome::Empty),
        (true, |call| call.chunk(Seconds(1.0)), Outcome::Abandoned),
        (false, |call| call.chunk(Seconds(1.0)), Outcome::Ok),
        (false, |call| call.chunk(Seconds(0.0)), Outcome::Abandoned),
        (false, |call| call.output(), Outcome::Ok),
        (true, |call| call.last(), Outcome::Empty),
        (
            true,
            |call| {
                call.chunk(Seconds(1.0));
                call.last();
            },
            Outcome::Ok,
        ),
    ];
    for (index, (streaming, record, expected)) in cases.into_iter().enumerate() {
        let service = Service::new();
        let call = service.calls.operation("op").begin().streaming(streaming).expects_output(true).start();
        record(&call);
        drop(call);
        assert_eq!(service.count(expected), 1.0, "case {index}");
    }
}

#[test]
fn silence_before_sound_is_not_silent() {
    let service = Service::new();
    let call = service.start();
    call.silence(Seconds(0.5));
    assert!(call.handle().is_silent());
    call.chunk(Seconds(0.5));
    assert!(!call.handle().is_silent());
    call.finish();
    assert_eq!(service.count(Outcome::Ok), 1.0);
}

#[test]
fn suspended_call_is_not_stalled() {
    let service = Service::new();
    let op = [("operation", "op")];
    let longest = || {
        let snapshot = service.snapshot();
        let get = |name: &str| value(&snapshot, name, &op).expect("a gauge of calls in flight");
        (get("svc_request_stalled_seconds"), get("svc_request_suspended_seconds"))
    };
    let call = service.start();
    work(5);
    let (stalled, suspended) = longest();
    assert!(stalled >= 0.005 && suspended == 0.0, "{stalled} {suspended}");
    call.hand_over(Seconds(0.1));
    work(5);
    call.progress();
    let (stalled, suspended) = longest();
    assert!(stalled == 0.0 && suspended >= 0.005, "{stalled} {suspended}");
    call.resume();
    assert_eq!(longest().1, 0.0);
    call.finish();
    assert_eq!(longest(), (0.0, 0.0));
}

#[test]
fn warmup_call_is_in_no_total() {
    let service = Service::new();
    let operation = service.calls.operation("op");
    let call = operation.begin().warmup(true).queued(std::time::Duration::from_secs(1)).start();
    assert!(call.is_cold());
    drop(call.stage("llm"));
    call.chunk(Seconds(1.0));
    call.chunk(Seconds(1.0));
    call.finish();
    let snapshot = service.snapshot();
    assert_eq!((service.finished(), service.in_flight()), (0.0, 0.0));
    for family in ["svc_audio_seconds", "svc_request"] {
        assert_eq!(total(&snapshot, family, &[]), 0.0, "{family}");
    }
    for name in ["time_to_first_audio_seconds", "chunk_gap_seconds", "request_busy_seconds"] {
        assert!(
            find_family(&snapshot, &format!("svc_{name}")).is_none_or(|family| family.series.is_empty()),
            "{name}"
        );
    }
    assert!(!operation.start().is_cold());
    assert!(service.calls.operation("other").start().is_cold());
}

#[test]
fn seconds_per_character_need_both() {
    let service = Service::new();
    for (characters, audio) in [(0, 1.0), (10, 0.0), (10, 2.0)] {
        let call = service.start();
        call.characters(characters);
        call.audio(Seconds(audio));
        call.video(Seconds(3.0));
        call.finish();
    }
    assert_eq!(service.observed("speech_seconds_per_character"), (1, 0.2));
    assert_eq!(value(&service.snapshot(), "svc_video_seconds", &[("operation", "op")]), Some(9.0));
}
