//! Which calls are asked for.

use std::time::Duration;

use rusqlite::types::Value;
use soundpost_core::{Outcome, Status};

use super::request_id;
use super::sql::whole;

/// Which calls, in which order. The default is all of them, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// That ended at this nanosecond since 1970 or later.
    pub since: Option<u64>,
    /// That ended before this one.
    pub until: Option<u64>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// That count as this.
    pub status: Option<Status>,
    /// Of this operation.
    pub operation: Option<String>,
    /// With this request id.
    pub request_id: Option<String>,
    /// With all of these labels.
    pub labels: Vec<(String, String)>,
    /// That took so long or longer.
    pub min_duration: Option<Duration>,
    /// What comes first.
    pub order: Order,
    /// At most so many.
    pub limit: Option<usize>,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What ended last.
    #[default]
    Newest,
    /// What ended first.
    Oldest,
    /// What took longest.
    Slowest,
}

impl CallFilter {
    /// The statement for these columns, and its values.
    pub(super) fn select(&self, columns: &str) -> (String, Vec<Value>) {
        let (condition, mut values) = self.condition();
        let order = match self.order {
            Order::Newest => "ended DESC, sequence DESC",
            Order::Oldest => "ended, sequence",
            Order::Slowest => "duration DESC, sequence DESC",
        };
        let limit = self.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
        values.push(Value::Integer(limit));
        (format!("SELECT {columns} FROM stored_calls{condition} ORDER BY {order} LIMIT ?"), values)
    }

    /// The rows that match, as ` WHERE ...`, and its values.
    pub(super) fn condition(&self) -> (String, Vec<Value>) {
        let mut terms: Vec<String> = Vec::new();
        let mut values = Vec::new();
        let mut add = |term: &str, value: Value| {
            terms.push(term.to_owned());
            values.push(value);
        };
        if let Some(since) = self.since {
            add("ended >= ?", Value::Integer(whole(since)));
        }
        if let Some(until) = self.until {
            add("ended < ?", Value::Integer(whole(until)));
        }
        if let Some(outcome) = self.outcome {
            add("outcome = ?", Value::Text(outcome.name().to_owned()));
        }
        if let Some(operation) = &self.operation {
            add("kind IN (SELECT id FROM kinds WHERE operation = ?)", Value::Text(operation.clone()));
        }
        if let Some(request_id) = &self.request_id {
            add("request_id = ?", request_id::stored(request_id));
        }
        if let Some(least) = self.min_duration {
            let nanos = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
            add("duration >= ?", Value::Integer(whole(nanos)));
        }
        for (name, value) in &self.labels {
            let label = "kind IN (SELECT kinds.id FROM kinds, json_each(labels) WHERE key = ?";
            add(label, Value::Text(name.clone()));
            add("value = ?)", Value::Text(value.clone()));
        }
        if let Some(status) = self.status {
            let names: Vec<String> = Outcome::ALL
                .into_iter()
                .filter(|outcome| outcome.status() == status)
                .map(|outcome| format!("'{}'", outcome.name()))
                .collect();
            terms.push(format!("outcome IN ({})", names.join(", ")));
        }
        let failed = self.outcome.is_some_and(|outcome| outcome != Outcome::Ok)
            || self.status.is_some_and(|status| status != Status::Success);
        if failed {
            // Says in the words of the index of failed calls that it will do.
            terms.push("outcome <> 'ok'".to_owned());
        }
        let condition =
            if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
        (condition, values)
    }
}
