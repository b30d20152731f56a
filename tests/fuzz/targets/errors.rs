//! Class names and texts of errors, such as those that torch raises when memory is exhausted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost_core::Outcome;

fuzz_target!(|input: (Vec<&str>, &str)| {
    let (classes, text) = input;
    let outcome = Outcome::classify(&classes, text);
    assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
    let exhausted = format!("{text} CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; {text}");
    let names =
        ["OutOfMemoryError", "device-side assert", "illegal memory access", "unspecified launch failure"];
    if classes.is_empty() && !names.iter().any(|name| text.contains(name)) {
        assert_eq!(Outcome::classify(&[], &exhausted), Outcome::Oom);
    }
});
