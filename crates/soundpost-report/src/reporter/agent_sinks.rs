//! The sinks of an agent: its own, and those that the service's processes wrote for it.

use std::sync::Mutex;

use soundpost_core::thread::lock;
use soundpost_sinks::{SharedSinks, Sink};

use super::acks::{AckQueue, registered};
use crate::config::Config;
use crate::context::ReporterContext;

/// The sinks that this process ships to while it reports.
pub(crate) struct SinkSet(Mutex<Current>);

struct Current {
    /// Those of the service; `None` before the first read.
    shared: Option<SharedSinks>,
    sinks: Vec<Sink>,
    changes: u64,
}

impl SinkSet {
    /// Makes the set of the configured sinks.
    pub(super) fn new(context: &ReporterContext) -> Self {
        Self(Mutex::new(Current { shared: None, sinks: context.config.sinks.clone(), changes: 0 }))
    }

    /// Returns the sinks, and the number of changes so far.
    pub(super) fn current(&self) -> (Vec<Sink>, u64) {
        let current = lock(&self.0);
        (current.sinks.clone(), current.changes)
    }

    pub(super) fn changes(&self) -> u64 {
        lock(&self.0).changes
    }

    /// Returns the names of the sinks that can be opened.
    pub(super) fn names(&self) -> Vec<String> {
        let can_open = |sink: &Sink| sink.can_open().then(|| sink.name().to_owned());
        self.current().0.iter().filter_map(can_open).collect()
    }

    /// Adds the sinks that the service has written to those of an agent, which precede them by name. A service writes
    /// its sinks before it records, so calling this between reading and storing records loses none of them.
    pub(super) fn follow(&self, context: &ReporterContext, acks: &AckQueue) {
        let Config { agent: true, store: Some(_), sinks: own, .. } = &context.config else { return };
        let read = SharedSinks::read(&context.place);
        let mut current = lock(&self.0);
        if current.shared.as_ref() == Some(&read) {
            return;
        }
        let (mut sinks, errors) = read.sinks();
        errors.iter().for_each(|error| context.warn("sink", &error.to_string()));
        sinks.retain(|sink| own.iter().all(|own| own.name() != sink.name()));
        sinks.splice(0..0, own.iter().cloned());
        acks.set_sinks(registered(&sinks));
        *current = Current { shared: Some(read), sinks, changes: current.changes + 1 };
    }
}

/// Writes the sinks of a process of the service, for an agent.
pub(super) fn share(context: &ReporterContext, has_others: impl FnOnce() -> bool) {
    match SharedSinks::write(&context.place, &context.config.sinks) {
        Ok(Some(before)) if !before.is_empty() && has_others() => {
            let message = "sinks: another process of the service has other sinks; an agent ships to those of the last \
                           process that started";
            context.warn("sink", message);
        }
        // Without the file, an agent does not ship to them, which is detected.
        _ => {}
    }
}
