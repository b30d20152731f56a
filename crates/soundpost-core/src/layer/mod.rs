//! The `tracing` layer: events become log events with the fields of their spans and the current call.

mod values;

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::call::{CallHandle, current_call};
use crate::log::{EventBuilder, Level, Log};
use crate::registry::Registry;
use crate::thread::is_own;
use values::{EventValues, SpanFields, SpanValues, Values};

/// Maximum depth of events recorded while the text of another event's value is made. Deeper events are
/// dropped and counted in `soundpost_errors_total{part="log"}`.
const NESTED: u32 = 4;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static THREAD: OnceCell<Arc<str>> = const { OnceCell::new() };
}

/// A [`tracing_subscriber::Layer`] that records events.
///
/// The level comes from [`LogLayer::with_max_level`], `INFO` by default, and from any filter that wraps the
/// layer (`layer.with_filter(EnvFilter::new("warn,my_service=debug"))`). An event gets the fields of its
/// enclosing spans that pass the level. Events of Soundpost and of its threads are never recorded.
#[derive(Clone)]
pub struct LogLayer {
    registry: Arc<Registry>,
    max_level: LevelFilter,
}

impl LogLayer {
    /// Makes a layer that records to this registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, max_level: LevelFilter::INFO }
    }

    /// Sets the lowest recorded level. A layer with its own filter uses `TRACE` here.
    #[must_use]
    pub fn with_max_level(mut self, level: impl Into<LevelFilter>) -> Self {
        self.max_level = level.into();
        self
    }

    /// Reports whether events and spans of this metadata are recorded.
    ///
    /// A level hint to `tracing` would decide earlier, but it would also limit all other layers, such as a
    /// console that shows `DEBUG`.
    fn records(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.max_level && !is_ours(metadata.target())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.values().is_empty() || !self.records(attributes.metadata()) || is_own() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut fields = SpanFields::default();
        attributes.record(&mut Values(&mut SpanValues::new(&self.registry, &mut fields)));
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| self.records(span.metadata()) && !is_own()) else {
            return;
        };
        // No extension is locked while the text of a value is made, because making it may log.
        let mut fields = span.extensions_mut().remove::<SpanFields>().unwrap_or_default();
        values.record(&mut Values(&mut SpanValues::new(&self.registry, &mut fields)));
        span.extensions_mut().replace(fields);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !self.records(metadata) || is_own() {
            return;
        }
        if DEPTH.get() >= NESTED {
            self.registry.diagnostics().count_error("log");
            return;
        }
        let _nested = Nested::begin();
        let (call, level) = (current_call(), level(*metadata.level()));
        let mut draft = EventBuilder::new(&self.registry);
        let known = call.as_ref().map(CallHandle::known_texts).unwrap_or_default();
        if level >= Level::Warning || !known.is_empty() {
            draft.hide(&known);
        }
        let mut values = EventValues::new(draft);
        event.record(&mut Values(&mut values));
        let EventValues { mut draft, message, logger, file, line, .. } = values;
        // Events of the crate `log` carry their logger in fields.
        let from_log = metadata.target() == "log";
        let logger = logger.as_deref().filter(|_| from_log).unwrap_or(metadata.target());
        if is_ours(logger) {
            return;
        }
        if let Some(scope) = context.event_scope(event) {
            for span in scope {
                if let Some(fields) = span.extensions().get::<SpanFields>() {
                    fields.add_to(&mut draft);
                }
            }
        }
        let of_call = |text: for<'c> fn(&'c CallHandle) -> &'c str| call.as_ref().map_or("", text);
        let record = |thread: &str| {
            draft.record(&Log {
                unix_nanos: None,
                level,
                message: &message,
                logger,
                file: file.as_deref().or(metadata.file()).unwrap_or_default(),
                line: line.or(metadata.line()),
                thread,
                request_id: of_call(CallHandle::request_id),
                operation: of_call(CallHandle::operation),
                fields: &crate::LogFields::new(),
            });
        };
        with_thread_name(record);
    }
}

/// Crates of Soundpost, whose events are never recorded.
const OWN: [&str; 8] = [
    "soundpost",
    "soundpost_core",
    "soundpost_report",
    "soundpost_sinks",
    "soundpost_store",
    "soundpost_vitals",
    "soundpost_cli",
    "soundpost_macros",
];

fn is_ours(target: &str) -> bool {
    let name = target.split_once("::").map_or(target, |(name, _)| name);
    name.starts_with("soundpost") && OWN.contains(&name)
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
    }
}

/// Calls `with` with the name of this thread; empty for a thread that is unnamed or ending.
fn with_thread_name(with: impl FnOnce(&str)) {
    let name = || std::thread::current().name().unwrap_or_default().into();
    match THREAD.try_with(|thread| thread.get_or_init(name).clone()) {
        Ok(name) => with(&name),
        Err(_) => with(""),
    }
}

/// Guard that counts the nesting of events on this thread.
struct Nested;

impl Nested {
    fn begin() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
