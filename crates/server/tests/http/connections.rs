//! What happens on a connection beside answers: it is used again, ended, cut, or full.

use std::time::Duration;

use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::ModelApi;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::app::{TestApp, input, with_model};

/// A connection of which every byte is looked at.
struct Raw {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Raw {
    async fn connect(app: &TestApp) -> Self {
        let stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
        Self { stream, seen: Vec::new() }
    }

    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until this text has come, and takes what came up to its end.
    async fn until(&mut self, needle: &str) -> String {
        loop {
            let needle = needle.as_bytes();
            if let Some(at) = self.seen.windows(needle.len()).position(|part| part == needle) {
                let rest = self.seen.split_off(at + needle.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            let read = self.stream.read_buf(&mut self.seen).await.unwrap();
            assert!(read > 0, "the end before it: {}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Reads to the end of the connection.
    async fn rest(self) -> String {
        String::from_utf8(self.rest_bytes().await).unwrap()
    }

    async fn rest_bytes(mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.seen).await.unwrap();
        self.seen
    }
}

fn ask(version: &str, fields: &str, text: &str) -> String {
    let body = json!({"type": "threads.create", "params": {"input": input(text)}}).to_string();
    format!(
        "POST /chatkit {version}\r\nHost: localhost\r\nX-User-ID: ada\r\n{fields}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_CHUNK: &str = "\r\n0\r\n\r\n";

async fn app_with(model: &FakeModel) -> TestApp {
    TestApp::with(|config| with_model(config, model, ModelApi::Responses)).await
}

/// The chunks of an answer, joined.
fn unchunked(body: &str) -> String {
    let (mut rest, mut text) = (body, String::new());
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            assert_eq!(after, "\r\n");
            return text;
        }
        text.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream() {
    let model = FakeModel::start().await;
    let app = app_with(&model).await;
    let mut raw = Raw::connect(&app).await;
    for text in ["one", "two"] {
        raw.send(&ask("HTTP/1.1", "", text)).await;
        let head = raw.until("\r\n\r\n").await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        for field in [
            "\r\ntransfer-encoding: chunked\r\n",
            "\r\ncontent-type: text/event-stream\r\n",
            "\r\nparlor-protocol: 1\r\n",
            "\r\nx-request-id: ",
            "\r\ndate: ",
        ] {
            assert!(head.contains(field), "{field:?} in {head}");
        }
        assert!(!head.contains("\r\nconnection:"), "{head}");
        let body = unchunked(&raw.until(LAST_CHUNK).await);
        assert!(body.contains(text) && body.ends_with(": end done\n\n"), "{body}");
        raw.send(HEALTH).await;
        assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK"));
        raw.until("\"ok\"}").await;
    }
}

#[tokio::test]
async fn requests_that_are_sent_early_are_answered_in_their_turn() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half, ").hold("middle").text("and the rest."));
    let app = app_with(&model).await;
    let mut raw = Raw::connect(&app).await;
    // One with the first request, in the same packet, and one while its answer is being sent.
    raw.send(&[ask("HTTP/1.1", "", "first").as_str(), HEALTH].concat()).await;
    raw.until("Half").await;
    raw.send(&ask("HTTP/1.1", "Connection: close\r\n", "third")).await;
    model.release("middle");
    let first = raw.until(LAST_CHUNK).await;
    assert!(first.contains("rest.") && first.contains(": end done"), "{first}");
    let rest = raw.rest().await;
    let health = rest.find("HTTP/1.1 200 OK").unwrap();
    let third = rest.rfind("HTTP/1.1 200 OK").unwrap();
    assert!(health == 0 && health < third, "{rest}");
    assert!(rest.ends_with(": end done\n\n\r\n0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_client_that_wants_the_connection_closed_gets_it_closed() {
    let model = FakeModel::start().await;
    let app = app_with(&model).await;
    let mut raw = Raw::connect(&app).await;
    raw.send(&ask("HTTP/1.1", "Connection: close\r\n", "once")).await;
    let head = raw.until("\r\n\r\n").await;
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(unchunked(&raw.rest().await).ends_with(": end done\n\n"));
}

#[tokio::test]
async fn an_old_client_gets_the_stream_without_chunks() {
    let model = FakeModel::start().await;
    let app = app_with(&model).await;
    let mut raw = Raw::connect(&app).await;
    raw.send(&ask("HTTP/1.0", "", "once")).await;
    let head = raw.until("\r\n\r\n").await;
    assert!(!head.contains("chunked"), "{head}");
    let body = raw.rest().await;
    assert!(body.starts_with("id: 1\n") && body.ends_with(": end done\n\n"), "{body}");
}

#[tokio::test]
async fn a_client_that_goes_away_in_a_stream_is_noticed() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half, ").hold("middle").text("and the rest."));
    let app = app_with(&model).await;
    let mut raw = Raw::connect(&app).await;
    raw.send(&ask("HTTP/1.1", "", "first")).await;
    let created = raw.until("Half").await;
    let thread_id = created.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
    drop(raw);
    // Nobody follows the turn any more, and so the next message may take its place.
    let user = app.user("ada");
    let params = json!({"thread_id": thread_id, "input": input("second")});
    loop {
        let response = user.call("threads.add_user_message", params.clone()).await;
        if response.status() == 200 {
            assert!(response.text().await.unwrap().ends_with(": end done\n\n"));
            break;
        }
        assert_eq!(response.status(), 409);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_the_end() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text_in_chunks("0123456789abcdef".repeat(40_000), 16));
    let app = app_with(&model).await;
    let mut raw = Raw::connect(&app).await;
    raw.send(&ask("HTTP/1.1", "Connection: close\r\n", "much")).await;
    raw.until("\r\n\r\n").await;
    // Far more than the sockets hold: the server has to wait while nothing is read.
    model.requests_when(|requests| requests.len() == 1 && requests[0].finished).await;
    let body = unchunked(&raw.rest().await);
    let deltas = body.matches("\"delta\":\"0123456789abcdef\"").count();
    assert_eq!(deltas, 40_000);
    assert!(body.ends_with(": end done\n\n"));
}

#[tokio::test]
async fn answers_that_are_read_late_are_whole_when_a_stream_follows_them() {
    let model = FakeModel::start().await;
    let long = "x".repeat(800_000);
    model.push(Behaviour::new().text(long.as_str()));
    let app = app_with(&model).await;
    let thread_id = app.user("ada").ask("much").await.thread_id();
    let mut raw = Raw::connect(&app).await;
    // Many requests and nothing is read: answers pile up in the server, more than sockets hold.
    let body = json!({"type": "threads.get_by_id", "params": {"thread_id": thread_id}}).to_string();
    let request = format!(
        "POST /chatkit HTTP/1.1\r\nHost: localhost\r\nX-User-ID: ada\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw.send(&request.repeat(20)).await;
    raw.send(&ask("HTTP/1.1", "Connection: close\r\n", "last")).await;
    let all = raw.rest().await;
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 21);
    assert_eq!(all.matches(&long).count(), 20);
    assert!(all.ends_with(": end done\n\n\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn stopping_the_server_ends_streams_and_connections() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half, ").hold("middle").text("and the rest."));
    let app = app_with(&model).await;
    let mut idle = Raw::connect(&app).await;
    idle.send(HEALTH).await;
    idle.until("\"ok\"}").await;
    let mut raw = Raw::connect(&app).await;
    raw.send(&ask("HTTP/1.1", "", "first")).await;
    raw.until("\r\n\r\n").await;
    raw.until("Half").await;
    let stopped = tokio::spawn(app.stop());
    assert!(raw.rest().await.ends_with(": end interrupted\n\n\r\n0\r\n\r\n"));
    assert_eq!(idle.rest().await, "");
    stopped.await.unwrap();
}
