//! Report of the command's Python processes: which of them the bootstrap reached, and which services they imported.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time after which the absence of a Python process is reported.
const REACH_PERIOD: Duration = Duration::from_secs(30);
/// Time after which the absence of a known service is reported: heavy packages are imported before it.
const MATCH_PERIOD: Duration = Duration::from_secs(180);

/// A file to which each reached process appends a line, `hooked` or `matched NAME`. It is removed in the end.
pub(super) struct HookReport {
    path: PathBuf,
    is_reached_reported: bool,
    is_match_reported: bool,
}

impl HookReport {
    /// Creates the file in the directory of the service; `None` if it cannot be written.
    pub(super) fn create(directory: &Path) -> Option<Self> {
        let path = directory.join(format!("hooks.{}", std::process::id()));
        let _ = fs::remove_file(&path);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
        Some(Self { path, is_reached_reported: false, is_match_reported: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a new warning of a command that has run for `running`, or that ended.
    pub(super) fn warning(&mut self, running: Duration, is_ended: bool) -> Option<&'static str> {
        let is_due = |period: Duration| is_ended || running >= period;
        if self.is_match_reported || !is_due(REACH_PERIOD) {
            return None;
        }
        let lines = fs::read_to_string(&self.path).ok()?;
        if lines.lines().any(|line| line.starts_with("matched ")) {
            self.is_match_reported = true;
            return None;
        }
        if lines.is_empty() && !self.is_reached_reported {
            (self.is_reached_reported, self.is_match_reported) = (true, is_ended);
            return Some(
                "--instrument reached no Python process: it does not reach python -I, -E and -S, nor a start \
                 script that replaces PYTHONPATH; call soundpost.instrument_all() in the service",
            );
        }
        if !lines.is_empty() && is_due(MATCH_PERIOD) {
            self.is_match_reported = true;
            return Some(
                "--instrument found no known service: no Python process imported one so far; \
                 docs/guide/integrations.md lists the modules, soundpost.instrument records other functions",
            );
        }
        None
    }
}

impl Drop for HookReport {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
