//! Events to a GELF input over HTTP, the only one that confirms them.

use hyper::Uri;
use soundpost_core::thread;
use soundpost_store::Record;

use crate::format::losses::Losses;
use crate::format::record::{Event, Origin};
use crate::graylog::gelf;
use crate::graylog::options::Graylog;
use crate::net::http::{Client, Request, Scheme, gzip, headers, path};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Maximum length of an uncompressed body, bytes. Graylog's input accepts 64 KiB by default.
const BODY: usize = 65_000;

/// Sends requests to one input.
pub(crate) struct GelfHttp {
    client: Client,
    uri: Uri,
    bulk: bool,
    limits: Limits,
    body: Vec<u8>,
}

impl GelfHttp {
    /// # Errors
    /// When the settings are invalid.
    pub(crate) fn new(settings: &Graylog) -> Result<Self, String> {
        let address = &settings.server.address;
        let own = if address.path.is_empty() { "/gelf" } else { "" };
        Ok(Self {
            client: Client::new(&settings.server, settings.common.timeout, Scheme::Bearer)?,
            uri: path(address, own, &[])?,
            bulk: settings.bulk,
            limits: Limits {
                records: settings.common.batch.unwrap_or(1000),
                // A bulk batch fits one request, so bisection works as for other sinks.
                bytes: if settings.bulk { BODY } else { 1 << 20 },
            },
            body: Vec::new(),
        })
    }

    /// Sends records in requests of as many as fit, and stops at the first failure.
    async fn send(&mut self, batch: Batch<'_>) -> Answer {
        let mut answer = Answer::taken(0, Losses::default());
        while answer.settled < batch.records.len() {
            let rest = &batch.records[answer.settled..];
            let (records, losses) = match thread::guarded(|| self.encode(&batch.origin, rest)) {
                Ok(encoded) => encoded,
                Err(panic) => {
                    answer.rest = Verdict::unwritable(&panic);
                    return answer;
                }
            };
            match self.post().await {
                Verdict::Taken => {
                    answer.settled += records;
                    answer.losses += losses;
                }
                verdict => {
                    (answer.rest, answer.suspects) = (verdict, records);
                    return answer;
                }
            }
        }
        answer
    }

    /// Encodes as many of the first records as fit into a body, at least one.
    fn encode(&mut self, origin: &Origin<'_>, records: &[Record]) -> (usize, Losses) {
        self.body.clear();
        let (mut taken, mut losses) = (0, Losses::default());
        for record in records {
            let before = self.body.len();
            let mut of_record = Losses::default();
            if let Some(event) = Event::from_record(record) {
                of_record = gelf::push(&mut self.body, origin, &event, BODY);
                if self.bulk {
                    // Also after the last one, because Graylog joins an unfinished line with the connection's next
                    // request.
                    self.body.push(b'\n');
                }
            }
            if before > 0 && self.body.len() > BODY {
                self.body.truncate(before);
                break;
            }
            losses += of_record;
            taken += 1;
            if !self.bulk && !self.body.is_empty() {
                break;
            }
        }
        (taken, losses)
    }

    async fn post(&mut self) -> Verdict {
        if self.body.is_empty() {
            return Verdict::Taken;
        }
        let zip = self.bulk;
        let body = if zip { gzip(&self.body) } else { self.body.clone().into() };
        let request = Request { path: self.uri.clone(), headers: headers("application/json", zip), body };
        match self.client.post(&request).await {
            Ok(reply) => reply.verdict(),
            Err(verdict) => verdict,
        }
    }
}

impl Transport for GelfHttp {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(self.send(batch))
    }
}
