//! The sampler with a scripted source: what it shows, keeps and survives.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::until;
use soundpost_core::history::HistoryWriter;
use soundpost_core::snapshot::{Activity, Collector, MetricValue};
use soundpost_core::{Options, Registry, ServiceDir, ServiceIdentity, Unit};
use soundpost_vitals::{
    FastSampling, FastSource, Interval, Listener, Problem, Quantity, Readings, Sampler, Sampling, Source,
};

static SHOWN: Quantity =
    Quantity { name: "shown", help: "", unit: Unit::None, counter: false, labels: &["which"] };
static ASIDE: Quantity = Quantity { name: "aside", ..SHOWN };

/// Next action of the source.
#[derive(Clone, Debug, PartialEq)]
enum Does {
    /// Reads these, by label.
    Reads(Vec<(&'static str, f64)>),
    Panics,
    HangsFor(Duration),
    IsGone,
}

struct Scripted {
    does: Arc<Mutex<Does>>,
    samples: Arc<AtomicU64>,
    fast: Arc<AtomicU64>,
}

impl Source for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn warning(&self) -> Option<&'static str> {
        Some("something to know")
    }

    fn fast_source(&mut self) -> Option<&mut dyn FastSource> {
        Some(self)
    }

    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        self.samples.fetch_add(1, Relaxed);
        let does = self.does.lock().unwrap().clone();
        readings.push_aside(&ASIDE, &["a"], 7.0);
        match does {
            Does::Reads(values) => {
                values.iter().for_each(|(which, value)| readings.push(&SHOWN, &[which], *value));
                Ok(())
            }
            Does::Panics => {
                readings.push(&SHOWN, &["half"], 1.0);
                panic!("on purpose")
            }
            Does::HangsFor(time) => {
                std::thread::sleep(time);
                Ok(())
            }
            Does::IsGone => {
                readings.push(&SHOWN, &["last words"], 1.0);
                Err(Problem { reason: "gone", message: "it is gone".to_owned() })
            }
        }
    }
}

impl FastSource for Scripted {
    fn fast_sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        let count = self.fast.fetch_add(1, Relaxed) + 1;
        readings.push(&SHOWN, &["a"], 100.0 + count as f64);
        Ok(())
    }
}

struct Bench {
    place: ServiceDir,
    registry: Arc<Registry>,
    history: Arc<HistoryWriter>,
    sampler: Sampler,
    does: Arc<Mutex<Does>>,
    activity: Arc<Mutex<Activity>>,
    samples: Arc<AtomicU64>,
    fast: Arc<AtomicU64>,
    _root: tempfile::TempDir,
}

/// A sampler with a sample each `interval`, and fast samples each 50 ms while calls are active.
fn bench(interval: Duration, does: Does) -> Bench {
    bench_with(interval, does, None)
}

fn bench_with(interval: Duration, does: Does, listener: Option<Listener>) -> Bench {
    let root = tempfile::tempdir().unwrap();
    let place = ServiceDir::open_with_shared_memory(root.path(), "svc", root.path()).unwrap();
    let registry = Registry::open(&place, ServiceIdentity::new("svc"), Options::default()).unwrap();
    let history = Arc::new(HistoryWriter::in_memory(1 << 20));
    let (does, activity) = (Arc::new(Mutex::new(does)), Arc::new(Mutex::new(Activity::default())));
    let (samples, fast) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let source = Scripted { does: does.clone(), samples: samples.clone(), fast: fast.clone() };
    let asked = activity.clone();
    let sampling = Sampling {
        interval: Interval::new("interval", interval).unwrap(),
        fast: Some(FastSampling {
            interval: Interval::fast("fast", Duration::from_millis(50)).unwrap(),
            activity: Arc::new(move || *asked.lock().unwrap()),
        }),
        history: Some(history.clone()),
        listener,
    };
    let sampler = Sampler::start(&registry, &sampling, vec![Box::new(source)]).unwrap();
    Bench { place, registry, history, sampler, does, activity, samples, fast, _root: root }
}

