//! Pages of a file of SQLite: the places of the rows of a table.

use std::ops::Range;
use std::path::Path;

use rusqlite::Connection;

const PAGE_BYTES: usize = 4096;
/// Kinds of pages: with rows below others, and with rows alone.
const INTERIOR_INDEX: u8 = 2;
const LEAF_INDEX: u8 = 10;
const LEAF_TABLE: u8 = 13;

/// Returns a number of variable length, and its length.
pub(crate) fn varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(8) {
        value = value << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return (value, place + 1);
        }
    }
    (value, 9)
}

/// Returns the places of the rows of a table within the file, each with its key, which is 0 in a table without rowid.
pub(crate) fn rows_of(contents: &[u8], place: &Path, table: &str) -> Vec<(u64, Range<usize>)> {
    std::fs::write(place.join("store.sqlite"), contents).unwrap();
    let connection = Connection::open(place.join("store.sqlite")).unwrap();
    let root: i64 = connection
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = ?1", [table], |row| row.get(0))
        .unwrap();
    let (mut pages, mut rows) = (vec![root as usize], Vec::new());
    while let Some(page) = pages.pop() {
        let start = (page - 1) * PAGE_BYTES;
        let number = |at: usize| u16::from_be_bytes(contents[start + at..][..2].try_into().unwrap()) as usize;
        let child = |at: usize| u32::from_be_bytes(contents[start + at..][..4].try_into().unwrap()) as usize;
        let kind = contents[start];
        let is_leaf = kind == LEAF_TABLE || kind == LEAF_INDEX;
        for cell in 0..number(3) {
            let cell = number(if is_leaf { 8 } else { 12 } + 2 * cell);
            if !is_leaf {
                pages.push(child(cell));
            }
            let has_row = is_leaf || kind == INTERIOR_INDEX;
            if has_row {
                let first = start + cell + if is_leaf { 0 } else { 4 };
                let (payload, length) = varint(&contents[first..]);
                let (key, more) =
                    if kind == LEAF_TABLE { varint(&contents[first + length..]) } else { (0, 0) };
                rows.push((key, first..(first + length + more + payload as usize).min(start + PAGE_BYTES)));
            }
        }
        if !is_leaf {
            pages.push(child(8));
        }
    }
    rows.sort_by_key(|(key, place)| (*key, place.start));
    rows
}
