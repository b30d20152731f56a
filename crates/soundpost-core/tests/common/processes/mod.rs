//! Child processes of the tests: the test's own binary, run again with a role in its environment.
#![allow(dead_code, unused_imports)]

mod forks;
mod kills;
mod puppet;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) use forks::{FORKING_THREADS, fork, fork_storm, wait};
pub(crate) use kills::{kill_folders, kill_recorders};
pub(crate) use puppet::Puppet;

const ROLE: &str = "SOUNDPOST_TEST_ROLE";
const ROOT: &str = "SOUNDPOST_TEST_ROOT";
/// The test that plays the roles; an example does so in `main`.
const ENTRY: [&str; 3] = ["--exact", "child_process", "--nocapture"];

/// Plays the role in the environment and ends the process; returns at once where there is none.
pub(crate) fn play_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let root = PathBuf::from(std::env::var_os(ROOT).expect("a root"));
    match role.as_str() {
        "recorder" => kills::recorder(&root),
        "folder" => kills::folder(&root),
        "puppet" => puppet::puppet(&root),
        "forker" => forks::forker(&root),
        other => panic!("no role {other}"),
    }
    std::process::exit(0);
}

fn command(role: &str, root: &Path) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(&program);
    if !program.parent().is_some_and(|directory| directory.ends_with("examples")) {
        command.args(ENTRY);
    }
    command.env(ROLE, role).env(ROOT, root).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A child that is killed and waited for when dropped.
pub(crate) struct Running(Child);

impl Running {
    fn spawn(role: &str, root: &Path) -> Self {
        Self(command(role, root).spawn().expect("a child"))
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn random_below(limit: u64) -> u64 {
    getrandom::u64().expect("random") % limit
}
