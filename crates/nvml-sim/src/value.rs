//! A value over time.

/// A value over time: steps, or a wave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// From each second on, in order of time.
    Steps(Vec<(f64, u64)>),
    /// Rises from the first to the second and falls back within a period in seconds.
    Wave(u64, u64, f64),
}

impl Value {
    /// Parses the words after a name: `1GiB 5:2GiB`, or `1GiB..3GiB/10`.
    pub(crate) fn parse(words: &[&str]) -> Option<Value> {
        if let [word] = words
            && let Some((low, rest)) = word.split_once("..")
        {
            let (high, period) = rest.split_once('/')?;
            let period = period.parse().ok().filter(|period| *period > 0.0)?;
            return Some(Value::Wave(integer(low)?, integer(high)?, period));
        }
        let step = |word: &&str| match word.split_once(':') {
            Some((second, value)) => Some((second.parse().ok()?, integer(value)?)),
            None => Some((0.0, integer(word)?)),
        };
        let steps: Vec<(f64, u64)> = words.iter().map(step).collect::<Option<_>>()?;
        (!steps.is_empty()).then_some(Value::Steps(steps))
    }

    /// Returns the value so many seconds after the script was written; `None` before the first step.
    pub(crate) fn at(&self, seconds: f64) -> Option<u64> {
        match self {
            Value::Steps(steps) => steps.iter().rev().find(|(from, _)| *from <= seconds).map(|step| step.1),
            Value::Wave(low, high, period) => {
                let phase = (seconds / period).fract() * 2.0;
                let height = if phase > 1.0 { 2.0 - phase } else { phase };
                Some(low + (high.saturating_sub(*low) as f64 * height) as u64)
            }
        }
    }

    /// Returns the steps up to a time.
    pub(crate) fn steps(&self) -> &[(f64, u64)] {
        match self {
            Value::Steps(steps) => steps,
            Value::Wave(..) => &[],
        }
    }
}

/// Parses an integer with an optional binary suffix.
fn integer(text: &str) -> Option<u64> {
    let suffixes = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let found = suffixes.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (digits, factor) = found.unwrap_or((text, 1));
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
