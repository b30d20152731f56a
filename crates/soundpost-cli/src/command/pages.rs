//! Completions and manual pages, made from the command line's own description.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory as _;

use crate::arguments::{Arguments, Completions, Man};
use crate::failure::Failure;

/// Completions for a shell.
pub(super) fn completions(command: &Completions, out: &mut dyn Write) -> Result<i32, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(command.shell, &mut Arguments::command(), "soundpost", &mut text);
    out.write_all(&text)?;
    Ok(0)
}

/// The manual page, or a page for each command.
pub(super) fn manual(command: &Man, out: &mut dyn Write) -> Result<i32, Failure> {
    match &command.to {
        Some(directory) => write_pages(directory)?,
        None => clap_mangen::Man::new(Arguments::command()).render(out)?,
    }
    Ok(0)
}

fn write_pages(directory: &Path) -> Result<(), Failure> {
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory));
    written.map_err(|error| Failure::Failed(format!("cannot write to {}: {error}", directory.display())))
}
