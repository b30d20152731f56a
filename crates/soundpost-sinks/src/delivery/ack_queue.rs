//! Between the sinks and the keeper, who alone writes the store: what was stored, and what the sinks did with it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use soundpost_core::thread::lock;
use soundpost_store::{Acknowledgement, RecordKinds, SinkState, Store, StoreError};
use tokio::sync::watch;

/// What the store knows of the sinks of this process, and what it is still to be told.
pub struct Ledger {
    sinks: Vec<(String, RecordKinds)>,
    entries: Mutex<Entries>,
    written: Condvar,
    states: Mutex<Vec<SinkState>>,
    stored: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    waiting: VecDeque<(String, Acknowledgement)>,
    /// The sink whose entry is being written.
    writing: Option<String>,
    /// What could not be true, by sink.
    refused: Vec<(String, String)>,
}

impl Entries {
    fn has(&self, sink: &str) -> bool {
        self.writing.as_deref() == Some(sink) || self.waiting.iter().any(|(name, _)| name == sink)
    }
}

impl Ledger {
    /// For sinks by name.
    pub fn new(sinks: Vec<(String, RecordKinds)>) -> Self {
        let (entries, written) = (Mutex::default(), Condvar::new());
        Self { sinks, entries, written, states: Mutex::default(), stored: watch::Sender::default() }
    }

    /// Whether there is no sink.
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Counts how often something was stored.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// Takes down what a sink did, and waits at most `patience` until it is written. After that it goes on: what it
    /// did is written when the store can be.
    ///
    /// # Errors
    /// When it cannot be true, because the store goes on elsewhere; the text is for a person.
    pub(crate) fn acknowledge(
        &self,
        sink: &str,
        done: Acknowledgement,
        patience: Duration,
        wake: impl FnOnce(),
    ) -> Result<(), String> {
        let mut entries = lock(&self.entries);
        // One that waits and ends where this one begins is one with it: there are never more than two of a sink.
        match entries.waiting.iter_mut().find(|(name, before)| name == sink && before.through == done.after) {
            Some((_, before)) => before.join(&done),
            None => entries.waiting.push_back((sink.to_owned(), done)),
        }
        drop(entries);
        wake();
        let (mut entries, _) = self
            .written
            .wait_timeout_while(lock(&self.entries), patience, |entries| entries.has(sink))
            .unwrap_or_else(PoisonError::into_inner);
        match entries.refused.iter().position(|(name, _)| name == sink) {
            Some(index) => Err(entries.refused.swap_remove(index).1),
            None => Ok(()),
        }
    }

    /// Whether something waits to be written.
    pub fn has_entries(&self) -> bool {
        !lock(&self.entries).waiting.is_empty()
    }

    /// Makes the sinks known to a store that was opened.
    pub fn introduce(&self, store: &mut Store) -> Result<(), StoreError> {
        self.sinks.iter().try_for_each(|(name, kinds)| store.add_sink(name, *kinds))?;
        self.look(store)
    }

    /// Writes what waits; what cannot be written goes on waiting.
    pub fn write(&self, store: &mut Store) -> Result<(), StoreError> {
        while let Some((sink, done)) = self.begin_entry() {
            // Nobody is kept from adding to the ledger by a disk that hangs.
            let written = store.acknowledge(&sink, done);
            let mut entries = lock(&self.entries);
            entries.writing = None;
            match written {
                Ok(()) => {}
                Err(error) if error.is_misused() => {
                    entries.refused.retain(|(name, _)| *name != sink);
                    entries.refused.push((sink, error.to_string()));
                    drop(entries);
                    // A file that was damaged may have forgotten it.
                    self.introduce(store)?;
                }
                Err(error) => {
                    entries.waiting.push_front((sink, done));
                    return Err(error);
                }
            }
            self.written.notify_all();
        }
        self.look(store)
    }

    fn begin_entry(&self) -> Option<(String, Acknowledgement)> {
        let mut entries = lock(&self.entries);
        let entry = entries.waiting.pop_front();
        entries.writing = entry.as_ref().map(|(sink, _)| sink.clone());
        entry
    }

    /// Looks how the sinks stand, for who asks.
    pub fn look(&self, store: &mut Store) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let mut states = store.sinks()?;
        states.retain(|state| self.sinks.iter().any(|(name, _)| *name == state.sink));
        *lock(&self.states) = states;
        Ok(())
    }

    /// Says that something was stored.
    pub fn stored(&self) {
        self.stored.send_modify(|times| *times += 1);
    }

    /// How the sinks stood at the last look, all at one moment.
    pub fn states(&self) -> Vec<SinkState> {
        lock(&self.states).clone()
    }
}
