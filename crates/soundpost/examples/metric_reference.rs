//! Prints `docs/metrics.md`: records every metric with its own telemetry, and describes the snapshot.
//!
//! ```sh
//! cargo run -p soundpost --features sinks --example metric_reference > docs/metrics.md
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use soundpost::binding::torch::{Allocator, Memory, Reading, Reads};
use soundpost::binding::{HookState, publish_hook};
use soundpost::{
    BYTES_BUCKETS, LATENCY_BUCKETS, Merge, Outcome, RATIO_BUCKETS, Seconds, Spec, Telemetry, Unit,
};
use soundpost_core::snapshot::{MetricFamily, MetricKind, MetricValue, Snapshot};
use soundpost_vitals::Quantity;

const SERVICE: &str = "service";
/// The sampler's gauge of the present GPUs.
const SAMPLED: &str = "gpu_memory_total_bytes";
const HEAD: &str = "\
# Metric reference

`cargo run -p soundpost --features sinks --example metric_reference > docs/metrics.md` generates this page; a test fails if it is out of
date. `{ns}` is the service's name made a metric name (`tts-demo` becomes `tts_demo`), or the value of `namespace`.

Every metric also has the labels given to `init(labels=...)` or `Builder::label`. The metrics of calls and stages also
have the labels of their operation. `bytes`, `seconds` and the like are base units: they are part of the name. A family
appears in a scrape once it has a series. Histograms marked *e* carry exemplars in OpenMetrics: the label `request_id` of
the latest observation of each bucket, replaced at most every half second.
";

fn main() -> Result<(), Box<dyn Error>> {
    print!("{}", reference()?);
    Ok(())
}

/// Returns the text of `docs/metrics.md`.
pub(crate) fn reference() -> Result<String, Box<dyn Error>> {
    let directory = Directory::new()?;
    let telemetry = Telemetry::builder(SERVICE)
        .directory(&directory.0)
        .version("1")
        .listen(None)
        .facade(false)
        .sample_interval(None)
        .sink(soundpost::sink::Capture::new())
        .start()?;
    record_one_of_everything(&telemetry);
    let allocator = read_torch(&telemetry)?;
    telemetry.flush(Duration::from_secs(10));
    let mut snapshot = telemetry.snapshot();
    let peaks = gpu_peaks(&directory)?;
    snapshot.families.retain(|family| peaks.iter().all(|peaks| peaks.name != family.name));
    snapshot.families.extend(peaks);
    snapshot.families.sort_by(|a, b| a.name.cmp(&b.name));
    drop(allocator);
    telemetry.shutdown(Duration::from_secs(1));
    Ok(describe(&snapshot))
}

/// Records the GPU metrics of finished calls.
fn gpu_peaks(directory: &Directory) -> Result<Vec<MetricFamily>, Box<dyn Error>> {
    let place = soundpost_core::ServiceDir::open(&directory.0, "peaks")?;
    let registry = soundpost_core::Registry::detached(soundpost_core::ServiceIdentity::new(SERVICE))?;
    soundpost_core::Calls::new(&registry)?.observe_gpu_peak("synthesize", &[], 1, "");
    let snapshot = soundpost_core::snapshot::Collector::new(place, registry).snapshot();
    let peaks = |family: &MetricFamily| family.name.ends_with("_request_gpu_memory_peak_bytes");
    Ok(snapshot.families.into_iter().filter(peaks).collect())
}

fn record_one_of_everything(telemetry: &Telemetry) {
    drop(telemetry.loading(soundpost::LoadPhase::Load));
    let operation = telemetry.operation("synthesize");
    for outcome in Outcome::ALL {
        let call = operation.begin().queued(Duration::from_millis(1)).start();
        call.field("char_count", 1);
        call.field("text", "hello");
        call.stage("vocoder").fail();
        call.chunk(Seconds(0.5));
        call.chunk(Seconds(0.5));
        call.video(Seconds(1.0));
        call.levels(&soundpost::AudioLevels::measure(&[0.5], |sample| sample));
        call.end(outcome);
    }
    telemetry.set_unhealthy("port_taken", true);
    soundpost::binding::count_error(telemetry, "serve");
    let _ = publish_hook(telemetry, "cosyvoice", "CosyVoice.inference_sft", HookState::Ok);
}

/// Records the metrics of PyTorch's allocator for a sampled GPU.
fn read_torch(telemetry: &Telemetry) -> Result<Allocator, Box<dyn Error>> {
    let spec = Spec::gauge(&format!("{SERVICE}_{SAMPLED}")).unit(Unit::Bytes).merge(Merge::Last);
    telemetry
        .family(spec.labels(&["gpu", "uuid", "name", "mig"]))?
        .gauge(&["0", "GPU-0", "GPU", ""])?
        .set(1.0);
    let allocator = Allocator::new(telemetry, Reads::Always);
    allocator.identify(0, Some("GPU-0"));
    let call = telemetry.operation("synthesize").start();
    allocator.started(&call, &Reading { devices: vec![(0, Memory::default())], ..Reading::default() });
    call.finish();
    Ok(allocator)
}

