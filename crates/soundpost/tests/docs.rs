//! The documentation: its Rust examples are code that runs, the metric reference is up to date, links lead
//! somewhere, and what can go wrong is explained.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

// The examples are run as they stand; not every one uses everything that another does.
#[allow(dead_code)]
#[path = "../examples/beside_exporter.rs"]
mod beside_exporter;
#[allow(dead_code)]
#[path = "../examples/instrumenting.rs"]
mod instrumenting;
#[allow(dead_code)]
#[path = "../examples/logging.rs"]
mod logging;
#[allow(dead_code)]
#[path = "../examples/metric_reference.rs"]
mod metric_reference;
#[allow(dead_code)]
#[path = "../examples/own_metrics.rs"]
mod own_metrics;
#[allow(dead_code)]
#[path = "../examples/readme.rs"]
mod readme;
#[allow(dead_code)]
#[path = "../examples/settings_reference.rs"]
mod settings_reference;
#[allow(dead_code)]
#[path = "../examples/sink_reference.rs"]
mod sink_reference;
#[allow(dead_code)]
#[path = "../examples/sinks.rs"]
mod sinks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn readme_runs() {
    in_a_process("readme_runs", || readme::main().unwrap());
}

#[test]
fn instrumenting_runs() {
    in_a_process("instrumenting_runs", || instrumenting::main().unwrap());
}

#[test]
fn logging_runs() {
    in_a_process("logging_runs", || logging::main().unwrap());
}

#[test]
fn own_metrics_runs() {
    in_a_process("own_metrics_runs", || own_metrics::main().unwrap());
}

#[test]
fn sinks_runs() {
    in_a_process("sinks_runs", || sinks::main().unwrap());
}

#[cfg(feature = "metrics-exporter-prometheus")]
#[test]
fn beside_exporter_runs() {
    in_a_process("beside_exporter_runs", || beside_exporter::main().unwrap());
}

#[test]
fn metric_reference_is_up_to_date() {
    in_a_process("metric_reference_is_up_to_date", || {
        let path = root().join("docs/metrics.md");
        let written = fs::read_to_string(&path).unwrap_or_default();
        let made = metric_reference::reference().unwrap();
        assert!(
            written == made,
            "docs/metrics.md is out of date; run: cargo run -p soundpost --features sinks --example metric_reference > docs/metrics.md"
        );
    });
}

#[test]
fn settings_reference_is_up_to_date() {
    let written = fs::read_to_string(root().join("docs/guide/settings.md")).unwrap_or_default();
    assert!(
        written == settings_reference::reference(),
        "docs/guide/settings.md is out of date; run: cargo run -p soundpost --example settings_reference > \
         docs/guide/settings.md"
    );
}

#[test]
fn sink_options_are_up_to_date() {
    let generated = [
        ("docs/guide/sink-options.md", "guide", sink_reference::guide()),
        ("python/soundpost/_sinks.pyi", "python", sink_reference::stubs()),
    ];
    for (file, argument, expected) in generated {
        let written = fs::read_to_string(root().join(file)).unwrap_or_default();
        let command = format!(
            "cargo run -p soundpost --features sinks --example sink_reference -- {argument} > {file}"
        );
        assert!(written == expected, "{file} is out of date; run: {command}");
    }
}

/// A Rust block in the README or the guide stands, line by line, in an example that is run above.
#[test]
fn rust_blocks_are_parts_of_the_examples() {
    let examples: Vec<(PathBuf, Vec<String>)> = files(&root().join("crates/soundpost/examples"), "rs")
        .into_iter()
        .map(|path| (path.clone(), lines(&fs::read_to_string(path).unwrap())))
        .collect();
    let mut blocks = 0;
    for document in documents() {
        for block in rust_blocks(&fs::read_to_string(&document).unwrap()) {
            blocks += 1;
            let wanted = lines(&block);
            let found =
                examples.iter().any(|(_, lines)| lines.windows(wanted.len()).any(|part| part == wanted));
            assert!(
                found,
                "{}: no example of crates/soundpost/examples has this:\n{block}",
                document.display()
            );
        }
    }
    assert!(blocks >= 8, "only {blocks} Rust blocks were found");
}

#[test]
fn links_lead_somewhere() {
    for document in documents().into_iter().chain(files(&root().join("docs"), "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let path = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: {target} leads nowhere", document.display());
            if !anchor.is_empty() && path.is_file() {
                let anchors = anchors(&fs::read_to_string(&path).unwrap());
                assert!(anchors.contains(anchor), "{}: no heading for {target}", document.display());
            }
        }
    }
}

#[test]
fn the_documents_name_the_oldest_rust() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let version = workspace["workspace"]["package"]["rust-version"].as_str().unwrap().to_owned();
    for name in ["README.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        assert!(
            text.contains(&format!("Rust {version} or newer")),
            "{name} does not say Rust {version} or newer"
        );
    }
}

/// Every `part` of `soundpost_errors_total` and every `reason` of `unhealthy` in the sources has its row.
#[test]
fn troubleshooting_knows_every_fault() {
    const CALLS: [&str; 7] =
        ["warn_once(", "warn(", "count_error(", "fault(", "set_unhealthy(", ".unhealthy(", "self.guarded("];
    let text = fs::read_to_string(root().join("docs/guide/troubleshooting.md")).unwrap();
    let mut sources = files(&root().join("crates"), "rs");
    sources.retain(|file| file.iter().any(|part| part == "src"));
    sources.extend(files(&root().join("python/soundpost"), "py"));
    let mut parts = BTreeSet::new();
    for file in sources {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in CALLS {
            parts.extend(source.split(call).skip(1).filter_map(first_literal));
        }
        if file.ends_with("soundpost-python/src/fault.rs") {
            parts.extend(source.split("&str = ").skip(1).filter_map(first_literal));
        }
    }
    // The number is a bar: a renamed function must not remove its parts from this test.
    assert!(parts.len() > 30, "{parts:?}");
    for part in parts {
        assert!(
            text.contains(&format!("| `{part}`")),
            "docs/guide/troubleshooting.md does not explain {part:?}"
        );
    }
}

/// The first argument of a call, if it is a literal.
fn first_literal(arguments: &str) -> Option<String> {
    let (literal, _) = arguments.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(literal.to_owned())
}

/// Runs one test in a process of its own: telemetry is one a process, and its files go to a directory that is
/// removed.
fn in_a_process(test: &str, body: fn()) {
    const CHILD: &str = "SOUNDPOST_DOCS_TEST";
    if std::env::var_os(CHILD).is_some_and(|running| running == test) {
        return body();
    }
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .env("SOUNDPOST_DIRECTORY", directory.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{test}:\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where examples are for readers to copy.
fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("README.md")];
    documents.extend(files(&root().join("docs/guide"), "md"));
    documents
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { self::files(&path, extension) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn rust_blocks(text: &str) -> Vec<String> {
    let parts = text.split("\n```rust\n").skip(1);
    parts.filter_map(|part| Some(part.split_once("\n```")?.0.to_owned())).collect()
}

/// Lines without indentation, and without empty ones.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}
