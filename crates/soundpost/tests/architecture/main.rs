//! Rules of the architecture: arrows between crates, circles of files, where `unsafe` stands, pure encoders.
#![allow(clippy::unwrap_used)]

mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::modules::{Crate, Use};

/// A crate and the crates it may use directly; it may use whatever these may, too.
const CRATES: [(&str, &[&str]); 16] = [
    ("soundpost-redact", &[]),
    ("soundpost-core", &["soundpost-redact"]),
    ("soundpost-vitals", &["soundpost-core"]),
    ("soundpost-store", &["soundpost-core"]),
    ("soundpost-sinks", &["soundpost-store"]),
    ("soundpost-why", &["soundpost-vitals", "soundpost-store"]),
    ("soundpost-report", &["soundpost-why", "soundpost-vitals", "soundpost-sinks"]),
    ("soundpost-macros", &[]),
    ("soundpost", &["soundpost-report", "soundpost-macros"]),
    ("soundpost-cli", &["soundpost"]),
    ("soundpost-python", &["soundpost", "soundpost-cli"]),
    // Unpublished. Only tests depend on the first two.
    ("soundpost-testkit", &[]),
    ("nvml-sim", &[]),
    ("axum-service", &["soundpost"]),
    ("existing-exporter", &["soundpost"]),
    ("soundpost-benches", &["soundpost"]),
];

/// Crates that the core may use beside its own: few, and none with a runtime, a driver or C code.
const CORE: [&str; 10] = [
    "getrandom",
    "libc",
    "loom",
    "metrics",
    "nix",
    "pin-project-lite",
    "rapidhash",
    "thiserror",
    "tracing",
    "tracing-subscriber",
];

/// Folders of encoders: functions from data to bytes that use no clock, lock, file or socket.
const ENCODERS: [&str; 2] = ["soundpost-report/src/exposition", "soundpost-sinks/src/format"];

/// Files that may hold `unsafe` code: the segment's memory, fork, and C functions of NVML without a wrapper.
const UNSAFE: [&str; 3] = [
    "soundpost-core/src/segment/region.rs",
    "soundpost-core/src/segment/fork.rs",
    "soundpost-vitals/src/gpu/raw.rs",
];

/// Crates that are an interface to C throughout, count allocations, or fork for tests.
const FOREIGN: [&str; 5] =
    ["soundpost-python", "axum-service", "soundpost-benches", "soundpost-testkit", "nvml-sim"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns the manifests of the workspace by package name.
fn manifests() -> BTreeMap<String, (PathBuf, toml::Table)> {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap().clone();
    let manifest = |member: toml::Value| {
        let directory = root().join(member.as_str().unwrap());
        let manifest: toml::Table =
            fs::read_to_string(directory.join("Cargo.toml")).unwrap().parse().unwrap();
        (manifest["package"]["name"].as_str().unwrap().to_owned(), (directory, manifest))
    };
    members.into_iter().map(manifest).collect()
}

/// Returns the names in `[dependencies]` and `[build-dependencies]`, those of targets included.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let tables = |table: &toml::Table| -> Vec<String> {
        ["dependencies", "build-dependencies"]
            .iter()
            .filter_map(|kind| table.get(*kind)?.as_table())
            .flat_map(|table| table.keys().cloned().collect::<Vec<_>>())
            .collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let of_targets =
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table);
    tables(manifest).into_iter().chain(of_targets.flat_map(tables)).collect()
}

/// Returns every crate that `name` may use, directly or through another.
fn allowed(name: &str) -> BTreeSet<&'static str> {
    let (_, direct) = CRATES.iter().find(|(known, _)| *known == name).unwrap();
    direct.iter().flat_map(|used| allowed(used).into_iter().chain([*used])).collect()
}

#[test]
fn crates_use_only_their_left_neighbours() {
    let manifests = manifests();
    for (name, (_, manifest)) in &manifests {
        let known = CRATES.iter().any(|(known, _)| known == name);
        assert!(known, "{name} is a new crate: list in {} the crates it may use", file!());
        let allowed = allowed(name);
        for used in dependencies(manifest).iter().filter(|used| manifests.contains_key(*used)) {
            assert!(allowed.contains(used.as_str()), "{name} must not depend on {used}");
        }
    }
    let core = dependencies(&manifests["soundpost-core"].1);
    let foreign = |used: &&String| !CORE.contains(&used.as_str()) && !manifests.contains_key(*used);
    let foreign: Vec<_> = core.iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "soundpost-core must not depend on {foreign:?}");
}

#[test]
fn modules_beside_each_other_form_no_circle() {
    let mut circles = String::new();
    for (name, (directory, _)) in manifests() {
        for root in roots(&directory) {
            circles += &described(&name, &Crate::read(&root).uses());
        }
    }
    assert!(circles.is_empty(), "modules that use each other in a circle:\n{circles}");
}

