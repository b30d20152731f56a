//! The file of postmortems beside the store: a JSON object per line, the latest last.

use std::io;
use std::path::Path;

use serde_json::{Map, Value as Json};
use soundpost_core::{ServiceDir, regular_file};

/// Name of the file.
pub const POSTMORTEMS: &str = "postmortems.jsonl";
/// Maximum size of the file, bytes.
const FILE_BYTES: u64 = 16 << 20;

/// Returns the lines of a service's directory; none without a readable file.
pub fn postmortem_lines(directory: &Path) -> Vec<String> {
    let text = regular_file::read_text(&directory.join(POSTMORTEMS), FILE_BYTES).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
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
