//! The connections to a model server: how bodies end, what is used again, what a broken server
//! leads to.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parlor_agent::model::{
    InputItem, ModelApi, ModelClient, ModelConfig, ModelError, ModelEvent, ModelRequest,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Connection = BufReader<TcpStream>;

const ANSWER: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn chunked(body: &str) -> String {
    let chunks =
        body.split_inclusive("\n\n").map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{}\
         0\r\n\r\n",
        chunks.collect::<String>()
    )
}

/// A model server that is a function of the connection and its number, from 0.
struct Upstream {
    client: ModelClient,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start<F, H>(handle: H) -> Self
    where
        H: Fn(usize, Connection) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap()).parse().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(handle(number, BufReader::new(stream)));
            }
        });
        let config = ModelConfig::new(ModelApi::ChatCompletions, url, "fake");
        let config = config.with_idle_timeout(Duration::from_secs(30));
        Self { client: ModelClient::new(config).unwrap(), connections }
    }

    /// Answers every request with these bytes, and hangs up when `close` says so.
    async fn answering(response: impl Into<String>, close: bool) -> Self {
        let response: String = response.into();
        Self::start(move |_, mut connection| {
            let response = response.clone();
            async move {
                while request(&mut connection).await.is_some() {
                    connection.write_all(response.as_bytes()).await.unwrap();
                    if close {
                        return;
                    }
                }
            }
        })
        .await
    }

    async fn ask(&self) -> (String, Option<ModelError>) {
        self.ask_for("x").await
    }

    async fn ask_for(&self, question: &str) -> (String, Option<ModelError>) {
        let input = vec![InputItem::User(question.into())];
        let request = ModelRequest { input, ..ModelRequest::default() };
        let mut stream = match self.client.stream(&request).await {
            Ok(stream) => stream,
            Err(error) => return (String::new(), Some(error)),
        };
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(ModelEvent::TextDelta(delta)) => text += &delta,
                Ok(_) => {}
                Err(error) => return (text, Some(error)),
            }
        }
        (text, None)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request: its head. `None` when the client hung up.
async fn request(connection: &mut Connection) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).await.ok()?;
    Some(head)
}

fn good() -> (String, Option<ModelError>) {
    ("Hello".into(), None)
}

