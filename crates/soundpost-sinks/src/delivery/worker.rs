//! The worker of one sink: reads the store, delivers batches and acknowledges them.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use soundpost_core::thread::lock;
use soundpost_core::{Calls, ServiceDir};
use soundpost_store::{Record, RecordBatch, Rejected};
use tokio::sync::watch;
use tokio::time::sleep;

use super::ack_queue::AckQueue;
use super::backoff::{Backoff, chance};
use super::bisect::{BatchBisect, Step};
use super::breaker::RejectionBreaker;
use super::feed::Feed;
use super::health::{SinkMetrics, SinkStatus};
use super::origin::OwnedOrigin;
use crate::kind::Sink;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Limits, Transport};

/// Delay before an incomplete batch is sent.
const BATCH_LINGER: Duration = Duration::from_millis(500);
/// Interval between retries while the store is unreadable or the sink is not registered.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Timeout for storing an acknowledgement. After it, the sink continues, and a crash may repeat several batches.
const ACK_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval between reads of the store without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Number of requested flushes.
    pub(crate) flushes: u64,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Ship records as they are stored.
    #[default]
    Run,
    /// Stop when all stored records are shipped, or the receiver fails.
    Drain,
    /// Stop immediately.
    Stop,
}

/// Wakes the store's thread to store the queued acknowledgements.
pub type FlushAcks = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct SinkContext {
    pub(crate) place: ServiceDir,
    pub(crate) calls: Arc<Calls>,
    pub(crate) names: Mutex<Arc<OwnedOrigin>>,
    pub(crate) status: Arc<SinkStatus>,
    pub(crate) acks: Arc<AckQueue>,
    pub(crate) flush_acks: FlushAcks,
}

/// The worker of one sink's thread. A restarted worker continues at the cursor in the store.
pub(crate) struct Worker {
    sink: Sink,
    context: Arc<SinkContext>,
    signal: watch::Receiver<Signal>,
    stored: watch::Receiver<u64>,
    /// Number of the last completed flush.
    flushed: Arc<AtomicU64>,
    feed: Feed,
    health: SinkMetrics,
    backoff: Backoff,
    breaker: RejectionBreaker,
    /// Whether the last read of the store failed.
    is_unread: bool,
}

impl Worker {
    pub(crate) fn new(
        sink: Sink,
        context: Arc<SinkContext>,
        signal: watch::Receiver<Signal>,
        flushed: Arc<AtomicU64>,
    ) -> Result<Self, soundpost_core::Error> {
        let feed = Feed::new(context.place.directory().to_owned(), sink.name(), sink.kinds());
        let health =
            SinkMetrics::new(sink.name(), sink.to_string(), context.calls.clone(), context.status.clone())?;
        let backoff = Backoff::new(sink.common().longest_wait);
        let stored = context.acks.subscribe();
        Ok(Self {
            sink,
            context,
            signal,
            stored,
            flushed,
            feed,
            health,
            backoff,
            breaker: RejectionBreaker::default(),
            is_unread: false,
        })
    }

    /// Runs until the phase is [`Phase::Stop`].
    pub(crate) fn run(mut self) -> std::io::Result<()> {
        // Host names are resolved on separate threads, which may hang.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(2)
            .build()?;
        let _ = runtime.block_on(self.work());
        runtime.shutdown_background();
        self.health.retract();
        Ok(())
    }

