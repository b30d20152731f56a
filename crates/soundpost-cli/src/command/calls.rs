//! `soundpost calls`: finished calls from the store.

use std::collections::HashSet;

use soundpost::Outcome;
use soundpost::read::store::{CALL_COLUMNS, CallFilter, CallRow, FinishedCall, Order, Reader};

use super::follow::{FOLLOW_LIMIT, follow, warn_of_damage};
use crate::arguments::{self, Calls};
use crate::error::CommandError;
use crate::format::{count_or_nothing, labels_text, seconds, span_or_nothing};
use crate::output::{
    Output, Paint, Table, Terminal, Widths, format_bytes, format_local, format_span, truncate,
};
use crate::rows;
use crate::service::ServiceArgs;

/// Default number of rows of a table.
const DEFAULT_LIMIT: usize = 100;
/// Number of rows of one read, which bounds the memory and the time of the read.
const PAGE_ROWS: usize = 2000;

pub(super) fn show(
    service: &ServiceArgs,
    command: &Calls,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let service = service.open()?;
    let format = command.format;
    let mut widths = Widths::default();
    format.write_names(out, rows::names(CALL_COLUMNS))?;
    if command.follow {
        let limit = command.limit.unwrap_or(FOLLOW_LIMIT);
        return follow(&service, limit, out, |store, range, out| {
            let (limit, after) = range;
            let order = if after.is_some() { Order::Oldest } else { Order::Newest };
            let mut rows = store.calls(&CallFilter { limit, after, order, ..filter(command) })?;
            if order == Order::Newest {
                rows.reverse();
            }
            rows.iter().try_for_each(|row| format.write(out, || rows::record(CALL_COLUMNS, &row.call)))?;
            if format.is_text() {
                out.lines(lines(&rows, &mut widths, out.terminal))?;
            }
            Ok(rows.iter().map(|row| row.sequence).max())
        });
    }
    let store = Reader::open(service.directory())?;
    let default_limit = if format.is_text() { DEFAULT_LIMIT } else { usize::MAX };
    let limit = command.limit.map_or(default_limit, |limit| if limit == 0 { usize::MAX } else { limit });
    let mut pages = Pages::new(store.as_ref(), filter(command), limit);
    let mut rows = Vec::new();
    while let Some(page) = pages.next()? {
        page.iter().try_for_each(|row| format.write(out, || rows::record(CALL_COLUMNS, &row.call)))?;
        if format.is_text() {
            rows.extend(page);
        }
    }
    warn_of_damage(store.as_ref());
    if format.is_text() {
        out.lines(lines(&rows, &mut widths, out.terminal))?;
        out.writer.flush()?;
        if rows.is_empty() {
            eprintln!("soundpost: no call matches");
        } else if rows.len() == limit && command.limit.is_none() {
            eprintln!("soundpost: {limit} calls are shown; --limit 0 shows all");
        }
    }
    Ok(0)
}

fn filter(command: &Calls) -> CallFilter {
    CallFilter {
        since: command.time.since(),
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
        after: None,
        limit: None,
    }
}

/// Pages of matching calls. Between two pages neither the store nor much memory is held.
struct Pages<'a> {
    store: Option<&'a Reader>,
    filter: CallFilter,
    left: usize,
    /// Sequence numbers of the last rows of a page, which the next page contains again.
    edge: HashSet<u64>,
}

impl<'a> Pages<'a> {
    fn new(store: Option<&'a Reader>, filter: CallFilter, limit: usize) -> Self {
        Self { store, filter, left: limit, edge: HashSet::new() }
    }

    fn next(&mut self) -> Result<Option<Vec<CallRow>>, CommandError> {
        let Some(store) = self.store.filter(|_| self.left > 0) else { return Ok(None) };
        // The slowest calls are read as one page, because the filter has no bound to continue from.
        let by_time = self.filter.order != Order::Slowest;
        let wanted = if by_time { self.left.min(PAGE_ROWS) } else { self.left };
        let limit = wanted.saturating_add(self.edge.len());
        self.filter.limit = Some(limit);
        let mut page = store.calls(&self.filter)?;
        let full = page.len() == limit;
        page.retain(|row| !self.edge.contains(&row.sequence));
        self.left -= page.len().min(self.left);
        match page.last().filter(|_| full && by_time) {
            Some(last) => self.continue_from(last.call.ended_unix, &page),
            None => self.store = None,
        }
        Ok((!page.is_empty()).then_some(page))
    }

    fn continue_from(&mut self, ended: u64, page: &[CallRow]) {
        let bound = match self.filter.order {
            Order::Oldest => &mut self.filter.since,
            _ => &mut self.filter.until,
        };
        let next = if self.filter.order == Order::Oldest { ended } else { ended + 1 };
        if *bound != Some(next) {
            self.edge.clear();
        }
        *bound = Some(next);
        self.edge.extend(page.iter().filter(|row| row.call.ended_unix == ended).map(|row| row.sequence));
    }
}

fn lines(rows: &[CallRow], widths: &mut Widths, terminal: Terminal) -> Vec<String> {
    let time = |nanos: Option<u64>| nanos.map(|nanos| format_span(seconds(nanos))).unwrap_or_default();
    let table = Table::new(rows.iter().map(|row| &row.call))
        .left("ended", |call| format_local(call.ended_unix))
        .left("operation", |call| call.operation.clone())
        .left("outcome", |call| call.outcome.name().to_owned())
        .right("took", |call| format_span(seconds(call.duration())))
        .right("queued", |call| time(call.queued))
        .right("first audio", |call| time(call.first_audio))
        .right("audio", |call| span_or_nothing(call.audio_seconds))
        .right("RTF", |call| call.real_time_factor().map(|factor| format!("{factor:.2}")).unwrap_or_default())
        .right("characters", |call| count_or_nothing(call.characters))
        .right("GPU peak", |call| {
            call.gpu.map(|gpu| format_bytes(gpu.memory_peak as f64)).unwrap_or_default()
        })
        .left("labels", |call| labels_text(call.labels.iter().map(|(name, value)| (name, value))))
        .left("request id", |call| call.request_id.clone())
        .left("error", |call| error_text(call));
    let columns = terminal.columns();
    let lines = table.lines_below(widths, Paint::default());
    let (paint, headings) = (terminal.paint, lines.len().saturating_sub(rows.len()));
    let painted = |(index, line): (usize, &String)| {
        let line = truncate(line, columns);
        match index.checked_sub(headings).and_then(|index| rows.get(index)).map(|row| row.call.outcome) {
            None => paint.dim(&line),
            Some(Outcome::Ok) => line,
            Some(outcome) if outcome.status() == soundpost::Status::Cancelled => paint.dim(&line),
            Some(_) => paint.bad(&line),
        }
    };
    lines.iter().enumerate().map(painted).collect()
}

fn error_text(call: &FinishedCall) -> String {
    if call.outcome == Outcome::Died {
        return call.died_in.as_ref().map(|stage| format!("in stage {stage}")).unwrap_or_default();
    }
    let text = |name: &str| match rows::field(call, name) {
        Some(soundpost::FieldValue::Text(text)) => Some(text.clone()),
        _ => None,
    };
    match (text("error_type"), text("error")) {
        (Some(kind), Some(text)) if !kind.is_empty() => format!("{kind}: {text}"),
        (kind, text) => text.or(kind).unwrap_or_default(),
    }
}
