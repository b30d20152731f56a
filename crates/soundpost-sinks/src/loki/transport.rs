//! Events to Loki's push API.

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use soundpost_core::thread;
use soundpost_store::Rejected;

use crate::format::losses::Losses;
use crate::format::record::{Event, Origin};
use crate::loki::options::{Loki, LokiEncoding, PUSH};
use crate::loki::push::{Encoder, Extras};
use crate::net::http::{Client, Reply, Request, Scheme, gzip, headers, path};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Maximum entries in a request, and their bytes before compression.
const LIMITS: Limits = Limits { records: 1000, bytes: 1 << 20 };

const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// Status of a request that Loki discarded.
const DISCARDED: u16 = 260;

/// Pushes to one tenant.
pub(crate) struct LokiTransport {
    client: Client,
    uri: Uri,
    tenant: Option<HeaderValue>,
    extras: Extras,
    json: bool,
    encoder: Encoder,
    limits: Limits,
}

impl LokiTransport {
    /// # Errors
    /// When the settings are invalid.
    pub(crate) fn new(settings: &Loki) -> Result<Self, String> {
        let tenant = Some(&settings.tenant).filter(|tenant| !tenant.is_empty());
        let tenant = tenant.map(|tenant| HeaderValue::from_str(tenant)).transpose();
        Ok(Self {
            client: Client::new(&settings.server, settings.common.timeout, Scheme::Bearer)?,
            uri: path(&settings.server.address, PUSH, &[])?,
            tenant: tenant.map_err(|_| "the tenant has characters that no header can have".to_owned())?,
            extras: settings.extras,
            json: settings.encoding == LokiEncoding::Json,
            encoder: Encoder::default(),
            limits: Limits { records: settings.common.batch.unwrap_or(LIMITS.records), ..LIMITS },
        })
    }

    async fn send(&mut self, batch: Batch<'_>) -> Answer {
        let events = || batch.records.iter().filter_map(Event::from_record);
        if events().next().is_none() {
            return Answer::taken(batch.records.len(), Losses::default());
        }
        loop {
            let encoded = thread::guarded(|| self.encode(&batch.origin, events()));
            let (request, losses) = match encoded {
                Ok(Some(encoded)) => encoded,
                Ok(None) => return Answer::none(Verdict::TooLarge("longer than snappy can be".into())),
                Err(panic) => {
                    return Answer::none(Verdict::unwritable(&panic));
                }
            };
            let reply = match self.client.post(&request).await {
                Ok(reply) => reply,
                Err(verdict) => return Answer::none(verdict),
            };
            if self.extras == Extras::Metadata && rejects_metadata(&reply) {
                self.extras = Extras::Logfmt;
                continue;
            }
            let records = batch.records.len();
            return match verdict(&reply) {
                Verdict::Taken => Answer::taken(records, losses),
                rest @ Verdict::Faulty(_) => {
                    let events: Vec<_> = events().collect();
                    match ignored(&reply, &events).or_else(|| out_of_time(&reply, &events)) {
                        Some(refused) => {
                            let rejected = Rejected { refused, ..Rejected::default() };
                            Answer { rejected, rest, ..Answer::taken(records, losses) }
                        }
                        None => Answer::none(rest),
                    }
                }
                verdict => Answer::none(verdict),
            };
        }
    }

    fn encode<'a>(
        &mut self,
        origin: &Origin<'_>,
        events: impl Iterator<Item = Event<'a>>,
    ) -> Option<(Request, Losses)> {
        let (body, mut headers, losses) = if self.json {
            let (body, losses) = self.encoder.json(origin, events, self.extras);
            (gzip(&body), headers("application/json", true), losses)
        } else {
            let (body, losses) = self.encoder.protobuf(origin, events, self.extras)?;
            (body.into(), headers("application/x-protobuf", false), losses)
        };
        headers.extend(self.tenant.iter().map(|tenant| (TENANT, tenant.clone())));
        Some((Request { path: self.uri.clone(), headers, body }, losses))
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

/// Returns the verdict on a reply. A discarded request is a misconfiguration; Loki's messages on single entries are
/// [`Verdict::Faulty`].
fn verdict(reply: &Reply) -> Verdict {
    match reply.verdict() {
        _ if reply.status == DISCARDED => {
            Verdict::Misconfigured(format!("the server discards what it gets: {}", reply.summary()))
        }
        Verdict::Refused(text) if OF_ENTRIES.iter().any(|words| reply.text.contains(words)) => {
            Verdict::Faulty(text)
        }
        verdict => verdict,
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