    async fn work(&mut self) -> ControlFlow<()> {
        let mut transport = loop {
            match self.sink.open() {
                Ok(transport) => break transport,
                Err(error) => self.wait_out(&Verdict::Misconfigured(error)).await?,
            }
        };
        let mut lingered = false;
        loop {
            let limits = transport.limits();
            let signal = *self.signal.borrow_and_update();
            self.stored.mark_unchanged();
            if signal.phase == Phase::Stop {
                return ControlFlow::Break(());
            }
            let is_urgent =
                signal.phase == Phase::Drain || signal.flushes > self.flushed.load(Ordering::Acquire);
            let stretch = match self.feed.next(limits.records) {
                Ok(Some(stretch)) => stretch,
                unread => {
                    if let Err(error) = unread {
                        self.is_unread = true;
                        let why = format!("the store cannot be read: {error}");
                        self.health.mark_failing(&Verdict::Later { why, retry_after: None }, || None);
                    }
                    if signal.phase != Phase::Run {
                        return ControlFlow::Break(());
                    }
                    self.linger(signal, RETRY_INTERVAL).await;
                    continue;
                }
            };
            if std::mem::take(&mut self.is_unread) {
                let feed = &mut self.feed;
                self.health.mark_up(|| pending(feed));
            }
            if stretch.damaged > 0 && stretch.through > stretch.after {
                self.report_damage(&stretch);
            }
            if self.feed.has_delivered() {
                self.breaker.mark_proven();
            }
            let is_passed = stretch.damaged > 0 || !stretch.erased.is_empty();
            if stretch.records.is_empty() && is_passed && stretch.through > stretch.after {
                self.acknowledge(&stretch, 0, Rejected::default());
                continue;
            }
            if stretch.records.is_empty() {
                if signal.phase == Phase::Drain {
                    return ControlFlow::Break(());
                }
                self.flushed.fetch_max(signal.flushes, Ordering::AcqRel);
                lingered = false;
                self.feed.reopen();
                tokio::select! {
                    changed = self.signal.changed() => if changed.is_err() { return ControlFlow::Break(()) },
                    _ = self.stored.changed() => {}
                    () = sleep(POLL_INTERVAL) => {}
                }
                continue;
            }
            if !is_urgent && !lingered && !stretch.more && stretch.records.len() < limits.records {
                lingered = true;
                self.linger(signal, BATCH_LINGER).await;
                continue;
            }
            lingered = false;
            self.ship(transport.as_mut(), stretch, limits).await?;
        }
    }

