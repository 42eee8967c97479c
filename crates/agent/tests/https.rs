//! Model servers behind TLS and proxies. What is trusted and which proxy is asked is a matter of
//! the environment, so each question is asked by a process of its own.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::process::Command;
use std::sync::Arc;

use parlor_agent::model::{
    InputItem, ModelApi, ModelClient, ModelConfig, ModelEvent, ModelRequest,
};
use parlor_fake_model::FakeModel;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// An authority, and a certificate of it for `localhost`.
struct Authority {
    folder: TempDir,
    acceptor: TlsAcceptor,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { folder, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// Puts TLS before a server. The port.
    async fn before(&self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outside = listener.local_addr().unwrap().port();
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust us hangs up.
                    let Ok(mut near) = acceptor.accept(stream).await else { return };
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        outside
    }
}

fn port_of(model: &FakeModel) -> u16 {
    model.url().rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap()
}

/// A proxy that opens tunnels to any port of this machine and sends other requests to `model`.
/// Says what it was asked.
async fn proxy(model: u16, status: &'static str) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let heads = heads.clone();
            tokio::spawn(async move { relay(stream, model, status, &heads).await });
        }
    });
    (port, asked)
}

async fn relay<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    model: u16,
    status: &str,
    heads: &mpsc::UnboundedSender<String>,
) {
    let mut near = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(near.read_line(&mut head).await.unwrap(), 0);
    }
    heads.send(head.clone()).unwrap();
    let mut far = if let Some(target) = head.strip_prefix("CONNECT ") {
        let answer = format!("HTTP/1.1 {status}\r\n\r\n");
        near.write_all(answer.as_bytes()).await.unwrap();
        if !status.starts_with("200") {
            return;
        }
        let port = target.split([':', ' ']).nth(1).unwrap().parse::<u16>().unwrap();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap()
    } else {
        let mut far = TcpStream::connect(("127.0.0.1", model)).await.unwrap();
        // The target with its host is one that servers understand, too.
        far.write_all(head.as_bytes()).await.unwrap();
        far
    };
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}

/// Has a process ask, with these variables. What it says: the answer or the error.
async fn asked_elsewhere(base_url: &str, variables: &[(&str, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "asks_for_the_others", "--include-ignored", "--nocapture"]);
    for name in PROXIES {
        command.env_remove(name);
    }
    command.env("PARLOR_TEST_BASE_URL", base_url);
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let said = output.split_once("SAID ").unwrap_or_else(|| panic!("{output}")).1;
    said.lines().next().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "run by the other tests, in a process of its own"]
#[expect(clippy::print_stdout, reason = "this is how it tells them")]
async fn asks_for_the_others() {
    let Ok(base_url) = std::env::var("PARLOR_TEST_BASE_URL") else { return };
    let config = ModelConfig::new(ModelApi::Responses, base_url.parse().unwrap(), "fake-model");
    let client = ModelClient::new(config).unwrap();
    // Twice, so that the connection is used again.
    for question in ["once", "twice"] {
        let input = vec![InputItem::User(question.into())];
        let request = ModelRequest { input, ..ModelRequest::default() };
        let mut stream = match client.stream(&request).await {
            Ok(stream) => stream,
            Err(error) => return println!("SAID {} {error}", error.reason()),
        };
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            if let ModelEvent::TextDelta(delta) = event.unwrap() {
                text += &delta;
            }
        }
        assert_eq!(text, format!("You said: {question}"));
    }
    println!("SAID You said: twice");
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_asked_and_no_other() {
    let (model, authority) = (FakeModel::start().await, Authority::new());
    let port = authority.before(port_of(&model)).await;
    let trusted = [("SSL_CERT_FILE", authority.file())];
    let url = format!("https://localhost:{port}/v1");
    assert_eq!(asked_elsewhere(&url, &trusted).await, "You said: twice");
    assert_eq!(model.requests().len(), 2);

    let other_name = asked_elsewhere(&format!("https://127.0.0.1:{port}/v1"), &trusted).await;
    assert!(other_name.starts_with("model.unreachable"), "{other_name}");
    assert!(other_name.contains("not valid for name"), "{other_name}");

    let stranger = [("SSL_CERT_FILE", Authority::new().file())];
    let unknown = asked_elsewhere(&url, &stranger).await;
    assert!(unknown.starts_with("model.unreachable"), "{unknown}");
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    assert_eq!(model.requests().len(), 2, "nothing was sent to them");
}

#[tokio::test]
async fn no_tls_where_tls_is_expected_is_unreachable() {
    let model = FakeModel::start().await;
    let said = asked_elsewhere(&format!("https://localhost:{}/v1", port_of(&model)), &[]).await;
    assert!(said.starts_with("model.unreachable"), "{said}");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_asked() {
    let model = FakeModel::start().await;
    let (port, mut asked) = proxy(port_of(&model), "200 OK").await;
    let proxy = ("HTTP_PROXY", format!("http://me:p%20w@127.0.0.1:{port}"));
    let said = asked_elsewhere("http://model.invalid/v1", std::slice::from_ref(&proxy)).await;
    assert_eq!(said, "You said: twice");
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("POST http://model.invalid/v1/responses HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: model.invalid\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: Basic bWU6cCB3\r\n"), "{head}");

    let url = format!("http://127.0.0.1:{}/v1", port_of(&model));
    let straight = [proxy, ("NO_PROXY", "127.0.0.1".into())];
    assert_eq!(asked_elsewhere(&url, &straight).await, "You said: twice");
    assert!(asked.try_recv().is_err(), "the proxy was asked");
}

#[tokio::test]
async fn a_server_with_tls_is_asked_through_a_tunnel() {
    let (model, authority) = (FakeModel::start().await, Authority::new());
    let model_port = authority.before(port_of(&model)).await;
    let url = format!("https://localhost:{model_port}/v1");
    let trusted = ("SSL_CERT_FILE", authority.file());
    let (port, mut asked) = proxy(0, "200 OK").await;
    let with = |proxy: String| [trusted.clone(), ("HTTPS_PROXY", proxy)];

    let said = asked_elsewhere(&url, &with(format!("http://me:pw@127.0.0.1:{port}"))).await;
    assert_eq!(said, "You said: twice");
    let head = asked.recv().await.unwrap();
    let expected =
        format!("CONNECT localhost:{model_port} HTTP/1.1\r\nhost: localhost:{model_port}\r\n");
    assert!(head.starts_with(&expected), "{head}");
    assert!(head.contains("\r\nproxy-authorization: Basic bWU6cHc=\r\n"), "{head}");
    assert!(asked.try_recv().is_err(), "one tunnel is enough for both questions");

    // TLS in TLS.
    let proxy_port = authority.before(port).await;
    let said = asked_elsewhere(&url, &with(format!("https://localhost:{proxy_port}"))).await;
    assert_eq!(said, "You said: twice");

    let (port, _asked) = proxy(0, "407 Who are you").await;
    let said = asked_elsewhere(&url, &with(format!("http://127.0.0.1:{port}"))).await;
    assert!(said.starts_with("model.unreachable") && said.contains("status 407"), "{said}");
}