#[test]
fn circles_are_found_through_re_exported_names() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let circles = || described("necklace", &Crate::read(&directory.path().join("lib.rs")).uses());
    file("lib.rs", "mod one; mod two; pub use one::Bead; pub use two::Thread;");
    file("one.rs", "use crate::Thread; pub struct Bead(Thread);");
    file("two.rs", "pub struct Thread; impl Thread { fn beads(&self) -> Vec<super::Bead> { vec![] } }");
    assert!(
        circles().contains("one -> two: Thread") && circles().contains("two -> one: Bead"),
        "{}",
        circles()
    );
    file("two.rs", "pub struct Thread; fn f() { println!(\"{}\", crate::one::ONE) }");
    file("one.rs", "pub struct Bead(crate::two::Thread); pub const ONE: u8 = 1;");
    assert!(circles().contains("two -> one: ONE"), "arguments of macros count: {}", circles());
    file("two.rs", "pub struct Thread; #[cfg(test)] mod tests { use crate::Bead; }");
    assert_eq!(circles(), "", "tests do not count");
}

#[test]
fn front_files_are_short_and_name_their_exports() {
    for (directory, _) in manifests().values() {
        let Ok(text) = fs::read_to_string(directory.join("src/lib.rs")) else { continue };
        assert!(text.lines().count() < 150, "{}: a front file is a table of contents", directory.display());
        let glob = text.lines().find(|line| line.trim_start().starts_with("pub use") && line.contains('*'));
        assert_eq!(glob, None, "{}: re-exports are explicit", directory.display());
    }
}

#[test]
fn unsafe_code_stands_only_in_listed_files() {
    for (name, (directory, _)) in manifests() {
        if FOREIGN.contains(&name.as_str()) {
            continue;
        }
        for file in rust_files(&directory.join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found =
                code.filter(|line| ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|u| line.contains(u)));
            let listed = UNSAFE.iter().any(|allowed| file.ends_with(allowed)) || file.ends_with("tests.rs");
            assert!(listed || found.count() == 0, "unsafe code in {}", file.display());
        }
    }
}

#[test]
fn encoders_use_no_clock_lock_file_or_socket() {
    for folder in ENCODERS {
        for file in rust_files(&root().join("crates").join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            for impure in ["SystemTime", "Instant", "Mutex", "std::fs", "std::net", "tokio", "std::env"] {
                assert!(!text.contains(impure), "{}: an encoder uses {impure}", file.display());
            }
        }
    }
}

/// A sink waits as long as before when the wall clock is set meanwhile.
#[test]
fn delivery_uses_no_wall_clock() {
    let files = rust_files(&root().join("crates/soundpost-sinks/src/delivery"));
    assert!(!files.is_empty(), "the folder of delivery has moved");
    // The status file shows operators since when a sink has failed.
    for file in files.iter().filter(|file| !file.ends_with("status.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for wall in ["SystemTime", "unix", "chrono", "httpdate"] {
            assert!(!text.contains(wall), "{} uses {wall}", file.display());
        }
    }
}

/// Returns the root files of a package: the library's and those of its programs.
fn roots(directory: &Path) -> Vec<PathBuf> {
    let source = directory.join("src");
    let programs = fs::read_dir(source.join("bin")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let roots = [source.join("lib.rs"), source.join("main.rs")].into_iter().chain(programs);
    roots.filter(|root| root.is_file()).collect()
}

/// Describes the circles among modules with the same parent, each taken with all modules inside it. A module and those
/// inside it are one unit. The text is empty if there is no circle.
fn described(name: &str, uses: &[Use]) -> String {
    let mut levels: BTreeMap<&[String], Vec<(&str, &str, &Use)>> = BTreeMap::new();
    for used in uses {
        let shared = used.from.iter().zip(&used.to).take_while(|(from, to)| from == to).count();
        if let (Some(from), Some(to)) = (used.from.get(shared), used.to.get(shared)) {
            levels.entry(&used.from[..shared]).or_default().push((from, to, used));
        }
    }
    let mut text = String::new();
    for (parent, uses) in levels {
        let graph: DiGraphMap<&str, ()> = uses.iter().map(|(from, to, _)| (*from, *to)).collect();
        for circle in tarjan_scc(&graph).iter().filter(|circle| circle.len() > 1) {
            text += &format!("{name} {}: {}\n", parent.join("::"), circle.join(", "));
            let inside = uses.iter().filter(|(from, to, _)| circle.contains(from) && circle.contains(to));
            let line = |Use { from, to, name }: &Use| {
                format!("  {} -> {}: {name}\n", from.join("::"), to.join("::"))
            };
            text.extend(inside.map(|(_, _, used)| line(used)).collect::<BTreeSet<_>>());
        }
    }
    text
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
