//! The list of the files that sinks of a service have written, for programs that erase records.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use soundpost_core::{ServiceDir, regular_file};

use crate::kind::Sink;

/// Name of the list in the service's directory: a JSON array of paths.
const FILE: &str = "line_files.json";
/// Maximum size of the list, bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Returns the files that sinks of a service have written and that exist.
pub fn written_files(directory: &Path) -> BTreeSet<PathBuf> {
    let text = regular_file::read_text(&directory.join(FILE), FILE_BYTES).unwrap_or_default();
    let listed: Vec<PathBuf> = serde_json::from_str(&text).unwrap_or_default();
    listed.into_iter().filter(|path| path.is_file()).collect()
}

/// Adds the files of these sinks to the list. Without the list, an operator names them.
pub(crate) fn add(place: &ServiceDir, sinks: &[Sink]) {
    let known = written_files(place.directory());
    let mut all = known.clone();
    all.extend(sinks.iter().filter_map(Sink::file).map(Path::to_path_buf));
    let texts: Vec<&str> = all.iter().filter_map(|path| path.to_str()).collect();
    if all != known {
        let _ = place.write(FILE, &serde_json::Value::from(texts).to_string());
    }
}
