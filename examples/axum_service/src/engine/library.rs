//! The functions of `espeak-ng/speak_lib.h` that this service calls. All `unsafe` of the service is here.

use std::ffi::{CStr, CString, c_char, c_int, c_short, c_uint, c_void};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::{EngineError, Voice};

const SYNCHRONOUS: c_int = 2; // AUDIO_OUTPUT_SYNCHRONOUS: espeak_Synth returns after the last call of the callback
const DONT_EXIT: c_int = 0x8000; // without it the library ends the process when it finds no data
const CHARS_UTF8: c_uint = 1;
const PIECE_MS: c_int = 60;
const STOP: c_int = 1;

#[repr(C)]
struct VoiceRecord {
    name: *const c_char,
    languages: *const c_char,  // one byte of priority, then the language
    identifier: *const c_char, // the voice's file, such as "sit/cmn"
}

/// Leading fields of `espeak_EVENT`; the others are not used.
#[repr(C)]
struct Event {
    kind: c_int,
    unique_identifier: c_uint,
    text_position: c_int,
    length: c_int,
    audio_position: c_int,
    sample: c_int,
    user_data: *mut c_void,
}

type Callback = unsafe extern "C" fn(*mut c_short, c_int, *mut Event) -> c_int;
type Synth = unsafe extern "C" fn(
    *const c_void,
    usize,
    c_uint,
    c_int,
    c_uint,
    c_uint,
    *mut c_uint,
    *mut c_void,
) -> c_int;

/// The loaded library. Its state is global, so it has one user at a time: it is not `Sync`.
pub(super) struct Library {
    initialize: unsafe extern "C" fn(c_int, c_int, *const c_char, c_int) -> c_int,
    list_voices: unsafe extern "C" fn(*mut VoiceRecord) -> *const *const VoiceRecord,
    set_voice: unsafe extern "C" fn(*const c_char) -> c_int,
    set_callback: unsafe extern "C" fn(Option<Callback>),
    synth: Synth,
    _opened: libloading::Library, // the functions above live in it
    _not_sync: std::marker::PhantomData<std::cell::Cell<()>>,
}

impl Library {
    pub(super) fn open(path: &str) -> Result<Self, libloading::Error> {
        // SAFETY: loading runs the library's constructors, and eSpeak NG's do nothing that matters to a Rust program.
        // The types are those of speak_lib.h, and each function is kept no longer than `_opened`.
        unsafe {
            let opened = libloading::Library::new(path)?;
            Ok(Self {
                initialize: *opened.get(b"espeak_Initialize\0")?,
                list_voices: *opened.get(b"espeak_ListVoices\0")?,
                set_voice: *opened.get(b"espeak_SetVoiceByName\0")?,
                set_callback: *opened.get(b"espeak_SetSynthCallback\0")?,
                synth: *opened.get(b"espeak_Synth\0")?,
                _opened: opened,
                _not_sync: std::marker::PhantomData,
            })
        }
    }

    /// Starts the engine and returns its sample rate.
    pub(super) fn initialize(&self, data: Option<&str>) -> Option<u32> {
        let data = data.map(CString::new).transpose().ok()?;
        let path = data.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        // SAFETY: `path` is null, which stands for the built-in one, or a string that outlives the call.
        let rate = unsafe { (self.initialize)(SYNCHRONOUS, PIECE_MS, path, DONT_EXIT) };
        u32::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    pub(super) fn voices(&self) -> Vec<Voice> {
        let mut voices = Vec::new();
        // SAFETY: with null for a pattern the library returns an array that ends with a null, of records whose three
        // strings are set; it stays unchanged until the next call, and no other caller exists.
        unsafe {
            let mut record = (self.list_voices)(ptr::null_mut());
            while !record.is_null() && !(*record).is_null() {
                let VoiceRecord { name, languages, identifier } = &**record;
                let file = text(*identifier);
                voices.push(Voice {
                    id: file.rsplit('/').next().unwrap_or(&file).to_lowercase(),
                    name: text(*name).trim().to_owned(),
                    language: text(languages.add(1)),
                });
                record = record.add(1);
            }
        }
        voices
    }

    pub(super) fn speak<F>(&self, text: &CStr, voice: &CStr, mut take: F) -> Result<(), EngineError>
    where
        F: FnMut(&[i16]) -> ControlFlow<()>,
    {
        let bytes = text.to_bytes_with_nul().len();
        // SAFETY: both strings outlive the calls. The callback is called only within `synth`, on this thread, with the
        // `user_data` given here, which is the `F` that it was made for.
        let status = unsafe {
            match (self.set_voice)(voice.as_ptr()) {
                0 => {
                    (self.set_callback)(Some(on_audio::<F>));
                    let take = ptr::from_mut(&mut take).cast();
                    (self.synth)(text.as_ptr().cast(), bytes, 0, 0, 0, CHARS_UTF8, ptr::null_mut(), take)
                }
                status => status,
            }
        };
        if status == 0 { Ok(()) } else { Err(EngineError::Status(status)) }
    }
}

/// # Safety
/// `text` is a string that ends with a NUL.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// # Safety
/// To be called by `espeak_Synth` only, with `samples` null or `count` samples long, and events whose `user_data` is a
/// `*mut F` without other users.
unsafe extern "C" fn on_audio<F>(samples: *mut c_short, count: c_int, events: *mut Event) -> c_int
where
    F: FnMut(&[i16]) -> ControlFlow<()>,
{
    let count = usize::try_from(count).unwrap_or(0);
    if samples.is_null() || events.is_null() || count == 0 {
        return 0;
    }
    // SAFETY: the caller's promise.
    let (take, samples) = unsafe {
        let take: *mut F = (*events).user_data.cast();
        (&mut *take, std::slice::from_raw_parts(samples, count))
    };
    // A panic must not unwind through C.
    match catch_unwind(AssertUnwindSafe(|| take(samples))) {
        Ok(ControlFlow::Continue(())) => 0,
        Ok(ControlFlow::Break(())) | Err(_) => STOP,
    }
}
