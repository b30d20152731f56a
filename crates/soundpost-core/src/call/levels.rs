//! Levels of audio samples, which show cut, silent and broken output.

/// Maximum sample of silence, as a share of full scale: -60 dBFS.
pub const SILENCE_RATIO: f32 = 0.001;
/// Minimum sample that counts as clipped, as a share of full scale.
const CLIPPED_RATIO: f32 = 32_767.0 / 32_768.0;
/// Samples that are processed at once.
const LANES: usize = 16;
/// Samples whose squares are added in single precision.
const BLOCK: usize = 1024 * LANES;

/// Levels of audio: the peak, and counts of samples. Levels of several pieces are added.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AudioLevels {
    samples: u64,
    non_finite: u64,
    clipped: u64,
    silent: u64,
    peak: f32,
    energy: f64,
}

impl AudioLevels {
    /// Measures samples, each converted to a share of full scale.
    #[inline]
    pub fn measure<T: Copy>(samples: &[T], share: impl Fn(T) -> f32 + Copy) -> Self {
        samples.chunks(BLOCK).fold(Self::default(), |levels, block| levels + Self::of_block(block, share))
    }

    #[inline]
    fn of_block<T: Copy>(block: &[T], share: impl Fn(T) -> f32 + Copy) -> Self {
        let (wide, rest) = block.as_chunks::<LANES>();
        let mut lanes = Lanes::default();
        for samples in wide {
            lanes.add(samples.map(share));
        }
        let mut last = Lanes::default();
        for sample in rest {
            // Lanes without a sample count as silent, which is corrected below.
            let mut samples = [0.0; LANES];
            samples[0] = share(*sample);
            last.add(samples);
        }
        let padding = (rest.len() * (LANES - 1)) as u64;
        let sum = |lanes: &[u32; LANES]| lanes.iter().map(|count| u64::from(*count)).sum::<u64>();
        let non_finite = sum(&lanes.non_finite) + sum(&last.non_finite);
        Self {
            samples: block.len() as u64,
            non_finite,
            clipped: sum(&lanes.clipped) + sum(&last.clipped),
            silent: sum(&lanes.silent) + sum(&last.silent) - padding - non_finite,
            peak: lanes.peak.iter().chain(&last.peak).fold(0.0, |peak, sample| peak.max(*sample)),
            energy: lanes.energy.iter().chain(&last.energy).map(|energy| f64::from(*energy)).sum(),
        }
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Number of samples that are infinite or not a number; the other levels leave them out.
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }

    /// Highest sample, as a share of full scale.
    pub fn peak(&self) -> f64 {
        f64::from(self.peak)
    }

    /// Root of the mean square, as a share of full scale.
    pub fn rms(&self) -> f64 {
        (self.energy / (self.samples - self.non_finite).max(1) as f64).sqrt()
    }

    /// Share of samples at full scale or above.
    pub fn clipped_ratio(&self) -> f64 {
        self.clipped as f64 / self.samples.max(1) as f64
    }

    /// Share of samples below -60 dBFS.
    pub fn silence_ratio(&self) -> f64 {
        self.silent as f64 / self.samples.max(1) as f64
    }

    /// Reports whether every sample is below -60 dBFS.
    pub fn is_silent(&self) -> bool {
        self.samples > 0 && self.silent == self.samples
    }
}

impl std::ops::Add for AudioLevels {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            non_finite: self.non_finite + other.non_finite,
            clipped: self.clipped + other.clipped,
            silent: self.silent + other.silent,
            peak: self.peak.max(other.peak),
            energy: self.energy + other.energy,
        }
    }
}

/// Sums of [`LANES`] interleaved parts of the samples, which the compiler keeps in vector registers.
#[derive(Default)]
struct Lanes {
    non_finite: [u32; LANES],
    clipped: [u32; LANES],
    silent: [u32; LANES],
    peak: [f32; LANES],
    energy: [f32; LANES],
}

impl Lanes {
    #[inline]
    fn add(&mut self, samples: [f32; LANES]) {
        for (lane, sample) in samples.into_iter().enumerate() {
            let size = sample.abs();
            let is_finite = size < f32::INFINITY;
            let size = if is_finite { size } else { 0.0 };
            self.non_finite[lane] += u32::from(!is_finite);
            self.clipped[lane] += u32::from(size >= CLIPPED_RATIO);
            self.silent[lane] += u32::from(size < SILENCE_RATIO);
            self.peak[lane] = if size > self.peak[lane] { size } else { self.peak[lane] };
            self.energy[lane] += size * size;
        }
    }
}
