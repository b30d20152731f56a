//! Runs of a service, from its first process to its last. The next run merges or removes the files of the previous one.

use super::Collector;
use crate::segment::{ProcessRole, SegmentState, Source};
use crate::snapshot::attached::Attached;

impl Collector {
    /// Handles the files of the previous run in the first process of a service: totals of a clean exit are
    /// removed, those of a crash are merged.
    pub fn take_over_last_run(&mut self) {
        self.refresh();
        let others = || self.sources.iter().filter(|attached| !attached.source.is_own());
        let of_service = |other: &&Attached| other.source.role() == ProcessRole::Service;
        let alive = others().filter(of_service).any(|attached| !attached.source.is_left());
        let crashed = self.others().any(|other| other.state() == SegmentState::Open);
        let any = others().next().is_some();
        if alive || crashed || !any {
            self.merge_dead();
        } else {
            self.remove_others();
        }
    }

    /// Reports whether another process of the service is alive and can continue.
    pub fn has_other_processes(&mut self) -> bool {
        self.refresh();
        let me = std::process::id();
        self.others().any(|other| other.role() == ProcessRole::Service && !other.is_left())
            || self.sources[0].source.pids().iter().any(|pid| *pid != me)
    }

    /// Starts a new run in an agent, which outlives runs of the service: removes the totals of a run that
    /// ended cleanly when the next one begins.
    pub fn start_new_run(&mut self) {
        let goes_on = self.has_other_processes();
        let left = self.others().filter(|other| other.role() == ProcessRole::Service && other.is_left());
        let left: Vec<(u64, bool)> =
            left.map(|other| (other.id(), other.state() != SegmentState::Open)).collect();
        // Segments that are not merged yet ended last.
        if !left.is_empty() && (!goes_on || self.gone) {
            self.last_exit_clean = left.iter().all(|(_, well)| *well);
        }
        if goes_on && self.gone && self.last_exit_clean {
            self.mark_over(&left.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            let _ = std::fs::remove_file(self.dir.retired_file());
            self.restart();
        }
        self.gone = !goes_on;
    }

    /// Ends the service's run if this is its last process: removes its segment and the retired totals. Closing
    /// processes do not count as alive. An agent whose service crashed keeps the totals and its own segment.
    pub fn end_run(&mut self) {
        let agent = self.registry.segment().role() == ProcessRole::Agent;
        if !agent {
            self.registry.close();
        }
        self.merge_dead();
        let goes_on = self.has_other_processes();
        if agent && !goes_on && !self.last_exit_clean {
            return;
        }
        self.registry.close();
        if goes_on || !self.registry.segment().is_creator() {
            return;
        }
        self.remove_others();
        // Events that could not be stored remain for the next run.
        let stored =
            self.drained.is_none() || self.registry.events_stored() >= self.registry.events_recorded();
        if let Some(path) = self.registry.segment().path().filter(|_| stored) {
            let _ = std::fs::remove_file(path);
        }
        self.dir.remove_if_empty();
    }

    fn remove_others(&mut self) {
        let retired = self.dir.retired_file();
        let others = self.sources.iter().filter(|attached| !attached.source.is_own());
        let mut over = Vec::new();
        for source in others.map(|attached| &attached.source) {
            match source.path() {
                Some(path) if path == retired || self.may_go(source.id()) => drop(std::fs::remove_file(path)),
                _ => over.push(source.id()),
            }
        }
        self.mark_over(&over);
        self.dir.remove_history();
        self.restart();
    }

    /// Reports whether a segment belongs to a run that is over.
    pub(super) fn is_over(&self, source: &Source) -> bool {
        self.over.contains(&source.id()) || source.state() == SegmentState::Over
    }

    /// Marks segments as part of a run that is over, in memory and in their files.
    fn mark_over(&mut self, segments: &[u64]) {
        for source in self.sources.iter().map(|attached| &attached.source) {
            if segments.contains(&source.id())
                && let Err(error) = source.set_over()
            {
                self.warn("segment", &format!("cannot say that a run is over: {error}"));
            }
        }
        self.over.extend(segments);
    }
}
