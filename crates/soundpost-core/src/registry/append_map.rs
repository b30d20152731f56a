//! An insert-only map. Lookups take no lock, so they neither wait nor break across `fork`.
//!
//! Entries are in chains of `OnceLock`s. A table with more than four entries per chain is followed by one
//! four times as large; a lookup searches the largest first. Inserting needs the [`SlowPath`].

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rapidhash::fast::RapidHasher;

use crate::segment::SlowPath;

const LEVELS: usize = 8;
const FIRST_HEADS: usize = 8;
/// Mean number of entries per chain before a larger table is added.
const LOAD: usize = 4;

pub(crate) struct AppendMap<K, V> {
    levels: [OnceLock<Table<K, V>>; LEVELS],
    count: AtomicUsize,
}

type Table<K, V> = Box<[Link<K, V>]>;
type Link<K, V> = OnceLock<Box<Node<K, V>>>;

struct Node<K, V> {
    hash: u64,
    key: K,
    value: V,
    next: Link<K, V>,
}

impl<K, V> AppendMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { levels: [const { OnceLock::new() }; LEVELS], count: AtomicUsize::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns the value whose key has this hash and satisfies `same`.
    #[inline]
    pub(crate) fn get(&self, hash: u64, same: impl Fn(&K) -> bool) -> Option<&V> {
        self.node(hash, same).map(|node| &node.value)
    }

    /// Returns the key that has this hash and satisfies `same`.
    #[inline]
    pub(crate) fn get_key(&self, hash: u64, same: impl Fn(&K) -> bool) -> Option<&K> {
        self.node(hash, same).map(|node| &node.key)
    }

    /// Returns the key and value whose key has this hash and satisfies `same`.
    #[inline]
    pub(crate) fn get_entry(&self, hash: u64, same: impl Fn(&K) -> bool) -> Option<(&K, &V)> {
        self.node(hash, same).map(|node| (&node.key, &node.value))
    }

    #[inline]
    fn node(&self, hash: u64, same: impl Fn(&K) -> bool) -> Option<&Node<K, V>> {
        for level in self.levels.iter().rev().filter_map(OnceLock::get) {
            let mut link = &level[hash as usize & (level.len() - 1)];
            while let Some(node) = link.get() {
                if node.hash == hash && same(&node.key) {
                    return Some(node);
                }
                link = &node.next;
            }
        }
        None
    }

    /// Adds an entry; the caller has checked that the key is new.
    pub(crate) fn insert(&self, _slow: &SlowPath, hash: u64, key: K, value: V) -> &V {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let heads = |level: usize| FIRST_HEADS << (2 * level);
        let level = (0..LEVELS - 1).find(|level| count < LOAD * heads(*level)).unwrap_or(LEVELS - 1);
        let table = self.levels[level].get_or_init(|| (0..heads(level)).map(|_| OnceLock::new()).collect());
        let mut link = &table[hash as usize & (table.len() - 1)];
        while let Some(node) = link.get() {
            link = &node.next;
        }
        &link.get_or_init(|| Box::new(Node { hash, key, value, next: OnceLock::new() })).value
    }

    /// Returns all keys in arbitrary order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        let links = self.levels.iter().filter_map(OnceLock::get).flat_map(|level| level.iter());
        links.flat_map(|link| std::iter::successors(link.get(), |node| node.next.get())).map(|node| &node.key)
    }
}

#[inline]
pub(crate) fn hash_of(key: impl Hash) -> u64 {
    let mut hasher = RapidHasher::default_const();
    key.hash(&mut hasher);
    hasher.finish()
}