fn describe(snapshot: &Snapshot) -> String {
    let mut tables: BTreeMap<Part, String> = BTreeMap::new();
    let mut buckets: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let sampled = |family: &&MetricFamily| family.name.ends_with(SAMPLED);
    for family in snapshot.families.iter().filter(|family| !sampled(family)) {
        let row = row(family, &mut buckets);
        tables.entry(Part::of(family)).or_default().push_str(&row);
    }
    let vitals: String = soundpost_vitals::quantities().map(vitals_row).collect();
    tables.entry(Part::Vitals).or_default().insert_str(0, &vitals);
    let mut text = HEAD.to_owned();
    for (part, rows) in tables {
        text.push_str(&format!(
            "\n## {}\n\n| name | type | unit | labels | meaning | buckets |\n|---|---|---|---|---|---|\n{rows}",
            part.title()
        ));
    }
    text.push_str(
        "\n## Bucket bounds\n\nInclusive upper bounds; every histogram has a last bucket `+Inf`.\n\n",
    );
    for (name, bounds) in buckets {
        let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
        text.push_str(&format!("- *{name}*: {}\n", bounds.join(", ")));
    }
    text.push_str("\n## Values of `status` and `outcome`\n\n| status | outcomes |\n|---|---|\n");
    let mut outcomes: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for outcome in Outcome::ALL {
        outcomes.entry(outcome.status()).or_default().push(format!("`{}`", outcome.name()));
    }
    for (status, outcomes) in outcomes {
        text.push_str(&format!("| `{}` | {} |\n", status.name(), outcomes.join(", ")));
    }
    text.push_str("\n[Outcomes](guide/outcomes.md) describes when each is used.\n");
    text
}

/// Appends the table of a family.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Calls,
    Service,
    Vitals,
    Itself,
}

impl Part {
    fn of(family: &MetricFamily) -> Self {
        match family.name.strip_prefix(SERVICE) {
            None => Self::Itself,
            Some("_up" | "_build" | "_unhealthy") => Self::Service,
            Some(name) if name.starts_with("_torch_") => Self::Vitals,
            Some(_) => Self::Calls,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Calls => "Calls and stages",
            Self::Service => "The service",
            Self::Vitals => "Host, processes, GPUs",
            Self::Itself => "Soundpost about itself",
        }
    }
}

/// Appends a sampled quantity, which is absent on machines without it.
fn vitals_row(quantity: &Quantity) -> String {
    let (kind, suffix) = if quantity.counter { ("counter", "_total") } else { ("gauge", "") };
    let labels: Vec<String> = quantity.labels.iter().map(|label| format!("`{label}`")).collect();
    let (name, unit, help) = (quantity.name, quantity.unit.suffix(), quantity.help);
    format!("| `{{ns}}_{name}{suffix}` | {kind} | {unit} | {} | {help} | |\n", labels.join(", "))
}

fn row(family: &MetricFamily, buckets: &mut BTreeMap<String, Vec<f64>>) -> String {
    let (kind, suffix) = match family.kind {
        MetricKind::Counter => ("counter", "_total"),
        MetricKind::Gauge => ("gauge", ""),
        MetricKind::Histogram => ("histogram", ""),
        MetricKind::Summary => ("summary", ""),
        MetricKind::Info => ("info", "_info"),
        MetricKind::StateSet => ("state set", ""),
    };
    let name = match family.name.strip_prefix(SERVICE) {
        Some(rest) => format!("{{ns}}{rest}{suffix}"),
        None => format!("{}{suffix}", family.name),
    };
    let labels: BTreeSet<String> = family
        .series
        .iter()
        .flat_map(|series| series.labels.iter())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let labels: Vec<String> = labels.into_iter().collect();
    let bounds = bounds(family).map_or_else(String::new, |(bounds, exemplars)| {
        let title = title(&bounds);
        buckets.insert(title.clone(), bounds);
        if exemplars { format!("{title}, *e*") } else { title }
    });
    let unit = family.unit.suffix();
    format!("| `{name}` | {kind} | {unit} | {} | {} | {bounds} |\n", labels.join(", "), family.help)
}

/// Returns the bounds of a histogram and whether it has exemplars.
fn bounds(family: &MetricFamily) -> Option<(Vec<f64>, bool)> {
    family.series.iter().find_map(|series| match &series.value {
        MetricValue::Distribution(distribution) if family.kind == MetricKind::Histogram => {
            Some((distribution.bounds.to_vec(), !distribution.exemplars.is_empty()))
        }
        _ => None,
    })
}

fn title(bounds: &[f64]) -> String {
    let known: [(&str, &[f64]); 5] = [
        ("latency", &LATENCY_BUCKETS),
        ("ratio", &RATIO_BUCKETS),
        ("bytes", &BYTES_BUCKETS),
        ("share", &soundpost_core::SHARE_BUCKETS),
        ("pace", &soundpost_core::PACE_BUCKETS),
    ];
    let known = known.into_iter().find(|(_, known)| *known == bounds).map(|(name, _)| name);
    known.unwrap_or("scrape").to_owned()
}

/// A temporary directory, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("soundpost-reference-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        let _ = std::fs::remove_dir_all(path);
    }
}
