//! Faults and notices: what is counted, and logged once.

use std::collections::VecDeque;
use std::sync::PoisonError;

use super::Registry;
use super::handle::Counter;
use super::name::label_value;
use crate::segment::slow_path;

/// Different messages that are logged; the rest is only counted.
const LOGGED: usize = 64;
/// Changes that are remembered for a host without a `tracing` subscriber: the newest.
const TOLD: usize = 1024;

/// Something that was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its place among all that were logged, from 0.
    pub number: usize,
    /// Whether it is a fault, and not only something to know.
    pub fault: bool,
    /// For a person.
    pub message: String,
}

/// What was logged, in its order.
#[derive(Default)]
pub(super) struct Logged {
    /// With whether each is a change: it may be the same as an earlier one, and goes when there are too many.
    notices: VecDeque<(bool, Notice)>,
    /// How many there were.
    count: usize,
    /// How many of those that are kept are changes.
    told: usize,
}

impl Logged {
    fn push(&mut self, change: bool, fault: bool, message: &str) {
        if change && self.told == TOLD {
            if let Some(oldest) = self.notices.iter().position(|(change, _)| *change) {
                self.notices.remove(oldest);
            }
        } else {
            self.told += usize::from(change);
        }
        self.notices.push_back((change, Notice { number: self.count, fault, message: message.to_owned() }));
        self.count += 1;
    }
}

impl Registry {
    /// Counts a fault of `part` in `soundpost_errors_total`.
    pub fn error(&self, part: &str) {
        if let Some(own) = self.own.get() {
            let series = self.series(&own.errors, [("part".into(), label_value(part).into())].into());
            Counter::new(self, &own.errors, series).increment(1);
        }
    }

    /// Counts a fault of `part`, and logs each message once.
    pub fn fault(&self, part: &'static str, message: &str) {
        self.error(part);
        let message = &*self.redacted(message);
        if self.is_new(true, message) {
            tracing::warn!(target: "soundpost", part, "{message}");
        }
    }

    /// Logs each message once: something a person should know that is no fault.
    pub fn note(&self, part: &'static str, message: &str) {
        let message = &*self.redacted(message);
        if self.is_new(false, message) {
            tracing::info!(target: "soundpost", part, "{message}");
        }
    }

    /// Logs what changed, such as that a server went down or is back, each time it does; counted if it is a fault. The
    /// caller sees to it that this is seldom.
    pub fn tell(&self, fault: bool, part: &'static str, message: &str) {
        if fault {
            self.error(part);
        }
        let message = &*self.redacted(message);
        {
            let _slow = slow_path();
            self.logged.lock().unwrap_or_else(PoisonError::into_inner).push(true, fault, message);
        }
        if fault {
            tracing::warn!(target: "soundpost", part, "{message}");
        } else {
            tracing::info!(target: "soundpost", part, "{message}");
        }
    }

    /// Whether a message was not logged yet; the first of them are remembered.
    fn is_new(&self, fault: bool, message: &str) -> bool {
        let _slow = slow_path();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let full = logged.notices.len() >= LOGGED + logged.told;
        let new = !full && !logged.notices.iter().any(|(_, seen)| seen.message == message);
        if new {
            logged.push(false, fault, message);
        }
        new
    }

    /// What was logged, from the `from`th on, for a host without a `tracing` subscriber: each fault and each thing to
    /// know once, and of the changes the newest.
    pub fn notices(&self, from: usize) -> Vec<Notice> {
        let _slow = slow_path();
        let logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = logged.notices.iter().map(|(_, notice)| notice).filter(|notice| notice.number >= from);
        fresh.cloned().collect()
    }
}
