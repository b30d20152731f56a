//! FIFOs, devices, directories and large files in the place of a file that Soundpost reads.

use std::collections::BTreeMap;
use std::fs;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::libc;
use soundpost::Telemetry;
use soundpost::read::Service;
use soundpost::settings::Settings;
use soundpost::sink::{InfluxDb, Loki, SinkProblem};
use soundpost_store::{CallFilter, Reader};
use soundpost_testkit::{Reply, Server, remove_record_locks};

use crate::common::{Directory, Ending, in_a_process, until};
use crate::state::{Scraped, record, service};

type Make = fn(&Path);

/// Things that are no regular file of a fitting size, and how each is made.
const STRANGE: [(&str, Make); 6] = [
    ("a FIFO", |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap()),
    ("a directory", |path| fs::create_dir(path).unwrap()),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
    ("a device", |path| symlink("/dev/zero", path).unwrap()),
    ("a device", |path| symlink("/dev/tty", path).unwrap()),
    ("KiB", |path| fs::File::create(path).unwrap().set_len((8 << 20) + 1).unwrap()),
];

#[test]
fn strange_files_of_settings_are_errors_at_start() {
    for (number, (name, make)) in STRANGE.into_iter().enumerate() {
        let directory = Directory::new();
        let path = directory.path().join("file");
        make(&path);
        let influx = || InfluxDb::new("http://h").unwrap().database("d");
        let loki = || Loki::new("https://h").unwrap();
        let build = || service(&directory, "strange");
        let builders = [
            build().sink(influx().token_file(&path)),
            build().sink(loki().user("u").password_file(&path)),
            build().sink(loki().ca_file(&path)),
        ];
        let mut errors: Vec<String> =
            builders.into_iter().map(|builder| builder.start().err().unwrap().to_string()).collect();
        let mut settings = Settings::default();
        settings.set("bearer_token_file", path.to_str().unwrap());
        errors.push(settings.complete().err().unwrap().to_string());
        #[cfg(feature = "tls")]
        errors.push(build().listen(([127, 0, 0, 1], 0)).tls(&path, &path).start().err().unwrap().to_string());
        errors.iter().for_each(|error| assert!(error.contains(name), "{number}: {error}"));
    }
}

#[test]
fn token_file_that_becomes_a_fifo_is_flagged_and_retried() {
    let server = Server::start(|request| match request.header("authorization") {
        "Token new" => Reply::status(204),
        _ => Reply::status(401),
    });
    let directory = Directory::new();
    let token = directory.path().join("token");
    fs::write(&token, "old").unwrap();
    let url = format!("http://{}", server.address);
    let sink =
        InfluxDb::new(&url).unwrap().database("d").token_file(&token).longest_wait(Duration::from_millis(20));
    let telemetry = service(&directory, "tokens").sink(sink).start().unwrap();
    let _ending = Ending(telemetry.clone());
    fs::remove_file(&token).unwrap();
    STRANGE[0].1(&token);
    record(&telemetry, "r", 3);
    until("it is flagged", || {
        SinkProblem::all(telemetry.directory()).iter().any(|problem| problem.misconfigured)
    });
    fs::remove_file(&token).unwrap();
    fs::write(&token, "new").unwrap();
    until("it is delivered", || Scraped::of(&telemetry.render(), "influxdb").delivered == 3.0);
}

/// Puts something into the place of the reporter's lock file.
fn block(place: &Path, make: Make) {
    DirBuilder::new().recursive(true).mode(0o700).create(place).unwrap();
    let file = place.join("reporter.lock");
    let _ = fs::remove_file(&file);
    make(&file);
}

#[test]
fn strange_lock_file_has_another_place() {
    for (number, (_, make)) in STRANGE.into_iter().take(5).enumerate() {
        let directory = Directory::new();
        let place = directory.path().join("locked");
        block(&place, make);
        let telemetry = service(&directory, "locked").start().unwrap();
        let _ending = Ending(telemetry.clone());
        record(&telemetry, "r", 2);
        assert!(telemetry.flush(Duration::from_secs(10)), "{number}");
        let calls = Reader::open(&place).unwrap().unwrap().calls(&CallFilter::default()).unwrap();
        assert_eq!(calls.len(), 2, "{number}");
        let found = Service::find(directory.path(), "locked").unwrap();
        assert_eq!(found.unwrap().reporter(), Some(std::process::id()), "{number}");
    }
}

