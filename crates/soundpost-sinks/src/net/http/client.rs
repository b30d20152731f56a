//! An HTTP client for one server.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::status::{Reply, cleaned, retry_after};
use crate::net::connect::Connector;
use crate::net::gzip::gzip;
use crate::options::common::{Login, Server};
use crate::options::secret::Source;
use crate::transport::answer::Verdict;

/// Maximum number of bytes read from a reply.
const MAX_REPLY_BYTES: usize = 4096;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("soundpost/", env!("CARGO_PKG_VERSION")));

/// Posts bodies to one URL over a persistent connection. It follows no redirects and uses no proxy.
pub(crate) struct Client {
    connector: Connector,
    uri: Uri,
    /// Headers of each request, with an authorization until the server rejects it.
    headers: HeaderMap,
    timeout: Duration,
    login: Login,
    scheme: &'static str,
    /// Texts to hide in the server's replies.
    secrets: Vec<String>,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Client {
    /// Creates a client for a URL of a server, with the authorization scheme of its tokens. `timeout` is that of each
    /// request.
    pub(crate) fn new(
        server: &Server,
        uri: Uri,
        timeout: Duration,
        scheme: &'static str,
    ) -> Result<Self, String> {
        let host = HeaderValue::from_str(&server.address.authority());
        let host = host.map_err(|_| "the host has characters that no header can have".to_owned())?;
        Ok(Self {
            connector: Connector::new(server, timeout, Some(b"http/1.1"))?,
            uri,
            headers: HeaderMap::from_iter([(header::HOST, host), (header::USER_AGENT, AGENT)]),
            timeout,
            login: server.login.clone(),
            scheme,
            secrets: Vec::new(),
            open: None,
        })
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Posts a body, compressed with gzip if `zip`, and returns the reply.
    ///
    /// # Errors
    /// A verdict to retry later, or a misconfigured login.
    pub(crate) async fn post(
        &mut self,
        content_type: &'static str,
        body: Vec<u8>,
        zip: bool,
    ) -> Result<Reply, Verdict> {
        self.log_in()?;
        let mut request = Request::new(Full::new(if zip { gzip(&body) } else { body }.into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.extend(zip.then(|| (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
        let exchange = timeout(self.timeout, self.exchange(&request)).await;
        let answered =
            exchange.unwrap_or_else(|_| Err(Verdict::later("no answer within the time it may take")));
        match &answered {
            Ok(reply) if matches!(reply.status, 401 | 403) => {
                drop(self.headers.remove(header::AUTHORIZATION))
            }
            Ok(_) => {}
            // The next request must not read a late reply to this one.
            Err(_) => self.open = None,
        }
        answered
    }

    /// Reads the secrets again if the server rejected the previous ones.
    fn log_in(&mut self) -> Result<(), Verdict> {
        if self.headers.contains_key(header::AUTHORIZATION) || self.login.is_empty() {
            return Ok(());
        }
        let read = |what: &str, source: &Source| source.read(what).map_err(Verdict::Misconfigured);
        let text = match (&self.login.token, &self.login.user) {
            (Some(token), _) => {
                let token = read("token", token)?;
                self.hide(&[token.reveal()]);
                format!("{} {}", self.scheme, token.reveal())
            }
            (None, user) => {
                let user = user.as_deref().unwrap_or_default();
                let password = self.login.password.as_ref().map(|password| read("password", password));
                let password = password.transpose()?;
                let password = password.as_ref().map_or("", |password| password.reveal());
                let both = STANDARD.encode(format!("{user}:{password}"));
                self.hide(&[password, &both]);
                format!("Basic {both}")
            }
        };
        let header = HeaderValue::from_str(&text);
        let mut header = header.map_err(|_| {
            Verdict::Misconfigured("the secret has characters that no header can have".into())
        })?;
        header.set_sensitive(true);
        self.headers.insert(header::AUTHORIZATION, header);
        Ok(())
    }

    /// Adds texts to hide in replies, also after the secret was replaced.
    fn hide(&mut self, secrets: &[&str]) {
        for secret in secrets {
            if !secret.is_empty() && !self.secrets.iter().any(|known| known == secret) {
                self.secrets.push((*secret).to_owned());
            }
        }
    }

    async fn exchange(&mut self, request: &Request<Full<Bytes>>) -> Result<Reply, Verdict> {
        let lost = |error: hyper::Error| Verdict::later(format!("the connection broke: {}", why(&error)));
        if let Some(mut open) = self.open.take()
            && open.sender.ready().await.is_ok()
            && let Ok(response) = open.sender.send_request(request.clone()).await
        {
            return self.reply(open, response).await;
        }
        // There was no connection, or the server had closed it.
        let connection = self.connector.connect().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(connection)).await.map_err(lost)?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut open = Open { sender, driver };
        let response = open.sender.send_request(request.clone()).await.map_err(lost)?;
        self.reply(open, response).await
    }

    /// Reads the start of a reply, and keeps the connection if the reply was complete.
    async fn reply(&mut self, open: Open, response: Response<Incoming>) -> Result<Reply, Verdict> {
        let status = response.status().as_u16();
        let asked = response.headers().get(header::RETRY_AFTER);
        let asked = asked.and_then(|value| retry_after(value.as_bytes(), SystemTime::now()));
        let (mut body_start, mut body, mut whole) = (Vec::new(), response.into_body(), true);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                whole = false;
                break;
            };
            body_start.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
            if body_start.len() > MAX_REPLY_BYTES {
                body_start.truncate(MAX_REPLY_BYTES);
                whole = false;
                break;
            }
        }
        if whole {
            self.open = Some(open);
        }
        Ok(Reply {
            status,
            retry_after: asked,
            text: cleaned(&body_start, !whole, &self.secrets),
            cut: !whole,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Otherwise the task would wait for a server that never answers.
        self.driver.abort();
    }
}

fn why(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
