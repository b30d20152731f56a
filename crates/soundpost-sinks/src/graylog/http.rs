//! Events to a GELF input over HTTP, the only one that confirms them.

use soundpost_store::Record;

use crate::format::losses::Losses;
use crate::format::record::{Event, Origin};
use crate::graylog::Graylog;
use crate::graylog::gelf;
use crate::net::http::{Client, uri};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Maximum length of an uncompressed body, bytes. Graylog's input accepts 64 KiB by default.
const BODY: usize = 65_000;

pub(crate) struct GelfHttp {
    client: Client,
    bulk: bool,
    limits: Limits,
    body: Vec<u8>,
}

impl GelfHttp {
    pub(crate) fn new(settings: &Graylog) -> Result<Self, String> {
        let Graylog { common, server, bulk } = settings;
        let own = if server.address.path.is_empty() { "/gelf" } else { "" };
        let uri = uri(&server.address, own, &[])?;
        // A bulk batch fits one request, so bisection works as for other sinks.
        let limits = Limits { records: 1000, bytes: if *bulk { BODY } else { 1 << 20 } };
        Ok(Self {
            client: Client::new(server, uri, common.timeout, "Bearer")?,
            bulk: *bulk,
            limits: limits.with_records(common.batch),
            body: Vec::new(),
        })
    }

    /// Sends records in requests of as many as fit, and stops at the first failure.
    async fn send(&mut self, batch: Batch<'_>) -> Result<Answer, Verdict> {
        let mut answer = Answer::taken(0, Losses::default());
        while answer.settled < batch.records.len() {
            let rest = &batch.records[answer.settled..];
            let (records, losses) = match Verdict::of_panic(|| self.encode(&batch.origin, rest)) {
                Ok(encoded) => encoded,
                Err(rest) => return Ok(Answer { rest, ..answer }),
            };
            match self.post().await {
                Ok(Verdict::Taken) => {
                    answer.settled += records;
                    answer.losses += losses;
                }
                Ok(rest) | Err(rest) => return Ok(Answer { rest, suspects: records, ..answer }),
            }
        }
        Ok(answer)
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

    async fn post(&mut self) -> Result<Verdict, Verdict> {
        if self.body.is_empty() {
            return Ok(Verdict::Taken);
        }
        let body = std::mem::take(&mut self.body);
        Ok(self.client.post("application/json", body, self.bulk).await?.verdict(&[]))
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
