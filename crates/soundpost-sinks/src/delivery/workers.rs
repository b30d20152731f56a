//! The threads of all sinks, while this process reports.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::thread::{self, lock};
use soundpost_core::{Calls, ServiceDir};
use tokio::sync::watch;

use super::ack_queue::AckQueue;
use super::files;
use super::health::SinkStatus;
use super::origin::OwnedOrigin;
use super::worker::{FlushAcks, Phase, Signal, SinkContext, Worker};
use crate::kind::Sink;

/// Interval between checks whether threads have ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Time for a stopping thread to acknowledge its records.
const STOP_GRACE: Duration = Duration::from_millis(100);
/// Delay before a panicked worker restarts; it doubles each time.
const FIRST_RESTART_DELAY: Duration = Duration::from_millis(100);
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);

/// The workers of all sinks.
pub struct Workers {
    context: Arc<SinkContext>,
    threads: Mutex<Vec<Thread>>,
}

struct Thread {
    sink: Sink,
    signal: watch::Sender<Signal>,
    flushed: Arc<AtomicU64>,
    handle: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each sink.
    pub fn start(
        sinks: &[Sink],
        place: &ServiceDir,
        calls: Arc<Calls>,
        names: OwnedOrigin,
        acks: Arc<AckQueue>,
        flush_acks: FlushAcks,
    ) -> Self {
        let names = Mutex::new(Arc::new(names));
        let context = SinkContext {
            place: place.clone(),
            calls,
            names,
            status: Arc::new(SinkStatus::new(place.clone())),
            acks,
            flush_acks,
        };
        let workers = Self { context: Arc::new(context), threads: Mutex::default() };
        workers.replace(sinks);
        workers
    }

    /// Ends the threads of other sinks, and starts those of new ones.
    pub fn replace(&self, sinks: &[Sink]) {
        files::add(&self.context.place, sinks);
        let mut threads = lock(&self.threads);
        let (kept, ended): (Vec<_>, Vec<_>) =
            threads.drain(..).partition(|thread| sinks.iter().any(|sink| sink.is_same(&thread.sink)));
        *threads = kept;
        stop(ended, Instant::now());
        for sink in sinks {
            if !threads.iter().any(|thread| thread.sink.is_same(sink)) {
                let (signal, flushed) = Default::default();
                threads.push(Thread { sink: sink.clone(), signal, flushed, handle: None });
            }
        }
        drop(threads);
        self.check();
    }

    /// Changes the origin of further records. An agent reads it from the service's processes.
    pub fn update_names(&self, change: impl FnOnce(&mut OwnedOrigin)) {
        let mut names = lock(&self.context.names);
        let mut changed = OwnedOrigin::clone(&names);
        change(&mut changed);
        if **names != changed {
            *names = Arc::new(changed);
        }
    }

    /// Starts the threads that could not be started before. The reporter calls it periodically.
    pub fn check(&self) {
        lock(&self.threads)
            .iter_mut()
            .filter(|thread| thread.handle.is_none())
            .for_each(|thread| self.begin(thread));
    }

    fn begin(&self, thread: &mut Thread) {
        let (sink, context) = (thread.sink.clone(), self.context.clone());
        let (signal, flushed) = (thread.signal.subscribe(), thread.flushed.clone());
        let name = format!("soundpost-sink-{}", sink.name());
        match thread::spawn(&name, move || work(&sink, &context, &signal, &flushed)) {
            Ok(handle) => thread.handle = Some(handle),
            Err(error) => {
                let message = format!("cannot start a thread: {error}");
                self.context.calls.registry().failures().warn_once("sink", &message);
            }
        }
    }

    /// Waits until all records that are stored now are shipped, except by sinks whose receivers fail.
    pub fn flush(&self, deadline: Instant) {
        lock(&self.threads).iter().for_each(|thread| thread.signal.send_modify(|signal| signal.flushes += 1));
        let waits = |thread: &Thread| {
            thread.handle.is_some() && thread.flushed.load(Ordering::Acquire) < thread.signal.borrow().flushes
        };
        while lock(&self.threads).iter().any(waits) && Instant::now() < deadline {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Ships the stored records until `deadline`, except by sinks whose receivers fail, and ends all threads.
    pub fn stop(&self, deadline: Instant) {
        stop(std::mem::take(&mut *lock(&self.threads)), deadline);
    }
}

/// Ships the stored records until `deadline`, and ends the threads.
fn stop(mut threads: Vec<Thread>, deadline: Instant) {
    let signal = |threads: &[Thread], phase: Phase| {
        threads.iter().for_each(|thread| thread.signal.send_modify(|signal| signal.phase = phase));
    };
    signal(&threads, Phase::Drain);
    let runs = |thread: &Thread| thread.handle.as_ref().is_some_and(|handle| !handle.is_finished());
    while threads.iter().any(runs) && Instant::now() < deadline {
        std::thread::sleep(POLL_INTERVAL);
    }
    signal(&threads, Phase::Stop);
    let end = Instant::now() + STOP_GRACE;
    threads
        .iter_mut()
        .filter_map(|thread| thread.handle.take())
        .for_each(|handle| thread::join_until(handle, end));
}

/// Runs a worker, and restarts it with a growing delay when it fails.
fn work(sink: &Sink, context: &Arc<SinkContext>, signal: &watch::Receiver<Signal>, flushed: &Arc<AtomicU64>) {
    let mut delay = FIRST_RESTART_DELAY;
    loop {
        let attempt = || match Worker::new(sink.clone(), context.clone(), signal.clone(), flushed.clone()) {
            Ok(worker) => worker.run().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let Err(error) = thread::guarded(attempt).and_then(|ended| ended) else { return };
        context.calls.registry().failures().warn_once("sink", &format!("sink {sink}: {error}"));
        let begins = Instant::now() + delay;
        while Instant::now() < begins {
            if signal.borrow().phase != Phase::Run {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        delay = (delay * 2).min(MAX_RESTART_DELAY);
    }
}
