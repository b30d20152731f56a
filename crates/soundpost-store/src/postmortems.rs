//! The file of postmortems beside the store: a JSON object per line, the latest last.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value as Json, json};
use soundpost_core::snapshot::EndedProcess;
use soundpost_core::thread::lock;
use soundpost_core::{FinishedCall, ServiceDir, regular_file};

/// Name of the file.
pub const POSTMORTEMS: &str = "postmortems.jsonl";
/// Maximum size of the file, bytes.
const FILE_BYTES: u64 = 16 << 20;
/// Maximum number of postmortems in the file.
const MAX_POSTMORTEMS: usize = 50;
/// Maximum number of calls in a postmortem.
const MAX_CALLS: usize = 1000;

/// Held while this process replaces the file.
static WRITING: Mutex<()> = Mutex::new(());

/// Returns the lines of a service's directory; none without a readable file.
pub fn postmortem_lines(directory: &Path) -> Vec<String> {
    let text = regular_file::read_text(&directory.join(POSTMORTEMS), FILE_BYTES).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Appends a postmortem. The oldest ones beyond the maximum are removed.
///
/// # Errors
/// When the file cannot be replaced.
pub fn append_postmortem(directory: &Path, line: String) -> io::Result<()> {
    let _own = lock(&WRITING);
    let mut lines = postmortem_lines(directory);
    lines.push(line);
    let text = lines[lines.len().saturating_sub(MAX_POSTMORTEMS)..].join("\n");
    ServiceDir::write_in(directory, POSTMORTEMS, &(text + "\n"))
}

/// Appends the postmortem of a process that ended while its service lived on, with its calls in flight. Returns false
/// if the file has it already.
///
/// # Errors
/// When the file cannot be replaced.
pub fn record_ended_process(
    directory: &Path,
    service: &str,
    ended: &EndedProcess,
    out_of_memory: bool,
    calls: &[&FinishedCall],
) -> io::Result<bool> {
    let key = format!("{:016x}-{:x}", ended.segment, ended.key);
    let is_key = |line: &String| {
        serde_json::from_str::<Json>(line).is_ok_and(|postmortem| postmortem["process"] == key.as_str())
    };
    if postmortem_lines(directory).iter().any(is_key) {
        return Ok(false);
    }
    let call = |call: &&FinishedCall| {
        let labels = call.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        json!({
            "request_id": call.request_id, "operation": call.operation, "labels": Json::Object(labels.collect()),
            "duration_ms": call.duration() as f64 * 1e-6, "stage": call.died_in, "chunks": call.chunks,
            "audio_seconds": call.audio_seconds, "pid": call.pid,
        })
    };
    let calls: Vec<Json> = calls.iter().take(MAX_CALLS).map(call).collect();
    let postmortem = json!({
        "unix_nanos": ended.unix_nanos, "service": service, "cause": "process", "process": key,
        "out_of_memory": out_of_memory, "pid": ended.pid, "calls": calls,
    });
    append_postmortem(directory, postmortem.to_string()).map(|()| true)
}

/// Removes the postmortems before a time, nanoseconds since 1970. Returns their number.
pub(crate) fn remove_old(directory: &Path, before: u64) -> io::Result<u64> {
    rewrite(directory, false, |postmortem| {
        let is_old = postmortem.get("unix_nanos").and_then(Json::as_u64).is_some_and(|time| time < before);
        if is_old { Change::Remove } else { Change::Keep }
    })
}

/// Erases the selected calls from the postmortems. Returns the number of calls; with `dry_run`, only counts them.
///
/// # Errors
/// When the file cannot be replaced.
pub fn erase_from_postmortems(
    directory: &Path,
    dry_run: bool,
    selects: impl Fn(&Map<String, Json>) -> bool,
) -> io::Result<u64> {
    rewrite(directory, dry_run, |postmortem| {
        let Some(Json::Array(calls)) = postmortem.get_mut("calls") else { return Change::Keep };
        let before = calls.len();
        calls.retain(|call| !call.as_object().is_some_and(&selects));
        if calls.len() == before { Change::Keep } else { Change::Replace((before - calls.len()) as u64) }
    })
}

enum Change {
    Keep,
    /// The postmortem lost so many calls.
    Replace(u64),
    Remove,
}

/// Changes each postmortem, and removes damaged lines with the first change. Returns the number of changes.
fn rewrite(
    directory: &Path,
    dry_run: bool,
    mut change: impl FnMut(&mut Map<String, Json>) -> Change,
) -> io::Result<u64> {
    let _own = lock(&WRITING);
    let (mut text, mut changes) = (String::new(), 0);
    for line in postmortem_lines(directory) {
        let Ok(mut postmortem) = serde_json::from_str(&line) else { continue };
        let line = match change(&mut postmortem) {
            Change::Keep => line,
            Change::Replace(calls) => {
                changes += calls;
                Json::Object(postmortem).to_string()
            }
            Change::Remove => {
                changes += 1;
                continue;
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    if changes > 0 && !dry_run {
        ServiceDir::write_in(directory, POSTMORTEMS, &text)?;
    }
    Ok(changes)
}
