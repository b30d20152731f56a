//! GELF over TCP, which acknowledges nothing: see [`Unconfirmed`] for when a record counts as delivered.

mod acked;
mod connection;
mod unconfirmed;

use std::time::Duration;

use soundpost_core::thread;
use tokio::time::{Instant, sleep_until, timeout};

use crate::format::losses::Losses;
use crate::format::record::Event;
use crate::graylog::gelf;
use crate::graylog::options::Graylog;
use crate::graylog::stopped::Stopped;
use crate::net::connect::Connector;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};
use connection::Connection;
use unconfirmed::Unconfirmed;

/// How long nothing may go wrong after the server's kernel has a record. A server that reads has read it within
/// milliseconds; one that ends before it has read all resets the connection when it does.
const GRACE: Duration = Duration::from_millis(200);

/// Between two looks at how much the server's kernel has.
const LOOK: Duration = Duration::from_millis(10);

/// How long it is looked whether a connection that was not used was ended.
const PEEK: Duration = Duration::from_millis(1);

/// Bytes of frames that are written together, about.
const SLICE: usize = 128 * 1024;

/// Records at once, where nothing else is asked for: a batch is waited for as long as the grace period, and so many
/// are enough for 25,000 a second.
const RECORDS: usize = 12_288;

/// Fewest records at once, however slow the server is.
const FEWEST: usize = 16;

/// Memory of the records at once, bytes.
const BYTES: usize = 12 * 1024 * 1024;

/// Sends frames to an input for GELF over TCP, without or with TLS.
pub(crate) struct GelfTcp {
    connector: Connector,
    timeout: Duration,
    grace: Duration,
    most: usize,
    /// Records at once now: as many as the server takes within the timeout.
    records: usize,
    link: Option<Link>,
}

/// A connection, and what was sent over it.
struct Link {
    connection: Connection,
    sent: Unconfirmed<Sent>,
}

struct Sent {
    sequence: u64,
    losses: Losses,
}

impl GelfTcp {
    /// # Errors
    /// As [`Connector::new`].
    pub(crate) fn new(settings: &Graylog) -> Result<Self, String> {
        // The other half of the time is for the records.
        let timeout = settings.common.timeout;
        let connector = Connector::new(&settings.server, timeout / 2, None)?;
        let most = settings.common.batch.unwrap_or(RECORDS);
        Ok(Self { connector, timeout, grace: GRACE, most, records: most, link: None })
    }

    async fn send(&mut self, batch: Batch<'_>) -> Answer {
        let begun = Instant::now();
        // Before whoever waits gives up on it.
        let deadline = begun + self.timeout * 9 / 10;
        let mut link = match self.known_link(batch).await {
            Some(link) => link,
            None => match self.connector.connect().await {
                Ok(connection) => {
                    Link { connection: Connection::new(connection), sent: Unconfirmed::new(self.grace) }
                }
                Err(verdict) => return Answer::none(verdict),
            },
        };
        let mut answer = Answer::none(Verdict::Taken);
        let sent = link.send(batch, deadline, &mut answer).await;
        let (all, half) = (answer.settled == batch.records.len(), self.timeout / 2);
        match sent {
            Ok(()) => {}
            Err(Stopped::Failed(error)) => {
                answer.rest = self.connector.broken(&error);
                return answer;
            }
            Err(Stopped::Unwritable(panic)) => {
                self.link = Some(link);
                answer.rest = Verdict::unwritable(&panic);
                return answer;
            }
        }
        if !all {
            self.records = (self.records / 2).max(FEWEST.min(self.most));
            answer.rest = self.connector.later("not all that was sent was acknowledged within the timeout");
        } else if begun.elapsed() < half {
            self.records = (self.records * 2).min(self.most);
        }
        // What it has not acknowledged need not be sent again: it may still be on its way.
        self.link = Some(link);
        answer
    }

    /// The connection there is, if it can be gone on with.
    async fn known_link(&mut self, batch: Batch<'_>) -> Option<Link> {
        // One over which something else was sent is of no use: nobody knows what became of that.
        let mut link = self.link.take().filter(|link| link.goes_on_with(batch))?;
        // That it was ended while nothing was to be sent is nobody's fault.
        let ended = link.sent.len() == 0 && timeout(PEEK, link.connection.ended()).await.is_ok();
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
    /// Whether what is not confirmed yet is what the batch begins with.
    fn goes_on_with(&self, batch: Batch<'_>) -> bool {
        let sequences = batch.records.iter().map(|record| record.sequence());
        self.sent.iter().zip(sequences).all(|(sent, sequence)| sent.sequence == sequence)
    }

    /// Sends what of the batch is not sent, until all of it is confirmed or the time is over; adds what is confirmed to
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
            let look = Instant::now() + LOOK;
            let wake = self.sent.next().map_or(look, |next| look.min(next.into())).min(deadline);
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

    /// Queues frames of records from this one on; of how many.
    fn queue(&mut self, batch: Batch<'_>, from: usize) -> Result<usize, Stopped> {
        let out = self.connection.queue();
        for (done, record) in batch.records[from..].iter().enumerate() {
            if out.len() >= SLICE {
                return Ok(done);
            }
            let (before, mut losses) = (out.len(), Losses::default());
            let encoded = thread::guarded(|| {
                if let Some(event) = Event::from_record(record) {
                    losses = gelf::push(out, &batch.origin, &event, gelf::FRAME - 1);
                    out.push(0);
                }
            });
            if let Err(panic) = encoded {
                out.truncate(before);
                // Those before it are on their way.
                return if done > 0 { Ok(done) } else { Err(Stopped::Unwritable(panic)) };
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
