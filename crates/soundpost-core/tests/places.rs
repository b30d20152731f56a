//! Where files lie: any service name, any file system, nothing outside, nothing for others to see.
#![allow(clippy::expect_used)]

mod common;
#[path = "common/hostile.rs"]
mod hostile;
#[path = "common/processes/mod.rs"]
mod processes;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::*;
use hostile::hostile_names;
use soundpost_core::{
    Calls, MIN_SEGMENT_BYTES, Options, Registry, ServiceDir, ServiceIdentity, Spec, user_id,
};

/// Everything below a directory, links not followed.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("it exists").mode() & 0o7777
}

fn record(place: &ServiceDir, service: &str) -> std::sync::Arc<Registry> {
    let registry = Registry::open(place, ServiceIdentity::new(service), small()).expect("a registry");
    registry.family(Spec::counter("c")).expect("a family").counter(&[]).expect("a counter").increment();
    registry
}

#[test]
fn hostile_service_names_stay_in_their_directories() {
    let names = hostile_names();
    assert_eq!(names.len(), 50);
    let outer = tempfile::tempdir().expect("a directory");
    let (root, shm) = (outer.path().join("a/b/state"), outer.path().join("a/shm"));
    std::fs::create_dir_all(&shm).expect("made");
    std::fs::set_permissions(&shm, PermissionsExt::from_mode(0o777)).expect("set");
    let mut directories = Vec::new();
    for name in &names {
        let place = ServiceDir::open_with_shared_memory(&root, name, &shm).expect("any name will do");
        place.write("address", "127.0.0.1:1").expect("written");
        let registry = record(&place, name);
        assert!(registry.fallback().is_none(), "{name:?}");
        assert_eq!(place.directory().parent(), Some(&*root), "{name:?}");
        assert!(below(&outer.path().join("a")).len() > 4);
        directories.push(place.directory().to_path_buf());
    }
    directories.sort();
    directories.dedup();
    assert_eq!(directories.len(), names.len(), "no two names share a directory");
    let allowed = [outer.path().join("a/b"), shm.clone()];
    for path in below(outer.path()) {
        let inside = path.starts_with(&root) || path.starts_with(&shm) || path == outer.path().join("a");
        assert!(inside || allowed.contains(&path), "{} is outside", path.display());
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        if path != shm && inside && path != outer.path().join("a") {
            assert_eq!(mode(&path), expected, "{}", path.display());
        }
    }
    assert_eq!(mode(&root), 0o700);
}

#[test]
fn a_service_needs_a_name() {
    let home = Home::new();
    let error = ServiceDir::open_with_shared_memory(home.path(), "", home.path()).expect_err("refused");
    assert!(error.is_config() && error.to_string().contains("service"), "{error}");
}

#[test]
fn links_and_files_in_the_place_of_the_directory_are_refused() {
    let home = Home::new();
    let elsewhere = tempfile::tempdir().expect("a directory");
    symlink(elsewhere.path(), home.path().join("linked")).expect("made");
    symlink("/nowhere", home.path().join("dangling")).expect("made");
    std::fs::write(home.path().join("file"), "").expect("written");
    for name in ["linked", "dangling", "file"] {
        let error = ServiceDir::open_with_shared_memory(home.path(), name, Path::new("/nowhere")).err();
        let error = error.unwrap_or_else(|| panic!("{name} was taken"));
        assert!(error.is_io() && error.to_string().contains(name), "{error}");
    }
    assert!(below(elsewhere.path()).is_empty());
}

#[test]
fn links_in_shared_memory_are_not_followed() {
    let home = Home::new();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let shm = home.path().join("shm");
    symlink(elsewhere.path(), shm.join(format!("soundpost-{}", user_id()))).expect("made");
    let registry = record(&home.place("svc"), "svc");
    assert!(below(elsewhere.path()).is_empty(), "somebody else's trap");
    assert!(registry.fallback().is_none(), "the state directory takes it");
    assert!(home.segment_files()[0].starts_with(home.path().join("state")));
}

