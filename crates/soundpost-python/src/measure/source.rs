//! Bytes and files as output: containers by their marks, other bytes as PCM where that is declared.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use soundpost::AudioLevels;
use soundpost::binding::regular_file;

use super::container::{HEAD_BYTES, Kind, tracks};
use super::header::{Wave, flac};
use super::measured::Measured;
use super::samples::{pcm, pcm_floats};

/// Bytes of samples that are read at once; a multiple of every width.
const BLOCK_BYTES: usize = 24 * 8192;

/// Parts found in the output of a call, item by item.
pub(crate) struct Pass<'a> {
    /// Whether an item is to be checked for silence.
    pub(crate) check_silence: bool,
    /// Whether an item began an encoded stream, so that later bytes are no PCM.
    pub(crate) is_encoded: &'a AtomicBool,
    /// Levels of the samples that were read, if they were asked for.
    pub(crate) levels: AudioLevels,
}

/// Rules for bytes and files.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Samples per second of raw PCM; `None` if bytes are not declared as such.
    pub(super) rate: Option<f64>,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) quality: bool,
    pub(super) video: bool,
}

impl Rules {
    /// Measures bytes. The error states why they cannot be measured.
    pub(super) fn measure_bytes(&self, bytes: &[u8], pass: &mut Pass<'_>) -> Result<Measured, String> {
        match Kind::of(&bytes[..bytes.len().min(HEAD_BYTES)]) {
            Some(Kind::NoAudio(what)) => Err(format!("the bytes are {what}")),
            Some(kind) => {
                if kind != Kind::Wave {
                    pass.is_encoded.store(true, Ordering::Relaxed);
                }
                let measured =
                    self.measure_container(kind, &mut Cursor::new(bytes), bytes.len() as u64, pass);
                Ok(match measured {
                    // A header sent ahead of the samples.
                    Measured::Nothing => Measured::Skip,
                    Measured::Output if kind != Kind::Wave => Measured::Encoded,
                    measured => measured,
                })
            }
            None if bytes.is_empty() => Ok(Measured::Nothing),
            None if pass.is_encoded.load(Ordering::Relaxed) => Ok(Measured::Encoded),
            None => self.measure_pcm(bytes, pass),
        }
    }

    /// Measures a number of bytes of PCM, whose samples cannot be read.
    pub(super) fn seconds_of(&self, bytes: usize) -> Result<Measured, String> {
        let samples = bytes / (self.width * self.channels);
        match self.rate {
            _ if samples == 0 => Ok(Measured::Nothing),
            Some(rate) => Ok(Measured::Seconds(samples as f64 / rate)),
            None => Err("give sample_rate=".to_owned()),
        }
    }

    fn measure_pcm(&self, bytes: &[u8], pass: &mut Pass<'_>) -> Result<Measured, String> {
        let measured = self.seconds_of(bytes.len())?;
        if !(self.quality || pass.check_silence) {
            return Ok(measured);
        }
        Ok(self.judged(measured, pcm(bytes, self.width), pass))
    }

    /// Adds levels to those of the call, and returns silence if all samples are silent and that was asked for.
    pub(super) fn judged(&self, measured: Measured, levels: AudioLevels, pass: &mut Pass<'_>) -> Measured {
        if self.quality {
            pass.levels = pass.levels + levels;
        }
        if pass.check_silence && levels.is_silent() { measured.into_silence() } else { measured }
    }

    /// Measures a file; a missing or empty one is no output.
    pub(super) fn measure_file(&self, path: &Path, pass: &mut Pass<'_>) -> Measured {
        let opened = || {
            let (mut file, about) = regular_file::open(path).ok()?;
            let mut head = Vec::new();
            (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).ok()?;
            (about.len() > 0).then_some((file, about.len(), head))
        };
        let Some((mut file, size, head)) = opened() else { return Measured::Nothing };
        match Kind::of(&head) {
            Some(Kind::NoAudio(_)) | None => Measured::Output,
            Some(kind) => self.measure_container(kind, &mut file, size, pass),
        }
    }

    fn measure_container(
        &self,
        kind: Kind,
        source: &mut (impl Read + Seek),
        size: u64,
        pass: &mut Pass<'_>,
    ) -> Measured {
        let seconds = match kind {
            _ if source.seek(SeekFrom::Start(0)).is_err() => None,
            Kind::Wave => {
                let Some(wave) = Wave::read(source, size) else { return Measured::Output };
                if wave.length == 0 {
                    return Measured::Nothing;
                }
                let levels = self.wave_levels(&wave, source, pass);
                return self.judged(Measured::Seconds(wave.seconds()), levels, pass);
            }
            Kind::Flac => flac(source),
            _ => match tracks(kind, source) {
                Some(found) if self.video => {
                    return Measured::Video { audio: found.audio, video: found.video };
                }
                found => found.map(|tracks| tracks.audio),
            },
        };
        seconds.filter(|seconds| *seconds > 0.0).map_or(Measured::Output, Measured::Seconds)
    }

    /// Reads the samples of a WAVE file, as far as the checks need them.
    fn wave_levels(&self, wave: &Wave, source: &mut (impl Read + Seek), pass: &Pass<'_>) -> AudioLevels {
        let mut levels = AudioLevels::default();
        let is_known = if wave.is_float { wave.width == 4 } else { (1..=4).contains(&wave.width) };
        if !is_known
            || !(self.quality || pass.check_silence)
            || source.seek(SeekFrom::Start(wave.start)).is_err()
        {
            return levels;
        }
        let mut left = wave.length;
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        while left > 0 && (self.quality || levels.samples() == 0 || levels.is_silent()) {
            block.clear();
            match source.take(left.min(BLOCK_BYTES as u64)).read_to_end(&mut block) {
                Ok(read) if read > 0 => left -= read as u64,
                _ => break,
            }
            levels = levels + if wave.is_float { pcm_floats(&block) } else { pcm(&block, wave.width) };
        }
        levels
    }
}