impl Bench {
    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// A series by its whole name and one label's value.
    fn value(&self, name: &str, label: &str) -> Option<f64> {
        let snapshot = Collector::new(self.place.clone(), self.registry.clone()).snapshot();
        let family = snapshot.families.into_iter().find(|family| &*family.name == name)?;
        let labelled =
            family.series.into_iter().find(|s| s.labels.iter().any(|(_, value)| &**value == label));
        match labelled?.value {
            MetricValue::Float(value) => Some(value),
            MetricValue::Int(value) => Some(value as f64),
            MetricValue::Distribution(_) => None,
        }
    }

    /// Values of a series in the history, oldest first.
    fn kept(&self, name: &str, label: &str) -> Vec<Option<f64>> {
        let mut reader = self.history.reader();
        let samples = reader.samples(0..=u64::MAX);
        let id = reader.series().find(|(_, s)| s.name == name && s.label("which") == Some(label));
        let Some((id, _)) = id else { return Vec::new() };
        let values = samples.iter().flat_map(|sample| &sample.values);
        values.filter(|(of, _)| *of == id).map(|(_, value)| *value).collect()
    }
}

const SOON: Duration = Duration::from_millis(100);

#[test]
fn shown_and_removed_values_are_kept_in_the_history() {
    let bench = bench(SOON, Does::Reads(vec![("a", 1.0), ("b", 2.0)]));
    until(|| bench.value("svc_shown", "b") == Some(2.0));
    bench.does(Does::Reads(vec![("a", 3.0)]));
    until(|| bench.value("svc_shown", "a") == Some(3.0));
    until(|| bench.kept("shown", "a").last() == Some(&Some(3.0)));
    assert_eq!(bench.value("svc_shown", "b"), None);
    assert_eq!(bench.kept("shown", "b").last(), Some(&None), "{:?}", bench.kept("shown", "b"));
    assert_eq!((bench.value("svc_aside", "a"), bench.kept("aside", "a")[0]), (None, Some(7.0)));
    let notes =
        bench.registry.diagnostics().notices(0).into_iter().filter(|n| n.message == "something to know");
    assert_eq!(notes.count(), 1, "said once");
    assert_eq!(bench.fast.load(Relaxed), 0, "no call runs");
}

#[test]
fn a_panic_costs_one_sample_and_is_counted() {
    let bench = bench(Duration::from_secs(1), Does::Reads(vec![("a", 1.0)]));
    until(|| bench.value("svc_shown", "a") == Some(1.0));
    bench.does(Does::Panics);
    until(|| bench.value("soundpost_scripted_available", "panicked") == Some(0.0));
    let panicked = Instant::now();
    assert_eq!((bench.value("svc_shown", "a"), bench.value("svc_shown", "half")), (None, None));
    let samples = bench.samples.load(Relaxed);
    until(|| bench.samples.load(Relaxed) > samples);
    assert!(panicked.elapsed() < Duration::from_millis(1_200), "asked again after {:?}", panicked.elapsed());
    until(|| bench.value("soundpost_errors", "vitals").is_some_and(|panics| panics >= 2.0));
    bench.does(Does::Reads(vec![("a", 2.0)]));
    until(|| bench.value("svc_shown", "a") == Some(2.0));
    until(|| bench.value("soundpost_scripted_available", "") == Some(1.0));
    // The log has it once.
    assert_eq!(
        bench.registry.diagnostics().notices(0).iter().filter(|n| n.message.contains("on purpose")).count(),
        1
    );
}

#[test]
fn a_source_that_is_gone_shows_its_last_words_and_is_asked_at_each_sample() {
    let bench = bench(SOON, Does::Reads(vec![("a", 1.0)]));
    until(|| bench.value("svc_shown", "a") == Some(1.0));
    bench.does(Does::IsGone);
    until(|| bench.value("soundpost_scripted_available", "gone") == Some(0.0));
    until(|| bench.value("svc_shown", "last words") == Some(1.0));
    assert_eq!(bench.value("svc_shown", "a"), None);
    let (start, before) = (Instant::now(), bench.samples.load(Relaxed));
    until(|| bench.samples.load(Relaxed) >= before + 10);
    assert!(start.elapsed() < Duration::from_secs(3), "no back-off: {:?}", start.elapsed());
    assert_eq!(bench.value("soundpost_errors", "vitals"), Some(1.0), "only the warning is a fault");
}

