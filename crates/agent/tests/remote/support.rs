//! An agent that says what a test says, and a chat that it answers in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use parlor_agent::remote::{RemoteConfig, RemoteProtocol, RemoteResponder};
use parlor_agent::{AgentResponder, PromptConfig};
use parlor_chatkit::{ChatKit, EventStream, Identity, Owner, RequestOptions, Response, UserId};
use parlor_store::SqliteStore;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the agent does with a request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(String),
    /// Waits until the test goes on, or the client hangs up.
    Hold,
    /// Sends these bytes again and again, until the client hangs up.
    Trickle(String),
    /// Hangs up.
    HangUp,
}

/// A head of a response, without a length: the body ends with the connection.
fn head(status: &str, kind: &str, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}transfer-encoding: chunked\r\n\r\n")
}

pub(crate) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

pub(crate) fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// A whole response with these events.
pub(crate) fn events(events: &[Value]) -> Vec<Step> {
    response("200 OK", "text/event-stream", &sse(events))
}

/// A whole response.
pub(crate) fn response(status: &str, kind: &str, body: &str) -> Vec<Step> {
    response_with(status, kind, "", body)
}

pub(crate) fn response_with(status: &str, kind: &str, headers: &str, body: &str) -> Vec<Step> {
    vec![Step::Send(format!("{}{}0\r\n\r\n", head(status, kind, headers), chunk(body)))]
}

/// The beginning of a stream of events.
pub(crate) fn begin(events: &[Value]) -> Step {
    Step::Send(format!("{}{}", head("200 OK", "text/event-stream", ""), chunk(&sse(events))))
}

/// One request that the agent got.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

pub(crate) struct Agent {
    pub(crate) url: String,
    replies: Arc<Mutex<VecDeque<Vec<Step>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    released: watch::Sender<usize>,
    /// Requests whose client has hung up while the agent waited.
    left: watch::Receiver<usize>,
}

impl Agent {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/agent", listener.local_addr().unwrap());
        let replies: Arc<Mutex<VecDeque<Vec<Step>>>> = Arc::default();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (released, holds) = watch::channel(0);
        let (leave, left) = watch::channel(0);
        let leave = Arc::new(leave);
        let (queue, log) = (Arc::clone(&replies), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
                let (mut holds, leave) = (holds.clone(), Arc::clone(&leave));
                tokio::spawn(async move {
                    let mut connection = BufReader::new(stream);
                    let Some(request) = read(&mut connection).await else { return };
                    log.lock().unwrap().push(request);
                    let steps = queue.lock().unwrap().pop_front();
                    for step in steps.unwrap_or_default() {
                        match step {
                            Step::Send(text) => {
                                let _ = connection.write_all(text.as_bytes()).await;
                            }
                            Step::Hold => {
                                let seen = *holds.borrow_and_update();
                                let mut byte = [0];
                                tokio::select! {
                                    _ = holds.wait_for(|count| *count > seen) => {}
                                    _ = connection.read(&mut byte) => {
                                        leave.send_modify(|count| *count += 1);
                                        return;
                                    }
                                }
                            }
                            Step::Trickle(text) => {
                                while connection.write_all(text.as_bytes()).await.is_ok() {
                                    tokio::time::sleep(Duration::from_millis(50)).await;
                                }
                            }
                            Step::HangUp => return,
                        }
                    }
                });
            }
        });
        Self { url, replies, asked, released, left }
    }

    pub(crate) fn says(&self, steps: Vec<Step>) {
        self.replies.lock().unwrap().push_back(steps);
    }

    pub(crate) fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    pub(crate) async fn client_left(&self) {
        self.left.clone().wait_for(|count| *count > 0).await.unwrap();
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn config(&self) -> RemoteConfig {
        RemoteConfig::new(self.url.parse().unwrap(), RemoteProtocol::AgUi)
    }
}

async fn read(connection: &mut BufReader<tokio::net::TcpStream>) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut bytes = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut bytes).await.ok()?;
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Some(Asked { head, bytes, body })
}

pub(crate) struct Chat {
    pub(crate) chatkit: ChatKit,
    folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) thread: String,
    pub(crate) events: Vec<Value>,
}

async fn serve(folder: &tempfile::TempDir, config: RemoteConfig) -> ChatKit {
    let url = format!("sqlite://{}", folder.path().join("chat.db").display());
    let store = SqliteStore::open(&url).await.unwrap();
    let local = AgentResponder::new(None, None, PromptConfig::default());
    ChatKit::new(store, RemoteResponder::new(config, local).unwrap())
}

/// A button of a card, pressed.
pub(crate) fn pressed(thread: &str, card: &Value, approve: bool) -> Value {
    json!({
        "type": "threads.custom_action",
        "params": {
            "thread_id": thread, "item_id": card["id"],
            "action": {"type": "parlor.approval", "payload": {"approve": approve}},
        },
        "metadata": {},
    })
}

impl Chat {
    pub(crate) async fn with(agent: &Agent) -> Self {
        Self::over(agent.config()).await
    }

    pub(crate) async fn over(config: RemoteConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { chatkit: serve(&folder, config).await, folder }
    }

    /// Another process on the same database: after a restart, or another replica.
    pub(crate) async fn restart(&mut self, agent: &Agent) {
        self.chatkit = serve(&self.folder, agent.config()).await;
    }

