//! `soundpost logs`: log events from the store.

use soundpost::FieldValue;
use soundpost::read::store::{EVENT_COLUMNS, EventRow, Level, LogFilter, Reader};

use super::follow::{FOLLOW_LIMIT, follow, warn_of_damage};
use crate::arguments::Logs;
use crate::error::CommandError;
use crate::output::{Output, Paint, format_local_millis, plain};
use crate::rows;
use crate::service::ServiceArgs;

/// Default number of events as text.
const DEFAULT_LIMIT: usize = 100;
/// Number of events of one read, which bounds the memory and the time of the read.
const PAGE_ROWS: usize = 2000;

/// Shows the last events, the first stored first.
pub(super) fn show(service: &ServiceArgs, command: &Logs, out: &mut Output<'_>) -> Result<i32, CommandError> {
    let service = service.open()?;
    command.format.write_names(out, rows::names(EVENT_COLUMNS))?;
    if command.follow {
        return follow(&service, command.limit.unwrap_or(FOLLOW_LIMIT), out, |store, (limit, after), out| {
            let filter = LogFilter { limit, after, oldest_first: after.is_some(), ..filter(command) };
            let mut events = store.events(&filter)?;
            if !filter.oldest_first {
                events.reverse();
            }
            write(&events, command, out)?;
            Ok(events.last().map(|event| event.sequence))
        });
    }
    let store = Reader::open(service.directory())?;
    let read = |filter: &LogFilter| store.as_ref().map_or(Ok(Vec::new()), |store| store.events(filter));
    let default_limit = if command.format.is_text() { DEFAULT_LIMIT } else { 0 };
    let limit = command.limit.unwrap_or(default_limit);
    let mut page = LogFilter { oldest_first: true, limit: Some(PAGE_ROWS), ..filter(command) };
    // Finds the first of the last events, from the end.
    let mut last = filter(command);
    let mut left = limit;
    while left > 0 {
        last.limit = Some(left.min(PAGE_ROWS));
        let events = read(&last)?;
        last.before = events.last().map(|first| first.sequence).or(last.before);
        left -= events.len();
        if Some(events.len()) < last.limit {
            break;
        }
    }
    page.after = last.before.map(|first| first.saturating_sub(1));
    let mut count = 0;
    loop {
        let events = read(&page)?;
        write(&events, command, out)?;
        count += events.len();
        match events.last() {
            Some(last) if events.len() == PAGE_ROWS => page.after = Some(last.sequence),
            _ => break,
        }
    }
    warn_of_damage(store.as_ref());
    out.writer.flush()?;
    if command.format.is_text() && count == 0 {
        eprintln!("soundpost: no log event matches");
    } else if count == limit && command.limit.is_none() {
        eprintln!("soundpost: the last {limit} events are shown; --limit 0 shows all");
    }
    Ok(0)
}

fn filter(command: &Logs) -> LogFilter {
    LogFilter {
        since: command.time.since(),
        until: command.time.until,
        level: command.level,
        pattern: command.grep.clone(),
        logger: command.logger.clone(),
        request_id: command.request_id.clone(),
        ..LogFilter::default()
    }
}

fn write(events: &[EventRow], command: &Logs, out: &mut Output<'_>) -> Result<(), CommandError> {
    for event in events {
        command.format.write(out, || rows::record(EVENT_COLUMNS, &event.event))?;
        if command.format.is_text() {
            out.line(text(event, out.terminal.paint))?;
        }
    }
    Ok(())
}

/// Formats an event: time, level, logger, request id, message and fields, with texts of several lines indented below.
fn text(EventRow { event, .. }: &EventRow, paint: Paint) -> String {
    let (first, below) = event.message.split_once('\n').unwrap_or((&event.message, ""));
    let level = format!("{:<8}", event.level.upper());
    let level = match event.level {
        Level::Debug => paint.dim(&level),
        Level::Info => level,
        Level::Warning => paint.warning(&level),
        Level::Error | Level::Critical => paint.bad(&level),
    };
    let mut line = format!("{}  {level}", format_local_millis(event.unix_nanos));
    for part in [&event.logger, &event.request_id].into_iter().filter(|part| !part.is_empty()) {
        line += &format!("  {}", paint.dim(&plain(part)));
    }
    line += &format!("  {}", plain(first));
    let mut below: Vec<&str> = below.lines().collect();
    for (name, value) in &event.fields {
        match value {
            FieldValue::Text(text) if text.contains('\n') => below.extend(text.lines()),
            value => {
                line += &paint.dim(&format!("  {}={}", plain(name), plain(&rows::json_of(value).to_string())))
            }
        }
    }
    below.iter().fold(line, |line, text| format!("{line}\n    {}", plain(text)))
}
