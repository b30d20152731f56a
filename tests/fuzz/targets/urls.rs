//! URLs of sinks: each is accepted, or refused with an error that does not contain its password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost::settings::SinkList;

const PASSWORD: &str = "hunter2hunter2";

fuzz_target!(|text: &str| {
    if let Err(error) = SinkList::from_urls(text) {
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    let with_password = text.replacen("//", &format!("//user:{PASSWORD}@"), 1);
    if let Err(error) = SinkList::from_urls(&with_password) {
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
});
