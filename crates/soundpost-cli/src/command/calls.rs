//! `soundpost calls`: finished calls from the store.

use std::collections::HashSet;
use std::io::Write;

use soundpost::Outcome;
use soundpost::read::store::{CallFilter, CallRow, Order, Reader};

use super::{open_store, write_json};
use crate::arguments::{self, Calls, Which};
use crate::describe::{labels, seconds};
use crate::failure::Failure;
use crate::output::{Align, Paint, Table, Terminal, bytes, csv_line, fitted, local, now, span};
use crate::rows::{self, Row};
use crate::which;

/// Rows of a table where nothing is said.
const LIMIT: usize = 100;
/// Rows that are read at a time: nobody waits long, and little is held in memory.
const PAGE: usize = 2000;

/// Shows the calls that match.
pub(super) fn show(
    which: &Which,
    command: &Calls,
    terminal: Terminal,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let service = which::service(which)?;
    let store = open_store(&service)?;
    let table = !command.format.json && !command.format.csv;
    let limit = match command.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if table => LIMIT,
        None => usize::MAX,
    };
    let mut pages = Pages::new(store.as_ref(), filter(command), limit);
    if command.format.csv {
        writeln!(out, "{}", csv_line(rows::CALL.map(Into::into)))?;
    }
    let mut shown = 0;
    let mut rows = Vec::new();
    while let Some(page) = pages.next()? {
        shown += page.len();
        for row in &page {
            if command.format.json {
                write_json(out, &Row(&rows::CALL, &rows::call(row)))?;
            } else if command.format.csv {
                writeln!(out, "{}", csv_line(rows::call(row).iter().map(|cell| cell.text().into())))?;
            }
        }
        if table {
            rows.extend(page);
        }
    }
    if table {
        for line in lines(&rows, terminal) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        if shown == 0 {
            eprintln!("soundpost: no call matches");
        } else if shown == limit && command.limit.is_none() {
            eprintln!("soundpost: {limit} are shown; --limit 0 shows all");
        }
    }
    Ok(0)
}

fn filter(command: &Calls) -> CallFilter {
    let last = command
        .time
        .last
        .map(|last| now().saturating_sub(u64::try_from(last.as_nanos()).unwrap_or(u64::MAX)));
    CallFilter {
        since: last.or(command.time.since),
        until: command.time.until,
        outcome: command.outcome,
        status: command.status,
        operation: command.operation.clone(),
        request_id: command.request_id.clone(),
        labels: command.labels.clone(),
        min_duration: command.slower_than,
        order: match command.order {
            arguments::Order::Newest => Order::Newest,
            arguments::Order::Oldest => Order::Oldest,
            arguments::Order::Slowest => Order::Slowest,
        },
        limit: None,
    }
}

/// Calls that match, page by page, so that neither memory nor the store is held while somebody reads.
struct Pages<'a> {
    store: Option<&'a Reader>,
    filter: CallFilter,
    left: usize,
    /// Sequence numbers of the rows at the edge of the last page, which the next one has as well.
    edge: HashSet<u64>,
}

impl<'a> Pages<'a> {
    fn new(store: Option<&'a Reader>, filter: CallFilter, limit: usize) -> Self {
        Self { store, filter, left: limit, edge: HashSet::new() }
    }

    fn next(&mut self) -> Result<Option<Vec<CallRow>>, Failure> {
        let Some(store) = self.store.filter(|_| self.left > 0) else { return Ok(None) };
        // What is slowest is of one page: there is no edge to go on from.
        let by_time = self.filter.order != Order::Slowest;
        let wanted = if by_time { self.left.min(PAGE) } else { self.left };
        let asked = wanted.saturating_add(self.edge.len());
        self.filter.limit = Some(asked);
        let mut page = store.calls(&self.filter).map_err(|error| Failure::Failed(error.to_string()))?;
        let full = page.len() == asked;
        page.retain(|row| !self.edge.contains(&row.sequence));
        self.left -= page.len().min(self.left);
        match page.last().filter(|_| full && by_time) {
            Some(last) => self.go_on_from(last.ended_unix, &page),
            None => self.store = None,
        }
        Ok((!page.is_empty()).then_some(page))
    }

    fn go_on_from(&mut self, ended: u64, page: &[CallRow]) {
        let bound = match self.filter.order {
            Order::Oldest => &mut self.filter.since,
            _ => &mut self.filter.until,
        };
        let next = if self.filter.order == Order::Oldest { ended } else { ended + 1 };
        if *bound != Some(next) {
            self.edge.clear();
        }
        *bound = Some(next);
        self.edge.extend(page.iter().filter(|row| row.ended_unix == ended).map(|row| row.sequence));
    }
}

fn lines(rows: &[CallRow], terminal: Terminal) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&[
        ("ended", Align::Left),
        ("operation", Align::Left),
        ("outcome", Align::Left),
        ("took", Align::Right),
        ("queued", Align::Right),
        ("first audio", Align::Right),
        ("audio", Align::Right),
        ("RTF", Align::Right),
        ("characters", Align::Right),
        ("GPU peak", Align::Right),
        ("labels", Align::Left),
        ("request id", Align::Left),
        ("error", Align::Left),
    ]);
    let time = |nanos: Option<u64>| nanos.map(|nanos| span(seconds(nanos))).unwrap_or_default();
    for row in rows {
        table.row([
            local(row.ended_unix),
            row.operation.clone(),
            row.outcome.name().to_owned(),
            span(seconds(row.duration)),
            time(row.queued),
            time(row.first_audio),
            if row.audio_seconds > 0.0 { span(row.audio_seconds) } else { String::new() },
            row.real_time_factor().map(|factor| format!("{factor:.2}")).unwrap_or_default(),
            if row.characters > 0 { row.characters.to_string() } else { String::new() },
            row.gpu.map(|gpu| bytes(gpu.memory_peak as f64)).unwrap_or_default(),
            labels(row.labels.iter().map(|(name, value)| (name, value))),
            row.request_id.clone(),
            error(row),
        ]);
    }
    let columns = terminal.columns();
    let lines = table.lines(Paint::default());
    let paint = terminal.paint;
    let painted = |(index, line): (usize, &String)| {
        let line = fitted(line, columns);
        match index.checked_sub(1).and_then(|index| rows.get(index)).map(|row| row.outcome) {
            None => paint.dim(&line),
            Some(Outcome::Ok) => line,
            Some(outcome) if outcome.status() == soundpost::Status::Cancelled => paint.dim(&line),
            Some(_) => paint.bad(&line),
        }
    };
    lines.iter().enumerate().map(painted).collect()
}

/// What went wrong with a call, shortly.
fn error(row: &CallRow) -> String {
    if row.outcome == Outcome::Died {
        return row.died_in.as_ref().map(|stage| format!("in stage {stage}")).unwrap_or_default();
    }
    let text = |name: &str| match rows::field(row, name) {
        Some(soundpost::FieldValue::Text(text)) => Some(text.clone()),
        _ => None,
    };
    match (text("error_type"), text("error")) {
        (Some(kind), Some(text)) if !kind.is_empty() => format!("{kind}: {text}"),
        (kind, text) => text.or(kind).unwrap_or_default(),
    }
}
