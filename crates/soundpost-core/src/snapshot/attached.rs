//! One segment being read, with the records of its directory so far.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::Labels;
use crate::registry::{FamilyRecord, LabelPairs, Meta, OperationRecord, SeriesRecord, gauge_cell};
use crate::segment::{Lookup, Owner, Record, RecordKind, Source};

pub(super) struct Attached {
    pub(super) source: Source,
    position: u32,
    /// Records that were reserved and not complete when they were passed.
    unfinished: Vec<u32>,
    /// Whether the last read ended in a damaged region.
    stuck: bool,
    families: HashMap<u32, Arc<FamilyRecord>>,
    pub(super) operations: HashMap<u32, OperationRecord>,
    pub(super) identity: Option<Meta>,
    constant: Vec<(Arc<str>, Arc<str>)>,
    /// Facts about processes: pid, name, value.
    pub(super) facts: Vec<(u64, String, String)>,
    pub(super) damaged: u64,
}

pub(super) enum News {
    /// A series, with its family and complete labels.
    Series { family: Arc<FamilyRecord>, labels: Labels, record: SeriesRecord, at: u32 },
    /// Help given after the family.
    Help { family: Arc<FamilyRecord>, help: String },
    /// A family without series so far.
    Family { family: Arc<FamilyRecord> },
}

impl Attached {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            position: 0,
            unfinished: Vec::new(),
            stuck: false,
            families: HashMap::new(),
            operations: HashMap::new(),
            identity: None,
            constant: Vec::new(),
            facts: Vec::new(),
            damaged: 0,
        }
    }

    /// Returns the entries appended since the last read.
    pub(super) fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for record in self.appended() {
            self.take(record, &mut news);
        }
        news
    }

    /// Returns the records completed since the last read, in order.
    fn appended(&mut self) -> Vec<Record> {
        let directory = self.source.directory();
        let mut records = Vec::new();
        self.unfinished.retain(|at| match directory.get(*at) {
            Lookup::Record(record) => {
                records.push(record);
                false
            }
            Lookup::Unfinished => true,
            Lookup::Damaged => {
                self.damaged += 1;
                false
            }
        });
        let mut scan = directory.read(self.position);
        records.extend(&mut scan);
        // A damaged end is met at every read, and counted once.
        self.damaged += scan.damaged().saturating_sub(u64::from(self.stuck));
        self.stuck = scan.is_stuck();
        self.position = scan.position();
        self.unfinished.extend(scan.unfinished());
        if !self.unfinished.is_empty() && self.source.is_dead() {
            self.damaged += self.unfinished.len() as u64;
            self.unfinished.clear();
        }
        records
    }

    fn take(&mut self, record: Record, news: &mut Vec<News>) {
        match record.kind {
            RecordKind::Meta => match Meta::decode(&record) {
                Some(Meta::Label { name, value }) => self.constant.push((name.into(), value.into())),
                Some(Meta::Folded { .. }) => {}
                Some(Meta::Process { pid, name, value }) => self.facts.push((pid, name, value)),
                Some(identity @ Meta::Service { .. }) => self.identity = Some(identity),
                None => self.damaged += 1,
            },
            RecordKind::Family => match FamilyRecord::decode(&record).map(Arc::new) {
                Some(family) => {
                    self.families.insert(record.at, family.clone());
                    news.push(News::Family { family });
                }
                None => self.damaged += 1,
            },
            RecordKind::Describe => {
                let mut reader = record.payload.reader();
                let family = reader.word().and_then(|at| self.families.get(&u32::try_from(at).ok()?));
                if let (Some(family), Some(help)) = (family, reader.text()) {
                    news.push(News::Help { family: family.clone(), help });
                }
            }
            RecordKind::Series => {
                let series = SeriesRecord::decode(&record);
                match series.and_then(|series| Some((self.family(series.family)?, series))) {
                    Some((family, series)) => {
                        let labels = with_constant(&series.labels, &self.constant);
                        news.push(News::Series { family, labels, record: series, at: record.at });
                    }
                    None => self.damaged += 1,
                }
            }
            RecordKind::Operation => match OperationRecord::decode(&record) {
                Some(set) => drop(self.operations.insert(record.at, set)),
                None => self.damaged += 1,
            },
            RecordKind::Stage => {}
        }
    }

    /// Returns the family at a position. A family that was incomplete when it was passed is complete when a
    /// series refers to it.
    fn family(&mut self, at: u32) -> Option<Arc<FamilyRecord>> {
        if let Some(family) = self.families.get(&at) {
            return Some(family.clone());
        }
        let Lookup::Record(record) = self.source.directory().get(at) else { return None };
        let family = Arc::new(FamilyRecord::decode(&record)?);
        self.families.insert(at, family.clone());
        Some(family)
    }

    /// Returns the complete labels of an operation, including `extra`.
    pub(super) fn call_labels(&self, set: &OperationRecord, extra: &[(&str, &str)]) -> Labels {
        let own = extra.iter().copied().chain([("operation", set.operation.as_str())]);
        let mut labels: LabelPairs = set.labels.clone();
        labels = labels.into_iter().chain(own.map(|(name, value)| (name.into(), value.into()))).collect();
        with_constant(&labels, &self.constant)
    }

    pub(super) fn constant_labels(&self, extra: &[(&str, &str)]) -> Labels {
        let labels: LabelPairs =
            extra.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        with_constant(&labels, &self.constant)
    }

    /// Returns the owner of the gauge at `cell`, its value, and the time of its last set.
    pub(super) fn gauge(&self, cell: u32) -> Option<(Owner, f64, u64)> {
        let read = |word: u32| self.source.shared(cell.checked_add(word)?);
        let owner = Owner::from_word(read(gauge_cell::OWNER)?);
        Some((owner, f64::from_bits(read(gauge_cell::VALUE)?), read(gauge_cell::SET)?))
    }
}

/// Adds constant labels whose name is not taken, and sorts.
fn with_constant(labels: &LabelPairs, constant: &[(Arc<str>, Arc<str>)]) -> Labels {
    let missing = constant.iter().filter(|(name, _)| !labels.iter().any(|(label, _)| **label == **name));
    let own = labels.iter().map(|(name, value)| (Arc::from(&**name), Arc::from(&**value)));
    let mut all: Vec<(Arc<str>, Arc<str>)> = own.chain(missing.cloned()).collect();
    all.sort();
    all.into()
}
