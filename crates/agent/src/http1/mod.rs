//! A client of one HTTP/1.1 server, made for answers that come slowly.
//!
//! An answer of a model takes seconds to minutes, nearly all of which it waits for the next word,
//! and there are thousands at a time. While one waits, it holds its socket and where it is in the
//! body, but no buffer: what comes is read into the stack and handed on at once.
//!
//! The heads of responses are parsed by `httparse`, sockets are opened by `hyper-util`, TLS is
//! `rustls`. What is here: requests, the framing of bodies, and the connections that are used
//! again.

mod body;
mod connect;
mod head;
mod pool;

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Buf as _, Bytes};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use url::{Position, Url};

pub use body::BodyDecoder;
pub use head::{Framing, HeadDecoder, ResponseHead};

use connect::{Connector, Io};
use pool::Pool;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// A response that is not HTTP/1.1 as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the response is broken: {what}")]
pub struct Malformed {
    what: String,
}

impl Malformed {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// The client could not be made.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The address has no host that can be connected to.
    #[error("{0:?} is no address that can be connected to")]
    Address(String),
    /// The proxy that the environment names is of a kind that is not supported.
    #[error("the proxy is of the kind {0:?}; only http and https proxies are supported")]
    Proxy(String),
    /// The key holds what cannot be sent.
    #[error("the key has characters that cannot be sent in a header, such as line ends")]
    Key,
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}

/// A request has failed.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    /// There is no connection.
    #[error(transparent)]
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke.
    #[error(transparent)]
    Io(io::Error),
    /// The connection was closed where it should not be.
    #[error("the connection was closed {0}")]
    Closed(&'static str),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What to ask.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// On the client's server.
    pub(crate) url: &'a Url,
    /// Beside those that the client sends by itself.
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// In pieces, which are sent one after the other.
    pub(crate) body: Vec<Bytes>,
}

/// A client of one server.
pub(crate) struct Client {
    connector: Connector,
    pool: Arc<Pool>,
    /// Whether connections are used again.
    reuses: bool,
    /// The value of `Authorization`.
    authorization: Option<SecretString>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at this URL; a user name and password in it are sent unless there
    /// is a key. `connect_timeout` is for all of address, proxy and TLS.
    pub(crate) fn new(
        url: &Url,
        key: Option<&SecretString>,
        connect_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let authorization = match key {
            Some(key) => Some(format!("Bearer {}", key.expose_secret())),
            None if url.username().is_empty() && url.password().is_none() => None,
            None => {
                let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
                pair.push(b':');
                pair.extend(percent_decode_str(url.password().unwrap_or_default()));
                Some(format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair)))
            }
        };
        if authorization.iter().flat_map(|value| value.bytes()).any(|byte| byte.is_ascii_control())
        {
            return Err(SetupError::Key);
        }
        Ok(Self {
            connector: Connector::new(url, connect_timeout)?,
            pool: Pool::new(pool::IDLE_FOR),
            reuses: true,
            authorization: authorization.map(SecretString::from),
        })
    }

    /// With a connection of its own for each request. So no request is ever sent twice.
    pub(crate) fn without_reuse(self) -> Self {
        Self { reuses: false, ..self }
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// A connection that was used before may be closed by the server just when a request is
    /// sent: then the request is sent once more, on a fresh one.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Response, HttpError> {
        let head = self.head(request);
        if let Some(io) = self.pool.take() {
            match self.exchange(io, head.clone(), request).await {
                Ok(response) => return Ok(response),
                Err(Failed { unanswered: true, error }) => {
                    tracing::debug!(%error, "a kept connection was of no use; opening another");
                }
                Err(Failed { error, .. }) => return Err(error),
            }
        }
        let io = self.connector.connect().await?;
        self.exchange(io, head, request).await.map_err(|failed| failed.error)
    }

    fn head(&self, request: &Request<'_>) -> Bytes {
        let url = request.url;
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let mut head = format!("{} ", request.method);
        let proxy = self.connector.asks_proxy();
        if proxy.is_some() {
            let _ = write!(head, "{}://{host}", url.scheme());
        }
        let agent = concat!("parlor/", env!("CARGO_PKG_VERSION"));
        let _ = write!(head, "{target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\n");
        if let Some(value) = &self.authorization {
            let _ = write!(head, "authorization: {}\r\n", value.expose_secret());
        }
        let proxy_auth = proxy.and_then(|proxy| proxy.basic_auth()?.to_str().ok());
        if let Some(value) = proxy_auth {
            let _ = write!(head, "proxy-authorization: {value}\r\n");
        }
        if !self.reuses {
            head.push_str("connection: close\r\n");
        }
        for (name, value) in request.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if request.method != "GET" {
            let length: usize = request.body.iter().map(Bytes::len).sum();
            let _ = write!(head, "content-length: {length}\r\n");
        }
        head.push_str("\r\n");
        head.into()
    }

    async fn exchange(
        &self,
        io: Io,
        head: Bytes,
        request: &Request<'_>,
    ) -> Result<Response, Failed> {
        let pieces = std::iter::once(head).chain(request.body.iter().cloned());
        let unsent = pieces.filter(|piece| !piece.is_empty()).collect();
        let mut exchange =
            Exchange { io, unsent, flushed: false, broken: None, decoder: HeadDecoder::default() };
        let head = match poll_fn(|cx| exchange.poll(cx)).await {
            Ok(head) => head,
            Err(error) => {
                return Err(Failed { unanswered: exchange.decoder.is_empty(), error });
            }
        };
        let sent = exchange.unsent.is_empty() && exchange.flushed && exchange.broken.is_none();
        let mut body = Body {
            connection: Some(exchange.io),
            decoder: BodyDecoder::new(head.framing),
            early: exchange.decoder.into_rest(),
            pool: (head.keep_alive && sent && self.reuses).then(|| Arc::clone(&self.pool)),
        };
        body.release_if_done();
        Ok(Response {
            status: head.status,
            content_type: head.content_type,
            retry_after: head.retry_after,
            location: head.location,
            body,
        })
    }
}

