//! Directory records of families and series: written by the registry, read by every process.

use super::kind::{Merge, MetricKind, Repr};
use super::unit::{Scale, Unit};
use crate::segment::{Payload, Record, RecordKind};

/// Label pairs sorted by name.
pub(crate) type LabelPairs = Box<[(Box<str>, Box<str>)]>;

#[derive(Clone, Debug)]
pub(crate) struct FamilyRecord {
    pub(crate) name: String,
    /// Name as the caller wrote it.
    pub(crate) given: String,
    pub(crate) help: String,
    pub(crate) kind: MetricKind,
    pub(crate) repr: Repr,
    pub(crate) merge: Merge,
    pub(crate) unit: Unit,
    pub(crate) scale: Scale,
    pub(crate) exemplars: bool,
    pub(crate) bounds: Vec<f64>,
}

impl FamilyRecord {
    /// Returns the number of words of a series in a lane.
    pub(crate) fn cells(&self) -> usize {
        match self.repr {
            Repr::Whole | Repr::Float => 1,
            Repr::Gauge => 3,
            Repr::Distribution => self.bounds.len() + 2,
        }
    }

    pub(crate) fn encode(&self) -> Payload {
        let traits = self.kind as u64
            | (self.repr as u64) << 8
            | (self.merge as u64) << 16
            | (self.unit as u64) << 24
            | u64::from(self.exemplars) << 32;
        let payload = Payload::default()
            .word(traits)
            .word(self.scale.times.to_bits())
            .word(self.scale.over.to_bits())
            .text(&self.name)
            .text(&self.given)
            .text(&self.help)
            .word(self.bounds.len() as u64);
        self.bounds.iter().fold(payload, |payload, bound| payload.word(bound.to_bits()))
    }

    pub(crate) fn decode(record: &Record) -> Option<Self> {
        let mut reader = (record.kind == RecordKind::Family).then(|| record.payload.reader())?;
        let traits = reader.word()?;
        let code = |shift: u32| (traits >> shift & 0xFF) as usize;
        let times = f64::from_bits(reader.word()?);
        let over = f64::from_bits(reader.word()?);
        let (name, given, help) = (reader.text()?, reader.text()?, reader.text()?);
        let bounds =
            (0..reader.count()?).map(|_| reader.word().map(f64::from_bits)).collect::<Option<_>>()?;
        Some(Self {
            name,
            given,
            help,
            kind: *MetricKind::ALL.get(code(0))?,
            repr: *Repr::ALL.get(code(8))?,
            merge: *Merge::ALL.get(code(16))?,
            unit: *Unit::ALL.get(code(24))?,
            scale: Scale { times, over },
            exemplars: traits >> 32 & 1 == 1,
            bounds,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SeriesRecord {
    /// Position of the family's record.
    pub(crate) family: u32,
    pub(crate) cell: u32,
    /// First exemplar place; `None` without exemplars.
    pub(crate) exemplars: Option<u32>,
    pub(crate) labels: LabelPairs,
}

impl SeriesRecord {
    pub(crate) fn encode(&self) -> Payload {
        // Two numbers of 32 bits share a word, because there may be many series.
        let places = self.exemplars.map_or(0, |place| u64::from(place) + 1);
        let payload = Payload::default().word(u64::from(self.family) | u64::from(self.cell) << 32);
        encode_labels(payload, &self.labels, places)
    }

    pub(crate) fn decode(record: &Record) -> Option<Self> {
        let mut reader = (record.kind == RecordKind::Series).then(|| record.payload.reader())?;
        let place = reader.word()?;
        let (labels, places) = decode_labels(&mut reader)?;
        let exemplars = places.checked_sub(1);
        Some(Self { family: place as u32, cell: (place >> 32) as u32, exemplars, labels })
    }
}

/// Record of an operation and its label values.
#[derive(Clone, Debug)]
pub(crate) struct OperationRecord {
    pub(crate) operation: String,
    pub(crate) labels: LabelPairs,
}

impl OperationRecord {
    pub(crate) fn encode(&self) -> Payload {
        encode_labels(Payload::default().text(&self.operation), &self.labels, 0)
    }

    pub(crate) fn decode(record: &Record) -> Option<Self> {
        let mut reader = (record.kind == RecordKind::Operation).then(|| record.payload.reader())?;
        Some(Self { operation: reader.text()?, labels: decode_labels(&mut reader)?.0 })
    }
}

/// Encodes labels, with a number of 32 bits in the word of their count.
fn encode_labels(payload: Payload, labels: &LabelPairs, beside: u64) -> Payload {
    let payload = payload.word(labels.len() as u64 | beside << 32);
    labels.iter().fold(payload, |payload, (name, value)| payload.pair(name, value))
}

fn decode_labels(reader: &mut crate::segment::PayloadReader<'_>) -> Option<(LabelPairs, u32)> {
    let word = reader.word()?;
    let count = reader.at_most((word & 0xFFFF_FFFF) as usize)?;
    let labels = (0..count)
        .map(|_| reader.pair().map(|(name, value)| (name.into(), value.into())))
        .collect::<Option<_>>()?;
    Some((labels, (word >> 32) as u32))
}

/// Record of a fact about the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    /// Name, namespace, version, commit, instance of the service; empty where unknown.
    Service { name: String, namespace: String, version: String, commit: String, instance: String },
    /// A label on every metric of the segment.
    Label { name: String, value: String },
    /// A segment whose totals are already part of this one.
    Folded { id: u64 },
    /// A fact about one process that writes the segment.
    Process { pid: u64, name: String, value: String },
}

impl Meta {
    pub(crate) fn encode(&self) -> Payload {
        match self {
            Self::Service { name, namespace, version, commit, instance } => {
                let payload = Payload::default().word(1).text(name).text(namespace);
                payload.text(version).text(commit).text(instance)
            }
            Self::Label { name, value } => Payload::default().word(2).text(name).text(value),
            Self::Folded { id } => Payload::default().word(3).word(*id),
            Self::Process { pid, name, value } => {
                Payload::default().word(4).word(*pid).text(name).text(value)
            }
        }
    }

    pub(crate) fn decode(record: &Record) -> Option<Self> {
        let mut reader = (record.kind == RecordKind::Meta).then(|| record.payload.reader())?;
        Some(match reader.word()? {
            1 => Self::Service {
                name: reader.text()?,
                namespace: reader.text()?,
                version: reader.text()?,
                commit: reader.text()?,
                // Segments of older builds have none.
                instance: reader.text().unwrap_or_default(),
            },
            2 => Self::Label { name: reader.text()?, value: reader.text()? },
            3 => Self::Folded { id: reader.word()? },
            4 => Self::Process { pid: reader.word()?, name: reader.text()?, value: reader.text()? },
            _ => return None,
        })
    }
}
