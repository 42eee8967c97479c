//! Connections: hyper speaks HTTP/1.1, event streams are written here.
//!
//! A stream waits for a model's next word most of its life, and there are thousands of them.
//! Hyper keeps two buffers of 8 kB, a service and its state for each connection, also while all
//! it does is to pass on a word now and then. So once the head of such an answer is known, its
//! connection is taken from hyper, the answer is written straight to the socket, chunk by chunk,
//! and afterwards the connection goes back to a fresh hyper for the next request.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    extract::ConnectInfo,
    http::{HeaderMap, Request, Version, header, response},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::metrics::OpenStream;

/// Marks an answer, in its extensions, as one that is sent over a long time. Its request has been
/// read to the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongStream;

/// What waits to be written to a stream is sent in one piece up to this size.
const PIECE_BYTES: usize = 16 * 1024;

/// Longest head of a request, in bytes. Buffers grow up to it only as what comes does. It is beyond
/// all use, so that tokens and cookies which are far too long are refused by those who read them,
/// in the same words as others.
const HEAD_BYTES: usize = 1_200_000;

/// How long a connection may take for the head of its next request, or stay without one. Longer than
/// proxies keep idle connections (nginx 60 s), so that it is they who close them.
const HEAD_TIME: Duration = Duration::from_secs(75);

/// A stream's buffer is kept from one piece to the next up to this size.
const KEPT_BYTES: usize = 512;

/// Serves connections until `shutdown` completes and those that are open have been answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
    let closing = CancellationToken::new();
    let connections = TaskTracker::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut shutdown => break,
        };
        // Words are small and must not wait for more of them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        connections.spawn(connection(stream, peer, router.clone(), closing.clone()));
    }
    drop(listener);
    closing.cancel();
    connections.close();
    connections.wait().await;
}

/// Accepts a connection, however long that takes.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        let error = match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        // Clients that went away again while they waited.
        if !matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
        ) {
            tracing::error!(%error, "no connection can be accepted; trying again in a second");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Answers the requests of a connection, one after the other.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    closing: CancellationToken,
) {
    let mut io = Io { stream, early: Bytes::new(), blocked: Arc::default() };
    while let Some((mut free, taken)) = until_stream(io, peer, &router, &closing).await {
        let keep_alive = taken.keep_alive && !closing.is_cancelled();
        match write_stream(&mut free, taken.response, keep_alive).await {
            Ok(()) if keep_alive => io = free,
            Ok(()) => {
                let _ = free.stream.shutdown().await;
                return;
            }
            Err(error) => {
                tracing::trace!(%error, "a stream's client went away");
                return;
            }
        }
    }
}

/// An answer that was taken from hyper.
struct Taken {
    response: Response,
    keep_alive: bool,
}

/// Has hyper answer requests, until one is to be answered by a long stream. `None`: the
/// connection is over.
async fn until_stream(
    io: Io,
    peer: SocketAddr,
    router: &Router,
    closing: &CancellationToken,
) -> Option<(Io, Taken)> {
    let taken = Arc::new(Mutex::new(None));
    let blocked = Arc::clone(&io.blocked);
    let service = service_fn(|request: Request<Incoming>| {
        let (mut router, taken, blocked) = (router.clone(), Arc::clone(&taken), blocked.clone());
        async move {
            let chunked = request.version() == Version::HTTP_11;
            let keep_alive = !says_close(request.headers());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let response = router.call(request).await?;
            // Hyper may still hold the end of an answer before this one, to a client that sends
            // requests without reading answers.
            let free = !blocked.load(Ordering::Relaxed);
            if chunked && free && response.extensions().get::<LongStream>().is_some() {
                *lock(&taken) = Some(Taken { response, keep_alive });
                // Dropped with hyper's connection.
                match std::future::pending::<Infallible>().await {}
            }
            Ok::<_, Infallible>(response)
        }
    });
    // Boxed: it is large, and gone while a stream is written.
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_BYTES).timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut http = Box::new(http.serve_connection(TokioIo::new(io), service));
    let mut closed = Box::pin(closing.cancelled());
    let mut told = false;
    let taken = poll_fn(|cx| {
        if !told && closed.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut *http).graceful_shutdown();
        }
        match Pin::new(&mut *http).poll(cx) {
            Poll::Ready(ended) => {
                if let Err(error) = ended {
                    tracing::trace!(%error, "a connection failed");
                }
                Poll::Ready(None)
            }
            Poll::Pending => match lock(&taken).take() {
                Some(taken) => Poll::Ready(Some(taken)),
                None => Poll::Pending,
            },
        }
    })
    .await?;
    let parts = (*http).into_parts();
    let mut io = parts.io.into_inner();
    // Nearly always empty, and then it must not hold hyper's buffer.
    if !parts.read_buf.is_empty() {
        io.early = match io.early.is_empty() {
            true => parts.read_buf,
            false => [parts.read_buf, std::mem::take(&mut io.early)].concat().into(),
        };
    }
    Some((io, taken))
}

