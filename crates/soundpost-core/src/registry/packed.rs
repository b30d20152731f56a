//! Labels of a series in one allocation, because a process keeps them for every series.

use super::record::LabelPairs;

/// Label pairs sorted by name: for each the two lengths, little-endian, and the two texts.
#[derive(PartialEq, Eq)]
pub(crate) struct PackedLabels(Box<[u8]>);

const LENGTHS: usize = 4;

impl PackedLabels {
    /// Packs labels, whose names and values are far below 64 KiB.
    pub(crate) fn new(labels: &LabelPairs) -> Self {
        let mut bytes = Vec::with_capacity(labels.iter().map(|(n, v)| LENGTHS + n.len() + v.len()).sum());
        for (name, value) in labels {
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend((value.len() as u16).to_le_bytes());
            bytes.extend(name.bytes().chain(value.bytes()));
        }
        Self(bytes.into())
    }

    /// Compares the labels with the given ones.
    #[inline]
    pub(crate) fn equal<'a>(&self, mut labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        self.pairs().all(|(name, value)| {
            labels.next().is_some_and(|given| (given.0.as_bytes(), given.1.as_bytes()) == (name, value))
        }) && labels.next().is_none()
    }

    /// Reports whether one of the labels is this pair.
    pub(crate) fn contains(&self, name: &str, value: &str) -> bool {
        self.pairs().any(|pair| pair == (name.as_bytes(), value.as_bytes()))
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs().count()
    }

    pub(crate) fn unpack(&self) -> LabelPairs {
        let text = |bytes| String::from_utf8_lossy(bytes).into();
        self.pairs().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[inline]
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (lengths, texts) = rest.split_first_chunk::<LENGTHS>()?;
            let [n0, n1, v0, v1] = *lengths;
            let (name, texts) = texts.split_at_checked(usize::from(u16::from_le_bytes([n0, n1])))?;
            let (value, after) = texts.split_at_checked(usize::from(u16::from_le_bytes([v0, v1])))?;
            rest = after;
            Some((name, value))
        })
    }
}