#[test]
fn service_without_lock_files_records_and_reports_it() {
    let directory = Directory::new();
    let telemetry = service(&directory, "unlocked").start().unwrap();
    let segments = Service::find(directory.path(), "unlocked").unwrap().unwrap();
    let segments = segments.segment_directories().to_vec();
    telemetry.shutdown(Duration::from_secs(5));
    segments.iter().for_each(|place| block(place, STRANGE[1].1));
    let telemetry = service(&directory, "unlocked").start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 2);
    until("it is flagged", || telemetry.render().contains("unhealthy{reason=\"locks_unusable\"} 1"));
    assert!(telemetry.notices(0).iter().any(|notice| notice.message.contains("reporter.lock")));
    assert!(
        telemetry.render().contains("soundpost_request_total") || telemetry.render().contains("unlocked")
    );
    segments.iter().for_each(|place| fs::remove_dir(place.join("reporter.lock")).unwrap());
    assert!(telemetry.flush(Duration::from_secs(10)));
}

#[test]
fn directory_without_record_locks_has_another_place() {
    in_a_process("files::directory_without_record_locks_has_another_place", || {
        let directories =
            [libc::ENOLCK, libc::EINVAL, libc::EOPNOTSUPP].map(|errno| (Directory::new(), errno));
        let lockless = directories.iter().map(|(directory, errno)| (directory.path().to_owned(), *errno));
        if !remove_record_locks(lockless.collect()) {
            return eprintln!("skipped: no seccomp filter is permitted here");
        }
        for (directory, _) in directories {
            let telemetry = service(&directory, "lockless").start().unwrap();
            assert!(telemetry.directory().starts_with("/dev/shm"), "{}", telemetry.directory().display());
            record(&telemetry, "r", 2);
            assert!(telemetry.flush(Duration::from_secs(10)));
            let found = Service::find(directory.path(), "lockless").unwrap().unwrap();
            let calls =
                Reader::open(found.directory()).unwrap().unwrap().calls(&CallFilter::default()).unwrap();
            assert_eq!((calls.len(), found.reporter()), (2, Some(std::process::id())));
            assert_flagged(&telemetry, "lockless_unhealthy{reason=\"locks_unusable\"} 1");
            telemetry.shutdown(Duration::from_secs(5));
            fs::remove_dir_all(found.directory()).unwrap();
        }
    });
}

#[test]
fn host_without_record_locks_records_and_reports_it() {
    in_a_process("files::host_without_record_locks_records_and_reports_it", || {
        let directory = Directory::new();
        if !remove_record_locks(vec![(PathBuf::from("/"), libc::ENOLCK)]) {
            return eprintln!("skipped: no seccomp filter is permitted here");
        }
        let telemetry = service(&directory, "lockless").start().unwrap();
        let _ending = Ending(telemetry.clone());
        assert!(telemetry.directory().starts_with(directory.path()));
        record(&telemetry, "r", 2);
        assert_flagged(&telemetry, "lockless_unhealthy{reason=\"locks_unusable\"} 1");
        assert!(telemetry.render().contains("lockless_request_total{"));
    });
}

#[test]
fn locks_that_vanish_are_named() {
    in_a_process("files::locks_that_vanish_are_named", || {
        let directory = Directory::new();
        let gone = directory.path().join("gone");
        if !remove_record_locks(vec![(gone.clone(), libc::EINVAL)]) {
            return eprintln!("skipped: no seccomp filter is permitted here");
        }
        let telemetry = service(&directory, "vanish").start().unwrap();
        let _ending = Ending(telemetry.clone());
        assert!(telemetry.flush(Duration::from_secs(10)));
        // The files of the service are in the directory without locks from now on.
        fs::rename(telemetry.directory(), &gone).unwrap();
        symlink(&gone, telemetry.directory()).unwrap();
        record(&telemetry, "r", 2);
        until("it is flagged", || {
            telemetry.render().contains("vanish_unhealthy{reason=\"locks_unusable\"} 1")
        });
        assert_flagged(&telemetry, "vanish_unhealthy{reason=\"store_not_writable\"} 1");
        fs::remove_file(telemetry.directory()).unwrap();
        fs::rename(&gone, telemetry.directory()).unwrap();
        assert!(telemetry.flush(Duration::from_secs(10)));
        assert!(telemetry.render().contains("vanish_unhealthy{reason=\"locks_unusable\"} 0"));
    });
}

