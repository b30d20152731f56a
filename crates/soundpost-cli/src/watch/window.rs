//! The last minute of a service, to tell rates and latencies of now from those of its whole run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::figures::{Figures, Operation};

const LENGTH: Duration = Duration::from_secs(60);

/// Looks at a service within the last minute.
#[derive(Default)]
pub(super) struct Window {
    looks: VecDeque<(Instant, Figures)>,
}

/// What calls of an operation were like.
pub(super) struct Recent {
    pub(super) operation: Operation,
    /// How long a time it is of; `None`: the whole run.
    pub(super) time: Option<Duration>,
}

impl Window {
    /// Adds a look.
    pub(super) fn add(&mut self, at: Instant, figures: Figures) {
        // A look that has fallen out of the window is its beginning.
        while self.looks.get(1).is_some_and(|(second, _)| at.duration_since(*second) >= LENGTH) {
            self.looks.pop_front();
        }
        // The service began anew.
        let fewer = |name: &String, before: &Operation| {
            figures.operations.get(name).is_none_or(|now| now.finished() < before.finished())
        };
        if self
            .looks
            .back()
            .is_some_and(|(_, last)| last.operations.iter().any(|(name, last)| fewer(name, last)))
        {
            self.looks.clear();
        }
        self.looks.push_back((at, figures));
    }

    /// What came within the window; of the run, before there are two looks.
    pub(super) fn recent(&self, name: &str) -> Option<Recent> {
        let (at, now) = self.looks.back()?;
        let operation = now.operations.get(name)?;
        let (began, first) = self.looks.front()?;
        let time = at.duration_since(*began);
        if time.is_zero() {
            return Some(Recent { operation: operation.clone(), time: None });
        }
        let nothing = Operation::default();
        let before = first.operations.get(name).unwrap_or(&nothing);
        Some(Recent { operation: operation.since(before), time: Some(time) })
    }

    /// The last look.
    pub(super) fn last(&self) -> Option<&Figures> {
        self.looks.back().map(|(_, figures)| figures)
    }

    /// How long it is by now; `None` with one look.
    pub(super) fn time(&self) -> Option<Duration> {
        let time = self.looks.back()?.0.duration_since(self.looks.front()?.0);
        (!time.is_zero()).then_some(time)
    }
}
