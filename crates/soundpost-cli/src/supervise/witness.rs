//! What was seen of a service before its death: a look a second.

use std::collections::VecDeque;
use std::time::Instant;

use soundpost::{InFlightCall, Telemetry};

use super::memory::OutOfMemory;
use crate::figures::{Figures, Machine};
use crate::postmortem::Look;

/// Looks that are kept: a minute's.
const KEPT: usize = 60;

#[derive(Default)]
pub(super) struct Witness {
    looks: VecDeque<(Instant, Machine)>,
    /// Calls in flight at the last look.
    pub(super) calls: Vec<InFlightCall>,
    memory: OutOfMemory,
}

impl Witness {
    /// A life begins. The machine is the same as before.
    pub(super) fn begin(&mut self, memory: OutOfMemory) {
        self.calls.clear();
        self.memory = memory;
    }

    pub(super) fn look(&mut self, telemetry: &Telemetry) {
        let figures = Figures::read(&telemetry.snapshot(), &telemetry.namespace());
        if self.looks.len() == KEPT {
            self.looks.pop_front();
        }
        self.looks.push_back((Instant::now(), figures.machine));
        self.calls = telemetry.in_flight();
    }

    /// Whether the kernel killed for want of memory in this life.
    pub(super) fn out_of_memory(&self) -> bool {
        self.memory.happened()
    }

    /// The machine as it was seen last.
    pub(super) fn machine(&self) -> Machine {
        self.looks.back().map(|(_, machine)| machine.clone()).unwrap_or_default()
    }

    /// The last minute, the oldest look first.
    pub(super) fn last_minute(&self) -> Vec<Look> {
        let look = |(at, machine): &(Instant, Machine)| Look {
            seconds_before: (at.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            machine: machine.clone(),
        };
        self.looks.iter().map(look).collect()
    }
}
