//! Calls and vitals as line protocol, to InfluxDB.

use auscult_core::thread;
use hyper::Uri;

use super::answer::{Answer, Verdict};
use super::http::{Client, Request, Scheme, gzip, headers, path};
use super::settings::{InfluxApi, InfluxDb};
use super::transport::{Batch, Delivering, Limits, Transport};
use crate::encode::{Losses, influx};

/// Most lines in a request, and bytes of them before they are compressed.
const LIMITS: Limits = Limits { records: 5000, bytes: 1 << 20 };

/// Writes to one database or bucket.
pub(crate) struct InfluxTransport {
    client: Client,
    uri: Uri,
    limits: Limits,
}

impl InfluxTransport {
    /// # Errors
    /// When the settings cannot be used; the text is for a person.
    pub(crate) fn new(settings: &InfluxDb) -> Result<Self, String> {
        let address = &settings.server.address;
        let InfluxDb { org, bucket, database, retention_policy, .. } = settings;
        let way = settings.way();
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
            // What cannot be encoded is found as what a server refuses is.
            Err(panic) => return Answer::none(Verdict::unwritable(&panic)),
        };
        let (lines, losses) = encoded;
        if lines.is_empty() {
            return Answer::taken(batch.records.len(), losses);
        }
        if lines.len() > self.limits.bytes && batch.records.len() > 1 {
            return Answer::none(Verdict::TooLarge("more lines than are sent at once".into()));
        }
        let headers = headers("text/plain; charset=utf-8", true);
        let request = Request { path: self.uri.clone(), headers, body: gzip(&lines) };
        match self.client.post(&request).await.map(|reply| reply.verdict()) {
            Ok(Verdict::Taken) => Answer::taken(batch.records.len(), losses),
            Ok(verdict) | Err(verdict) => Answer::none(verdict),
        }
    }
}

/// The lines of a batch. As records that are lost count those of which no point is left.
fn encode(batch: Batch<'_>) -> (Vec<u8>, Losses) {
    let (mut lines, mut losses) = (Vec::with_capacity(batch.records.len() * 256), Losses::default());
    for record in batch.records {
        let points = record.points(&batch.origin);
        let mut of_record = Losses::default();
        points.iter().for_each(|point| of_record += influx::push(&mut lines, point));
        let nothing_left = !points.is_empty() && of_record.records == points.len() as u64;
        losses += Losses { records: u64::from(nothing_left), ..of_record };
    }
    (lines, losses)
}

impl Transport for InfluxTransport {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(self.send(batch))
    }
}
