//! A server to test: SQLite in a temporary folder, and a responder that does what a test says.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture};
use parlor_chatkit::{
    ActionSender, ChatKit, ChatKitError, EventStream, Identity, Limits, OnDisconnect, Owner,
    RequestContext, RequestOptions, Responder, Response, Screen, Store, Turn, TurnError, UserId,
    Verdict,
    protocol::{
        Annotation, CallId, HiddenContextItem, JsonMap, StructuredInput, StructuredInputFreeform,
        SyncCustomActionResponse, ThreadMetadata, ThreadStatus, ThreadStreamEvent,
        TranscriptionResult, UrlSource, UserMessageItem,
        widgets::{Badge, Card, Text, WidgetRoot},
    },
};
use parlor_store::SqliteStore;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

/// What a [`Script`] and its test share.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    /// How often the responder was asked.
    pub(crate) asked: Arc<AtomicUsize>,
    /// How often a responder's future was dropped or finished.
    pub(crate) gone: Arc<AtomicUsize>,
    pub(crate) cancelled: Arc<AtomicUsize>,
    /// How often a title was asked for.
    pub(crate) titles: Arc<AtomicUsize>,
    /// What the responder was told of the history, one line an item.
    pub(crate) history: Arc<Mutex<Vec<String>>>,
    gates: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    pub(crate) changed: Arc<Notify>,
}

impl Stage {
    fn gate(&self, name: &str) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap();
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    /// Lets one script pass `wait NAME`.
    pub(crate) fn open(&self, name: &str) {
        self.gate(name).add_permits(1);
    }

    pub(crate) fn count(&self, what: &AtomicUsize) -> usize {
        what.load(Ordering::SeqCst)
    }
}

struct Gone(Stage);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// Does what the last line of the user's message says: commands separated by `;`.
///
/// Without a user message (after a tool's output, an answer, an action) it says what it sees.
pub(crate) struct Script(pub(crate) Stage);

