//! Headers of audio and video files: their length is a number of seconds, or unknown.
#![no_main]

#[path = "../../../crates/soundpost-python/src/measure/container.rs"]
#[allow(dead_code)]
mod container;
#[path = "../../../crates/soundpost-python/src/measure/header.rs"]
mod header;

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut source = Cursor::new(input);
    if let Some(wave) = header::Wave::read(&mut source, input.len() as u64) {
        assert!(wave.seconds() >= 0.0 && wave.start + wave.length <= input.len() as u64);
    }
    if let Some(seconds) = header::flac(&mut Cursor::new(input)) {
        assert!(seconds > 0.0 && seconds.is_finite());
    }
    if let Some(kind) = container::Kind::of(&input[..input.len().min(container::HEAD_BYTES)])
        && let Some(tracks) = container::tracks(kind, &mut Cursor::new(input))
    {
        assert!(tracks.audio >= 0.0 && tracks.video >= 0.0 && (tracks.audio + tracks.video).is_finite());
    }
});
