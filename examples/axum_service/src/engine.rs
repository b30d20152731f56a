//! eSpeak NG through its C library, loaded at run time, so that the build does not need it.

mod library;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use self::library::Library;

/// Reason why the engine could not start or synthesise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(
        "cannot open eSpeak NG: install it (Debian: libespeak-ng1), or set ESPEAK_NG_LIBRARY to the library and \
         ESPEAK_NG_DATA to its data"
    )]
    Library(#[from] libloading::Error),
    #[error("eSpeak NG did not start: it found no data in {0}")]
    Data(String),
    #[error("unknown voice {0:?}: GET /voices lists those there are")]
    UnknownVoice(String),
    #[error("eSpeak NG failed with status {0}")]
    Status(i32),
}

/// A voice, identified by its name.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Voice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) language: String,
}

/// The engine of this process. Its state is global, so it synthesises one text at a time.
pub(crate) struct Engine {
    library: Mutex<Library>,
    sample_rate: u32,
    voices: BTreeMap<String, Voice>,
}

impl Engine {
    /// Loads `ESPEAK_NG_LIBRARY` with `ESPEAK_NG_DATA`, or the system's library.
    pub(crate) fn load() -> Result<Self, EngineError> {
        let path = std::env::var("ESPEAK_NG_LIBRARY").unwrap_or_else(|_| "libespeak-ng.so.1".to_owned());
        let data = std::env::var("ESPEAK_NG_DATA").ok();
        let library = Library::open(&path)?;
        let sample_rate = library
            .initialize(data.as_deref())
            .ok_or_else(|| EngineError::Data(data.unwrap_or_else(|| "its own place".to_owned())))?;
        let voices = library.voices().into_iter().map(|voice| (voice.id.clone(), voice)).collect();
        Ok(Self { library: Mutex::new(library), sample_rate, voices })
    }

    pub(crate) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    pub(crate) fn voices(&self) -> &BTreeMap<String, Voice> {
        &self.voices
    }

    /// Passes PCM to `take` as the engine produces it, until `take` breaks. A text without words yields none.
    pub(crate) fn speak(
        &self,
        text: &str,
        voice: &str,
        take: impl FnMut(&[i16]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        if !self.voices.contains_key(voice) {
            return Err(EngineError::UnknownVoice(voice.to_owned()));
        }
        if !text.contains(char::is_alphanumeric) {
            return Ok(()); // the engine would return a few samples of silence
        }
        // The engine ends a text at a NUL.
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        let voice = CString::new(voice).map_err(|_| EngineError::UnknownVoice(voice.to_owned()))?;
        let library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        library.speak(&text, &voice, take)
    }
}
