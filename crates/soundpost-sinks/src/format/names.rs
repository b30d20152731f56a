//! Valid and unique names of fields.

use std::ops::Range;

use super::losses::Losses;

/// Maximum number of fields of an event or a point.
pub(crate) const FIELDS: usize = 256;
/// Maximum length of a name, bytes.
pub(crate) const NAME: usize = 256;

/// Whether a name can contain each byte.
pub(crate) type Alphabet = [bool; 256];

/// Returns the alphabet of ASCII letters, digits and `others`.
pub(crate) const fn alphabet(others: &[u8]) -> Alphabet {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        allowed[others[at] as usize] = true;
        at += 1;
    }
    allowed
}

/// Appends a name with `_` in place of every disallowed character.
pub(crate) fn push_allowed(out: &mut Vec<u8>, name: &str, allowed: &Alphabet, losses: &mut Losses) {
    let cut = &name[..name.floor_char_boundary(NAME)];
    losses.shortened += u64::from(cut.len() < name.len());
    // Testing all bytes is faster than stopping at the first disallowed one.
    if cut.bytes().fold(true, |all, byte| all & allowed[usize::from(byte)]) {
        return out.extend_from_slice(cut.as_bytes());
    }
    let clean = |c: char| u8::try_from(c).ok().filter(|byte| allowed[usize::from(*byte)]);
    out.extend(cut.chars().map(|c| clean(c).unwrap_or(b'_')));
    losses.cleaned += 1;
}

pub(crate) struct Reserved {
    names: &'static [&'static str],
    marks: Marks,
}

impl Reserved {
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        let mut marks = Marks([0; 16]);
        let mut at = 0;
        while at < names.len() {
            marks.set(Marks::of(names[at].as_bytes()));
            at += 1;
        }
        Self { names, marks }
    }
}

pub(crate) struct Name {
    pub(crate) place: Range<usize>,
    mark: u16,
}

impl Name {
    /// Returns the name from `start` on.
    #[inline]
    pub(crate) fn written(out: &[u8], start: usize) -> Self {
        Self { place: start..out.len(), mark: Marks::of(&out[start..]) }
    }
}

/// Names that are taken in a record: places in what is written.
pub(crate) struct UsedNames {
    reserved: &'static Reserved,
    names: Vec<Range<usize>>,
    /// Marks of all names. A name is searched only if its mark is set.
    marks: Marks,
}

impl UsedNames {
    pub(crate) fn new(reserved: &'static Reserved) -> Self {
        Self { reserved, names: Vec::with_capacity(32), marks: reserved.marks }
    }

    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.marks = self.reserved.marks;
    }

    /// Returns the places of the names, in the order in which they were added.
    pub(crate) fn places(&self) -> &[Range<usize>] {
        &self.names
    }

    #[inline]
    pub(crate) fn add(&mut self, name: Name) {
        self.marks.set(name.mark);
        self.names.push(name.place);
    }

    /// Makes the name from `start` on unique by a `_` at its end. Returns `None` if it is empty or still used. `lost`
    /// counts the losses of this name, which is cleaned at most once.
    pub(crate) fn resolve(&self, out: &mut Vec<u8>, start: usize, lost: &mut Losses) -> Option<Name> {
        if out.len() == start {
            return None;
        }
        let name = Name::written(out, start);
        if !self.contains(out, &name) {
            return Some(name);
        }
        out.push(b'_');
        lost.cleaned = 1;
        let name = Name::written(out, start);
        (!self.contains(out, &name)).then_some(name)
    }

    #[inline]
    fn contains(&self, out: &[u8], name: &Name) -> bool {
        self.marks.has(name.mark) && self.search(out, &out[name.place.clone()])
    }

    fn search(&self, out: &[u8], name: &[u8]) -> bool {
        self.reserved.names.iter().any(|reserved| reserved.as_bytes() == name)
            || self.names.iter().any(|other| out[other.clone()] == *name)
    }
}

/// A set of short hashes of names.
#[derive(Clone, Copy)]
struct Marks([u64; 16]);

impl Marks {
    #[inline]
    const fn of(name: &[u8]) -> u16 {
        let Some(last) = name.len().checked_sub(1) else { return 0 };
        let some = [name[last], name[last / 2], name[last / 4], name[last - last / 4]];
        let mixed = (u32::from_le_bytes(some) ^ name.len() as u32).wrapping_mul(0x9E37_79B1);
        (mixed >> 22) as u16
    }

    #[inline]
    const fn set(&mut self, mark: u16) {
        self.0[(mark >> 6) as usize] |= 1 << (mark & 63);
    }

    #[inline]
    fn has(&self, mark: u16) -> bool {
        self.0[usize::from(mark >> 6)] >> (mark & 63) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    static RESERVED: Reserved = Reserved::new(&["ab", "b"]);

    proptest! {
        #[test]
        fn names_are_unique_whatever_their_marks(names in vec("[ab_]{0,3}|[a-z_]{1,20}", 0..300)) {
            let mut expected: HashSet<String> = RESERVED.names.iter().map(|name| (*name).to_owned()).collect();
            let (mut out, mut taken) = (Vec::new(), UsedNames::new(&RESERVED));
            for name in names {
                let (start, mut lost) = (out.len(), Losses::default());
                out.extend_from_slice(name.as_bytes());
                let resolved = taken.resolve(&mut out, start, &mut lost);
                let free = [name.clone(), name.clone() + "_"].into_iter().find(|free| !expected.contains(free));
                let free = free.filter(|_| !name.is_empty());
                let text = |name: &Name| String::from_utf8(out[name.place.clone()].to_vec()).unwrap();
                let cleaned = !name.is_empty() && free.as_ref() != Some(&name);
                prop_assert_eq!((resolved.as_ref().map(text), lost.cleaned == 1), (free.clone(), cleaned));
                expected.extend(free);
                resolved.into_iter().for_each(|name| taken.add(name));
            }
        }
    }
}
