//! The records that were sent and not confirmed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sent records in order. A record is confirmed when the peer's kernel has it and the grace period passed without an
/// error.
pub(crate) struct Unconfirmed<T> {
    grace: Duration,
    sent: VecDeque<Sent<T>>,
}

struct Sent<T> {
    record: T,
    /// Number of bytes written up to its end; `None` before it is written.
    end: Option<u64>,
    arrived: Option<Instant>,
}

impl<T> Unconfirmed<T> {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, sent: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.sent.iter().map(|sent| &sent.record)
    }

    pub(crate) fn push(&mut self, record: T) {
        self.sent.push_back(Sent { record, end: None, arrived: None });
    }

    /// Notes that all records are written, up to this number of bytes.
    pub(crate) fn written(&mut self, bytes: u64) {
        let new = self.sent.iter_mut().rev().take_while(|sent| sent.end.is_none());
        new.for_each(|sent| sent.end = Some(bytes));
    }

    /// Notes that the peer has this number of bytes.
    pub(crate) fn arrived(&mut self, bytes: u64, now: Instant) {
        // Arrived records precede the others.
        let known = self.sent.partition_point(|sent| sent.arrived.is_some());
        let new = self.sent.range_mut(known..).take_while(|sent| sent.end.is_some_and(|end| end <= bytes));
        new.for_each(|sent| sent.arrived = Some(now));
    }

    /// Removes and returns the next record that is confirmed at `now`.
    pub(crate) fn confirm(&mut self, now: Instant) -> Option<T> {
        self.next().filter(|next| *next <= now)?;
        self.sent.pop_front().map(|sent| sent.record)
    }

    /// Returns when the next record is confirmed; `None` if it has not arrived.
    pub(crate) fn next(&self) -> Option<Instant> {
        Some(self.sent.front()?.arrived? + self.grace)
    }
}

#[cfg(test)]
mod tests;
