//! Calls and vitals as line protocol, to InfluxDB.

use crate::format::losses::Losses;
use crate::format::record::Point;
use crate::influxdb::{InfluxApi, InfluxDb, line_protocol};
use crate::net::http::{Client, uri};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Maximum lines in a request, and their bytes before compression.
const LIMITS: Limits = Limits { records: 5000, bytes: 1 << 20 };

pub(crate) struct InfluxTransport {
    client: Client,
    limits: Limits,
}

impl InfluxTransport {
    pub(crate) fn new(settings: &InfluxDb) -> Result<Self, String> {
        let InfluxDb { common, server, org, bucket, database, retention_policy, .. } = settings;
        let api = settings.effective_api();
        let query: &[(&str, &str)] = match api {
            InfluxApi::V1 => &[("db", database), ("rp", retention_policy), ("precision", "ns")],
            InfluxApi::V2 => &[("org", org), ("bucket", bucket), ("precision", "ns")],
            InfluxApi::V3 => &[("db", database), ("precision", "nanosecond")],
        };
        let scheme = if api == InfluxApi::V3 { "Bearer" } else { "Token" };
        let uri = uri(&server.address, api.path(), query)?;
        let client = Client::new(server, uri, common.timeout, scheme)?;
        Ok(Self { client, limits: LIMITS.with_records(common.batch) })
    }

    async fn send(&mut self, batch: Batch<'_>) -> Result<Answer, Verdict> {
        let Encoded { lines, points, records, losses } = Verdict::of_panic(|| encode(batch))?;
        let taken = Answer::taken(batch.records.len(), losses);
        if lines.is_empty() {
            return Ok(taken);
        }
        if lines.len() > self.limits.bytes && batch.records.len() > 1 {
            return Err(Verdict::TooLarge("more lines than are sent at once".into()));
        }
        let reply = self.client.post("text/plain; charset=utf-8", lines, true).await?;
        taken.judged(reply.verdict(&OF_POINTS), || refused(&reply.text, points, records))
    }
}

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
