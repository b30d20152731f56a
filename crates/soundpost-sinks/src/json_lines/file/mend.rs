//! Repairs the end of a file after its writer was killed.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use crate::json_lines::lines::{BEGINNING, LINE};

/// Makes a file end with a line feed. Returns its new length.
///
/// A partial line of a sink is removed: it was not acknowledged and is written again. Other text is completed.
pub(crate) fn mend(file: &File, length: u64) -> io::Result<u64> {
    let mut tail = vec![0; length.min(LINE as u64) as usize];
    let start = length - tail.len() as u64;
    let mut last = [b'\n'];
    file.read_exact_at(&mut last[..tail.len().min(1)], length.saturating_sub(1))?;
    if last == [b'\n'] {
        return Ok(length);
    }
    file.read_exact_at(&mut tail, start)?;
    let begun = tail.iter().rposition(|byte| *byte == b'\n').map(|feed| feed + 1);
    let begun = begun.or_else(|| (start == 0).then_some(0));
    let ours = |begun: &usize| {
        let line = &tail[*begun..];
        line.starts_with(BEGINNING) || BEGINNING.starts_with(line)
    };
    if let Some(begun) = begun.filter(ours) {
        let length = start + begun as u64;
        file.set_len(length)?;
        return Ok(length);
    }
    (&mut &*file).write_all(b"\n")?;
    Ok(length + 1)
}
