//! `soundpost prune`: deletes old records from the store, and shared memory of services that are gone.

use std::time::{Duration, Instant};

use soundpost::read::Service;
use soundpost::read::store::{FILE, Limits, Reader, Store};

use crate::arguments::Prune;
use crate::error::CommandError;
use crate::output::{Output, format_bytes, format_count, plain};
use crate::service::ServiceArgs;

/// Maximum wait for the reporter to release the store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
const MIB: u64 = 1024 * 1024;

/// Deletes the records beyond the given limits, and prints how many they were.
pub(super) fn prune(
    service: &ServiceArgs,
    command: &Prune,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let reclaimed = reclaimed();
    let is_alone = service.given_name().is_none() && service.all()?.is_empty();
    if reclaimed.is_none() || !is_alone {
        prune_store(&service.open()?, command, out)?;
    }
    reclaimed.map_or(Ok(()), |text| out.line(text))?;
    Ok(0)
}

fn prune_store(service: &Service, command: &Prune, out: &mut Output<'_>) -> Result<(), CommandError> {
    // A damaged store is left to its reporter, so the store must be readable.
    if Reader::open(service.directory())?.is_none() {
        return out.line(format!("{} has no store yet", plain(service.name())));
    }
    let limits = match (command.older_than, command.keep_mib) {
        (None, None) => service.store_limits().unwrap_or_default(),
        (age, mib) => Limits {
            age: age.unwrap_or(Duration::MAX),
            bytes: mib.map_or(u64::MAX, |mib| mib.saturating_mul(MIB)),
            vitals_full_rate: Duration::MAX,
            ..Limits::default()
        },
    };
    let (mut store, _) = Store::open(service.directory(), limits)?;
    let before = store_bytes(service);
    let (mut records, mut samples, mut postmortems) = (0, 0, 0);
    let mut deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match store.retain() {
            Ok(progress) => {
                records += progress.records;
                samples += progress.samples;
                postmortems += progress.postmortems;
                if progress.more {
                    deadline = Instant::now() + BUSY_TIMEOUT;
                } else if store.remove_remains()? || Instant::now() >= deadline {
                    break;
                } else {
                    std::thread::sleep(RETRY_INTERVAL);
                }
            }
            Err(error) if error.is_busy() && Instant::now() < deadline => std::thread::sleep(RETRY_INTERVAL),
            Err(error) => return Err(error.into()),
        }
    }
    // Closing the store moves its log into the file.
    drop(store);
    out.line(format!(
        "{} calls and log events, {} samples and {} postmortems deleted; {} before, {} now",
        format_count(records),
        format_count(samples),
        format_count(postmortems),
        format_bytes(before as f64),
        format_bytes(store_bytes(service) as f64)
    ))
}

/// Frees shared memory of services that are gone; returns its amount as text.
pub(super) fn reclaimed() -> Option<String> {
    let (services, bytes) = Service::reclaim();
    let text = format!("freed {} in /dev/shm of {services} removed services", format_bytes(bytes as f64));
    (services > 0).then_some(text)
}

fn store_bytes(service: &Service) -> u64 {
    let entries = service.directory().read_dir().into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(FILE.as_bytes()));
    files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