fn lock<T>(taken: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn says_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Writes an answer as it comes, in the chunks of HTTP/1.1.
///
/// A client that reads slowly is waited for, and what it has not read stays where it came from.
///
/// # Errors
/// When the client has gone away, or the answer broke off.
async fn write_stream(io: &mut Io, response: Response, keep_alive: bool) -> io::Result<()> {
    let _open = OpenStream::begin();
    let (parts, mut body) = response.into_parts();
    let mut out = head(&parts, keep_alive);
    drop(parts);
    // A client may send its next request early; from then on it is not looked at until its turn.
    let mut watched = io.early.is_empty();
    loop {
        let ended = poll_fn(|cx| {
            while out.len() < PIECE_BYTES {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(data) = frame.into_data() {
                            push_chunk(&mut out, &data);
                        }
                    }
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Err(io::Error::other(error)));
                    }
                    Poll::Ready(None) => {
                        out.extend_from_slice(b"0\r\n\r\n");
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Pending if !out.is_empty() => break,
                    Poll::Pending if watched => {
                        watched = !ready!(io.poll_next_request(cx))?;
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(false))
        })
        .await?;
        io.stream.write_all(&out).await?;
        if ended {
            return Ok(());
        }
        out.clear();
        out.shrink_to(KEPT_BYTES);
    }
}

fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    use std::io::Write as _;

    if data.is_empty() {
        // An empty chunk would be the end.
        return;
    }
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{:x}\r\n", data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// The status line and the header fields.
fn head(parts: &response::Parts, keep_alive: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    };
    let reason = parts.status.canonical_reason().unwrap_or_default();
    line(&[b"HTTP/1.1 ", parts.status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    for (name, value) in &parts.headers {
        line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    if !parts.headers.contains_key(header::DATE) {
        line(&[b"date: ", httpdate::fmt_http_date(SystemTime::now()).as_bytes()]);
    }
    if !keep_alive {
        line(&[b"connection: close"]);
    }
    line(&[b"transfer-encoding: chunked"]);
    line(&[]);
    out
}

/// A socket, and what was read from it too early.
struct Io {
    stream: TcpStream,
    early: Bytes,
    /// Whether something waits to be written until the client has read.
    blocked: Arc<AtomicBool>,
}

impl Io {
    /// Waits until there is something to read, which is left there.
    ///
    /// # Errors
    /// When the client has gone away.
    fn poll_next_request(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut byte = [0];
        match ready!(self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(true)),
        }
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.blocked.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let length = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::routing::get;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What becomes of a connection on which `sent` comes and then nothing more. Time stands still
    /// but for what is waited for.
    async fn answered(sent: &str) -> (String, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "hello"));
        let serving = tokio::spawn(serve(listener, router, std::future::pending()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        serving.abort();
        (answer, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_holds_no_connection() {
        let (answer, after) = answered("GET / HTTP/1.1\r\nHost: here\r\nX-Slow: ").await;
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(after >= HEAD_TIME, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_further_requests_is_closed_later_than_proxies_do() {
        let (answer, after) = answered("GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("hello"), "{answer}");
        assert!(after > Duration::from_secs(60), "{after:?}");
    }
}