impl Responder for Script {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let _gone = Gone(self.0.clone());
        let history = turn.history(20).await?;
        *self.0.history.lock().unwrap() = history
            .iter()
            .map(|item| {
                let item = serde_json::to_value(item).unwrap();
                format!("{} {}", item["type"].as_str().unwrap(), text_of(&item))
            })
            .collect();
        let script = match turn.input() {
            Some(input) => input.text(),
            None => {
                let last = history.last().unwrap();
                format!("say {}", serde_json::to_string(last).unwrap().replace(';', ","))
            }
        };
        self.perform(turn, &script).await
    }

    async fn action(&self, turn: &mut Turn, action: ActionSender) -> Result<(), TurnError> {
        self.perform(turn, &format!("say action {}", action.action.r#type)).await
    }

    async fn sync_action(
        &self,
        _context: &RequestContext,
        _thread: &ThreadMetadata,
        sender: ActionSender,
    ) -> Result<SyncCustomActionResponse, TurnError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        // `rewrite TEXT` changes the widget, `mistake` another item; anything else nothing.
        let (verb, rest) =
            sender.action.r#type.split_once(' ').unwrap_or((&sender.action.r#type, ""));
        let updated_item = sender.widget.and_then(|mut item| {
            item.widget = Card::new([Text::new(rest).into()]).into();
            match verb {
                "rewrite" => {}
                "mistake" => item.id = "wdg_other".into(),
                _ => return None,
            }
            Some(item.into())
        });
        Ok(SyncCustomActionResponse { updated_item })
    }

    /// `titled TEXT@GATE` in the script: that title, once the gate is open.
    async fn title(
        &self,
        _context: &RequestContext,
        _thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> Option<String> {
        let script = message.text();
        let command =
            script.split(';').find_map(|command| command.trim().strip_prefix("titled "))?;
        let (title, gate) = command.split_once('@').unwrap();
        let _gone = Gone(self.0.clone());
        self.0.titles.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        self.wait(gate).await;
        if title == "panic" {
            panic!("on purpose");
        }
        Some(title.to_owned())
    }

    async fn transcribe(
        &self,
        _context: &RequestContext,
        audio: Bytes,
        _mime_type: &str,
    ) -> Result<Option<TranscriptionResult>, TurnError> {
        Ok(Some(TranscriptionResult { text: format!("{} bytes", audio.len()) }))
    }

    async fn on_cancelled(&self, _context: &RequestContext, _thread: &ThreadMetadata) {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl Script {
    async fn perform(&self, turn: &mut Turn, script: &str) -> Result<(), TurnError> {
        let mut commands = script.split(';').map(str::trim).peekable();
        while let Some(command) = commands.next() {
            let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
            match verb {
                // A message of several deltas: `say one|two`, ends with the command's end.
                "say" => {
                    let mut reply = turn.assistant_message().await?;
                    for delta in rest.split('|') {
                        reply.push(delta).await?;
                    }
                    reply.finish().await?;
                }
                "cite" => {
                    let mut reply = turn.assistant_message().await?;
                    reply.push(rest).await?;
                    let source = UrlSource { url: "https://x".into(), ..UrlSource::default() };
                    reply.annotate(Annotation::at(reply.position(), source)).await?;
                    reply.finish().await?;
                }
                // A message that stays open while the gate is closed: `half TEXT@GATE`.
                "half" => {
                    let (text, gate) = rest.split_once('@').unwrap();
                    let mut reply = turn.assistant_message().await?;
                    for delta in text.split('|') {
                        reply.push(delta).await?;
                    }
                    self.wait(gate).await;
                    match commands.peek() {
                        Some(&"fail") => {
                            return Err(TurnError::new(
                                "model.rate_limited",
                                "Too many questions.",
                            )
                            .allow_retry(true));
                        }
                        Some(&"panic") => panic!("on purpose"),
                        _ => {
                            reply.push(" rest").await?;
                            reply.finish().await?;
                        }
                    }
                }
                "wait" => self.wait(rest).await,
                "fail" => {
                    return Err(TurnError::new("model.rate_limited", "Too many questions.")
                        .allow_retry(true));
                }
                "panic" => panic!("on purpose"),
                "title" => turn.set_title(rest),
                "title_at_end" => turn.set_title_at_end(rest),
                "meta" => {
                    turn.thread_metadata_mut().insert(rest.into(), true.into());
                }
                "titled" => {}
                "lock" => turn.set_status(ThreadStatus::Locked { reason: Some(rest.into()) }),
                "close" => turn.set_status(ThreadStatus::Closed { reason: None }),
                "secret" => {
                    turn.hidden_context(rest.into()).await?;
                    let (id, thread_id, created_at) = turn.new_item("hc");
                    let content = rest.into();
                    turn.put(HiddenContextItem { id, thread_id, created_at, content }).await?;
                }
                "tool" => {
                    turn.client_tool_call(CallId::new("call_1"), rest, JsonMap::new()).await?;
                }
                "ask" => {
                    let question = StructuredInputFreeform {
                        id: "q1".into(),
                        question: rest.into(),
                        answer: None,
                        description: None,
                    };
                    turn.ask(vec![StructuredInput::Freeform(question)]).await?;
                }
                "widget" => {
                    let widget: WidgetRoot = serde_json::from_value(json!({
                        "type": "Card", "children": [{"type": "Text", "value": rest}]
                    }))?;
                    turn.widget(widget, None).await?;
                }
                // A widget whose text grows: `draft one|two@GATE`, shown as done behind the gate.
                "draft" => {
                    let (text, gate) = rest.split_once('@').unwrap();
                    let version =
                        |value: &str| Card::new([Text::new(value).id("t").streaming(true).into()]);
                    let mut widget = turn.begin_widget(version(""), Some("copy".into())).await?;
                    let mut value = String::new();
                    for (n, delta) in text.split('|').enumerate() {
                        value.push_str(delta);
                        // Both ways come to the same.
                        if n % 2 == 0 {
                            widget.append("t", delta).await?;
                        } else {
                            widget.update(version(&value)).await?;
                        }
                    }
                    self.wait(gate).await;
                    let text = Text::new(value).id("t");
                    widget.update(Card::new([text.into(), Badge::new("done").into()])).await?;
                    widget.finish().await?;
                }
                "flood" => {
                    let mut reply = turn.assistant_message().await?;
                    loop {
                        reply.push(&"x".repeat(1_000)).await?;
                    }
                }
                // A screen: `screen WORD VERDICT@GATE` ends the answer at the word; its verdict comes
                // when the gate is open.
                "screen" => {
                    let (word, rest) = rest.split_once(' ').unwrap();
                    let (verdict, gate) = rest.split_once('@').unwrap();
                    let verdict = match verdict {
                        "back" => Verdict::TakeBack("Taken back.".into()),
                        "refuse" => Verdict::Refuse("Refused.".into()),
                        _ => Verdict::Keep,
                    };
                    let (word, gate) = (word.to_owned(), gate.to_owned());
                    let stage = self.0.clone();
                    turn.screen(Box::new(WordScreen { word, verdict, gate, stage }));
                }
                // Nothing gets out before the gate is open: `hold GATE`, or never: `hold! GATE`.
                "hold" | "hold!" => {
                    let (script, gate) = (Script(self.0.clone()), rest.to_owned());
                    let passes = verb == "hold";
                    turn.hold_until(Box::pin(async move {
                        script.wait(&gate).await;
                        let refused = TurnError::new("refused", "This is not to be said.");
                        passes.then_some(()).ok_or(refused)
                    }));
                    self.0.changed.notify_waiters();
                }
                // An item whose id exists already, as careless providers send them.
                "twice" => {
                    let taken = turn.history(1).await?.pop().unwrap();
                    turn.put(taken).await?;
                }
                "" => {}
                other => {
                    return Err(TurnError::new("script", format!("there is no `{other}`")));
                }
            }
        }
        Ok(())
    }

    async fn wait(&self, gate: &str) {
        self.0.gate(gate).acquire().await.unwrap().forget();
    }
}

/// Ends an answer at a word.
struct WordScreen {
    word: String,
    verdict: Verdict,
    gate: String,
    stage: Stage,
}

impl Screen for WordScreen {
    fn see(&mut self, event: &ThreadStreamEvent) -> Result<(), TurnError> {
        let event = serde_json::to_string(event).unwrap();
        match event.contains(&self.word) {
            true => Err(TurnError::new("screened", "This is not to be said.")),
            false => Ok(()),
        }
    }

    fn verdict(self: Box<Self>) -> BoxFuture<'static, Verdict> {
        Box::pin(async move {
            Script(self.stage).wait(&self.gate).await;
            self.verdict
        })
    }
}

/// The text of an item, wherever it is.
pub(crate) fn text_of(item: &Value) -> String {
    match item["content"].as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        None => item["content"].as_str().or(item["name"].as_str()).unwrap_or_default().to_owned(),
    }
}

pub(crate) fn owner(user: &str) -> Owner {
    Owner::single_tenant(UserId::new(user))
}

/// A server, and somebody who uses it.
pub(crate) struct Server {
    pub(crate) chatkit: ChatKit,
    pub(crate) stage: Stage,
    pub(crate) owner: Owner,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let path = folder.path().join("chat.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        Self::over(store, limits, folder)
    }

    /// One that ends a turn with its last reader.
    pub(crate) async fn that_cancels() -> Self {
        let mut server = Self::start().await;
        let path = server.folder.path().join("chat.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        server.chatkit = ChatKit::builder(store, Script(server.stage.clone()))
            .on_disconnect(OnDisconnect::Cancel)
            .build();
        server
    }

    pub(crate) fn over(store: impl Store, limits: Limits, folder: Arc<tempfile::TempDir>) -> Self {
        let stage = Stage::default();
        let chatkit = ChatKit::builder(store, Script(stage.clone())).limits(limits).build();
        Self { chatkit, stage, owner: owner("ada"), folder }
    }

    /// Another process over the same file.
    pub(crate) async fn another(&self) -> Self {
        let path = self.folder.path().join("chat.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        Self::over(store, Limits::default(), Arc::clone(&self.folder))
    }

    /// The same server, used by somebody else.
    pub(crate) fn as_user(&self, user: &str) -> Self {
        Self {
            chatkit: self.chatkit.clone(),
            stage: self.stage.clone(),
            owner: owner(user),
            folder: Arc::clone(&self.folder),
        }
    }

    pub(crate) async fn handle(
        &self,
        body: &[u8],
        key: Option<&str>,
    ) -> Result<Response, ChatKitError> {
        let options = RequestOptions {
            idempotency_key: key.map(str::to_owned),
            base_url: "https://chat.example".to_owned(),
            ..RequestOptions::default()
        };
        self.chatkit.handle(self.owner.clone(), &Identity::default(), body, options).await
    }

    pub(crate) async fn send(
        &self,
        operation: &str,
        params: Value,
    ) -> Result<Response, ChatKitError> {
        self.handle(body(operation, &params).as_bytes(), None).await
    }

    pub(crate) async fn json(&self, operation: &str, params: Value) -> Value {
        match self.send(operation, params).await.unwrap() {
            Response::Json(json) => serde_json::from_slice(&json.body).unwrap(),
            Response::Stream { .. } => panic!("`{operation}` streams"),
        }
    }

    pub(crate) async fn refused(&self, operation: &str, params: Value) -> ChatKitError {
        match self.send(operation, params).await {
            Err(error) => error,
            Ok(_) => panic!("`{operation}` was not refused"),
        }
    }

    pub(crate) async fn stream(&self, operation: &str, params: Value) -> EventStream {
        match self.send(operation, params).await.unwrap() {
            Response::Stream { events, .. } => events,
            Response::Json(_) => panic!("`{operation}` does not stream"),
        }
    }

    /// Begins a thread with a script; gives its id and the running stream.
    pub(crate) async fn begin(&self, script: &str) -> (String, Reader) {
        let mut reader = Reader::new(self.stream("threads.create", message(script)).await);
        let created = reader.until("thread.created").await;
        (created["thread"]["id"].as_str().unwrap().to_owned(), reader)
    }

    /// Begins a thread with a script and waits for the end.
    pub(crate) async fn converse(&self, script: &str) -> (String, Frames) {
        let (thread, reader) = self.begin(script).await;
        (thread, reader.rest().await)
    }

    /// Says something in a thread and waits for the end.
    pub(crate) async fn say(&self, thread: &str, script: &str) -> Frames {
        Reader::new(self.stream("threads.add_user_message", message_to(thread, script)).await)
            .rest()
            .await
    }

    /// The thread's visible items as `type text`, oldest first.
    pub(crate) async fn items(&self, thread: &str) -> Vec<String> {
        let params = json!({"thread_id": thread, "order": "asc", "limit": 100});
        let page = self.json("items.list", params).await;
        let items = page["data"].as_array().unwrap().iter();
        items.map(|item| format!("{} {}", item["type"].as_str().unwrap(), text_of(item))).collect()
    }

    /// The first visible item of that type, newest first.
    pub(crate) async fn item(&self, thread: &str, kind: &str) -> Value {
        let page = self.json("items.list", json!({"thread_id": thread})).await;
        let items = page["data"].as_array().unwrap();
        items.iter().find(|item| item["type"] == kind).unwrap().clone()
    }

    /// Waits until something in the stage is as it should be.
    pub(crate) async fn until(&self, is_so: impl Fn(&Stage) -> bool) {
        loop {
            let changed = self.stage.changed.notified();
            if is_so(&self.stage) {
                return;
            }
            changed.await;
        }
    }
}

pub(crate) fn body(operation: &str, params: &Value) -> String {
    json!({"type": operation, "params": params}).to_string()
}

pub(crate) fn input(text: &str) -> Value {
    json!({
        "content": [{"type": "input_text", "text": text}],
        "attachments": [],
        "inference_options": {},
    })
}

pub(crate) fn message(text: &str) -> Value {
    json!({"input": input(text)})
}

pub(crate) fn message_to(thread: &str, text: &str) -> Value {
    json!({"thread_id": thread, "input": input(text)})
}

/// What came over a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frames {
    pub(crate) raw: String,
    pub(crate) events: Vec<Value>,
    pub(crate) end: Option<String>,
}

impl Frames {
    pub(crate) fn types(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["type"] == kind).collect()
    }

    /// The one error event.
    pub(crate) fn error(&self) -> &Value {
        let errors = self.of("error");
        assert_eq!(errors.len(), 1, "exactly one error: {}", self.raw);
        errors[0]
    }

    pub(crate) fn ended(&self, as_what: &str) {
        assert_eq!(self.end.as_deref(), Some(as_what), "{}", self.raw);
    }
}

/// Reads a stream, and checks that its events are numbered 1, 2, 3, …
pub(crate) struct Reader {
    stream: EventStream,
    /// Frames that came in one piece with the one before.
    waiting: std::collections::VecDeque<String>,
    first: Option<u64>,
    pub(crate) frames: Frames,
}

impl Reader {
    pub(crate) fn new(stream: EventStream) -> Self {
        Self { stream, waiting: Default::default(), first: None, frames: Frames::default() }
    }

    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let Some(frame) = self.waiting.pop_front() else {
                let Some(piece) = self.stream.next().await else {
                    assert!(self.frames.end.is_some(), "a stream says how it ended");
                    return None;
                };
                let piece = std::str::from_utf8(&piece).unwrap();
                assert!(piece.ends_with("\n\n"), "only whole frames are sent: {piece}");
                self.waiting.extend(piece.split_inclusive("\n\n").map(ToOwned::to_owned));
                continue;
            };
            assert!(self.frames.end.is_none(), "nothing comes after the end");
            let frame = frame.as_str();
            self.frames.raw.push_str(frame);
            if let Some(end) = frame.strip_prefix(": end ") {
                self.frames.end = Some(end.strip_suffix("\n\n").unwrap().to_owned());
                continue;
            }
            if frame == ": keep-alive\n\n" {
                continue;
            }
            let (id, data) = frame.split_once("\ndata: ").unwrap();
            let id: u64 = id.strip_prefix("id: ").unwrap().parse().unwrap();
            let first = *self.first.get_or_insert(id);
            assert_eq!(id, first + self.frames.events.len() as u64, "numbered without a gap");
            let data = data.strip_suffix("\n\n").unwrap();
            assert!(!data.contains('\n'));
            let event: Value = serde_json::from_str(data).unwrap();
            self.frames.events.push(event.clone());
            return Some(event);
        }
    }

    /// Reads on to an event of this type.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        while let Some(event) = self.next().await {
            if event["type"] == kind {
                return event;
            }
        }
        panic!("no `{kind}` came: {}", self.frames.raw);
    }

    /// Reads on to the text delta that says this.
    pub(crate) async fn until_text(&mut self, text: &str) {
        while let Some(event) = self.next().await {
            if event["update"]["delta"] == text {
                return;
            }
        }
        panic!("`{text}` was not said: {}", self.frames.raw);
    }

    /// Reads to the end.
    pub(crate) async fn rest(mut self) -> Frames {
        while self.next().await.is_some() {}
        self.frames
    }
}
