//! Diagnostics: problems and notices of Soundpost itself, logged through `tracing` and kept for hosts without it.

use std::collections::VecDeque;

use super::Registry;
use super::name::label_value;
use crate::segment::slow_path;
use crate::shortage::Shortage;
use crate::thread::lock;
use crate::visible::escaped;

/// Maximum number of different messages that are logged once; further ones are only counted.
const ONCE_MESSAGES: usize = 64;
/// Maximum number of repeatable messages that are kept; the oldest are dropped.
const REPEATED_MESSAGES: usize = 1024;

/// A message that was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Position among all messages, from 0.
    pub number: usize,
    /// Whether it is a warning.
    pub warning: bool,
    /// Text.
    pub message: String,
}

/// Messages in the order in which they were logged.
#[derive(Default)]
pub(super) struct MessageLog {
    /// With whether each may be repeated.
    notices: VecDeque<(bool, Notice)>,
    /// Number of messages so far.
    count: usize,
    /// Number of repeatable messages that are kept.
    repeatable: usize,
}

impl MessageLog {
    fn push(&mut self, repeatable: bool, warning: bool, message: &str) {
        if repeatable && self.repeatable == REPEATED_MESSAGES {
            if let Some(oldest) = self.notices.iter().position(|(repeatable, _)| *repeatable) {
                self.notices.remove(oldest);
            }
        } else {
            self.repeatable += usize::from(repeatable);
        }
        let notice = Notice { number: self.count, warning, message: message.to_owned() };
        self.notices.push_back((repeatable, notice));
        self.count += 1;
    }

    /// Adds a message unless it was logged before or there are too many. Returns whether it was added.
    fn push_once(&mut self, warning: bool, message: &str) -> bool {
        let full = self.notices.len() >= ONCE_MESSAGES + self.repeatable;
        let new = !full && !self.notices.iter().any(|(_, seen)| seen.message == message);
        if new {
            self.push(false, warning, message);
        }
        new
    }
}

/// Logs and counts problems of one registry. Messages are redacted.
#[derive(Clone, Copy)]
pub struct Diagnostics<'a> {
    registry: &'a Registry,
    /// Whether a shortage of the process is the cause of an error, if there is one.
    are_failures: bool,
}

impl Registry {
    /// Returns the diagnostics of this registry.
    pub fn diagnostics(&self) -> Diagnostics<'_> {
        Diagnostics { registry: self, are_failures: false }
    }

    /// Returns the diagnostics of failed calls of the system. They count as the [`Shortage`] that causes them.
    pub fn failures(&self) -> Diagnostics<'_> {
        Diagnostics { registry: self, are_failures: true }
    }
}

impl Diagnostics<'_> {
    /// Counts an error of `part` in `soundpost_errors_total`.
    pub fn count_error(&self, part: &str) {
        self.count(part, "");
    }

    /// Counts an error, and returns the shortage that is its cause.
    fn count(&self, part: &str, message: &str) -> Option<Shortage> {
        let shortage = if self.are_failures { Shortage::behind(message) } else { None };
        shortage.into_iter().for_each(|shortage| self.registry.shortages.note(shortage));
        let part = match shortage {
            Some(shortage) => shortage.part(),
            None => part,
        };
        if let Some(own) = self.registry.own.get() {
            let labels = [("part".into(), label_value(part).into())].into();
            self.registry.counter(&own.errors, labels).add(1);
        }
        shortage
    }

    /// Counts an error of `part`, and logs each different message once.
    pub fn warn_once(&self, part: &'static str, message: &str) {
        let message = &*self.counted(part, message);
        if self.log(|messages| messages.push_once(true, message)) {
            tracing::warn!(target: "soundpost", part, "{message}");
        }
    }

    /// Logs each different message once, without counting an error.
    pub fn info_once(&self, part: &'static str, message: &str) {
        let message = &*self.text(message);
        if self.log(|messages| messages.push_once(false, message)) {
            tracing::info!(target: "soundpost", part, "{message}");
        }
    }

    /// Counts an error of `part`, and logs the message each time. The caller limits the rate.
    pub fn warn(&self, part: &'static str, message: &str) {
        let message = &*self.counted(part, message);
        self.log(|messages| messages.push(true, true, message));
        tracing::warn!(target: "soundpost", part, "{message}");
    }

    /// Logs the message each time, without counting an error. The caller limits the rate.
    pub fn info(&self, part: &'static str, message: &str) {
        let message = &*self.text(message);
        self.log(|messages| messages.push(true, false, message));
        tracing::info!(target: "soundpost", part, "{message}");
    }

    /// Returns the messages from number `from` on, for a host without a `tracing` subscriber: each message that is
    /// logged once, and the newest repeatable ones.
    pub fn notices(&self, from: usize) -> Vec<Notice> {
        self.log(|messages| {
            let fresh =
                messages.notices.iter().map(|(_, notice)| notice).filter(|notice| notice.number >= from);
            fresh.cloned().collect()
        })
    }

    /// Counts an error, and returns its message.
    fn counted(self, part: &str, message: &str) -> String {
        match self.count(part, message) {
            Some(shortage) => self.text(&format!("{message}; {}", shortage.advice())),
            None => self.text(message),
        }
    }

    /// Returns a message without secrets and hidden characters, which may come from a server or a request.
    fn text(self, message: &str) -> String {
        escaped(&self.registry.redacted(message)).into_owned()
    }

    fn log<T>(&self, use_log: impl FnOnce(&mut MessageLog) -> T) -> T {
        let _slow = slow_path();
        use_log(&mut lock(&self.registry.messages))
    }
}
