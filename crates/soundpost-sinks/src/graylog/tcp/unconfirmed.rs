//! What was sent and is not known to have arrived.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Records that were sent, in their order, until each is confirmed: when the peer's kernel has it, and a grace period
/// later nothing is known to have gone wrong.
pub(crate) struct Unconfirmed<T> {
    grace: Duration,
    sent: VecDeque<Sent<T>>,
}

struct Sent<T> {
    record: T,
    /// How many bytes were written when it was; none: it is not.
    end: Option<u64>,
    arrived: Option<Instant>,
}

impl<T> Unconfirmed<T> {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, sent: VecDeque::new() }
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.sent.iter().map(|sent| &sent.record)
    }

    /// Adds a record that is about to be written.
    pub(crate) fn push(&mut self, record: T) {
        self.sent.push_back(Sent { record, end: None, arrived: None });
    }

    /// Notes that all of them are written, and how many bytes that took.
    pub(crate) fn written(&mut self, bytes: u64) {
        let new = self.sent.iter_mut().rev().take_while(|sent| sent.end.is_none());
        new.for_each(|sent| sent.end = Some(bytes));
    }

    /// Notes that the peer has the bytes up to here.
    pub(crate) fn arrived(&mut self, bytes: u64, now: Instant) {
        // What has arrived lies before what has not.
        let known = self.sent.partition_point(|sent| sent.arrived.is_some());
        let new = self.sent.range_mut(known..).take_while(|sent| sent.end.is_some_and(|end| end <= bytes));
        new.for_each(|sent| sent.arrived = Some(now));
    }

    /// The next record that is confirmed, if nothing has gone wrong up to `now`.
    pub(crate) fn confirm(&mut self, now: Instant) -> Option<T> {
        self.next().filter(|next| *next <= now)?;
        self.sent.pop_front().map(|sent| sent.record)
    }

    /// When the next one can be confirmed; `None`: not before more arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        Some(self.sent.front()?.arrived? + self.grace)
    }
}

#[cfg(test)]
mod tests;
