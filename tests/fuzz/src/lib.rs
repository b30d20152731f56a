//! Fixtures of the fuzz targets: a service whose files are edited, and the edits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use soundpost_core::{Calls, FieldRef, Level, Log, LogFields, MIN_SEGMENT_BYTES, Merge, Options};
use soundpost_core::{Registry, Seconds, ServiceDir, ServiceIdentity, Spec};
use tempfile::TempDir;

/// Length of an edit, bytes: 3 of place, 1 of width, 8 of value.
const EDIT: usize = 12;
/// Number of zero words behind a word in use that are edited as well.
const MARGIN: usize = 4;

/// Directories of a service.
pub struct Home(TempDir);

impl Home {
    /// Makes the directories.
    pub fn new() -> Self {
        let directory = tempfile::tempdir();
        let home = Self(directory.expect("a temporary directory"));
        fs::create_dir(home.path().join("shm")).expect("a directory in it");
        home
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the service's directory.
    pub fn service(&self) -> ServiceDir {
        let (state, shared) = (self.path().join("state"), self.path().join("shm"));
        ServiceDir::open_with_shared_memory(&state, "svc", &shared).expect("a service directory")
    }

    /// Opens a registry with the smallest segment.
    pub fn registry(&self) -> Arc<Registry> {
        let options = Options { segment_bytes: MIN_SEGMENT_BYTES, ..Options::default() };
        Registry::open(&self.service(), ServiceIdentity::new("svc"), options).expect("a registry")
    }

    /// Returns the path of the registry's segment, or of another file beside it.
    pub fn segment(&self, name: Option<&str>) -> PathBuf {
        let service = self.service();
        let directory = &service.segment_directories()[0];
        let files = fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.path());
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "segment");
        match name {
            Some(name) => directory.join(name),
            None => files.filter(is_segment).min().expect("a segment"),
        }
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// A file's contents, and the words that are edited: those in use and some behind them.
pub struct Template {
    bytes: Vec<u8>,
    words: Vec<usize>,
}

impl Template {
    /// Makes a template of a file's contents.
    pub fn new(bytes: Vec<u8>) -> Self {
        let is_used = |word: usize| bytes[word * 8..word * 8 + 8] != [0; 8];
        let near = |word: &usize| (word.saturating_sub(MARGIN)..=*word).any(is_used);
        let words = (0..bytes.len() / 8).filter(near).collect();
        Self { bytes, words }
    }

    /// Returns the contents after the edits that `input` encodes.
    pub fn edited(&self, input: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for edit in input.chunks_exact(EDIT) {
            let place = u32::from_le_bytes([edit[0], edit[1], edit[2], 0]) as usize;
            let start = self.words[place % self.words.len()] * 8 + usize::from(edit[3] >> 4 & 7);
            let width = [8, 4, 2, 1][usize::from(edit[3] & 3)].min(bytes.len() - start);
            bytes[start..start + width].copy_from_slice(&edit[4..4 + width]);
        }
        bytes
    }
}

/// Returns the bytes of a segment with one of everything, whose process is gone.
pub fn segment() -> Vec<u8> {
    let home = Home::new();
    let registry = home.registry();
    let calls = Calls::new(&registry).expect("request metrics");
    let family = |spec: Spec| registry.family(spec).expect("a family");
    family(Spec::counter("voices").labels(&["language"])).counter(&["en"]).expect("a counter").increment();
    family(Spec::gauge("level").merge(Merge::Last)).gauge(&[]).expect("a gauge").set(5.0);
    let sizes = family(Spec::histogram("sizes", &[1.0, 2.0]).exemplars());
    sizes.histogram(&[]).expect("a histogram").observe_with_exemplar(1.5, "req-1");
    let operation = calls.operation("op").labels(["voice"]).expect("labels");
    for voice in ["anna", "ben"] {
        let call = operation.start_with([voice]);
        call.field("seed", 7);
        call.chunk(Seconds(1.0));
        drop(call.stage("llm"));
        call.finish();
    }
    let mut fields = LogFields::new();
    fields.push("voice", FieldRef::Text("anna"));
    fields.push("speed", FieldRef::Float(1.5));
    Log { logger: "tts", fields: &fields, ..Log::new(Level::Error, "no reply") }.record(&registry);
    let running: Vec<_> = (0..2).map(|_| operation.start_with(["anna"])).collect();
    let bytes = fs::read(home.segment(None)).expect("the segment");
    drop(running);
    bytes
}

/// A service that reads edited segments of another process.
pub struct SegmentBench {
    home: Home,
    registry: Arc<Registry>,
    file: PathBuf,
    template: Template,
}

impl SegmentBench {
    /// Makes the service.
    pub fn new() -> Mutex<Self> {
        let home = Home::new();
        let registry = home.registry();
        let file = home.segment(Some("specimen.segment"));
        Mutex::new(Self { home, registry, file, template: Template::new(segment()) })
    }

    /// Writes the edited segment. Returns the service's directory and registry.
    pub fn lay(&self, input: &[u8]) -> (ServiceDir, Arc<Registry>) {
        fs::write(&self.file, self.template.edited(input)).expect("written");
        (self.home.service(), self.registry.clone())
    }

    /// Removes the segment, also one that was set aside.
    pub fn clear(&self) {
        for entry in fs::read_dir(self.file.parent().expect("a directory")).expect("a directory").flatten() {
            if entry.file_name().to_string_lossy().starts_with("specimen") {
                fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
}