/// A request that came to nothing.
struct Failed {
    /// Not a byte of a response has come.
    unanswered: bool,
    error: HttpError,
}

/// A request that is being sent, and the response that may begin before it is: a server that
/// does not want it says so and reads no further.
struct Exchange {
    io: Io,
    /// None of them is empty.
    unsent: VecDeque<Bytes>,
    flushed: bool,
    /// Why no more can be sent. There may be an answer nevertheless.
    broken: Option<io::Error>,
    decoder: HeadDecoder,
}

impl Exchange {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, HttpError>> {
        if self.broken.is_none()
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            self.broken = Some(error);
        }
        loop {
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            if let Err(error) = read {
                return Poll::Ready(Err(HttpError::Io(self.broken.take().unwrap_or(error))));
            }
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(match self.broken.take() {
                    Some(error) => HttpError::Io(error),
                    None => HttpError::Closed("before the answer"),
                }));
            }
            if let Some(head) = self.decoder.push(buffer.filled())? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            for (slice, piece) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(piece);
            }
            let count = self.unsent.len().min(slices.len());
            let io = Pin::new(&mut self.io);
            let mut sent = ready!(io.poll_write_vectored(cx, &slices[..count]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            while let Some(piece) = self.unsent.front_mut().filter(|_| sent > 0) {
                let length = sent.min(piece.len());
                piece.advance(length);
                sent -= length;
                if piece.is_empty() {
                    self.unsent.pop_front();
                }
            }
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// The head of a response that has come, and the body that is yet to come.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: Option<Box<str>>,
    pub(crate) retry_after: Option<Box<str>>,
    pub(crate) location: Option<Box<str>>,
    pub(crate) body: Body,
}

/// A body that is being read. Dropping it before its end closes the connection.
#[derive(Debug)]
pub(crate) struct Body {
    /// Until the body has been read.
    connection: Option<Io>,
    decoder: BodyDecoder,
    /// What came with the head.
    early: Vec<u8>,
    /// Where the connection goes afterwards, if it can be used again.
    pool: Option<Arc<Pool>>,
}

impl Body {
    /// Waits for more and hands it to `sink`, in any number of pieces. Whether there is more to
    /// come: `false` once the body is whole.
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// When the connection breaks before the body is whole, or the framing is broken. There may
    /// have been pieces before that.
    pub(crate) async fn read(&mut self, mut sink: impl FnMut(&[u8])) -> Result<bool, HttpError> {
        poll_fn(|cx| self.poll_read(cx, &mut sink)).await
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<bool, HttpError>> {
        if self.connection.is_some() && !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            return Poll::Ready(self.take(&early, sink));
        }
        let Some(io) = &mut self.connection else { return Poll::Ready(Ok(false)) };
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(io).poll_read(cx, &mut buffer)).map_err(HttpError::Io)?;
        if !buffer.filled().is_empty() {
            return Poll::Ready(self.take(buffer.filled(), sink));
        }
        self.connection = None;
        Poll::Ready(if self.decoder.may_end() {
            Ok(false)
        } else {
            Err(HttpError::Closed("before the answer was complete"))
        })
    }

    fn take(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<bool, HttpError> {
        let taken = self.decoder.decode(bytes, sink)?;
        if taken < bytes.len() {
            // Nothing was asked after this request: what it answers cannot be known.
            self.pool = None;
        }
        self.release_if_done();
        Ok(self.connection.is_some())
    }

    /// Gives the connection back if the body is whole.
    fn release_if_done(&mut self) {
        if !self.decoder.is_done() {
            return;
        }
        let connection = self.connection.take();
        if let (Some(connection), Some(pool)) = (connection, self.pool.take())
            && self.early.is_empty()
        {
            pool.put(connection);
        }
    }
}