#[test]
fn files_that_are_links_are_not_opened() {
    let home = Home::new();
    let place = home.place("svc");
    let target = home.path().join("target");
    std::fs::write(&target, "mine").expect("written");
    symlink(&target, place.directory().join("reporter.lock")).expect("made");
    assert!(
        place.lock_files("reporter.lock").next().is_some_and(|file| ServiceDir::open_lock(&file).is_err())
    );
    symlink(&target, place.directory().join("address")).expect("made");
    place.write("address", "new").expect("the link is replaced");
    assert_eq!(std::fs::read_to_string(&target).expect("read"), "mine");
    assert_eq!(std::fs::read_to_string(place.directory().join("address")).expect("read"), "new");
}

#[test]
fn directories_of_somebody_else_are_refused() {
    let home = Home::new();
    if user_id() == 0 {
        let theirs = home.path().join("theirs");
        std::fs::create_dir(&theirs).expect("made");
        std::os::unix::fs::chown(&theirs, Some(65_534), None).expect("given away");
        let error = ServiceDir::open_with_shared_memory(home.path(), "theirs", Path::new("/nowhere")).err();
        assert!(error.expect("refused").to_string().contains("another user"));
        let shared = home.path().join(format!("shm/soundpost-{}", user_id()));
        std::fs::create_dir(&shared).expect("made");
        std::os::unix::fs::chown(&shared, Some(65_534), None).expect("given away");
        record(&home.place("svc"), "svc");
        assert!(below(&shared).is_empty());
    } else {
        // `/usr` belongs to root.
        let error = ServiceDir::open_with_shared_memory(Path::new("/"), "usr", Path::new("/nowhere")).err();
        assert!(error.expect("refused").to_string().contains("another user"));
    }
}

#[test]
fn places_that_another_user_took_are_left_empty() {
    if user_id() != 0 {
        return;
    }
    let give_away = |path: &Path| std::os::unix::fs::lchown(path, Some(65_534), None).expect("given away");
    let make: [fn(&Path, &Path); 2] =
        [|path, _| std::fs::create_dir(path).expect("made"), |path, own| symlink(own, path).expect("made")];
    for make in make {
        let home = Home::new();
        let own = home.path().join("own");
        std::fs::create_dir(&own).expect("made");
        let (root, shm) = (home.path().join("root"), home.path().join("shm"));
        let shared = shm.join(format!("soundpost-{}", user_id()));
        for path in [&root, &shared] {
            make(path, &own);
            give_away(path);
        }
        let place = ServiceDir::open_with_shared_memory(&root, "svc", &shm).expect("memory of the process");
        let (_, problem) = place.problem().expect("a problem");
        assert!(problem.contains("belongs to user 65534"), "{problem}");
        assert!(record(&place, "svc").fallback().is_some());
        assert!(place.lock_files("lock").all(|file| ServiceDir::open_lock(&file).is_err()));
        if root.is_symlink() {
            let below_link = ServiceDir::open_with_shared_memory(&root.join("new"), "svc", &shm);
            assert!(below_link.is_ok_and(|place| place.problem().is_some()));
        }
        assert_eq!([&root, &shared, &own].map(|path| below(path)), [const { Vec::<PathBuf>::new() }; 3]);
        // A reader takes no folder of another user for the service's.
        std::fs::create_dir_all(root.join("svc")).expect("made");
        give_away(&root.join("svc"));
        assert!(ServiceDir::find(&root, "svc").is_none_or(|found| found.problem().is_some()));
    }
}

/// Opens the place of a service, which is in shared memory, because the root is refused for this reason.
fn refused(home: &Home, root: &Path, reason: &str) {
    let shared = home.path().join("shm");
    let place = ServiceDir::open_with_shared_memory(root, "svc", &shared).expect("another place");
    assert!(place.directory().starts_with(&shared), "{}", place.directory().display());
    let (_, problem) = place.problem().expect("a problem");
    assert!(problem.contains(reason) && problem.contains(root.to_str().expect("UTF-8")), "{problem}");
    assert!(record(&place, "svc").fallback().is_none());
    let alone = ServiceDir::open_with_shared_memory(root, "svc", Path::new("/nowhere")).err();
    assert!(alone.expect("refused").to_string().contains(reason));
}

