//! Levels of audio samples.

use proptest::prelude::*;
use soundpost_core::{AudioLevels, Outcome, Seconds};

use crate::Service;

fn levels(samples: &[f32]) -> AudioLevels {
    AudioLevels::measure(samples, |sample| sample)
}

#[test]
fn levels_count_each_kind_of_sample() {
    let measured = levels(&[0.0, 0.0005, -0.5, 0.5, 1.0, -1.5, f32::NAN, f32::NEG_INFINITY]);
    assert_eq!((measured.samples(), measured.non_finite()), (8, 2));
    assert_eq!((measured.peak(), measured.clipped_ratio(), measured.silence_ratio()), (1.5, 0.25, 0.25));
    assert!((measured.rms() - ((0.25 + 0.25 + 1.0 + 2.25) / 6.0_f64).sqrt()).abs() < 1e-6);
    let integers =
        AudioLevels::measure(&[i16::MIN, i16::MAX, 16_384, 20], |sample| f32::from(sample) / 32_768.0);
    assert_eq!((integers.peak(), integers.clipped_ratio(), integers.silence_ratio()), (1.0, 0.5, 0.25));
    assert!(levels(&[0.0; 100]).is_silent() && !levels(&[]).is_silent());
}

proptest! {
    #[test]
    fn levels_of_pieces_are_those_of_the_whole(samples in prop::collection::vec(-1.2_f32..1.2, 0..100), cut in 0..100_usize) {
        let cut = cut.min(samples.len());
        let pieces = levels(&samples[..cut]) + levels(&samples[cut..]);
        let whole = levels(&samples);
        let ratios = |levels: &AudioLevels| (levels.samples(), levels.clipped_ratio(), levels.silence_ratio(), levels.peak());
        prop_assert_eq!(ratios(&pieces), ratios(&whole));
        prop_assert!((pieces.rms() - whole.rms()).abs() < 1e-5);
        let silent = samples.iter().filter(|sample| sample.abs() < 0.001).count();
        prop_assert!((whole.silence_ratio() * samples.len().max(1) as f64 - silent as f64).abs() < 1e-6);
    }
}

#[test]
fn samples_that_are_not_finite_are_corrupt() {
    let service = Service::new();
    let call = service.start();
    call.chunk(Seconds(1.0));
    call.levels(&levels(&[0.1, f32::INFINITY]));
    assert_eq!(call.fields().len(), 5);
    call.finish();
    assert_eq!(service.count(Outcome::Corrupt), 1.0);
    assert_eq!(service.observed("audio_clipped_ratio"), (1, 0.0));
    assert_eq!(service.observed("audio_silence_ratio").0, 1);
}
