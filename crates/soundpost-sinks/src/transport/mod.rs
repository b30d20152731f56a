//! The seam between what decides about a batch and what carries it.

pub(crate) mod answer;

use std::pin::Pin;

use soundpost_store::Record;

use self::answer::Answer;
use crate::format::record::Origin;

/// What a transport is given at once: at least one record, in the order of the store.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Who writes.
    pub origin: Origin<'a>,
    /// What is written.
    pub records: &'a [Record],
}

/// Most that a transport wants at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes of them in memory, about; one that is larger comes alone.
    pub bytes: usize,
}

/// A delivery on its way. Dropped before its end, it may have reached the receiver or not.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// Carries records to one receiver. It lives on its sink's own thread, in that thread's Tokio runtime, so that it may
/// block where nothing else helps; it must come to an end by itself within the sink's timeout, or be dropped.
///
/// It decides nothing: what to send again, and when, is not its business. It may keep a connection; a new batch must
/// do with one that broke meanwhile.
pub trait Transport {
    /// Most that it wants at once.
    fn limits(&self) -> Limits;

    /// Sends a batch, and tells what became of it.
    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a>;
}
