//! TLS in a build without it.

use std::io;

use super::config::TlsFiles;
use super::socket::Socket;

#[derive(Clone)]
pub(super) enum Acceptor {}

impl Acceptor {
    pub(super) async fn accept(&self, _: Socket) -> io::Result<Socket> {
        match *self {}
    }
}

/// Returns the error that this build serves no TLS.
pub(super) fn load(_: &TlsFiles) -> io::Result<Acceptor> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS: this build lacks the feature `tls` of soundpost"))
}
