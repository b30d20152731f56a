//! The interface between the delivery and the protocols.

pub(crate) mod answer;

use std::pin::Pin;

use soundpost_store::Record;

use self::answer::{Answer, Verdict};
use crate::format::record::Origin;

/// A batch: at least one record, in the order of the store.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Origin of the records.
    pub origin: Origin<'a>,
    /// Records to send.
    pub records: &'a [Record],
}

/// Maximum size of a transport's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of records.
    pub records: usize,
    /// Approximate bytes of the records in memory. A larger record is sent alone.
    pub bytes: usize,
}

impl Limits {
    /// Returns these limits with another number of records, if there is one.
    pub(crate) fn with_records(self, records: Option<usize>) -> Self {
        Self { records: records.unwrap_or(self.records), ..self }
    }
}

/// A delivery in progress, with a verdict as the error if no record is settled. If it is dropped, the records may have
/// reached the receiver or not.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Verdict>> + 'a>>;

/// Sends records to one receiver. It runs in the Tokio runtime of its sink's thread, so it may block. A delivery must
/// end within the sink's timeout.
///
/// A transport makes no decisions about retries. It may keep a connection, and must replace a broken one.
pub trait Transport {
    /// Returns the maximum size of a batch.
    fn limits(&self) -> Limits;

    /// Sends a batch and returns the result.
    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a>;
}
