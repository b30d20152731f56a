//! An HTTP/1.1 server with scripted responses, on the standard library only.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A received request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the value of a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// The reaction to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends a status, headers and a body.
    Say(u16, Vec<(String, String)>, String),
    /// Closes the connection without a response.
    Cut,
    /// Sends nothing until the client leaves.
    Hang,
}

impl Reply {
    /// Returns a response with a status only.
    pub fn status(status: u16) -> Self {
        Self::Say(status, Vec::new(), String::new())
    }

    /// Returns a response with a status and a body.
    pub fn said(status: u16, body: &str) -> Self {
        Self::Say(status, Vec::new(), body.to_owned())
    }
}

type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A server that runs until it is dropped.
pub struct Server {
    /// The address that the server listens on.
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts on a free port of the loopback.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), handler)
    }

    /// Starts on an existing listener.
    pub fn on(listener: TcpListener, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (stopping, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let handler: Handler = Arc::new(handler);
        let (stop, streams, count, accepted) =
            (stopping.clone(), open.clone(), requests.clone(), connections.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                accepted.fetch_add(1, Ordering::AcqRel);
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let (handler, count) = (handler.clone(), count.clone());
                std::thread::spawn(move || serve(stream, &handler, &count));
            }
        });
        Self { address, requests, connections, stopping, open, thread: Some(thread) }
    }

    /// Returns the number of requests.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    /// Returns the number of connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Shuts down all open connections.
    pub fn break_connections(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.break_connections();
    }
}

fn serve(stream: TcpStream, handler: &Handler, count: &AtomicUsize) {
    let mut out = stream.try_clone().unwrap();
    let mut input = BufReader::with_capacity(1 << 16, stream);
    while let Some(request) = read(&mut input) {
        let reply = handler(&request);
        count.fetch_add(1, Ordering::AcqRel);
        let written = match reply {
            Reply::Say(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} x\r\n");
                let bodiless = status == 204 || status == 304;
                if !bodiless {
                    head.push_str(&format!("content-length: {}\r\n", body.len()));
                }
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                if !bodiless {
                    head.push_str(&body);
                }
                out.write_all(head.as_bytes())
            }
            Reply::Cut => {
                let _ = out.shutdown(std::net::Shutdown::Both);
                return;
            }
            Reply::Hang => {
                let _ = input.read(&mut [0; 1]);
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

fn read(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut request = Request::default();
    let mut line = String::new();
    let mut first = true;
    loop {
        line.clear();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        if first {
            request.target = text.split(' ').nth(1)?.to_owned();
            first = false;
        } else if text.is_empty() {
            break;
        } else if let Some((name, value)) = text.split_once(':') {
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body = vec![0; length];
    input.read_exact(&mut request.body).ok()?;
    Some(request)
}