#[test]
fn roots_that_others_can_change_are_refused() {
    let home = Home::new();
    let root = home.path().join("root");
    std::fs::create_dir(&root).expect("made");
    for (mode, is_refused) in [(0o777, true), (0o773, true), (0o702, true), (0o755, false), (0o1777, false)] {
        std::fs::set_permissions(&root, PermissionsExt::from_mode(mode)).expect("set");
        match is_refused {
            true => refused(&home, &root, &format!("mode {mode:o}")),
            false => {
                let place = ServiceDir::open_with_shared_memory(&root, "svc", &home.path().join("shm"));
                assert_eq!(place.expect("a place").problem(), None);
            }
        }
        assert_eq!(ServiceDir::check_root(&root).is_err(), is_refused, "{mode:o}");
    }
    if user_id() == 0 {
        std::os::unix::fs::chown(&root, Some(65_534), None).expect("given away");
        std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).expect("set");
        refused(&home, &root, "it belongs to user 65534");
    }
}

#[test]
fn a_directory_that_was_open_to_others_is_closed() {
    let home = Home::new();
    let directory = home.path().join("state/svc");
    std::fs::create_dir_all(&directory).expect("made");
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).expect("set");
    record(&home.place("svc"), "svc");
    assert_eq!(mode(&directory), 0o700);
}

#[test]
fn without_shared_memory_segments_lie_in_the_state_directory() {
    let home = Home::new();
    for shm in ["/nowhere/at/all", "/proc", "/dev/null"] {
        let place = ServiceDir::open_with_shared_memory(home.path(), "svc", Path::new(shm)).expect("a place");
        let registry = record(&place, "svc");
        assert!(registry.fallback().is_none() && place.problem().is_none(), "{shm}");
        let files = home.segment_files();
        assert!(files.len() == 1 && files[0].starts_with(place.directory()), "{shm}: {files:?}");
        drop(registry);
        std::fs::remove_file(&files[0]).expect("removed");
    }
}

#[test]
fn where_the_root_cannot_be_written_shared_memory_takes_its_place() {
    let home = Home::new();
    for root in ["/proc/soundpost-test", "/sys/soundpost-test"] {
        let place = ServiceDir::open_with_shared_memory(Path::new(root), "svc", &home.path().join("shm"));
        let place = place.expect("a place all the same");
        assert!(place.problem().is_some_and(|(_, problem)| problem.contains(root)), "{:?}", place.problem());
        assert!(place.directory().starts_with(home.path()));
        place.write("address", "x").expect("it can be written");
        let registry = record(&place, "svc");
        assert!(registry.fallback().is_none());
    }
}

#[test]
fn where_nothing_can_be_written_the_host_goes_on_in_anonymous_memory() {
    let place =
        ServiceDir::open_with_shared_memory(Path::new("/proc/soundpost-test"), "svc", Path::new("/nowhere"));
    let place = place.expect("a place all the same");
    assert!(place.problem().is_some());
    let registry = record(&place, "svc");
    assert!(registry.fallback().is_some());
    let calls = Calls::new(&registry).expect("request metrics");
    let call = calls.operation("op").start();
    let mut collector = soundpost_core::snapshot::Collector::new(place, registry.clone());
    collector.take_over_last_run();
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "c", &[]), Some(1.0));
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &[("operation", "op")]), Some(1.0));
    call.finish();
    assert_eq!(collector.merge_dead(), 0);
    assert_eq!(total(&collector.snapshot(), "svc_request", &[]), 1.0);
    collector.end_run();
}

#[test]
fn a_directory_that_vanishes_is_made_again_or_done_without() {
    let home = Home::new();
    let place = home.place("svc");
    std::fs::remove_dir_all(home.path().join("shm")).expect("removed");
    let registry = record(&place, "svc");
    assert!(registry.fallback().is_none());
    std::fs::remove_dir_all(home.path().join("state")).expect("removed");
    let registry = record(&place, "svc");
    assert!(registry.fallback().is_some(), "nothing is left to write to");
}