/// Asserts that a flag is raised and a notice names the locks.
fn assert_flagged(telemetry: &Telemetry, flag: &str) {
    until(flag, || telemetry.render().contains(flag));
    until("a notice names the locks", || {
        telemetry.notices(0).iter().any(|notice| notice.message.contains("record locks"))
    });
}

/// Runs a script as another user; only root can. Its failures are part of the attack.
fn as_other_user(directory: &Path, script: &str) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).current_dir(directory).uid(OTHER_USER).gid(OTHER_USER);
    shell.stderr(Stdio::null()).status().unwrap();
}

const OTHER_USER: u32 = 65_534;
const TRAPS: &str = "mkdir -p users && cd users && echo secret >target && chmod 666 target && \
    for file in store.sqlite store.sqlite-wal store.sqlite-shm reporter.lock address sinks.json retired.totals; do \
    ln -s ../target $file; done; chmod -R a+rwX .";
const ATTACKS: &str = "for service in users own; do for file in $service/*; do \
    mv $file $file.old; ln -sf /etc/passwd $file; ln -f target $file; rm -f $file; mkfifo $file; : >$file; done; \
    mv $service swapped; mkdir $service; ln -s /tmp $service; done; \
    for file in /dev/shm/soundpost-0/*/*; do : >$file; mv $file /tmp; ln -sf /etc/passwd $file; done";

/// Returns paths and contents below a directory.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let kind = entry.symlink_metadata().unwrap();
        if kind.is_dir() {
            found.extend(tree(&entry));
        }
        let contents = kind.is_file().then(|| fs::read(&entry).unwrap());
        found.insert(entry, contents);
    }
    found
}

/// Another user made the directory first, or can write to it, and attacks each file while the service runs.
#[test]
fn other_users_read_and_change_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Root of the services: of the other user, open to all, open to all with the sticky bit.
    for (owner, mode) in [(OTHER_USER, 0o755), (0, 0o777), (0, 0o1777)] {
        let directory = Directory::new();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        chown(&root, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
        as_other_user(&root, TRAPS);
        let before = tree(&root.join("users"));
        assert_eq!(before.len(), 8, "the traps are set");
        for name in ["users", "own"] {
            let builder =
                Telemetry::builder(name).directory(&root).listen(None).facade(false).sample_interval(None);
            let telemetry = builder.start().unwrap();
            let _ending = Ending(telemetry.clone());
            let refused = name == "users" || mode != 0o1777;
            assert_eq!(telemetry.directory().starts_with("/dev/shm"), refused, "{owner} {mode:o} {name}");
            record(&telemetry, "r", 3);
            assert!(telemetry.flush(Duration::from_secs(10)));
            assert_eq!(tree(&root.join("users")), before, "nothing is written");
            let mut files: Vec<_> = tree(telemetry.directory()).into_keys().collect();
            as_other_user(&root, ATTACKS.replace("users own", "own").as_str());
            record(&telemetry, "s", 3);
            assert!(telemetry.flush(Duration::from_secs(10)));
            let calls = Reader::open(telemetry.directory()).unwrap().unwrap().calls(&CallFilter::default());
            assert_eq!(calls.unwrap().len(), 6, "{owner} {mode:o} {name}");
            files.retain(|file| !file.exists());
            assert_eq!(files, [] as [PathBuf; 0]);
            if refused {
                telemetry.shutdown(Duration::from_secs(5));
                fs::remove_dir_all(telemetry.directory()).unwrap();
            }
        }
        let passwd = fs::metadata("/etc/passwd").unwrap();
        assert!(passwd.len() > 0 && passwd.is_file());
    }
}
