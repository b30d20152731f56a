//! Responses to requests. No body is read, and no input of the client is repeated but the host's name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap,
    HeaderName, HeaderValue, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode, Version};

use super::auth::Gate;
use super::body::Page;
use super::host::HostNames;
use super::progress::Progress;
use super::scrape::MetricsResponse;
use crate::sources::{Health, Sources};

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// Paths that need no authentication: probes have no credentials.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Maximum length of a refused host's name in a message, characters.
const HOST_CHARS: usize = 100;

const INDEX: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Metrics</title>\n\
    <ul><li><a href=\"/metrics\">Metrics</a></li><li><a href=\"/healthz\">Health</a></li>\
    <li><a href=\"/readyz\">Readiness</a></li></ul>\n</html>\n";

pub(super) struct Responder {
    sources: Sources,
    gate: Option<Gate>,
    hosts: HostNames,
    /// Whether a refused host was reported.
    has_refused: AtomicBool,
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Responder {
    pub(super) fn new(sources: Sources, gate: Option<Gate>, hosts: HostNames) -> Self {
        Self { sources, gate, hosts, has_refused: AtomicBool::new(false) }
    }

    /// Returns the response to a request; `progress` is that of its connection.
    pub(super) fn respond<B: Body>(&self, request: &Request<B>, progress: &Arc<Progress>) -> Response<Page> {
        let answer = if !has_one_host(request) {
            Answer::new(StatusCode::BAD_REQUEST, PLAIN, "bad request: send one Host header\n")
        } else if let Some(host) = self.refused_host(request) {
            self.refuse(&host)
        } else {
            self.answer(request.method(), request.uri().path(), request.headers())
        };
        let length = answer.body.len() as u64;
        let mut response = Response::new(Page::new(answer.body, Arc::clone(progress)));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(answer.headers);
        if !request.body().is_end_stream() {
            // Its body is not read, so the connection cannot be reused.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Returns the host that a request to an open endpoint is addressed to, if it is none of this host's names.
    fn refused_host<B>(&self, request: &Request<B>) -> Option<String> {
        let header = request.headers().get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
        let target = request.uri().host().map(Into::into);
        let mut hosts = [header, target].into_iter().flatten();
        let refused = hosts.find(|host| self.gate.is_none() && !self.hosts.admits(host))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        Some(refused.chars().take(HOST_CHARS).map(|c| if is_plain(c) { c } else { '?' }).collect())
    }

    fn refuse(&self, host: &str) -> Answer {
        let message = format!(
            "host {host:?} is not one of this host's names; list it in allowed_hosts (SOUNDPOST_ALLOWED_HOSTS), or \
             require credentials"
        );
        if !self.has_refused.swap(true, Ordering::Relaxed) {
            let _ = catch_unwind(AssertUnwindSafe(|| (self.sources.refused)(&message)));
        }
        Answer::new(StatusCode::MISDIRECTED_REQUEST, PLAIN, format!("misdirected request: {message}\n"))
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        if let Some(gate) = self.gate.as_ref().filter(|gate| !PROBES.contains(&path) && !gate.admits(headers))
        {
            return Answer::new(StatusCode::UNAUTHORIZED, PLAIN, "unauthorized\n")
                .with(WWW_AUTHENTICATE, gate.challenge());
        }
        let route: fn(&Self, &HeaderMap) -> Answer = match path {
            "/metrics" => Self::metrics,
            "/healthz" => |this, _| this.probe(|health| (health.is_ok(), health.to_json())),
            "/readyz" => |this, _| {
                this.probe(|health| match health.unready() {
                    None => (true, "{\"status\":\"ready\"}\n".to_owned()),
                    Some(reason) => {
                        (false, format!("{{\"status\":\"not ready\",\"reason\":\"{reason}\"}}\n"))
                    }
                })
            },
            "/" => |_, _| Answer::new(StatusCode::OK, HTML, INDEX),
            _ => {
                return Answer::new(
                    StatusCode::NOT_FOUND,
                    PLAIN,
                    "not found: see /metrics, /healthz and /readyz\n",
                );
            }
        };
        if method == Method::GET || method == Method::HEAD {
            route(self, headers)
        } else {
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "method not allowed: use GET or HEAD\n")
                .with(ALLOW, HeaderValue::from_static("GET, HEAD"))
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Answer {
        let start = Instant::now();
        let render = || {
            let snapshot = (self.sources.snapshot)();
            MetricsResponse::from_headers(&snapshot, self.sources.appendix.as_deref(), headers)
        };
        let Some(response) = self.guarded("render", render) else { return failed() };
        let MetricsResponse { content_type, content_encoding, body } = response;
        let mut answer = Answer::new(StatusCode::OK, content_type, body)
            .with(VARY, HeaderValue::from_static(MetricsResponse::VARY));
        if let Some(encoding) = content_encoding {
            answer = answer.with(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        self.guarded("render", || (self.sources.observe_scrape)(start.elapsed()));
        answer
    }

    /// Answers a probe; `read` returns whether it succeeds, and the body.
    fn probe(&self, read: fn(&Health) -> (bool, String)) -> Answer {
        let Some(health) = self.guarded("health", || (self.sources.health)()) else { return failed() };
        let (succeeds, body) = read(&health);
        Answer::new(if succeeds { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, JSON, body)
    }

    /// Calls a source. Returns `None` after a panic, which is reported.
    fn guarded<T>(&self, part: &'static str, source: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(source)).ok();
        if result.is_none() {
            let _ = catch_unwind(AssertUnwindSafe(|| (self.sources.fault)(part)));
        }
        result
    }
}

/// Returns whether a request has one `Host` header, which HTTP/1.0 may leave out. Proxies read two of them differently.
fn has_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() <= Version::HTTP_10
}

fn failed() -> Answer {
    Answer::new(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "internal error\n")
}
