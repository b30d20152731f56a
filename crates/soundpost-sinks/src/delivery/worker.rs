//! One sink at work: reads on in the store, has batches delivered, and tells how far it is.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use soundpost_core::thread::lock;
use soundpost_store::{Record, Rejected, Stretch};
use tokio::sync::watch;
use tokio::time::sleep;

use super::backoff::{Patience, chance};
use super::bisect::{Delivery, Turn};
use super::breaker::Trust;
use super::context::Around;
use super::feed::Feed;
use super::health::Health;
use crate::format::record::weight;
use crate::kind::Sink;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Limits, Transport};

/// How long records are waited for that could go with the first of a batch.
const LINGER: Duration = Duration::from_millis(500);
/// Between two looks at a store that cannot be read, or does not know the sink yet.
const RETRY: Duration = Duration::from_millis(200);
/// How long what was delivered may take to be noted: after that the sink goes on, and a crash repeats more than one batch.
const WRITING: Duration = Duration::from_secs(1);
/// Between two looks at the store where nothing says that there is something.
const LOOK: Duration = Duration::from_secs(5);

/// What workers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signal {
    /// How often somebody asked for all that is stored to be shipped.
    pub(crate) hurry: u64,
    pub(crate) phase: Phase,
}

/// How long workers go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// For ever.
    #[default]
    Run,
    /// Until all that is stored is shipped, or the receiver does not take it.
    Drain,
    /// No longer.
    Stop,
}

/// The work of one sink's thread. Whatever ends it, the next one goes on where the store says.
pub(crate) struct Worker {
    sink: Sink,
    around: Arc<Around>,
    signal: watch::Receiver<Signal>,
    stored: watch::Receiver<u64>,
    /// The last `hurry` that was done.
    hurried: Arc<AtomicU64>,
    feed: Feed,
    health: Health,
    patience: Patience,
    trust: Trust,
}

impl Worker {
    pub(crate) fn new(
        sink: Sink,
        around: Arc<Around>,
        signal: watch::Receiver<Signal>,
        hurried: Arc<AtomicU64>,
    ) -> Result<Self, soundpost_core::Error> {
        let feed = Feed::new(around.directory.clone(), sink.name(), sink.kinds());
        let health = Health::new(sink.name(), sink.to_string(), around.calls.clone(), around.board.clone())?;
        let patience = Patience::new(sink.common().longest_wait);
        let stored = around.acks.subscribe();
        Ok(Self { sink, around, signal, stored, hurried, feed, health, patience, trust: Trust::default() })
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub(crate) fn run(mut self) -> std::io::Result<()> {
        // Names are looked up on threads of their own, which may hang.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(2)
            .build()?;
        let _ = runtime.block_on(self.work());
        runtime.shutdown_background();
        self.health.leave();
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
            let hurries = signal.phase == Phase::Drain || signal.hurry > self.hurried.load(Ordering::Acquire);
            let stretch = match self.feed.next(limits.records) {
                Ok(Some(stretch)) => stretch,
                // The keeper, which is still to tell the store of this sink, says what is wrong with it.
                Ok(None) | Err(_) if signal.phase == Phase::Run => {
                    self.linger(signal, RETRY).await;
                    continue;
                }
                Ok(None) | Err(_) => return ControlFlow::Break(()),
            };
            if self.feed.has_delivered() {
                self.trust.prove();
            }
            if stretch.records.is_empty() {
                if signal.phase == Phase::Drain {
                    return ControlFlow::Break(());
                }
                self.hurried.fetch_max(signal.hurry, Ordering::AcqRel);
                lingered = false;
                self.feed.reopen();
                tokio::select! {
                    changed = self.signal.changed() => if changed.is_err() { return ControlFlow::Break(()) },
                    _ = self.stored.changed() => {}
                    () = sleep(LOOK) => {}
                }
                continue;
            }
            if !hurries && !lingered && !stretch.more && stretch.records.len() < limits.records {
                lingered = true;
                self.linger(signal, LINGER).await;
                continue;
            }
            lingered = false;
            self.ship(transport.as_mut(), stretch, limits).await?;
        }
    }