/// A file size limit stands for a full file system: the file cannot have its pages.
#[test]
fn a_full_file_system_is_known_at_the_start_and_no_signal_later() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    let home = Home::new();
    let child = processes::fork(|| {
        // SAFETY: ignoring a signal installs no handler of ours.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.expect("ignored");
        let limit = libc::rlimit { rlim_cur: 64 * 1024, rlim_max: 64 * 1024 };
        // SAFETY: the argument is a valid limit; it holds for this child alone.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
        let place = home.place("svc");
        let options = Options { segment_bytes: MIN_SEGMENT_BYTES, ..Options::default() };
        let registry = Registry::open(&place, ServiceIdentity::new("svc"), options).expect("a registry");
        assert!(registry.fallback().is_some());
        let counter = registry.family(Spec::counter("c")).expect("a family").counter(&[]);
        counter.expect("a counter").increment_by(2.0);
        let mut collector = soundpost_core::snapshot::Collector::new(place, registry.clone());
        assert_eq!(value(&collector.snapshot(), "c", &[]), Some(2.0));
    });
    processes::wait(child);
    assert!(home.segment_files().is_empty(), "nothing half made is left");
    // The file that names the owner of the folder in shared memory may remain.
    let half_made = |path: &PathBuf| !path.is_dir() && !path.ends_with("of");
    assert!(!below(home.path()).iter().any(half_made), "{:?}", below(home.path()));
}

/// Returns the directories of a service whose only process left a segment.
fn left(root: &Path, shm: &Path) -> (ServiceDir, PathBuf) {
    let place = ServiceDir::open_with_shared_memory(root, "svc", shm).expect("directories");
    let folder = place.segment_directories()[0].clone();
    std::fs::write(folder.join("1-2.segment"), "left").expect("written");
    (place, folder)
}

#[test]
fn folder_whose_directory_is_gone_is_removed() {
    use std::os::unix::ffi::OsStrExt as _;
    let outer = tempfile::tempdir().expect("a directory");
    let shm = outer.path().join("shm");
    std::fs::create_dir(&shm).expect("made");
    let at = |name: &[u8]| outer.path().join(std::ffi::OsStr::from_bytes(name));
    let [reader, gone, file, parent, looped, bytes, link, fifo] =
        [&b"reader"[..], b"gone", b"file", b"parent", b"looped", b"bytes\xff", b"link", b"fifo"].map(at);
    let reader = ServiceDir::open_with_shared_memory(&reader, "svc", &shm).expect("directories");
    let roots = [&gone, &file, &parent, &looped, &bytes, &link, &fifo];
    let folders = roots.map(|root| left(root, &shm).1);
    for root in [&gone, &file, &parent, &looped, &link] {
        std::fs::remove_dir_all(root.join("svc")).expect("removed");
    }
    std::fs::write(file.join("svc"), "").expect("a file");
    for root in [&parent, &looped] {
        std::fs::remove_dir(root).expect("removed");
    }
    std::fs::write(&parent, "").expect("a file");
    symlink(&looped, &looped).expect("a link");
    symlink("/nonexistent/unmounted", link.join("svc")).expect("a link");
    std::fs::remove_file(folders[6].join("of")).expect("removed");
    nix::unistd::mkfifo(&folders[6].join("of"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    reader.reclaim();
    assert_eq!(folders.map(|folder| folder.exists()), [false, false, false, false, true, true, true]);
}

#[test]
fn new_directory_does_not_continue_a_removed_one() {
    let outer = tempfile::tempdir().expect("a directory");
    let (root, shm) = (outer.path().join("root"), outer.path().join("shm"));
    std::fs::create_dir(&shm).expect("made");
    let segment = left(&root, &shm).1.join("1-2.segment");
    left(&root, &shm);
    assert!(segment.exists(), "the next start continues the run");
    std::fs::remove_dir_all(&root).expect("removed");
    ServiceDir::open_with_shared_memory(&root, "svc", &shm).expect("directories");
    assert!(!segment.exists());
}