#[tokio::test]
async fn an_answer_ends_by_its_length_its_chunks_or_the_connection() {
    let length = ANSWER.len();
    let kept = [
        chunked(ANSWER),
        chunked(ANSWER).replace("0\r\n\r\n", "0\r\nX-Took: 7\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{ANSWER}"),
        format!(
            "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length:{length}\r\n\r\n{ANSWER}"
        ),
    ];
    for response in kept {
        let upstream = Upstream::answering(&response, false).await;
        for _ in 0..3 {
            assert_eq!(upstream.ask().await, good(), "{response}");
        }
        assert_eq!(upstream.connections(), 1, "{response}");
    }
    let closed = [
        format!("HTTP/1.1 200 OK\r\n\r\n{ANSWER}"),
        format!("HTTP/1.0 200 OK\r\n\r\n{ANSWER}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{ANSWER}"),
    ];
    for response in closed {
        let upstream = Upstream::answering(&response, true).await;
        for _ in 0..2 {
            assert_eq!(upstream.ask().await, good(), "{response}");
        }
        assert_eq!(upstream.connections(), 2, "{response}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_the_same() {
    let upstream = Upstream::start(|_, mut connection| async move {
        connection.get_ref().set_nodelay(true).unwrap();
        while request(&mut connection).await.is_some() {
            for byte in chunked(ANSWER).bytes() {
                connection.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    for _ in 0..2 {
        assert_eq!(upstream.ask().await, good());
    }
}

#[tokio::test]
async fn a_broken_server_leads_to_an_error_of_its_kind() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = ANSWER.split_inclusive("\n\n").next().unwrap();
    let half = format!("{head}{:x}\r\n{event}\r\n", event.len());
    let cases = [
        (String::new(), "", "model.cut"),
        ("HTTP/1.1 200 OK\r\ntransfer-enc".into(), "", "model.cut"),
        ("SSH-2.0-OpenSSH_9.2\r\n".into(), "", "model.malformed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".into(), "", "model.malformed"),
        (format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000)), "", "model.malformed"),
        (half.clone(), "Hello", "model.cut"),
        (format!("{half}ff\r\ndata: "), "Hello", "model.cut"),
        (format!("{half}0\r\n\r\n"), "Hello", "model.cut"),
        (format!("{half}zz\r\n"), "Hello", "model.malformed"),
        (format!("{half}11112222333344445\r\n"), "Hello", "model.malformed"),
        (format!("{half}2;{}\r\n", "x".repeat(100_000)), "Hello", "model.malformed"),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{event}"), "Hello", "model.cut"),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 99\r\n\r\nshort".into(), "", "model.server_error"),
    ];
    for (response, text, reason) in cases {
        let upstream = Upstream::answering(&response, true).await;
        let (came, error) = upstream.ask().await;
        let error = error.unwrap();
        let shown = response.chars().take(200).collect::<String>();
        assert_eq!((came.as_str(), error.reason()), (text, reason), "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed_but_told() {
    let moved =
        "HTTP/1.1 308 Moved\r\nlocation: https://new.example/v1\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::answering(moved, false).await;
    let (_, error) = upstream.ask().await;
    let error = error.unwrap();
    assert_eq!(error.reason(), "model.not_found");
    assert!(error.to_string().contains("https://new.example/v1"), "{error}");
}

#[tokio::test]
async fn a_connection_is_not_used_again_when_it_is_not_clear_where_the_answer_ended() {
    let with_more = chunked(ANSWER) + "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong";
    let both = chunked(ANSWER).replace("\r\n\r\n", "\r\ncontent-length: 5\r\n\r\n");
    for response in [with_more, both.replace("0\r\ncontent-length: 5\r\n", "0\r\n")] {
        let upstream = Upstream::answering(&response, false).await;
        for _ in 0..2 {
            assert_eq!(upstream.ask().await, good(), "{response}");
        }
        assert_eq!(upstream.connections(), 2, "{response}");
    }
}

#[tokio::test]
async fn a_request_to_a_kept_connection_that_is_closed_is_sent_again_once() {
    // The first connection is closed when its second request comes, all others at their first.
    let upstream = Upstream::start(|number, mut connection| async move {
        request(&mut connection).await.unwrap();
        if number < 2 {
            connection.write_all(chunked(ANSWER).as_bytes()).await.unwrap();
            request(&mut connection).await;
        }
    })
    .await;
    assert_eq!(upstream.ask().await, good());
    assert_eq!((upstream.ask().await, upstream.connections()), (good(), 2), "a second one");
    let (_, error) = upstream.ask().await;
    assert_eq!(error.unwrap().reason(), "model.cut", "of the third one, which was fresh");
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn a_request_that_was_answered_in_part_is_not_sent_again() {
    let upstream = Upstream::start(|_, mut connection| async move {
        request(&mut connection).await.unwrap();
        connection.write_all(chunked(ANSWER).as_bytes()).await.unwrap();
        request(&mut connection).await.unwrap();
        connection.write_all(b"HTTP/1.1 2").await.unwrap();
    })
    .await;
    assert_eq!(upstream.ask().await, good());
    assert_eq!(upstream.ask().await.1.unwrap().reason(), "model.cut");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_not_used() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |_, mut connection| {
        let closed = closed.clone();
        async move {
            request(&mut connection).await.unwrap();
            connection.write_all(chunked(ANSWER).as_bytes()).await.unwrap();
            drop(connection);
            closed.send(()).unwrap();
        }
    })
    .await;
    for number in 1..=3 {
        assert_eq!(upstream.ask().await, good());
        closings.recv().await.unwrap();
        assert_eq!(upstream.connections(), number);
    }
}

#[tokio::test]
async fn a_server_that_answers_before_it_has_read_the_request_is_heard() {
    // Nothing is read after the head, and the connection stays open: the rest cannot be sent.
    let upstream = Upstream::start(|_, mut connection| async move {
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        let response = "HTTP/1.1 413 Large\r\ncontent-length: 4\r\n\r\nlong";
        connection.write_all(response.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let question = "long ".repeat(4_000_000);
    let (_, error) = upstream.ask_for(&question).await;
    assert_eq!(error.unwrap().reason(), "model.context_too_long");
}

#[tokio::test]
async fn requests_are_written_as_the_standard_wants() {
    let (heads, mut seen) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |_, mut connection| {
        let heads = heads.clone();
        async move {
            while let Some(head) = request(&mut connection).await {
                heads.send(head).unwrap();
                connection.write_all(chunked(ANSWER).as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    upstream.ask().await;
    let head = seen.recv().await.unwrap();
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[0], "POST /v1/chat/completions HTTP/1.1");
    assert!(lines[1].starts_with("host: 127.0.0.1:"), "{head}");
    assert!(lines[2].starts_with("user-agent: parlor/"), "{head}");
    for field in ["content-type: application/json", "accept: text/event-stream"] {
        assert!(lines.contains(&field), "{head}");
    }
    assert!(!head.contains("authorization"), "{head}");
}

#[test]
fn a_key_that_cannot_be_sent_is_refused_at_the_start() {
    let url = "http://127.0.0.1:1/v1".parse().unwrap();
    let config = ModelConfig::new(ModelApi::Responses, url, "m");
    let error = ModelClient::new(config.with_key("secret\r\nx: y".to_owned().into())).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("line ends") && !cause.contains("secret"), "{cause}");
}
