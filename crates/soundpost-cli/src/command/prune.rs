//! `soundpost prune`: what is old goes out of the store now.

use std::io::Write;
use std::time::{Duration, Instant};

use soundpost::read::Service;
use soundpost::read::store::{FILE, Limits, Store, StoreError};

use crate::arguments::{Prune, Which};
use crate::failure::Failure;
use crate::output::{bytes, count, plain};
use crate::which;

/// How long the reporter may keep the store to itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
const MIB: u64 = 1024 * 1024;

/// Removes what is beyond the limits that were given, and says how much it was.
pub(super) fn prune(which: &Which, command: &Prune, out: &mut dyn Write) -> Result<i32, Failure> {
    let service = which::service(which)?;
    if !service.directory().join(FILE).exists() {
        writeln!(out, "{} has no store yet", plain(service.name()))?;
        return Ok(0);
    }
    let limits = Limits {
        age: command.older_than.unwrap_or(Duration::MAX),
        bytes: command.keep_mib.map_or(u64::MAX, |mib| mib.saturating_mul(MIB)),
        vitals_full_rate: Duration::MAX,
        ..Limits::default()
    };
    let failed = |error: StoreError| Failure::Failed(error.to_string());
    // Only what can be read is pruned: a damaged store is its reporter's to set aside.
    super::open_store(&service)?;
    let (mut store, _) = Store::open(service.directory(), limits).map_err(failed)?;
    let before = size(&service);
    let (mut records, mut samples) = (0, 0);
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        match store.retain() {
            Ok(progress) => {
                records += progress.records;
                samples += progress.samples;
                deadline = Instant::now() + PATIENCE;
                if !progress.more {
                    break;
                }
            }
            Err(error) if error.is_busy() && Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(error) => return Err(failed(error)),
        }
    }
    // What is in its log comes into the file when it is closed.
    drop(store);
    let after = size(&service);
    writeln!(
        out,
        "{} calls and log events and {} samples removed; {} before, {} now",
        count(records),
        count(samples),
        bytes(before as f64),
        bytes(after as f64)
    )?;
    Ok(0)
}

/// Bytes of the store's files.
fn size(service: &Service) -> u64 {
    let entries = service.directory().read_dir().into_iter().flatten().flatten();
    let of_store = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(FILE.as_bytes()));
    of_store.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
