//! The queue of acknowledgements between the sinks and the store's thread, which alone writes the store.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use soundpost_core::thread::lock;
use soundpost_store::{Acknowledgement, RecordKinds, SinkState, Store, StoreError};
use tokio::sync::watch;

/// Acknowledgements of the sinks of this process that are not stored yet, and the sinks' states as stored.
pub struct AckQueue {
    sinks: Mutex<Registered>,
    entries: Mutex<Entries>,
    written: Condvar,
    states: Mutex<Vec<SinkState>>,
    stored: watch::Sender<u64>,
}

/// The sinks, and whether the store has them.
#[derive(Default)]
struct Registered {
    sinks: Vec<(String, RecordKinds)>,
    is_stored: bool,
}

#[derive(Default)]
struct Entries {
    waiting: VecDeque<(String, Acknowledgement)>,
    /// The sink whose entry is being written.
    writing: Option<String>,
    /// Messages of acknowledgements that the store refused, by sink.
    refused: Vec<(String, String)>,
}

impl Entries {
    fn has(&self, sink: &str) -> bool {
        self.writing.as_deref() == Some(sink) || self.waiting.iter().any(|(name, _)| name == sink)
    }
}

impl AckQueue {
    /// Creates a queue for sinks by name.
    pub fn new(sinks: Vec<(String, RecordKinds)>) -> Self {
        let sinks = Mutex::new(Registered { sinks, is_stored: false });
        let (entries, written) = (Mutex::default(), Condvar::new());
        Self { sinks, entries, written, states: Mutex::default(), stored: watch::Sender::default() }
    }

    /// Replaces the sinks. New ones are registered in the store with the next acknowledgements.
    pub fn set_sinks(&self, sinks: Vec<(String, RecordKinds)>) {
        *lock(&self.sinks) = Registered { sinks, is_stored: false };
    }

    /// Returns whether there is no sink.
    pub fn is_empty(&self) -> bool {
        lock(&self.sinks).sinks.is_empty()
    }

    /// Returns a receiver that counts how often records were stored.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// Queues an acknowledgement and waits at most `patience` until it is stored. After that, it is stored as soon as
    /// the store is writable.
    ///
    /// # Errors
    /// When the acknowledgement does not fit the store, because another process continued it.
    pub(crate) fn acknowledge(
        &self,
        sink: &str,
        done: Acknowledgement,
        patience: Duration,
        wake: impl FnOnce(),
    ) -> Result<(), String> {
        let mut entries = lock(&self.entries);
        // An adjacent entry is joined with this one, so a sink has at most two.
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

    /// Returns whether acknowledgements or new sinks wait.
    pub fn has_entries(&self) -> bool {
        !lock(&self.entries).waiting.is_empty() || !lock(&self.sinks).is_stored
    }

    /// Registers the sinks in a store that was opened.
    pub fn register_sinks(&self, store: &mut Store) -> Result<(), StoreError> {
        let sinks = lock(&self.sinks).sinks.clone();
        store.set_sinks(&sinks)?;
        let mut registered = lock(&self.sinks);
        registered.is_stored = registered.sinks == sinks;
        drop(registered);
        self.refresh(store)
    }

    /// Stores the waiting acknowledgements; after an error the rest keeps waiting.
    pub fn write(&self, store: &mut Store) -> Result<(), StoreError> {
        if !lock(&self.sinks).is_stored {
            self.register_sinks(store)?;
        }
        while let Some((sink, done)) = self.begin_entry() {
            // Without the lock, so that a disk that hangs does not block the sinks.
            let written = store.acknowledge(&sink, done);
            let mut entries = lock(&self.entries);
            entries.writing = None;
            match written {
                Ok(()) => {}
                Err(error) if error.is_misused() => {
                    entries.refused.retain(|(name, _)| *name != sink);
                    entries.refused.push((sink, error.to_string()));
                    drop(entries);
                    // A damaged file may have lost the sink.
                    self.register_sinks(store)?;
                }
                Err(error) => {
                    entries.waiting.push_front((sink, done));
                    return Err(error);
                }
            }
            self.written.notify_all();
        }
        self.refresh(store)
    }

    fn begin_entry(&self) -> Option<(String, Acknowledgement)> {
        let mut entries = lock(&self.entries);
        let entry = entries.waiting.pop_front();
        entries.writing = entry.as_ref().map(|(sink, _)| sink.clone());
        entry
    }

    /// Reads the states of the sinks from the store.
    pub fn refresh(&self, store: &mut Store) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let mut states = store.sinks()?;
        let registered = lock(&self.sinks);
        states.retain(|state| registered.sinks.iter().any(|(name, _)| *name == state.sink));
        drop(registered);
        *lock(&self.states) = states;
        Ok(())
    }

    /// Notifies the sinks that records were stored.
    pub fn notify_stored(&self) {
        self.stored.send_modify(|times| *times += 1);
    }

    /// Returns the states of the sinks as last read, all of one moment.
    pub fn states(&self) -> Vec<SinkState> {
        lock(&self.states).clone()
    }
}