    /// Ships a stretch, batch after batch.
    async fn ship(
        &mut self,
        transport: &mut dyn Transport,
        mut stretch: Stretch,
        limits: Limits,
    ) -> ControlFlow<()> {
        while !stretch.records.is_empty() {
            let count = fitting(&stretch.records, limits);
            let mut delivery = Delivery::new(count);
            while delivery.next().is_some() {
                let went = self.deliver(transport, &stretch.records, &mut delivery).await;
                // Before anything is waited for: else it would not be known for as long.
                let (settled, rejected) = delivery.take();
                if !self.acknowledge(&stretch, settled, rejected) {
                    return ControlFlow::Continue(());
                }
                stretch = stretch.skip(settled);
                match went {
                    ControlFlow::Continue(Turn::GoOn) => {}
                    ControlFlow::Continue(Turn::Wait(verdict)) => self.wait_out(&verdict).await?,
                    ControlFlow::Break(()) => return ControlFlow::Break(()),
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Has a batch delivered, until all of it is settled or something is waited for.
    async fn deliver(
        &mut self,
        transport: &mut dyn Transport,
        records: &[Record],
        delivery: &mut Delivery,
    ) -> ControlFlow<(), Turn> {
        let names = lock(&self.around.names).clone();
        while let Some(range) = delivery.next() {
            let sent = range.len();
            let batch = Batch { origin: names.origin(), records: &records[range] };
            let answer = tokio::select! {
                answer = transport.deliver(batch) => answer,
                _ = self.signal.wait_for(|signal| signal.phase == Phase::Stop) => return ControlFlow::Break(()),
            };
            let answer = self.trust.judge(sent, answer);
            self.note(sent, &answer);
            if answer.settled > 0 {
                // It is slow, and not away.
                self.patience.rest();
            }
            match delivery.answer(answer) {
                Turn::GoOn => self.patience.rest(),
                waits @ Turn::Wait(_) => return ControlFlow::Continue(waits),
            }
        }
        ControlFlow::Continue(Turn::GoOn)
    }

    /// Shows what an answer says of the receiver.
    fn note(&mut self, sent: usize, answer: &Answer) {
        self.health.altered(answer.losses);
        if matches!(answer.rest, Verdict::Taken | Verdict::Faulty(_)) || answer.settled > 0 {
            let feed = &mut self.feed;
            self.health.works(|| pending(feed));
        }
        let alone = u64::from(answer.blamed(sent) == 1);
        (0..answer.rejected.refused + alone).for_each(|_| self.health.rejects(&answer.rest));
    }

    /// Waits as long as a verdict asks for; not at all where nothing is waited for any more.
    async fn wait_out(&mut self, verdict: &Verdict) -> ControlFlow<()> {
        let feed = &mut self.feed;
        self.health.fails(verdict, || pending(feed));
        // Nobody waits for a receiver that does not take anything.
        self.hurried.fetch_max(self.signal.borrow().hurry, Ordering::AcqRel);
        let wait = self.patience.wait(verdict, chance());
        self.pause(wait).await
    }

    /// Waits; breaks at once when the work is to end. Who is in a hurry meanwhile is not kept waiting.
    async fn pause(&mut self, wait: Duration) -> ControlFlow<()> {
        let mut end = pin!(sleep(wait));
        loop {
            let hurried = self.hurried.load(Ordering::Acquire);
            let calls = |signal: &Signal| signal.phase != Phase::Run || signal.hurry > hurried;
            let signal = tokio::select! {
                () = &mut end => return ControlFlow::Continue(()),
                signal = self.signal.wait_for(calls) => signal.ok().map(|signal| *signal),
            };
            match signal {
                Some(signal) if signal.phase == Phase::Run => {
                    self.hurried.fetch_max(signal.hurry, Ordering::AcqRel);
                }
                _ => return ControlFlow::Break(()),
            }
        }
    }

    /// Waits, unless somebody is in a hurry.
    async fn linger(&mut self, since: Signal, wait: Duration) {
        let hurry = |signal: &Signal| signal.phase != Phase::Run || signal.hurry > since.hurry;
        tokio::select! {
            () = sleep(wait) => {}
            _ = self.signal.wait_for(hurry) => {}
        }
    }

    /// Tells the store what became of a batch; false if it knows better where the sink is.
    fn acknowledge(&mut self, stretch: &Stretch, settled: usize, rejected: Rejected) -> bool {
        if settled == 0 {
            return true;
        }
        let gone = stretch.records[..settled].iter().filter(|record| is_gone(record)).count() as u64;
        let delivered = (settled as u64).saturating_sub(rejected.total() + gone);
        let done = stretch.acknowledgement(settled, delivered, rejected, gone);
        let wake = &self.around.flush_acks;
        match self.around.acks.acknowledge(self.sink.name(), done, WRITING, || wake()) {
            Ok(()) => {
                self.feed.advance(&done);
                true
            }
            Err(error) => {
                self.around
                    .calls
                    .registry()
                    .diagnostics()
                    .warn_once("sink", &format!("sink {}: {error}", self.sink));
                self.feed.begin_again();
                false
            }
        }
    }
}

/// Whether retention has taken what a record was made of.
fn is_gone(record: &Record) -> bool {
    matches!(record, Record::Vitals(moment) if moment.samples.is_empty())
}

/// How many of the first records go at once; at least one.
fn fitting(records: &[Record], limits: Limits) -> usize {
    let mut bytes = 0;
    let fits = |record: &&Record| {
        bytes += weight(record);
        bytes <= limits.bytes
    };
    records.iter().take(limits.records).take_while(fits).count().max(1)
}

fn pending(feed: &mut Feed) -> Option<u64> {
    feed.state().ok().flatten().map(|state| state.pending)
}
