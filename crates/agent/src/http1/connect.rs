//! Connections: addresses, proxies, TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::ServiceExt as _;
use url::Url;

use super::head::HeadDecoder;
use super::{HttpError, SetupError};

/// A connection. Small, as there are thousands: what TLS needs is elsewhere.
#[derive(Debug)]
pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<Io>>),
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

/// Connects to one server, straight or through a proxy.
pub(super) struct Connector {
    tcp: HttpConnector,
    /// Scheme, host and port of the server.
    origin: Uri,
    proxy: Option<Intercept>,
    /// TLS to the server, with its name.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// TLS to the proxy, with its name.
    proxy_tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Connector {
    /// For the server of this URL. The proxy is chosen by `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`
    /// and `NO_PROXY`; certificates are those that the system trusts.
    pub(super) fn new(url: &Url, timeout: Duration) -> Result<Self, SetupError> {
        let origin = url.origin().ascii_serialization();
        let origin: Uri = origin.parse().map_err(|_| SetupError::Address(origin))?;
        let proxy = Matcher::from_system().intercept(&origin);
        let proxy_uri = proxy.as_ref().map(Intercept::uri);
        if let Some(uri) = proxy_uri
            && !matches!(uri.scheme_str(), Some("http" | "https"))
        {
            return Err(SetupError::Proxy(uri.scheme_str().unwrap_or_default().to_owned()));
        }
        let is_https = |uri: &Uri| uri.scheme_str() == Some("https");
        let tls = if is_https(&origin) || proxy_uri.is_some_and(is_https) {
            Some(tls().map_err(SetupError::Tls)?)
        } else {
            // The system's certificates are not even read.
            None
        };
        let tls_to = |uri: &Uri, alpn: bool| match &tls {
            Some(config) if is_https(uri) => {
                let mut config = config.clone();
                if alpn {
                    config.alpn_protocols = vec![b"http/1.1".to_vec()];
                }
                Ok(Some((TlsConnector::from(Arc::new(config)), server_name(uri)?)))
            }
            _ => Ok(None),
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Requests are written in one piece, and must not wait for more.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        // A server that has gone without a word is noticed, however long it may be silent.
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        tcp.set_keepalive_interval(Some(Duration::from_secs(15)));
        tcp.set_keepalive_retries(Some(3));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        Ok(Self {
            tcp,
            tls: tls_to(&origin, true)?,
            proxy_tls: proxy_uri.map_or(Ok(None), |uri| tls_to(uri, false))?,
            origin,
            proxy,
            timeout,
        })
    }

    /// The proxy to which requests are addressed as they are, without a tunnel to the server.
    pub(super) fn asks_proxy(&self) -> Option<&Intercept> {
        self.proxy.as_ref().filter(|_| self.tls.is_none())
    }

    pub(super) async fn connect(&self) -> Result<Io, HttpError> {
        match tokio::time::timeout(self.timeout, self.connect_at_leisure()).await {
            Ok(connected) => connected.map_err(HttpError::Connect),
            Err(_) => {
                let detail = format!("no connection within {} s", self.timeout.as_secs_f32());
                Err(HttpError::Connect(detail.into()))
            }
        }
    }

    async fn connect_at_leisure(&self) -> Result<Io, Box<dyn std::error::Error + Send + Sync>> {
        let to = self.proxy.as_ref().map_or(&self.origin, Intercept::uri);
        let mut io = Io::Plain(self.tcp.clone().oneshot(to.clone()).await?.into_inner());
        if let Some((connector, name)) = &self.proxy_tls {
            io = Io::Tls(Box::new(connector.connect(name.clone(), io).await?));
        }
        if let Some((connector, name)) = &self.tls {
            if let Some(proxy) = &self.proxy {
                self.open_tunnel(proxy, &mut io).await?;
            }
            io = Io::Tls(Box::new(connector.connect(name.clone(), io).await?));
        }
        Ok(io)
    }

    /// Has the proxy connect to the server ([RFC 9110, section 9.3.6]).
    ///
    /// [RFC 9110, section 9.3.6]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
    async fn open_tunnel(
        &self,
        proxy: &Intercept,
        io: &mut Io,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let host = self.origin.host().unwrap_or_default();
        let port = self.origin.port_u16().unwrap_or(443);
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n");
        if let Some(auth) = proxy.basic_auth() {
            request += &format!("proxy-authorization: {}\r\n", auth.to_str()?);
        }
        io.write_all((request + "\r\n").as_bytes()).await?;
        io.flush().await?;
        let mut decoder = HeadDecoder::default();
        let mut buffer = [0; 1024];
        loop {
            let length = io.read(&mut buffer).await?;
            if length == 0 {
                return Err("the proxy closed the connection".into());
            }
            match decoder.push(&buffer[..length])? {
                None => {}
                // The server speaks TLS, so it waits for us to speak first.
                Some(head) if head.status == 200 && decoder.into_rest().is_empty() => {
                    return Ok(());
                }
                Some(head) => {
                    return Err(format!(
                        "the proxy did not connect to {host}:{port} (status {})",
                        head.status
                    )
                    .into());
                }
            }
        }
    }
}

fn server_name(uri: &Uri) -> Result<ServerName<'static>, SetupError> {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| SetupError::Address(host.to_owned()))
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth())
}
