//! GELF over TCP, which has no acknowledgements: see [`Unconfirmed`] for when a record counts as delivered.

mod acked;
mod connection;
mod unconfirmed;

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::format::losses::Losses;
use crate::format::record::Event;
use crate::graylog::{Graylog, gelf};
use crate::net::connect::Connector;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};
use connection::Connection;
use unconfirmed::Unconfirmed;

/// Grace period after the server's kernel has a record. A server reads it within milliseconds, or resets the
/// connection when it ends before.
const GRACE: Duration = Duration::from_millis(200);
/// Interval between reads of the acknowledged bytes.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Timeout for detecting that an idle connection was closed.
const CLOSE_CHECK: Duration = Duration::from_millis(1);
/// Approximate bytes of frames that are written together.
const SLICE: usize = 128 * 1024;
/// Default batch size, records. A batch takes the grace period, so this size allows 25,000 records a second.
const RECORDS: usize = 12_288;
const FEWEST: usize = 16;
/// Maximum memory of a batch, bytes.
const BYTES: usize = 12 * 1024 * 1024;

/// Sends frames to an input for GELF over TCP, without or with TLS.
pub(crate) struct GelfTcp {
    connector: Connector,
    timeout: Duration,
    grace: Duration,
    most: usize,
    /// Current batch size: as many records as the server accepts within the timeout.
    records: usize,
    link: Option<Link>,
}

/// A connection and the unconfirmed records sent over it.
struct Link {
    connection: Connection,
    sent: Unconfirmed<Sent>,
}

struct Sent {
    sequence: u64,
    losses: Losses,
}

/// Reason why the rest of a batch was not sent.
enum Stopped {
    Failed(io::Error),
    /// The encoder panicked at a record, not necessarily the first.
    Unwritable(Verdict),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl GelfTcp {
    pub(crate) fn new(settings: &Graylog) -> Result<Self, String> {
        // The other half of the timeout is for the records.
        let timeout = settings.common.timeout;
        let connector = Connector::new(&settings.server, timeout / 2, None)?;
        let most = settings.common.batch.unwrap_or(RECORDS);
        Ok(Self { connector, timeout, grace: GRACE, most, records: most, link: None })
    }

    async fn send(&mut self, batch: Batch<'_>) -> Result<Answer, Verdict> {
        let begun = Instant::now();
        // Ends before the sink's own timeout.
        let deadline = begun + self.timeout * 9 / 10;
        let mut link = match self.known_link(batch).await {
            Some(link) => link,
            None => {
                let connection = Connection::new(self.connector.connect().await?);
                Link { connection, sent: Unconfirmed::new(self.grace) }
            }
        };
        let mut answer = Answer::none(Verdict::Taken);
        match link.send(batch, deadline, &mut answer).await {
            Ok(()) => {}
            Err(Stopped::Failed(error)) => {
                return Ok(Answer { rest: self.connector.broken(&error), ..answer });
            }
            Err(Stopped::Unwritable(rest)) => {
                self.link = Some(link);
                return Ok(Answer { rest, ..answer });
            }
        }
        let (all, half) = (answer.settled == batch.records.len(), self.timeout / 2);
        if !all {
            self.records = (self.records / 2).max(FEWEST.min(self.most));
            answer.rest =
                self.connector.address.later(&"not all that was sent was acknowledged within the timeout");
        } else if begun.elapsed() < half {
            self.records = (self.records * 2).min(self.most);
        }
        // The connection is kept, because unacknowledged data may still arrive.
        self.link = Some(link);
        Ok(answer)
    }

    /// Returns the existing connection, if this batch can continue on it.
    async fn known_link(&mut self, batch: Batch<'_>) -> Option<Link> {
        // Other unconfirmed records have an unknown result.
        let mut link = self.link.take().filter(|link| link.goes_on_with(batch))?;
        // An idle connection may have been closed without an error.
        let ended = link.sent.len() == 0 && timeout(CLOSE_CHECK, link.connection.ended()).await.is_ok();
        (!ended).then_some(link)
    }
}

impl Transport for GelfTcp {
    fn limits(&self) -> Limits {
        Limits { records: self.records, bytes: BYTES }
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(self.send(batch))
    }
}

impl Link {
    /// Returns whether the unconfirmed records are the first ones of the batch.
    fn goes_on_with(&self, batch: Batch<'_>) -> bool {
        let sequences = batch.records.iter().map(|record| record.sequence());
        self.sent.iter().zip(sequences).all(|(sent, sequence)| sent.sequence == sequence)
    }

    /// Sends the rest of the batch until all records are confirmed or the deadline is over. Adds confirmed records to
    /// the answer.
    async fn send(
        &mut self,
        batch: Batch<'_>,
        deadline: Instant,
        answer: &mut Answer,
    ) -> Result<(), Stopped> {
        let mut next = self.sent.len();
        loop {
            if self.connection.is_flushed() && next < batch.records.len() {
                next += self.queue(batch, next)?;
            }
            let poll = Instant::now() + POLL_INTERVAL;
            let wake = self.sent.next().map_or(poll, |next| poll.min(next.into())).min(deadline);
            if self.connection.is_flushed() {
                tokio::select! {
                    biased;
                    error = self.connection.ended() => return Err(error.into()),
                    () = sleep_until(wake) => {}
                }
            } else {
                tokio::select! {
                    biased;
                    flushed = self.connection.flush() => {
                        flushed?;
                        self.sent.written(self.connection.written());
                    }
                    () = sleep_until(wake) => {}
                }
            }
            self.settle(batch.records.len(), answer);
            if answer.settled == batch.records.len() || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    /// Queues frames of the records from `from` on. Returns their number.
    fn queue(&mut self, batch: Batch<'_>, from: usize) -> Result<usize, Stopped> {
        let out = self.connection.queue();
        for (done, record) in batch.records[from..].iter().enumerate() {
            if out.len() >= SLICE {
                return Ok(done);
            }
            let (before, mut losses) = (out.len(), Losses::default());
            let encoded = Verdict::of_panic(|| {
                if let Some(event) = Event::from_record(record) {
                    losses = gelf::push(out, &batch.origin, &event, gelf::FRAME - 1);
                    out.push(0);
                }
            });
            if let Err(verdict) = encoded {
                out.truncate(before);
                // The records before it are queued.
                return if done > 0 { Ok(done) } else { Err(Stopped::Unwritable(verdict)) };
            }
            self.sent.push(Sent { sequence: record.sequence(), losses });
        }
        Ok(batch.records.len() - from)
    }

    fn settle(&mut self, most: usize, answer: &mut Answer) {
        let now = std::time::Instant::now();
        let arrived = self.connection.acked().unwrap_or_else(|| self.connection.written());
        self.sent.arrived(arrived, now);
        while answer.settled < most
            && let Some(sent) = self.sent.confirm(now)
        {
            answer.settled += 1;
            answer.losses += sent.losses;
        }
    }
}

#[cfg(test)]
mod tests;
