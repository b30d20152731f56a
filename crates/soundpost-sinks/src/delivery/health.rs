//! What a sink shows of itself: whether it works, and what it changed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use soundpost_core::thread::lock;
use soundpost_core::{Calls, Counter, Error, Gauge, Merge, ServiceDir, Spec};

use super::status::Trouble;
use super::throttle::{Speech, State};
use crate::format::losses::Losses;
use crate::transport::answer::Verdict;

/// A receiver that does not answer is said to be down after so long.
const GRACE: Duration = Duration::from_secs(2);
/// Reason of `unhealthy` while a sink's receiver does not answer.
const DOWN: &str = "sink_down";
/// Reason of `unhealthy` while a sink's receiver takes nothing before a person changes something.
const MISCONFIGURED: &str = "sink_misconfigured";
/// Why something of a record was not written as it was.
const ALTERED: [&str; 4] = ["shortened", "cleaned", "left_out", "saturated"];

/// All sinks together, for the flags and the file that they share.
pub(crate) struct Board {
    place: ServiceDir,
    /// Of those that do not work; none before the first said how it is.
    troubles: Mutex<Option<Vec<Trouble>>>,
}

impl Board {
    pub(crate) fn new(place: ServiceDir) -> Self {
        Self { place, troubles: Mutex::default() }
    }

    fn set(&self, calls: &Calls, name: &str, trouble: Option<Trouble>) {
        let mut shown = lock(&self.troubles);
        let mut troubles = shown.clone().unwrap_or_default();
        let before = troubles.iter().position(|known| known.sink == name);
        let before = before.map(|index| troubles.swap_remove(index));
        troubles.extend(trouble.map(|trouble| match &before {
            Some(before) => trouble.following(before),
            None => trouble,
        }));
        troubles.sort_by(|a, b| a.sink.cmp(&b.sink));
        if shown.as_ref() == Some(&troubles) {
            return;
        }
        Trouble::write(&self.place, &troubles);
        for (reason, misconfigured) in [(DOWN, false), (MISCONFIGURED, true)] {
            calls.set_unhealthy(reason, troubles.iter().any(|known| known.misconfigured == misconfigured));
        }
        *shown = Some(troubles);
    }
}

/// What one sink shows.
pub(crate) struct Health {
    name: String,
    /// With its address.
    shown: String,
    calls: Arc<Calls>,
    board: Arc<Board>,
    up: Gauge,
    altered: [Counter; 4],
    /// Since when nothing worked.
    failing: Option<Instant>,
    /// What the board has of that.
    shows: Option<Verdict>,
    speech: Speech,
}

impl Health {
    /// # Errors
    /// When a name of its metrics is taken.
    pub(crate) fn new(
        name: &str,
        shown: String,
        calls: Arc<Calls>,
        board: Arc<Board>,
    ) -> Result<Self, Error> {
        let registry = calls.registry();
        let up = Spec::gauge("soundpost_sink_up")
            .help("1 if the sink's receiver accepted the last batch, or nothing was sent yet.")
            .labels(&["sink"])
            .merge(Merge::Last);
        let up = registry.family(up)?.gauge(&[name])?;
        let altered = Spec::counter("soundpost_sink_altered")
            .help("Texts, fields and names that a sink wrote in a changed form, by reason.")
            .labels(&["sink", "reason"]);
        let altered = registry.family(altered)?;
        let [shortened, cleaned, left_out, saturated] =
            ALTERED.map(|reason| altered.counter(&[name, reason]));
        up.set(1.0);
        board.set(&calls, name, None);
        Ok(Self {
            name: name.to_owned(),
            shown,
            altered: [shortened?, cleaned?, left_out?, saturated?],
            calls,
            board,
            up,
            failing: None,
            shows: None,
            speech: Speech::default(),
        })
    }

    /// Counts what was not written as it was.
    pub(crate) fn altered(&self, losses: Losses) {
        let counts = [losses.shortened, losses.cleaned, losses.left_out, losses.saturated];
        self.altered.iter().zip(counts).filter(|(_, count)| *count > 0).for_each(|(counter, count)| {
            counter.increment_by(count as f64);
        });
    }

    /// The receiver took something, or refused a record: it works. `pending` says how much waits.
    pub(crate) fn works(&mut self, pending: impl FnOnce() -> Option<u64>) {
        let Some(since) = self.failing.take() else { return };
        self.shows = None;
        self.up.set(1.0);
        self.board.set(&self.calls, &self.name, None);
        if self.speech.works() {
            let message =
                format!("sink {}: back after {}; {}", self.shown, span(since.elapsed()), waits(pending()));
            self.calls.registry().diagnostics().info("sink", &message);
        }
    }

    /// The receiver did not take what it was sent.
    pub(crate) fn fails(&mut self, verdict: &Verdict, pending: impl FnOnce() -> Option<u64>) {
        let since = *self.failing.get_or_insert_with(Instant::now);
        let (state, why) = match verdict {
            Verdict::Misconfigured(why) => (State::Misconfigured, why),
            Verdict::Later { why, .. } => (State::Down, why),
            Verdict::Taken | Verdict::Refused(_) | Verdict::Faulty(_) | Verdict::TooLarge(_) => return,
        };
        self.up.set(0.0);
        if state == State::Down && since.elapsed() < GRACE {
            return;
        }
        if self.shows.as_ref() != Some(verdict) {
            self.shows = Some(verdict.clone());
            let why = self.calls.registry().redacted(why);
            let trouble = Trouble::new(&self.name, state == State::Misconfigured, since.elapsed(), &why);
            self.board.set(&self.calls, &self.name, Some(trouble));
        }
        if !self.speech.fails(state, Instant::now()) {
            return;
        }
        let what = match state {
            State::Misconfigured => "does not work as it is set up, and is tried again slowly",
            _ => "is down",
        };
        let message = format!("sink {}: {what}: {why}; {}", self.shown, waits(pending()));
        self.calls.registry().diagnostics().warn("sink", &message);
    }

    /// A record was rejected: the first is said, and then once a minute how many.
    pub(crate) fn rejects(&mut self, verdict: &Verdict) {
        let (Verdict::Refused(why) | Verdict::Faulty(why) | Verdict::TooLarge(why)) = verdict else { return };
        let registry = self.calls.registry();
        let Some(count) = self.speech.rejects(Instant::now()) else {
            return registry.diagnostics().count_error("sink");
        };
        let what = match count {
            1 => "a record was rejected".to_owned(),
            _ => format!("{count} records were rejected, the last"),
        };
        registry
            .diagnostics()
            .warn("sink", &registry.redacted(&format!("sink {}: {what}: {why}", self.shown)));
    }

    /// This process ships no more: another one may, and says how it is.
    pub(crate) fn leave(&self) {
        self.board.set(&self.calls, &self.name, None);
    }
}

fn waits(pending: Option<u64>) -> String {
    match pending {
        Some(1) => "1 record waits for it in the store".to_owned(),
        Some(pending) => format!("{pending} records wait for it in the store"),
        None => "what waits for it is in the store".to_owned(),
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