/// CPU time of the calling thread so far, hundredths of a second.
fn thread_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ');
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_source_that_is_not_there_costs_nothing_between_samples() {
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let heard = ticks.clone();
    let listener = Listener(Arc::new(move |_: &Readings| heard.lock().unwrap().push(thread_ticks())));
    let _bench = bench_with(Duration::from_millis(100), Does::IsGone, Some(listener));
    until(|| ticks.lock().unwrap().len() > 20);
    let ticks = ticks.lock().unwrap();
    let used = ticks.last().unwrap() - ticks[0];
    assert!(used < 20, "{used} hundredths of a second of CPU in 20 samples, 2 seconds");
}

#[test]
fn hanging_source_is_retracted_flagged_and_sampled_again() {
    let bench = bench(SOON, Does::Reads(vec![("a", 1.0)]));
    until(|| bench.value("svc_shown", "a") == Some(1.0));
    let began = Instant::now();
    bench.does(Does::HangsFor(Duration::from_secs(7)));
    until(|| bench.value("svc_shown", "a").is_none());
    assert!(began.elapsed() < Duration::from_secs(5), "it is retracted before it is flagged");
    until(|| bench.kept("shown", "a").last() == Some(&None));
    until(|| bench.value("soundpost_scripted_available", "hangs") == Some(0.0));
    bench.does(Does::Reads(vec![("a", 2.0)]));
    until(|| bench.value("svc_shown", "a") == Some(2.0));
    until(|| bench.value("soundpost_scripted_available", "") == Some(1.0));
}

#[test]
fn glances_are_taken_while_calls_run_and_once_more() {
    let bench = bench(Duration::from_secs(30), Does::Reads(vec![("a", 1.0)]));
    until(|| bench.value("svc_shown", "a") == Some(1.0));
    *bench.activity.lock().unwrap() = Activity { running: true, begun: 1 };
    until(|| bench.fast.load(Relaxed) >= 5);
    *bench.activity.lock().unwrap() = Activity { running: false, begun: 1 };
    let settled = settle(&bench);
    assert_eq!(bench.samples.load(Relaxed), 1);
    assert_eq!(bench.value("svc_shown", "a"), Some(1.0), "a fast sample is kept and not shown");
    assert_eq!(bench.kept("shown", "a").last(), Some(&Some(100.0 + settled as f64)));
    // A call that came and went between two looks.
    *bench.activity.lock().unwrap() = Activity { running: false, begun: 2 };
    until(|| bench.fast.load(Relaxed) > settled);
    assert_eq!(settle(&bench), settled + 1, "one fast sample");
}

/// Waits until no fast sample is taken for half a second; how many there were.
fn settle(bench: &Bench) -> u64 {
    let mut last = (bench.fast.load(Relaxed), Instant::now());
    until(|| {
        let now = bench.fast.load(Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(500)
    });
    last.0
}

#[test]
fn a_listener_that_panics_ends_nothing() {
    let listener = Listener(Arc::new(|readings: &Readings| assert!(readings.readings.is_empty(), "heard")));
    let bench = bench_with(SOON, Does::Reads(vec![("a", 1.0)]), Some(listener));
    until(|| bench.value("soundpost_errors", "vitals").is_some_and(|panics| panics >= 2.0));
    assert_eq!(bench.value("svc_shown", "a"), Some(1.0));
}

#[test]
fn stopping_takes_down_what_was_shown() {
    let bench = bench(SOON, Does::Reads(vec![("a", 1.0)]));
    until(|| bench.value("svc_shown", "a") == Some(1.0));
    let Bench { place, registry, sampler, .. } = bench;
    sampler.stop(Instant::now() + Duration::from_secs(2));
    let snapshot = Collector::new(place, registry).snapshot();
    let shown = snapshot.families.iter().find(|family| &*family.name == "svc_shown");
    assert!(shown.is_none_or(|family| family.series.is_empty()));
}
