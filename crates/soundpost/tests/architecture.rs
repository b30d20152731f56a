//! Tests of the dependencies between crates and modules.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A name and the names it may use.
type Uses = (&'static str, &'static [&'static str]);

/// `redact <- core <- {vitals, store}`, `store <- sinks`, `{vitals, sinks} <- report <- soundpost <- {cli, python}`,
/// `macros <- soundpost`; examples and benchmarks may use what a user or a peer of theirs could.
const CRATES: [Uses; 15] = [
    ("soundpost-redact", &[]),
    ("soundpost-core", &["soundpost-redact"]),
    ("soundpost-macros", &[]),
    ("soundpost-vitals", &["soundpost-core"]),
    ("soundpost-store", &["soundpost-core"]),
    ("soundpost-sinks", &["soundpost-core", "soundpost-store"]),
    ("soundpost-report", &["soundpost-core", "soundpost-sinks", "soundpost-store", "soundpost-vitals"]),
    (
        "soundpost",
        &[
            "soundpost-core",
            "soundpost-macros",
            "soundpost-report",
            "soundpost-sinks",
            "soundpost-store",
            "soundpost-vitals",
        ],
    ),
    ("soundpost-cli", &["soundpost"]),
    ("soundpost-python", &["soundpost", "soundpost-cli"]),
    ("soundpost-testkit", &[]),
    ("nvml-sim", &[]),
    ("axum-service", &["soundpost"]),
    ("existing-exporter", &["soundpost"]),
    (
        "soundpost-benches",
        &[
            "soundpost",
            "soundpost-core",
            "soundpost-redact",
            "soundpost-report",
            "soundpost-sinks",
            "soundpost-store",
        ],
    ),
];

/// Allowed dependencies of the core: few, and none that is slow, remote or of another language.
const CORE: [&str; 11] = [
    "getrandom",
    "libc",
    "loom",
    "metrics",
    "nix",
    "pin-project-lite",
    "rapidhash",
    "soundpost-redact",
    "thiserror",
    "tracing",
    "tracing-subscriber",
];

/// Modules of a crate and the modules of the same crate each may use. `error` and the like are leaves.
const MODULES: [(&str, &[Uses]); 2] = [
    (
        "soundpost-core",
        &[
            ("sync", &[]),
            ("error", &[]),
            ("clock", &[]),
            ("thread", &[]),
            ("step", &[]),
            ("field", &[]),
            ("segment", &["sync", "error", "clock", "step"]),
            ("registry", &["sync", "error", "clock", "thread", "segment"]),
            ("per_process", &["segment", "registry"]),
            ("history", &["sync", "error", "clock", "thread", "segment"]),
            ("log", &["clock", "field", "segment", "registry"]),
            (
                "call",
                &[
                    "sync",
                    "error",
                    "clock",
                    "thread",
                    "field",
                    "segment",
                    "registry",
                    "history",
                    "per_process",
                ],
            ),
            ("layer", &["thread", "field", "registry", "log", "call"]),
            ("snapshot", &["sync", "error", "clock", "step", "segment", "registry", "call", "log"]),
        ],
    ),
    (
        "soundpost-report",
        &[
            ("exposition", &[]),
            ("election", &[]),
            ("server", &["exposition"]),
            ("config", &["server"]),
            ("context", &["config"]),
            ("reporter", &["config", "context", "election", "exposition", "server"]),
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Manifests of the workspace by package name.
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

/// Names in `[dependencies]` and `[build-dependencies]`, also of targets; tests may use more.
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

#[test]
fn crates_have_only_the_allowed_dependencies() {
    let manifests = manifests();
    let known: BTreeSet<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    let own: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    assert_eq!(own, known, "a crate was added or removed: say here what it may depend on");
    for (name, allowed) in CRATES {
        for dependency in dependencies(&manifests[name].1).iter().filter(|name| own.contains(name.as_str())) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
    let core = dependencies(&manifests["soundpost-core"].1);
    let foreign: Vec<_> = core.iter().filter(|name| !CORE.contains(&name.as_str())).collect();
    assert!(foreign.is_empty(), "soundpost-core must not depend on {foreign:?}");
}

#[test]
fn modules_have_only_the_allowed_dependencies() {
    let manifests = manifests();
    for (name, modules) in MODULES {
        let source = manifests[name].0.join("src");
        for (module, uses) in modules_of(&source) {
            let Some((_, allowed)) = modules.iter().find(|(known, _)| *known == module) else {
                panic!("{name}: say in {} what the new module {module:?} may use", file!());
            };
            for path in uses {
                let other = path.split("::").next().unwrap_or_default();
                let whole = allowed.contains(&other);
                let part = allowed.iter().any(|allowed| path.starts_with(allowed));
                assert!(
                    other == module || whole || part,
                    "{name}: module {module:?} must not use crate::{path}"
                );
            }
        }
    }
}

#[test]
fn front_files_are_short_and_name_what_they_export() {
    for (directory, _) in manifests().values() {
        let Ok(text) = fs::read_to_string(directory.join("src/lib.rs")) else { continue };
        assert!(text.lines().count() < 150, "{}: a front file is a table of contents", directory.display());
        let glob = text.lines().find(|line| line.trim_start().starts_with("pub use") && line.contains('*'));
        assert_eq!(glob, None, "{}: re-exports are explicit", directory.display());
    }
}

#[test]
fn unsafe_code_is_only_in_the_allowed_files() {
    // Memory and fork; and symbols of NVML that its wrapper offers only as C functions.
    let allowed = [
        "soundpost-core/src/segment/region.rs",
        "soundpost-core/src/segment/fork.rs",
        "soundpost-vitals/src/gpu/raw.rs",
    ];
    for (name, (directory, _)) in manifests() {
        // The binding and the engine of an example are FFI; the benchmarks count allocations; tests fork.
        let foreign =
            ["soundpost-python", "axum-service", "soundpost-benches", "soundpost-testkit", "nvml-sim"];
        if foreign.contains(&name.as_str()) {
            continue;
        }
        for file in rust_files(&directory.join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found =
                code.filter(|line| ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|u| line.contains(u)));
            let place = allowed.iter().any(|allowed| file.ends_with(allowed)) || file.ends_with("tests.rs");
            assert!(place || found.count() == 0, "unsafe code in {}", file.display());
        }
    }
}

/// Top-level modules and the `crate::` paths each uses, without their tests.
fn modules_of(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in rust_files(source) {
        if file.ends_with("tests.rs") || file.ends_with("lib.rs") {
            continue;
        }
        let inside = file.strip_prefix(source).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        modules.entry(module).or_default().extend(crate_paths(text));
    }
    modules
}

/// Every `crate::a::B` in code; a braced list counts each of its entries, and a name that `lib.rs`
/// re-exports counts as nothing of a module.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut paths = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':').to_owned();
        match rest[end..].strip_prefix('{').and_then(|list| list.split('}').next()) {
            Some(list) => paths.extend(list.split(',').map(|entry| format!("{path}::{}", entry.trim()))),
            None => drop(paths.insert(path)),
        }
    }
    paths.retain(|path| path.starts_with(|c: char| c.is_lowercase()));
    paths
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

/// A clock that is set while a sink waits changes nothing about how long: these modules know no wall clock.
#[test]
fn sinks_wait_by_the_monotonic_clock() {
    let sink = root().join("crates/soundpost-sinks/src/delivery");
    for module in ["bisect", "health", "backoff", "throttle", "breaker", "worker", "workers"] {
        let text = fs::read_to_string(sink.join(format!("{module}.rs"))).unwrap();
        for wall in ["SystemTime", "unix", "chrono", "httpdate"] {
            assert!(!text.contains(wall), "{module} has {wall}");
        }
    }
}
