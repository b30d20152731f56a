//! Calls and vitals as line protocol, to InfluxDB.

use hyper::Uri;
use soundpost_core::thread;
use soundpost_store::Rejected;

use crate::format::losses::Losses;
use crate::format::record::Point;
use crate::influxdb::line_protocol;
use crate::influxdb::options::{InfluxApi, InfluxDb};
use crate::net::http::{Client, Reply, Request, Scheme, gzip, headers, path};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Maximum lines in a request, and their bytes before compression.
const LIMITS: Limits = Limits { records: 5000, bytes: 1 << 20 };

/// Writes to one database or bucket.
pub(crate) struct InfluxTransport {
    client: Client,
    uri: Uri,
    limits: Limits,
}

impl InfluxTransport {
    /// # Errors
    /// When the settings are invalid.
    pub(crate) fn new(settings: &InfluxDb) -> Result<Self, String> {
        let address = &settings.server.address;
        let InfluxDb { org, bucket, database, retention_policy, .. } = settings;
        let way = settings.effective_api();
        let query: &[(&str, &str)] = match way {
            InfluxApi::V1 => &[("db", database), ("rp", retention_policy), ("precision", "ns")],
            InfluxApi::V2 => &[("org", org), ("bucket", bucket), ("precision", "ns")],
            InfluxApi::V3 => &[("db", database), ("precision", "nanosecond")],
        };
        let uri = path(address, way.path(), query)?;
        let scheme = if way == InfluxApi::V3 { Scheme::Bearer } else { Scheme::Token };
        Ok(Self {
            client: Client::new(&settings.server, settings.common.timeout, scheme)?,
            uri,
            limits: Limits { records: settings.common.batch.unwrap_or(LIMITS.records), ..LIMITS },
        })
    }

    async fn send(&mut self, batch: Batch<'_>) -> Answer {
        let encoded = match thread::guarded(|| encode(batch)) {
            Ok(encoded) => encoded,
            // The record is found by bisection, as a rejected one.
            Err(panic) => return Answer::none(Verdict::unwritable(&panic)),
        };
        let Encoded { lines, points, records, losses } = encoded;
        let taken = Answer::taken(batch.records.len(), losses);
        if lines.is_empty() {
            return taken;
        }
        if lines.len() > self.limits.bytes && batch.records.len() > 1 {
            return Answer::none(Verdict::TooLarge("more lines than are sent at once".into()));
        }
        let headers = headers("text/plain; charset=utf-8", true);
        let request = Request { path: self.uri.clone(), headers, body: gzip(&lines) };
        let reply = match self.client.post(&request).await {
            Ok(reply) => reply,
            Err(verdict) => return Answer::none(verdict),
        };
        match verdict(&reply) {
            Verdict::Taken => taken,
            rest @ Verdict::Faulty(_) => match refused(&reply.text, points, records) {
                Some(refused) => {
                    let rejected = Rejected { refused, ..taken.rejected };
                    Answer { rejected, rest, ..taken }
                }
                None => Answer::none(rest),
            },
            verdict => Answer::none(verdict),
        }
    }
}

/// An encoded batch.
struct Encoded {
    lines: Vec<u8>,
    points: u64,
    /// Records with at least one point.
    records: u64,
    /// A record counts as lost if none of its points is left.
    losses: Losses,
}

fn encode(batch: Batch<'_>) -> Encoded {
    let lines = Vec::with_capacity(batch.records.len() * 256);
    let mut encoded = Encoded { lines, points: 0, records: 0, losses: Losses::default() };
    for record in batch.records {
        let points = Point::from_record(&batch.origin, record);
        let mut of_record = Losses::default();
        points.iter().for_each(|point| of_record += line_protocol::push(&mut encoded.lines, point));
        let left = (points.len() as u64).saturating_sub(of_record.records);
        encoded.points += left;
        encoded.records += u64::from(left > 0);
        let nothing_left = !points.is_empty() && left == 0;
        encoded.losses += Losses { records: u64::from(nothing_left), ..of_record };
    }
    encoded
}

/// Start of InfluxDB's message on a request that was stored in part.
const PARTIAL: &str = "partial write";
/// InfluxDB's messages on single points.
const OF_POINTS: [&str; 3] = [PARTIAL, "unable to parse", "field type conflict"];

/// Returns the verdict on a reply; InfluxDB's messages on single points are [`Verdict::Faulty`].
fn verdict(reply: &Reply) -> Verdict {
    match reply.verdict() {
        Verdict::Refused(text) if OF_POINTS.iter().any(|words| reply.text.contains(words)) => {
            Verdict::Faulty(text)
        }
        verdict => verdict,
    }
}

/// Returns how many records of a request InfluxDB rejected, if it stored the others and the number is exact.
///
/// `partial write: REASON dropped=2` is a lower bound, because only the first fault of several kinds and shards is
/// reported. It is exact if it covers all points, or if the points are too old, which is reported last.
fn refused(said: &str, points: u64, records: u64) -> Option<u64> {
    let (_, reason) = said.split_once(PARTIAL)?;
    let (reason, dropped) = reason.strip_prefix(": ")?.rsplit_once(" dropped=")?;
    let digits = dropped.find(|c: char| !c.is_ascii_digit()).unwrap_or(dropped.len());
    let dropped: u64 = dropped[..digits].parse().ok()?;
    if dropped == points {
        return Some(records);
    }
    let exact = reason == "points beyond retention policy" && points == records;
    Some(dropped).filter(|dropped| exact && *dropped < points)
}

impl Transport for InfluxTransport {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(self.send(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_points_are_counted_if_the_number_is_exact() {
        let old = "partial write: points beyond retention policy dropped=";
        let conflict =
            "partial write: field type conflict: input field \\\"a dropped=3\\\" is type float dropped=";
        let table = [
            (old, "2\"}", (5, 5), Some(2)),
            (old, "2", (5, 5), Some(2)),
            (old, "0", (5, 5), Some(0)),
            (old, "6", (5, 5), None),
            // The reply does not identify the points' records.
            (old, "2", (5, 3), None),
            (old, "5", (5, 3), Some(3)),
            // Other points may be too old or belong to a failed shard.
            (conflict, "2\"}", (5, 5), None),
            (conflict, "5\"}", (5, 5), Some(5)),
            (conflict, "5\"}", (5, 2), Some(2)),
            (conflict, "", (5, 5), None),
            ("unable to parse 'x dropped=", "5", (5, 5), None),
            ("partial write of line protocol occurred dropped=", "5", (5, 5), None),
        ];
        for (said, count, (points, records), expected) in table {
            assert_eq!(refused(&format!("{said}{count}"), points, records), expected, "{said}{count}");
        }
    }
}
