//! Values of settings, as text: each is accepted or refused with an error that names the setting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost::settings::{Setting, Settings, parse_duration};

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let _ = parse_duration(text);
    let setting = &Setting::ALL[usize::from(choice) % Setting::ALL.len()];
    let mut settings = Settings::default();
    settings.set(setting.name, text);
    match settings.complete() {
        Ok(settings) => drop((settings.value(setting.name), settings.service(), settings.directory())),
        Err(error) => assert!(error.to_string().contains(setting.name), "{error}"),
    }
});
