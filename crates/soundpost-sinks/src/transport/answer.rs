//! The result of a delivery.

use std::time::Duration;

use soundpost_core::thread;
use soundpost_store::Rejected;

use crate::format::losses::Losses;

/// The result of a batch: the number of settled records, and a verdict on the others.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "dropping an `Answer` loses the delivery result of the batch"]
pub struct Answer {
    /// Number of the first records that are settled: accepted or permanently rejected by the receiver.
    pub settled: usize,
    /// Permanent rejections among the settled records.
    pub rejected: Rejected,
    /// Values that were written in a changed form, in accepted records.
    pub losses: Losses,
    /// Verdict on the other records. If there are none, [`Verdict::Taken`] or the reason of rejections.
    pub rest: Verdict,
    /// Number of the first unsettled records that may have caused the failure; 0 for any of them.
    pub suspects: usize,
}

/// The verdict on unsettled records. Its texts are messages without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver accepted the records.
    Taken,
    /// At least one record was permanently rejected, or the endpoint is not the expected kind of server.
    Refused(String),
    /// The receiver parsed a record and permanently rejected it.
    Faulty(String),
    /// The batch or a record is too large.
    TooLarge(String),
    /// The receiver accepts nothing until an operator changes something.
    Misconfigured(String),
    /// The delivery failed and is retried.
    Later {
        /// Reason.
        why: String,
        /// Delay that the receiver requests.
        retry_after: Option<Duration>,
    },
}

impl Answer {
    /// Returns the result of an accepted batch.
    pub fn taken(records: usize, losses: Losses) -> Self {
        let rejected = Rejected { empty: losses.records, ..Rejected::default() };
        Self { settled: records, rejected, losses, rest: Verdict::Taken, suspects: 0 }
    }

    /// Returns how many of `sent` records may have caused a failure.
    pub(crate) fn blamed(&self, sent: usize) -> usize {
        let rest = sent.saturating_sub(self.settled);
        if self.suspects == 0 { rest } else { self.suspects.min(rest) }
    }

    /// Changes the result of an accepted batch by the verdict. With [`Verdict::Faulty`], `refused` returns how many
    /// records were rejected, if the receiver accepted the others.
    ///
    /// # Errors
    /// The verdict, if no record is settled.
    pub(crate) fn judged(
        self,
        rest: Verdict,
        refused: impl FnOnce() -> Option<u64>,
    ) -> Result<Self, Verdict> {
        match rest {
            Verdict::Taken => Ok(self),
            Verdict::Faulty(_) => match refused() {
                Some(refused) => Ok(Self { rejected: Rejected { refused, ..self.rejected }, rest, ..self }),
                None => Err(rest),
            },
            rest => Err(rest),
        }
    }

    /// Returns a result without settled records.
    pub fn none(rest: Verdict) -> Self {
        Self { settled: 0, rejected: Rejected::default(), losses: Losses::default(), rest, suspects: 0 }
    }
}

impl Verdict {
    /// Returns a verdict to retry later.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), retry_after: None }
    }

    /// Runs an encoder. A record at which it panics is rejected.
    pub(crate) fn of_panic<T>(encode: impl FnOnce() -> T) -> Result<T, Self> {
        thread::guarded(encode).map_err(|panic| Self::Refused(format!("it cannot be encoded: {panic}")))
    }
}
