//! Schedule of samples.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use soundpost_core::Error;

/// Interval between samples, 0.1 s to 60 s; between fast samples, 0.05 s to 1 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(Duration);

impl Interval {
    /// An interval for the argument of this name.
    ///
    /// ```
    /// use std::time::Duration;
    /// use soundpost_vitals::Interval;
    ///
    /// let interval = Interval::new("sample_interval", Duration::from_millis(500))?;
    /// assert_eq!(interval.get(), Duration::from_millis(500));
    /// let error = Interval::new("sample_interval", Duration::from_secs(90)).unwrap_err();
    /// assert_eq!(error.to_string(), "sample_interval is 90 s, and must be from 0.1 s to 60 s");
    /// # Ok::<(), soundpost_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is not from 0.1 s to 60 s; the message names the argument.
    pub fn new(argument: &str, interval: Duration) -> Result<Self, Error> {
        Self::within(argument, interval, 0.1..=60.0)
    }

    /// Makes the interval of fast samples for the argument of this name.
    ///
    /// # Errors
    /// When it is not from 0.05 s to 1 s; the message names the argument.
    pub fn fast(argument: &str, interval: Duration) -> Result<Self, Error> {
        Self::within(argument, interval, 0.05..=1.0)
    }

    fn within(argument: &str, interval: Duration, range: RangeInclusive<f64>) -> Result<Self, Error> {
        let (seconds, least, most) = (interval.as_secs_f64(), range.start(), range.end());
        if range.contains(&seconds) {
            return Ok(Self(interval));
        }
        Err(Error::config(format!("{argument} is {seconds} s, and must be from {least} s to {most} s")))
    }

    /// Returns the time between two samples.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Default for Interval {
    /// Returns an interval of one second.
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

/// When samples are due: on a grid that begins with the first, whatever each of them takes.
///
/// If several ticks were missed, one sample is taken and the schedule resumes on the next future tick, so samples
/// never pile up. There is no clock inside; `now` is of the monotonic one.
///
/// ```
/// use std::time::{Duration, Instant};
/// use soundpost_vitals::{Interval, Schedule};
///
/// let start = Instant::now();
/// let mut schedule = Schedule::new(Interval::default(), start);
/// assert!(schedule.take(start));
/// assert_eq!(schedule.wait(start), Duration::from_secs(1));
/// let late = start + Duration::from_millis(3_400);
/// assert!(schedule.take(late) && !schedule.take(late));
/// assert_eq!(schedule.wait(late), Duration::from_millis(600));
/// assert_eq!(schedule.skipped(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: Interval,
    due: Instant,
    skipped: u64,
}

impl Schedule {
    /// Makes a schedule whose first sample is due now.
    pub fn new(interval: Interval, now: Instant) -> Self {
        Self { interval, due: now, skipped: 0 }
    }

    /// Returns the time to sleep: 0 if a sample is due, and never more than the interval.
    pub fn wait(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now).min(self.interval.0)
    }

    /// Reports whether a sample is due, and takes it. If several ticks were missed, one sample is taken and
    /// the schedule resumes on the next future tick.
    pub fn take(&mut self, now: Instant) -> bool {
        if now < self.due {
            self.come_closer(now);
            return false;
        }
        let late = now.duration_since(self.due);
        let missed = late.as_nanos() / self.interval.0.as_nanos();
        self.skipped = self.skipped.saturating_add(u64::try_from(missed).unwrap_or(u64::MAX));
        self.due = now.checked_add(self.interval.0 - self.past_whole_periods(late)).unwrap_or(now);
        true
    }

    /// Returns the number of missed samples.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// After a clock was set back, the next sample is due within an interval, on the same grid.
    fn come_closer(&mut self, now: Instant) {
        let ahead = self.due.duration_since(now);
        if ahead > self.interval.0 {
            let rest = self.past_whole_periods(ahead);
            let rest = if rest.is_zero() { self.interval.0 } else { rest };
            self.due = now.checked_add(rest).unwrap_or(now);
        }
    }

    /// Returns the remainder of a time after whole periods.
    fn past_whole_periods(&self, time: Duration) -> Duration {
        let rest = time.as_nanos() % self.interval.0.as_nanos();
        Duration::from_nanos(u64::try_from(rest).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
