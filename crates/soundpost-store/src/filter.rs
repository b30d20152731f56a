//! Filters of calls.

use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value};
use soundpost_core::{Outcome, Status};

use crate::record::CallRow;
use crate::schema::{CALLS, stored_request_id};
use crate::sql::whole;

/// Filter and order of calls. The default selects all calls, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// Earliest end, nanoseconds since 1970.
    pub since: Option<u64>,
    /// First end that is excluded, nanoseconds since 1970.
    pub until: Option<u64>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// Status.
    pub status: Option<Status>,
    /// Operation.
    pub operation: Option<String>,
    /// Request id.
    pub request_id: Option<String>,
    /// Labels that a call has.
    pub labels: Vec<(String, String)>,
    /// Minimum duration.
    pub min_duration: Option<Duration>,
    /// Order of the calls.
    pub order: Order,
    /// Maximum number of calls.
    pub limit: Option<usize>,
}

/// Order of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By end, latest first.
    #[default]
    Newest,
    /// By end, earliest first.
    Oldest,
    /// By duration, longest first.
    Slowest,
}

impl CallFilter {
    /// Returns the statement that selects the calls, and its values.
    pub(crate) fn select(&self) -> (String, Vec<ToSqlOutput<'_>>) {
        let (condition, mut values) = self.condition();
        let order = match self.order {
            Order::Newest => "ended DESC, sequence DESC",
            Order::Oldest => "ended, sequence",
            Order::Slowest => "duration DESC, sequence DESC",
        };
        let limit = self.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
        values.push(limit.into());
        let columns = CALLS.names();
        (format!("SELECT {columns} FROM stored_calls{condition} ORDER BY {order} LIMIT ?"), values)
    }

    /// Returns whether a call matches, where the indexes cannot be used.
    pub(crate) fn matches(&self, CallRow { call, .. }: &CallRow) -> bool {
        fn is_wanted<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        self.since.is_none_or(|since| call.ended_unix >= since)
            && self.until.is_none_or(|until| call.ended_unix < until)
            && is_wanted(self.outcome.as_ref(), &call.outcome)
            && is_wanted(self.status.as_ref(), &call.outcome.status())
            && is_wanted(self.operation.as_ref(), &call.operation)
            && is_wanted(self.request_id.as_ref(), &call.request_id)
            && self.labels.iter().all(|label| call.labels.contains(label))
            && self.min_duration.is_none_or(|least| u128::from(call.duration()) >= least.as_nanos())
    }

    /// Orders calls as the statement does, and keeps those within the limit.
    pub(crate) fn sort(&self, calls: &mut Vec<CallRow>) {
        calls.sort_by_key(|row| match self.order {
            Order::Newest => (u64::MAX - row.call.ended_unix, u64::MAX - row.sequence),
            Order::Oldest => (row.call.ended_unix, row.sequence),
            Order::Slowest => (u64::MAX - row.call.duration(), u64::MAX - row.sequence),
        });
        calls.truncate(self.limit.unwrap_or(usize::MAX));
    }

    /// Returns ` WHERE ...` with its values, or an empty text.
    pub(crate) fn condition(&self) -> (String, Vec<ToSqlOutput<'_>>) {
        let mut terms: Vec<String> = Vec::new();
        let mut values = Vec::new();
        let mut add = |term: &str, value| {
            terms.push(term.to_owned());
            values.push(value);
        };
        if let Some(since) = self.since {
            add("ended >= ?", whole(since).into());
        }
        if let Some(until) = self.until {
            add("ended < ?", whole(until).into());
        }
        if let Some(outcome) = self.outcome {
            add("outcome = ?", outcome.name().into());
        }
        if let Some(operation) = &self.operation {
            add("series IN (SELECT id FROM call_series WHERE operation = ?)", operation.as_str().into());
        }
        if let Some(request_id) = &self.request_id {
            add("request_id = ?", stored_request_id(request_id));
        }
        if let Some(least) = self.min_duration {
            let nanos = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
            add("duration >= ?", ToSqlOutput::Owned(Value::Integer(whole(nanos))));
        }
        for (name, value) in &self.labels {
            let label = "series IN (SELECT call_series.id FROM call_series, json_each(labels) WHERE key = ?";
            add(label, name.as_str().into());
            add("value = ?)", value.as_str().into());
        }
        if let Some(status) = self.status {
            let names: Vec<String> = Outcome::ALL
                .into_iter()
                .filter(|outcome| outcome.status() == status)
                .map(|outcome| format!("'{}'", outcome.name()))
                .collect();
            terms.push(format!("outcome IN ({})", names.join(", ")));
        }
        let excludes_ok = self.outcome.is_some_and(|outcome| outcome != Outcome::Ok)
            || self.status.is_some_and(|status| status != Status::Success);
        if excludes_ok {
            // Repeats the condition of the index of failed calls, so that SQLite uses it.
            terms.push("outcome <> 'ok'".to_owned());
        }
        let condition =
            if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
        (condition, values)
    }
}
