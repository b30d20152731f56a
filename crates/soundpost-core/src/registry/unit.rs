//! Base units, and the scale from recorded values to them.

/// A Prometheus base unit: the unit of exposed values, and the suffix of the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// No unit.
    #[default]
    None,
    /// `_seconds`
    Seconds,
    /// `_bytes`
    Bytes,
    /// `_ratio`: 0 to 1, in place of 0 to 100 %.
    Ratio,
    /// `_celsius`
    Celsius,
    /// `_joules`
    Joules,
    /// `_watts`
    Watts,
    /// `_hertz`
    Hertz,
    /// `_volts`
    Volts,
    /// `_amperes`
    Amperes,
    /// `_meters`
    Meters,
    /// `_grams`
    Grams,
}

impl Unit {
    pub(super) const ALL: [Self; 12] = [
        Self::None,
        Self::Seconds,
        Self::Bytes,
        Self::Ratio,
        Self::Celsius,
        Self::Joules,
        Self::Watts,
        Self::Hertz,
        Self::Volts,
        Self::Amperes,
        Self::Meters,
        Self::Grams,
    ];

    /// Returns the suffix of names in this unit, without the underscore; empty for [`Unit::None`].
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
            Self::Celsius => "celsius",
            Self::Joules => "joules",
            Self::Watts => "watts",
            Self::Hertz => "hertz",
            Self::Volts => "volts",
            Self::Amperes => "amperes",
            Self::Meters => "meters",
            Self::Grams => "grams",
        }
    }

    /// Returns the base unit of a suffix.
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.suffix() == suffix)
    }
}

/// Factor and divisor from recorded values to the base unit. A quotient makes 300 ms exactly 0.3 s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) times: f64,
    pub(crate) over: f64,
}

impl Scale {
    pub(crate) const ONE: Self = Self { times: 1.0, over: 1.0 };

    #[inline]
    pub(crate) fn apply(self, value: f64) -> f64 {
        value * self.times / self.over
    }

    pub(crate) fn is_one(self) -> bool {
        self == Self::ONE
    }
}

/// Returns the base unit and scale of a unit of the `metrics` facade, and the suffix of its own name.
pub(crate) fn of_facade(unit: metrics::Unit) -> (Unit, Scale, &'static str) {
    use metrics::Unit as Given;
    const KIBI: f64 = 1024.0;
    let times = |times: f64| Scale { times, over: 1.0 };
    let over = |over: f64| Scale { times: 1.0, over };
    match unit {
        Given::Count | Given::CountPerSecond => (Unit::None, Scale::ONE, ""),
        Given::Percent => (Unit::Ratio, over(100.0), "percent"),
        Given::Seconds => (Unit::Seconds, Scale::ONE, "seconds"),
        Given::Milliseconds => (Unit::Seconds, over(1e3), "milliseconds"),
        Given::Microseconds => (Unit::Seconds, over(1e6), "microseconds"),
        Given::Nanoseconds => (Unit::Seconds, over(1e9), "nanoseconds"),
        Given::Tebibytes => (Unit::Bytes, times(KIBI * KIBI * KIBI * KIBI), "tebibytes"),
        Given::Gibibytes => (Unit::Bytes, times(KIBI * KIBI * KIBI), "gibibytes"),
        Given::Mebibytes => (Unit::Bytes, times(KIBI * KIBI), "mebibytes"),
        Given::Kibibytes => (Unit::Bytes, times(KIBI), "kibibytes"),
        Given::Bytes => (Unit::Bytes, Scale::ONE, "bytes"),
        // Rates are not base units: name and values stay unchanged.
        Given::TerabitsPerSecond
        | Given::GigabitsPerSecond
        | Given::MegabitsPerSecond
        | Given::KilobitsPerSecond
        | Given::BitsPerSecond => (Unit::None, Scale::ONE, ""),
    }
}
