//! Events of `tracing` in the event ring: what they say, what their spans say, what is left out.
#![allow(clippy::expect_used)]

mod common;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use soundpost_core::snapshot::{RingEvent, RingReader};
use soundpost_core::{Calls, FieldValue, Level, LogEvent, LogLayer, Registry};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;

/// A service whose events can be read.
struct Service {
    registry: Arc<Registry>,
    drain: RingReader,
    _home: Home,
}

impl Service {
    fn new() -> Self {
        let home = Home::new();
        let registry = home.registry();
        let drain = RingReader::new(home.place("svc"), registry.clone());
        Self { registry, drain, _home: home }
    }

    fn layer(&self) -> LogLayer {
        LogLayer::new(self.registry.clone())
    }

    /// A subscriber that records everything.
    fn subscriber(&self) -> impl Subscriber + Send + Sync {
        tracing_subscriber::registry().with(self.layer().with_max_level(LevelFilter::TRACE))
    }

    fn events(&mut self) -> Vec<LogEvent> {
        self.drain.attach(|_| Ok::<_, ()>(None)).expect("nothing is asked");
        let drained = self.drain.read(usize::MAX, |_| true);
        let event = |record: RingEvent| match record {
            RingEvent::Log(event) => Some(event),
            RingEvent::Call(_) => None,
        };
        drained.records.into_iter().filter_map(event).collect()
    }

    fn messages(&mut self) -> Vec<String> {
        self.events().into_iter().map(|event| event.message).collect()
    }
}

#[derive(Debug)]
struct Outer(std::io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load the voice")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// A value whose text says that it was made.
struct Shown<'a>(&'a dyn Fn() -> &'static str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.0)())
    }
}

