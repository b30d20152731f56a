//! Events to Loki's push API.

use hyper::header::{HeaderName, HeaderValue};

use crate::format::losses::Losses;
use crate::format::record::{Event, Origin};
use crate::loki::push::{Encoder, Extras};
use crate::loki::{Loki, LokiEncoding, PUSH};
use crate::net::http::{Client, Reply, uri};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Maximum entries in a request, and their bytes before compression.
const LIMITS: Limits = Limits { records: 1000, bytes: 1 << 20 };
const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");
/// Status of a request that Loki discarded.
const DISCARDED: u16 = 260;

pub(crate) struct LokiTransport {
    client: Client,
    extras: Extras,
    json: bool,
    encoder: Encoder,
    limits: Limits,
}

impl LokiTransport {
    pub(crate) fn new(settings: &Loki) -> Result<Self, String> {
        let Loki { common, server, tenant, extras, encoding } = settings;
        let uri = uri(&server.address, PUSH, &[])?;
        let mut client = Client::new(server, uri, common.timeout, "Bearer")?;
        if !tenant.is_empty() {
            let tenant = HeaderValue::from_str(tenant);
            let tenant = tenant.map_err(|_| "the tenant has characters that no header can have")?;
            client = client.with_header(TENANT, tenant);
        }
        let (extras, json) = (*extras, *encoding == LokiEncoding::Json);
        let (encoder, limits) = (Encoder::default(), LIMITS.with_records(common.batch));
        Ok(Self { client, extras, json, encoder, limits })
    }

    async fn send(&mut self, batch: Batch<'_>) -> Result<Answer, Verdict> {
        let events = || batch.records.iter().filter_map(Event::from_record);
        if events().next().is_none() {
            return Ok(Answer::taken(batch.records.len(), Losses::default()));
        }
        loop {
            let encoded = Verdict::of_panic(|| self.encode(&batch.origin, events()))?;
            let too_long = || Verdict::TooLarge("longer than snappy can be".into());
            let (body, losses) = encoded.ok_or_else(too_long)?;
            let content = if self.json { "application/json" } else { "application/x-protobuf" };
            let reply = self.client.post(content, body, self.json).await?;
            if self.extras == Extras::Metadata && rejects_metadata(&reply) {
                self.extras = Extras::Logfmt;
                continue;
            }
            return Answer::taken(batch.records.len(), losses).judged(verdict(&reply), || {
                let events: Vec<_> = events().collect();
                ignored(&reply, &events).or_else(|| out_of_time(&reply, &events))
            });
        }
    }

    fn encode<'a>(
        &mut self,
        origin: &Origin<'_>,
        events: impl Iterator<Item = Event<'a>>,
    ) -> Option<(Vec<u8>, Losses)> {
        match self.json {
            true => Some(self.encoder.json(origin, events, self.extras)),
            false => self.encoder.protobuf(origin, events, self.extras),
        }
    }
}

/// Loki's messages on single entries. Messages on labels concern all entries.
const OF_ENTRIES: [&str; 8] = [
    IGNORED,
    TOO_OLD,
    TOO_NEW,
    "entry too far behind",
    "entry out of order",
    "max entry size",
    "structured metadata too large",
    "too many structured metadata labels",
];
const IGNORED: &str = "total ignored: ";
const TOO_OLD: &str = "' has timestamp too old: ";
const TOO_NEW: &str = "' has timestamp too new: ";

/// Returns the verdict on a reply. A discarded request is a misconfiguration.
fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        DISCARDED => Verdict::Misconfigured(format!("the server discards what it gets: {}", reply.summary())),
        _ => reply.verdict(&OF_ENTRIES),
    }
}

/// Returns whether a server rejects all entries because it does not accept structured metadata.
fn rejects_metadata(reply: &Reply) -> bool {
    reply.status == 400 && reply.text.contains("structured metadata") && reply.text.contains("disallowed")
}

/// Returns how many of these events Loki rejected, if it stored the others. The message `total ignored: 3 out of 7 for
/// stream: {...}` covers only the last stream, so the number is known for a single stream.
fn ignored(reply: &Reply, events: &[Event<'_>]) -> Option<u64> {
    let first = events.first()?;
    if reply.status != 400 || events.iter().any(|event| event.level != first.level) {
        return None;
    }
    let (_, said) = reply.text.rsplit_once(IGNORED)?;
    let mut words = said.split(' ');
    let (refused, out, of, all) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let refused = refused.parse().ok().filter(|refused| *refused <= events.len() as u64)?;
    ((out, of) == ("out", "of") && all.parse() == Ok(events.len())).then_some(refused)
}

/// Returns how many of these events Loki rejected for their times, if it stored the others. The reply is
/// `2 errors like: entry for stream '{...}' has timestamp too old: ...; entry for stream ...`.
fn out_of_time(reply: &Reply, events: &[Event<'_>]) -> Option<u64> {
    let (mut said, mut refused) = (reply.text.as_str(), 0);
    loop {
        let counted = said.split_once(" errors like: ");
        let counted = counted.and_then(|(count, entry)| Some((count.parse::<u64>().ok()?, entry)));
        let (count, entry) = counted.unwrap_or((1, said));
        let entry = entry.strip_prefix("entry for stream '")?;
        let times = [TOO_OLD, TOO_NEW].into_iter().filter_map(|words| Some(entry.find(words)? + words.len()));
        let time = &entry[times.min()?..];
        refused += count;
        match time.split_once("; ") {
            Some((_, next)) => said = next,
            None => break,
        }
    }
    Some(refused).filter(|refused| !reply.cut && *refused <= events.len() as u64)
}

impl Transport for LokiTransport {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(self.send(batch))
    }
}
