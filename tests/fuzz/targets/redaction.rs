//! Log text: redaction keeps the limit, and removes a password whatever stands before it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use soundpost_redact::{Hits, Redactor};

const PASSWORD: &str = "hunter2Zq9";

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);

fuzz_target!(|text: &str| {
    let mut hits = Hits::default();
    assert!(REDACTOR.text(text, 64, &mut hits).text.len() <= 64);
    let line = format!("{text}\npassword={PASSWORD}\n");
    assert!(!REDACTOR.text(&line, usize::MAX, &mut hits).text.contains(PASSWORD));
});