/// A layer that counts events.
struct Counts(Arc<AtomicUsize>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Counts {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_event_has_its_fields_in_their_types() {
    let mut service = Service::new();
    let error = Outer(std::io::Error::other("no such file"));
    let line = line!() + 2;
    with_default(service.subscriber(), || {
        tracing::warn!(
            duration_ms = 942_u64,
            delta = -3,
            rtf = 0.25,
            cold = true,
            emotion = "sad",
            voice = ?Some("anna"),
            shown = %"as it is",
            big = u64::MAX,
            error = &error as &(dyn std::error::Error + 'static),
            "Audio generation {}", "completed"
        );
    });
    let events = service.events();
    let [event] = &events[..] else { panic!("one event: {events:?}") };
    assert_eq!((event.level, event.message.as_str()), (Level::Warning, "Audio generation completed"));
    assert_eq!((event.logger.as_str(), event.line), (module_path!(), Some(line)));
    assert!(event.file.ends_with("tests/layer.rs"), "{}", event.file);
    assert_eq!(event.thread, std::thread::current().name().unwrap_or_default());
    assert_eq!(event.pid, std::process::id());
    assert_eq!((event.request_id.as_str(), event.operation.as_str()), ("", ""));
    let text = |text: &str| FieldValue::from(text);
    let fields = [
        ("duration_ms", 942.into()),
        ("delta", FieldValue::Int(-3)),
        ("rtf", 0.25.into()),
        ("cold", true.into()),
        ("emotion", text("sad")),
        ("voice", text("Some(\"anna\")")),
        ("shown", text("as it is")),
        ("big", text("18446744073709551615")),
        ("error", text("cannot load the voice: no such file")),
    ];
    assert_eq!(event.fields, fields.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn levels_are_those_of_the_vocabulary() {
    let mut service = Service::new();
    with_default(service.subscriber(), || {
        tracing::trace!("t");
        tracing::debug!("d");
        tracing::info!("i");
        tracing::warn!("w");
        tracing::error!("e");
    });
    let levels: Vec<_> = service.events().iter().map(|event| event.level).collect();
    assert_eq!(levels, [Level::Debug, Level::Debug, Level::Info, Level::Warning, Level::Error]);
}

#[test]
fn fields_of_spans_are_inherited_and_the_closest_wins() {
    let mut service = Service::new();
    with_default(service.subscriber(), || {
        let outer = tracing::info_span!("request", voice = "anna", speed = 1, late = tracing::field::Empty);
        let _outer = outer.enter();
        let inner = tracing::info_span!("stage", speed = 2, token = "hunter2");
        let _inner = inner.enter();
        outer.record("late", "set");
        tracing::info!(voice = "berta", "inside");
    });
    let events = service.events();
    let text = |text: &str| FieldValue::from(text);
    let fields = [
        ("voice", text("berta")),
        ("speed", 2.into()),
        ("token", text("[REDACTED:key]")),
        ("late", text("set")),
    ];
    assert_eq!(events[0].fields, fields.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn an_event_belongs_to_the_current_call() {
    let mut service = Service::new();
    let calls = Calls::new(&service.registry).expect("request metrics");
    let call = calls.operation("synthesize").begin().request_id("req-7d8e9f").start();
    with_default(service.subscriber(), || {
        let _entered = soundpost_core::enter(call.handle());
        tracing::info!("inside");
    });
    call.finish();
    let events = service.events();
    assert_eq!((events[0].request_id.as_str(), events[0].operation.as_str()), ("req-7d8e9f", "synthesize"));
}

#[test]
fn less_is_recorded_where_a_level_or_a_filter_says_so() {
    let mut service = Service::new();
    let say = || {
        tracing::debug!("debug");
        tracing::info!("info");
        tracing::debug!(target: "chatty", "chatty debug");
        tracing::info!(target: "chatty", "chatty info");
    };
    with_default(tracing_subscriber::registry().with(service.layer()), say);
    assert_eq!(service.messages(), ["info", "chatty info"]);
    let filter = EnvFilter::new("debug,chatty=warn");
    let layer = service.layer().with_max_level(LevelFilter::TRACE).with_filter(filter);
    with_default(tracing_subscriber::registry().with(layer), say);
    assert_eq!(service.messages(), ["debug", "info"]);
}

#[test]
fn spans_below_what_is_recorded_are_not_kept() {
    let mut service = Service::new();
    let shown = AtomicUsize::new(0);
    let shows = || {
        shown.fetch_add(1, Ordering::Relaxed);
        "shown"
    };
    let say = |shows: &dyn Fn() -> &'static str| {
        let outer = tracing::info_span!("request", voice = "anna", late = tracing::field::Empty);
        let _outer = outer.enter();
        let inner = tracing::debug_span!("poll", state = %Shown(shows), late = tracing::field::Empty);
        let _inner = inner.enter();
        outer.record("late", 1);
        inner.record("late", tracing::field::display(Shown(shows)));
        tracing::info!("inside");
    };
    with_default(tracing_subscriber::registry().with(service.layer()), || say(&shows));
    assert_eq!(shown.load(Ordering::Relaxed), 0);
    let layer = service.layer().with_max_level(LevelFilter::DEBUG);
    with_default(tracing_subscriber::registry().with(layer), || say(&shows));
    assert_eq!(shown.load(Ordering::Relaxed), 2);
    let names = |event: &LogEvent| event.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let events = service.events();
    assert_eq!(names(&events[0]), ["voice", "late"]);
    assert_eq!(names(&events[1]), ["state", "late", "voice"]);
}

#[test]
fn a_layer_beside_it_loses_nothing() {
    let service = Service::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let beside = Counts(seen.clone());
    with_default(tracing_subscriber::registry().with(service.layer()).with(beside), || {
        tracing::debug!("shown");
        tracing::info!("shown and recorded");
    });
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

#[test]
fn events_of_soundpost_and_of_its_threads_are_left_out() {
    let mut service = Service::new();
    let subscriber = Arc::new(service.subscriber());
    with_default(subscriber.clone(), || {
        tracing::error!(target: "soundpost", "ours");
        tracing::error!(target: "soundpost_report::sink", "ours");
        tracing::error!(target: "soundpost_core", "ours");
        tracing::error!(target: "soundposts", "the host's");
        tracing::error!(target: "soundpost_app::api", "the host's, too");
        // Messages about recording itself are not recorded.
        service.registry.diagnostics().warn_once("serve", "a fault");
    });
    let own = soundpost_core::thread::spawn("soundpost-test", move || {
        with_default(subscriber, || tracing::error!(target: "hyper::client", "about what is recorded"));
    });
    own.expect("a thread").join().expect("no panic");
    assert_eq!(service.messages(), ["the host's", "the host's, too"]);
}

#[test]
fn events_of_the_crate_log_say_where_they_come_from() {
    let mut service = Service::new();
    with_default(service.subscriber(), || {
        for target in ["symphonia::wav", "soundpost::sink"] {
            let arguments = format_args!("decoding");
            let mut record = log::Record::builder();
            record.args(arguments).target(target).level(log::Level::Info);
            record.file(Some("src/wav.rs")).line(Some(7));
            tracing_log::format_trace(&record.build()).expect("a subscriber");
        }
    });
    let events = service.events();
    let [event] = &events[..] else { panic!("one event: {events:?}") };
    assert_eq!((event.logger.as_str(), event.message.as_str()), ("symphonia::wav", "decoding"));
    assert_eq!((event.file.as_str(), event.line), ("src/wav.rs", Some(7)));
    assert!(event.fields.is_empty(), "{:?}", event.fields);
}

#[test]
fn long_and_many_values_are_cut_and_counted() {
    let mut service = Service::new();
    let long = "é".repeat(100_000);
    with_default(service.subscriber(), || tracing::info!(long, shown = %long, debug = ?long, "{long}"));
    let events = service.events();
    let [event] = &events[..] else { panic!("one event") };
    assert_eq!(event.message.len(), 64 * 1024);
    let FieldValue::Text(text) = &event.fields[0].1 else { panic!("a text") };
    assert_eq!(text.len(), 32 * 1024);
    let snapshot = service._home.snapshot(&service.registry);
    assert!(value(&snapshot, "soundpost_events_altered", &[("reason", "shortened")]) >= Some(2.0));
}

#[test]
fn secrets_are_not_recorded() {
    let mut service = Service::new();
    with_default(service.subscriber(), || {
        tracing::info!(
            api_key = "k",
            tts_text = "你好",
            url = "redis://u:p@h",
            otp = 123,
            "mail lin@example.com"
        );
    });
    let event = service.events().remove(0);
    assert_eq!(event.message, "mail [REDACTED:email]");
    let texts: Vec<_> = event.fields.into_iter().map(|(_, value)| value).collect();
    let expected = ["[REDACTED:key]", "[text of 2 characters]", "redis://[REDACTED:url]@h", "[REDACTED:key]"];
    assert_eq!(texts, expected.map(FieldValue::from));
}