    async fn ship(
        &mut self,
        transport: &mut dyn Transport,
        mut stretch: RecordBatch,
        limits: Limits,
    ) -> ControlFlow<()> {
        while !stretch.records.is_empty() {
            let count = fitting(&stretch.records, limits);
            let mut delivery = BatchBisect::new(count);
            while delivery.next().is_some() {
                let went = self.deliver(transport, &stretch.records, &mut delivery).await;
                // Before any delay, so that the acknowledgement is not delayed as well.
                let (settled, rejected) = delivery.take_settled();
                if !self.acknowledge(&stretch, settled, rejected) {
                    return ControlFlow::Continue(());
                }
                stretch = stretch.skip(settled);
                match went {
                    ControlFlow::Continue(Step::Continue) => {}
                    ControlFlow::Continue(Step::Wait(verdict)) => self.wait_out(&verdict).await?,
                    ControlFlow::Break(()) => return ControlFlow::Break(()),
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Delivers a batch until it is settled or the receiver has to be waited for.
    async fn deliver(
        &mut self,
        transport: &mut dyn Transport,
        records: &[Record],
        delivery: &mut BatchBisect,
    ) -> ControlFlow<(), Step> {
        let names = lock(&self.context.names).clone();
        while let Some(range) = delivery.next() {
            let sent = range.len();
            let batch = Batch { origin: names.origin(), records: &records[range] };
            let answer = tokio::select! {
                answer = transport.deliver(batch) => answer.unwrap_or_else(Answer::none),
                _ = self.signal.wait_for(|signal| signal.phase == Phase::Stop) => return ControlFlow::Break(()),
            };
            let answer = self.breaker.judge(sent, answer);
            self.update_health(sent, &answer);
            if answer.settled > 0 {
                // The receiver is slow but available.
                self.backoff.reset();
            }
            match delivery.apply(answer) {
                Step::Continue => self.backoff.reset(),
                waits @ Step::Wait(_) => return ControlFlow::Continue(waits),
            }
        }
        ControlFlow::Continue(Step::Continue)
    }

    fn update_health(&mut self, sent: usize, answer: &Answer) {
        self.health.count_losses(answer.losses);
        if matches!(answer.rest, Verdict::Taken | Verdict::Faulty(_)) || answer.settled > 0 {
            let feed = &mut self.feed;
            self.health.mark_up(|| pending(feed));
        }
        let alone = u64::from(answer.blamed(sent) == 1);
        (0..answer.rejected.refused + alone).for_each(|_| self.health.count_rejection(&answer.rest));
    }

    /// Waits for the delay of a verdict; returns at once while the workers stop.
    async fn wait_out(&mut self, verdict: &Verdict) -> ControlFlow<()> {
        let feed = &mut self.feed;
        self.health.mark_failing(verdict, || pending(feed));
        // A flush does not wait for a failing receiver.
        self.flushed.fetch_max(self.signal.borrow().flushes, Ordering::AcqRel);
        let wait = self.backoff.delay(verdict, chance());
        self.pause(wait).await
    }

    /// Waits, or breaks at once when the phase changes. A flush that is requested meanwhile ends without this sink.
    async fn pause(&mut self, wait: Duration) -> ControlFlow<()> {
        let mut end = pin!(sleep(wait));
        loop {
            let flushed = self.flushed.load(Ordering::Acquire);
            let calls = |signal: &Signal| signal.phase != Phase::Run || signal.flushes > flushed;
            let signal = tokio::select! {
                () = &mut end => return ControlFlow::Continue(()),
                signal = self.signal.wait_for(calls) => signal.ok().map(|signal| *signal),
            };
            match signal {
                Some(signal) if signal.phase == Phase::Run => {
                    self.flushed.fetch_max(signal.flushes, Ordering::AcqRel);
                }
                _ => return ControlFlow::Break(()),
            }
        }
    }

    /// Waits, or returns at once when a flush is requested or the phase changes.
    async fn linger(&mut self, since: Signal, wait: Duration) {
        let hurry = |signal: &Signal| signal.phase != Phase::Run || signal.flushes > since.flushes;
        tokio::select! {
            () = sleep(wait) => {}
            _ = self.signal.wait_for(hurry) => {}
        }
    }

    /// Logs damaged records, which are counted with the acknowledgement of their batch.
    fn report_damage(&self, stretch: &RecordBatch) {
        let message = format!(
            "sink {}: records of the store between {} and {} are damaged, and dropped",
            self.sink, stretch.after, stretch.through
        );
        self.context.calls.registry().diagnostics().warn_once("store", &message);
    }

    /// Acknowledges settled records. Returns false if the store has another cursor for the sink.
    fn acknowledge(&mut self, stretch: &RecordBatch, settled: usize, rejected: Rejected) -> bool {
        if settled == 0 && !stretch.records.is_empty() {
            return true;
        }
        let gone = stretch.records[..settled].iter().filter(|record| is_gone(record)).count() as u64;
        let delivered = (settled as u64).saturating_sub(rejected.total() + gone);
        let done = stretch.acknowledgement(settled, delivered, rejected, gone);
        let wake = &self.context.flush_acks;
        match self.context.acks.acknowledge(self.sink.name(), done, ACK_TIMEOUT, || wake()) {
            Ok(()) => {
                self.feed.advance(&done);
                true
            }
            Err(error) => {
                self.context
                    .calls
                    .registry()
                    .diagnostics()
                    .warn_once("sink", &format!("sink {}: {error}", self.sink));
                self.feed.reset();
                false
            }
        }
    }
}

/// Returns whether retention removed the contents of a record.
fn is_gone(record: &Record) -> bool {
    matches!(record, Record::Vitals(row) if row.samples.is_empty())
}

/// Returns how many of the first records fit into a batch; at least one.
fn fitting(records: &[Record], limits: Limits) -> usize {
    let mut bytes = 0;
    let fits = |record: &&Record| {
        bytes += record.weight();
        bytes <= limits.bytes
    };
    records.iter().take(limits.records).take_while(fits).count().max(1)
}

fn pending(feed: &mut Feed) -> Option<u64> {
    feed.state().ok().flatten().map(|state| state.pending)
}
