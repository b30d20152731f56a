//! Services of another user, read as root and as a third user. Only root can run these tests.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::common::{Directory, Running, SERVICE};

const OWNER: u32 = 65_534;
const THIRD: u32 = 65_533;

/// A directory of the owner, and programs beside it that every user can run.
struct Users {
    directory: Directory,
}

impl Users {
    fn new() -> Option<Self> {
        nix::unistd::geteuid().is_root().then(|| {
            let directory = Directory::new();
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
            let users = Self { directory };
            fs::create_dir(users.root()).unwrap();
            chown(users.root(), Some(OWNER), Some(OWNER)).unwrap();
            for (name, program) in [
                ("service", std::env::current_exe().unwrap()),
                ("soundpost", env!("CARGO_BIN_EXE_soundpost").into()),
            ] {
                let link = users.directory.path().join(name);
                fs::hard_link(&program, &link).or_else(|_| fs::copy(&program, &link).map(drop)).unwrap();
            }
            users
        })
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn start(&self, script: &str) -> Running {
        let mut command = Command::new(self.directory.path().join("service"));
        command.args(["--exact", "service", "--nocapture", "--test-threads=1"]).env("SOUNDPOST_TEST", script);
        command.env("SOUNDPOST_DIRECTORY", self.root()).env("SOUNDPOST_GPU", "none").current_dir("/");
        Running::start(as_user(command, OWNER))
    }

    /// Runs the program as `user`, with the owner's directory or without any.
    fn run(&self, user: u32, is_given: bool, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(self.directory.path().join("soundpost"));
        command.args(arguments).env_clear().env("HOME", self.directory.path()).env("SOUNDPOST_GPU", "none");
        if is_given {
            command.env("SOUNDPOST_DIRECTORY", self.root());
        }
        let done = Running::start(as_user(command, user)).end();
        (done.status.code(), done.out + &done.err)
    }

    /// Asserts that every file of the service has its user.
    fn assert_owned(&self) {
        let shared = PathBuf::from(format!("/dev/shm/soundpost-{OWNER}"));
        for path in [self.root(), shared].iter().flat_map(|root| tree(root)) {
            let owner = path.symlink_metadata().map_or(OWNER, |found| found.uid());
            assert_eq!(owner, OWNER, "{}", path.display());
        }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let shared = PathBuf::from(format!("/dev/shm/soundpost-{OWNER}"));
        for folder in tree(&shared) {
            let of = fs::read_to_string(folder.join("of"));
            if of.is_ok_and(|of| Path::new(&of).starts_with(self.directory.path())) {
                fs::remove_dir_all(folder).unwrap();
            }
        }
        // Unless another test has files there.
        let _ = fs::remove_dir(shared);
    }
}

fn as_user(mut command: Command, user: u32) -> Command {
    command.uid(user).gid(user);
    command
}

fn tree(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| tree(&path).into_iter().chain([path])).collect()
}

const READING: [&[&str]; 7] = [
    &["status"],
    &["top", "--once"],
    &["calls"],
    &["logs"],
    &["vitals"],
    &["postmortem"],
    &["doctor", "--listen", "0"],
];

#[test]
fn root_reads_the_service_of_another_user() {
    let Some(users) = Users::new() else { return };
    let mut service = users.start("call begin ready reporter wait");
    service.says("ready");
    for command in READING {
        let (code, text) = users.run(0, true, command);
        assert_eq!(code, Some(0), "{command:?}: {text}");
    }
    let (_, status) = users.run(0, true, &["status"]);
    for part in ["speech  up", "in flight  1; the oldest, synthesize", "processes  1 ("] {
        assert!(status.contains(part), "{part:?} in\n{status}");
    }
    users.assert_owned();
    let (_, all) = users.run(0, false, &["status", "--json"]);
    let place = users.root().join(SERVICE);
    assert!(all.contains(&format!("\"directory\":\"{}\"", place.display())), "{all}");

    // Recovery does not lock the service out.
    service.signal(Signal::SIGKILL);
    service.end();
    let (_, calls) = users.run(0, true, &["calls", "--json"]);
    assert_eq!(calls.lines().count(), 2, "{calls}");
    users.assert_owned();
    let mut again = users.start("call shutdown ready 0");
    again.says("ready");
    again.end();
    assert_eq!(users.run(0, true, &["calls", "--json"]).1.lines().count(), 3);
    users.assert_owned();
}

#[test]
fn third_user_learns_whose_service_it_is() {
    let Some(users) = Users::new() else { return };
    let mut service = users.start("begin ready wait");
    service.says("ready");
    for command in READING {
        let (code, text) = users.run(THIRD, true, command);
        assert!(text.contains(&format!("(uid {OWNER}) and cannot be read")), "{command:?}: {text}");
        assert!(text.contains("run this command as root, or as that user"), "{command:?}: {text}");
        assert_eq!(code, Some(1), "{command:?}: {text}");
    }
    let (_, text) = users.run(THIRD, false, &["status"]);
    assert!(text.contains(&format!("(uid {OWNER}) and cannot be read")), "{text}");
    fs::set_permissions(users.root(), fs::Permissions::from_mode(0o700)).unwrap();
    let (code, text) = users.run(THIRD, true, &["status", "--service", SERVICE]);
    assert!(code == Some(1) && text.contains(&format!("(uid {OWNER})")), "{text}");
    service.signal(Signal::SIGKILL);
    service.end();
}
