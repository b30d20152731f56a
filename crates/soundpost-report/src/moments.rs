//! Samples of vitals by moment, until they are stored.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use soundpost_store::VitalsSample;

/// Samples that wait for the next round.
const SAMPLES: usize = 4096;
/// Samples so close to each other are of one moment, whichever source was a little later.
const MOMENT: Duration = Duration::from_millis(40);
/// A moment has all its samples after so long.
const SETTLED: Duration = Duration::from_millis(100);

/// Samples that are not stored, the oldest first.
#[derive(Default)]
pub(crate) struct Moments {
    /// When each came.
    waiting: VecDeque<(Instant, VitalsSample)>,
    /// The last moment: when its first sample came, and its time.
    moment: Option<(Instant, u64)>,
}

impl Moments {
    /// Takes samples; beyond a bound the oldest go.
    pub(crate) fn take(&mut self, sampled: Vec<VitalsSample>) {
        let now = Instant::now();
        for mut sample in sampled {
            match self.moment {
                Some((begun, unix_nanos)) if now - begun < MOMENT => sample.unix_nanos = unix_nanos,
                _ => self.moment = Some((now, sample.unix_nanos)),
            }
            self.waiting.push_back((now, sample));
        }
        let surplus = self.waiting.len().saturating_sub(SAMPLES);
        self.waiting.drain(..surplus);
    }

    /// The samples of moments that are settled; in the last round of all.
    pub(crate) fn settled(&mut self, last: bool) -> Vec<VitalsSample> {
        let is_settled = |(came, _): &(Instant, VitalsSample)| last || came.elapsed() >= SETTLED;
        let settled = self.waiting.iter().take_while(|sample| is_settled(sample)).count();
        self.waiting.drain(..settled).map(|(_, sample)| sample).collect()
    }
}
