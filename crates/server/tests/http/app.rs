//! A server on a free port, and a client that speaks for a user.

use std::{path::Path, sync::Arc};

use parlor_fake_model::FakeModel;
use parlor_server::{
    Server,
    config::{AuthMode, Config, ModelApi},
};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle};

pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) folder: Arc<TempDir>,
    stop: Arc<Notify>,
    running: JoinHandle<()>,
}

/// Callers are known by `X-User-ID`, there is no model, and nothing is indexed.
pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        database_url: format!("sqlite://{}/parlor.db", folder.display()),
        ..Config::default()
    };
    config.auth.mode = Some(AuthMode::TrustedHeader);
    config
}

/// The same with a model server.
pub(crate) fn with_model(config: &mut Config, model: &FakeModel, api: ModelApi) {
    config.model.base_url = Some(model.base_url().parse().unwrap());
    config.model.api = api;
    config.model.name = "fake".to_owned();
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), change).await
    }

    /// A server on the database of an earlier one.
    pub(crate) async fn at(folder: Arc<TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(folder.path());
        change(&mut config);
        // Beside PostgreSQL they would be in the current folder, which all tests share.
        config.files.dir.get_or_insert_with(|| folder.path().join("parlor.files"));
        let server = Server::from_config(&config).await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let running = tokio::spawn(async move {
            server.run(async move { stopped.notified().await }).await.unwrap();
        });
        Self { url, folder, stop, running }
    }

    /// Stops the server as SIGTERM does; gives the folder with its database.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.stop.notify_one();
        self.running.await.unwrap();
        self.folder
    }

    pub(crate) fn user(&self, id: &str) -> User {
        User::at(&self.url, id)
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct User {
    client: Client,
    url: String,
    id: String,
}

impl User {
    /// Of a server at this address.
    pub(crate) fn at(url: &str, id: &str) -> Self {
        Self { client: Client::new(), url: url.to_owned(), id: id.to_owned() }
    }

    pub(crate) async fn send(&self, body: impl Into<reqwest::Body>) -> Response {
        self.client
            .post(format!("{}/chatkit", self.url))
            .header("content-type", "application/json")
            .header("x-user-id", &self.id)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// A run over AG-UI.
    pub(crate) async fn run(&self, input: &Value) -> Response {
        self.client
            .post(format!("{}/agui", self.url))
            .header("content-type", "application/json")
            .header("x-user-id", &self.id)
            .body(input.to_string())
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn call(&self, operation: &str, params: Value) -> Response {
        self.send(json!({"type": operation, "params": params}).to_string()).await
    }

    /// A JSON answer, with the status it came with.
    pub(crate) async fn json(&self, operation: &str, params: Value) -> (StatusCode, Value) {
        let response = self.call(operation, params).await;
        (response.status(), response.json().await.unwrap())
    }

    /// A whole stream.
    pub(crate) async fn stream(&self, operation: &str, params: Value, metadata: Value) -> Stream {
        let body = json!({"type": operation, "params": params, "metadata": metadata});
        let response = self.send(body.to_string()).await;
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        Stream::read(response).await
    }

    pub(crate) async fn ask(&self, text: &str) -> Stream {
        self.stream("threads.create", json!({"input": input(text)}), json!({})).await
    }

    pub(crate) async fn ask_in(&self, thread_id: &str, text: &str) -> Stream {
        let params = json!({"thread_id": thread_id, "input": input(text)});
        self.stream("threads.add_user_message", params, json!({})).await
    }

    pub(crate) async fn items(&self, thread_id: &str) -> Vec<Value> {
        let params = json!({"thread_id": thread_id, "order": "asc", "limit": 100});
        let (status, page) = self.json("items.list", params).await;
        assert_eq!(status, 200, "{page}");
        page["data"].as_array().unwrap().clone()
    }
}

/// A message as clients send it.
pub(crate) fn input(text: &str) -> Value {
    json!({
        "content": [{"type": "input_text", "text": text}],
        "attachments": [],
        "inference_options": {},
    })
}

/// A stream that has been read to its end.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) events: Vec<Value>,
    pub(crate) end: Option<String>,
}

/// A stream that is being read.
pub(crate) struct Follower {
    response: Response,
    seen: String,
}

impl Follower {
    pub(crate) fn new(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, seen: String::new() }
    }

    /// Reads on until the stream holds this text; gives what came so far.
    pub(crate) async fn until(&mut self, needle: &str) -> &str {
        while !self.seen.contains(needle) {
            let bytes = self.response.chunk().await.unwrap();
            let bytes = bytes.unwrap_or_else(|| panic!("no {needle} in {}", self.seen));
            self.seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        &self.seen
    }

    /// Reads to the end.
    pub(crate) async fn finish(mut self) -> Stream {
        while let Some(bytes) = self.response.chunk().await.unwrap() {
            self.seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        Stream::parse(&self.seen)
    }
}

impl Stream {
    pub(crate) async fn read(response: Response) -> Self {
        Follower::new(response).finish().await
    }

    fn parse(text: &str) -> Self {
        let mut stream = Self { events: Vec::new(), end: None };
        for frame in text.split("\n\n").filter(|frame| !frame.is_empty()) {
            if let Some(end) = frame.strip_prefix(": end ") {
                stream.end = Some(end.to_owned());
                continue;
            }
            if frame.starts_with(':') {
                continue;
            }
            let (id, data) = frame.split_once('\n').unwrap();
            assert_eq!(id, format!("id: {}", stream.events.len() + 1));
            stream.events.push(serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap());
        }
        stream
    }

    pub(crate) fn types(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    pub(crate) fn thread_id(&self) -> String {
        self.events[0]["thread"]["id"].as_str().unwrap().to_owned()
    }

    /// The last assistant message that is whole.
    pub(crate) fn answer(&self) -> Value {
        self.events
            .iter()
            .rev()
            .find(|event| {
                event["type"] == "thread.item.done" && event["item"]["type"] == "assistant_message"
            })
            .unwrap_or_else(|| panic!("no answer in {:#?}", self.events))["item"]
            .clone()
    }

    pub(crate) fn text(&self) -> String {
        self.answer()["content"][0]["text"].as_str().unwrap().to_owned()
    }

    pub(crate) fn error(&self) -> &Value {
        let errors: Vec<_> = self.events.iter().filter(|event| event["type"] == "error").collect();
        assert_eq!(errors.len(), 1, "exactly one error: {:#?}", self.events);
        errors[0]
    }
}
