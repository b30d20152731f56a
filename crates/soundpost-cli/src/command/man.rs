//! Completions and manual pages, generated from the command line's description.

use std::io::Write;

use clap::CommandFactory as _;

use crate::arguments::{Arguments, Completions, Man};
use crate::error::CommandError;

/// Writes the completions for a shell.
pub(super) fn write_completions(command: &Completions, out: &mut dyn Write) -> Result<i32, CommandError> {
    // Generated in memory: clap_complete panics where the output is closed.
    let mut text = Vec::new();
    clap_complete::generate(command.shell, &mut Arguments::command(), "soundpost", &mut text);
    out.write_all(&text)?;
    Ok(0)
}

/// Writes the manual page, or a page for each command into a directory.
pub(super) fn write_manual(command: &Man, mut out: &mut dyn Write) -> Result<i32, CommandError> {
    match &command.to {
        None => clap_mangen::Man::new(Arguments::command()).render(&mut out)?,
        Some(directory) => std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
            .map_err(|error| {
                CommandError::failed(&format!("cannot write to {}", directory.display()), &error)
            })?,
    }
    Ok(0)
}
