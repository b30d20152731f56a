//! `soundpost erase`: removes the records of a request or a person.

use soundpost::read::ErasedRecords;
use soundpost::read::store::Selection;

use crate::arguments::Erase;
use crate::error::CommandError;
use crate::output::{Output, format_count, plain};
use crate::service::ServiceArgs;

/// Erases the selected records, and prints how many they were.
pub(super) fn erase(
    service: &ServiceArgs,
    command: &Erase,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let selection = Selection {
        request_ids: command.request_id.iter().cloned().collect(),
        values: command.values.clone(),
    };
    let erased = service.open()?.erase(selection, &command.lines, command.dry_run)?;
    if command.json {
        out.json(&erased)?;
    } else {
        out.lines(lines(&erased))?;
    }
    Ok(i32::from(!erased.errors.is_empty()))
}

fn lines(erased: &ErasedRecords) -> Vec<String> {
    let done = if erased.dry_run { "to erase" } else { "erased" };
    let mut lines = vec![format!(
        "{} calls and {} log events {done}; {} calls in postmortems, {} lines in {} files",
        format_count(erased.calls),
        format_count(erased.log_events),
        format_count(erased.postmortem_calls),
        format_count(erased.lines),
        erased.files.len(),
    )];
    for (sink, records) in erased.shipped.iter().filter(|(_, records)| **records > 0) {
        let (sink, records) = (plain(sink), format_count(*records));
        lines.push(format!(
            "sink {sink} has shipped up to {records} of them; erase them at its receiver as well"
        ));
    }
    if erased.damaged > 0 {
        lines.push(format!("{} damaged records cannot be searched", format_count(erased.damaged)));
    }
    for file in &erased.set_aside {
        lines.push(format!(
            "{} cannot be searched; remove it if it may have such records",
            plain(&file.display().to_string())
        ));
    }
    if !erased.pids.is_empty() {
        let pids = erased.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "request ids and labels stay in the memory of running processes ({pids}) until it is used again or they end"
        ));
    }
    lines.extend(erased.errors.iter().map(|error| format!("not erased: {}", plain(error))));
    lines
}