    /// What another user's request is answered with: the status of its refusal.
    pub(crate) async fn refused(&self, body: &Value) -> u16 {
        let owner = Owner::single_tenant(UserId::new("u2"));
        let (body, options) = (body.to_string(), RequestOptions::default());
        let answer =
            self.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        answer.err().map_or(200, |error| error.status_and_code().0)
    }

    async fn handle(&self, body: &Value) -> Response {
        let owner = Owner::single_tenant(UserId::new("u1"));
        let body = body.to_string();
        let options = RequestOptions::default();
        let answer =
            self.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        answer.unwrap()
    }

    /// The stream of the answer to a request.
    pub(crate) async fn begin(&self, body: &Value) -> EventStream {
        match self.handle(body).await {
            Response::Stream { events, .. } => events,
            Response::Json(_) => panic!("no stream"),
        }
    }

    /// The whole answer to a request.
    pub(crate) async fn request(&self, body: &Value) -> Vec<Value> {
        let mut stream = self.begin(body).await;
        let mut all = Vec::new();
        while let Some(frame) = stream.next().await {
            let frame = String::from_utf8(frame.to_vec()).unwrap();
            let data = frame.lines().filter_map(|line| line.strip_prefix("data: "));
            all.extend(data.map(|data| serde_json::from_str::<Value>(data).unwrap()));
        }
        all
    }

    pub(crate) async fn say(&self, thread: Option<&str>, text: &str) -> Answer {
        self.say_as(thread, text, json!({})).await
    }

    pub(crate) async fn say_as(&self, thread: Option<&str>, text: &str, metadata: Value) -> Answer {
        let events = self.request(&message(thread, text, metadata)).await;
        let created = events.iter().find(|event| event["type"] == "thread.created");
        let thread = match (thread, created) {
            (Some(thread), _) => thread.to_owned(),
            (None, Some(created)) => created["thread"]["id"].as_str().unwrap().to_owned(),
            (None, None) => panic!("no thread: {events:#?}"),
        };
        Answer { thread, events }
    }

    /// A request that is answered at once.
    pub(crate) async fn chatkit_json(&self, body: &Value) -> Value {
        match self.handle(body).await {
            Response::Json(answer) => serde_json::from_slice(&answer.body).unwrap(),
            Response::Stream { .. } => panic!("a stream"),
        }
    }

    /// The thread's items, as if they had just been finished.
    pub(crate) async fn stored_events(&self, thread: &str) -> Vec<Value> {
        let items = self.stored(thread).await;
        items.iter().map(|item| json!({"type": "thread.item.done", "item": item})).collect()
    }

    /// The thread's items, oldest first, as clients see them.
    pub(crate) async fn stored(&self, thread: &str) -> Vec<Value> {
        let request = json!({
            "type": "items.list", "params": {"thread_id": thread, "order": "asc"}, "metadata": {},
        });
        self.chatkit_json(&request).await["data"].as_array().unwrap().clone()
    }

    pub(crate) async fn press(&self, thread: &str, card: &Value, approve: bool) -> Vec<Value> {
        self.request(&pressed(thread, card, approve)).await
    }
}

pub(crate) fn message(thread: Option<&str>, text: &str, more: Value) -> Value {
    let input = json!({
        "content": [{"type": "input_text", "text": text}],
        "attachments": [], "inference_options": {},
    });
    let mut metadata = json!({
        "userInfo": {"name": "Ada Lovelace"},
        "pageContext": {"title": "Install guide", "url": "https://example.com/install"},
        "locale": "de-CH",
    });
    for (key, value) in more.as_object().unwrap() {
        metadata[key] = value.clone();
    }
    match thread {
        None => json!({
            "type": "threads.create", "params": {"input": input}, "metadata": metadata,
        }),
        Some(thread) => json!({
            "type": "threads.add_user_message",
            "params": {"thread_id": thread, "input": input}, "metadata": metadata,
        }),
    }
}

/// The items that these events finished, newest version of each, in order.
pub(crate) fn items(events: &[Value]) -> Vec<&Value> {
    let kinds = ["thread.item.done", "thread.item.replaced"];
    events
        .iter()
        .filter(|event| kinds.iter().any(|kind| event["type"] == *kind))
        .map(|event| &event["item"])
        .filter(|item| item["type"] != "user_message")
        .collect()
}

pub(crate) fn kinds(items: &[&Value]) -> Vec<String> {
    items.iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn texts(items: &[&Value]) -> Vec<String> {
    items
        .iter()
        .filter(|item| item["type"] == "assistant_message")
        .map(|item| item["content"][0]["text"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn error(events: &[Value]) -> Value {
    events.iter().find(|event| event["type"] == "error").cloned().unwrap_or(Value::Null)
}

pub(crate) async fn read_until(stream: &mut EventStream, words: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(words) {
        let next = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
        let frame = next.unwrap().unwrap_or_else(|| panic!("it ended: {seen}"));
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
    seen
}

/// A run that says this.
pub(crate) fn text_run(id: &str, text: &str) -> Vec<Value> {
    vec![
        json!({"type": "RUN_STARTED", "threadId": "t", "runId": "r"}),
        json!({"type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant"}),
        json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text}),
        json!({"type": "TEXT_MESSAGE_END", "messageId": id}),
        json!({"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}),
    ]
}
