//! Requests of all kinds, in any order, to a server with a store.

use std::sync::{Mutex, PoisonError};

use futures::StreamExt as _;
use parlor_chatkit::{
    ChatKit, EventStream, Identity, Limits, Owner, RequestOptions, Responder, Response, Turn,
    TurnError, UserId,
    protocol::{
        CallId, Icon, JsonMap, NoticeLevel, StructuredInput, ThreadStatus, ThreadStreamEvent,
        UrlSource, widgets::WidgetRoot,
    },
};
use parlor_store::SqliteStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::bytes::Choices;

/// Requests of one input, at most.
const REQUESTS: usize = 12;
/// Inputs that share a database. A new one now and then, so that it does not grow for ever.
const INPUTS: usize = 500;

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// In memory, where the system has a folder for that: every message is synced to its disk.
pub(crate) fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

struct Engine {
    runtime: Runtime,
    chatkit: ChatKit,
    _folder: TempDir,
    inputs: usize,
}

impl Engine {
    fn new() -> Self {
        let (runtime, folder) = (runtime(), folder());
        let path = folder.path().join("engine.db");
        let store = runtime.block_on(SqliteStore::open(&path.display().to_string())).unwrap();
        let limits = Limits { message_chars: 2_000, page_size: 7, ..Limits::default() };
        let chatkit = ChatKit::builder(store, Script).limits(limits).build();
        Self { runtime, chatkit, _folder: folder, inputs: 0 }
    }
}

/// Does what the letters of the message say, one after the other.
struct Script;

impl Responder for Script {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let history = turn.history(5).await?;
        let script = match turn.input() {
            Some(input) => input.text(),
            None => format!("a{}", history.len()),
        };
        for letter in script.chars().take(20) {
            perform(turn, letter, &script).await?;
        }
        Ok(())
    }
}

async fn perform(turn: &mut Turn, letter: char, text: &str) -> Result<(), TurnError> {
    match letter {
        'a' => {
            let mut message = turn.assistant_message().await?;
            message.push(text).await?;
            let source = UrlSource { title: text.into(), ..UrlSource::default() };
            message.cite(source).await?;
            message.push("\n").await?;
            message.finish().await
        }
        'b' => turn.assistant_message().await?.push(text).await,
        'w' => turn.widget(card(text), Some(text.to_owned())).await.map(drop),
        'g' => {
            let mut widget = turn.begin_widget(card("grows"), None).await?;
            widget.update(card(&format!("grows {text}"))).await?;
            widget.finish().await.map(drop)
        }
        'q' => turn.ask(vec![question()]).await.map(drop),
        't' => {
            let call = CallId::new(text);
            turn.client_tool_call(call, "tool", JsonMap::new()).await.map(drop)
        }
        'h' => turn.hidden_context(text.into()).await.map(drop),
        'p' => turn.progress(Icon::from_static("search"), text).await,
        'n' => turn.notice(NoticeLevel::Info, text).await,
        'f' => turn.client_effect(text, JsonMap::new()).await,
        'T' => {
            turn.set_title(text);
            Ok(())
        }
        'L' => {
            turn.set_status(ThreadStatus::Locked { reason: None });
            Ok(())
        }
        'y' => {
            tokio::task::yield_now().await;
            Ok(())
        }
        '{' => match serde_json::from_str::<ThreadStreamEvent>(text) {
            Ok(event) => turn.emit(event).await,
            Err(_) => Ok(()),
        },
        'e' => Err(TurnError::new("refused", "No.").allow_retry(true)),
        _ => Ok(()),
    }
}

fn card(text: &str) -> WidgetRoot {
    let child = json!({"type": "Text", "id": "t", "value": text, "streaming": true});
    serde_json::from_value(json!({"type": "Card", "children": [child]})).unwrap()
}

fn question() -> StructuredInput {
    let question = json!({"type": "freeform", "id": "q", "question": "Why?"});
    serde_json::from_value(question).unwrap()
}

/// What clients have seen so far, to be named in what they ask next.
#[derive(Default)]
struct Seen {
    threads: Vec<String>,
    items: Vec<String>,
}

impl Seen {
    fn note(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(id) = object.get("id").and_then(Value::as_str) {
                    let ids =
                        if id.starts_with("thr") { &mut self.threads } else { &mut self.items };
                    if !ids.iter().any(|known| known == id) {
                        ids.push(id.to_owned());
                    }
                }
                object.values().for_each(|value| self.note(value));
            }
            Value::Array(values) => values.iter().for_each(|value| self.note(value)),
            _ => {}
        }
    }

    fn pick(ids: &[String], choices: &mut Choices<'_>) -> Value {
        match choices.below(ids.len() + 2) {
            0 => choices.text().into(),
            at => ids.get(at - 1).cloned().map_or(Value::Null, Value::from),
        }
    }
}

/// Whatever is asked, in whatever order: never an internal error, streams are whole and end once,
/// and nobody is told of what is another's.
pub fn engine(bytes: &[u8]) {
    static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);
    let mut slot = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = slot.get_or_insert_with(Engine::new);
    engine.inputs += 1;
    let last = engine.inputs == INPUTS;
    engine.runtime.block_on(play(&engine.chatkit, bytes));
    if last {
        *slot = None;
    }
}

async fn play(chatkit: &ChatKit, bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut seen = Seen::default();
    let mut left = Vec::new();
    for _ in 0..REQUESTS {
        if choices.is_empty() {
            break;
        }
        let (body, options) = request(&mut choices, &seen);
        match ask(chatkit, "ada", &body, options).await {
            Some(Response::Json(answer)) => {
                seen.note(&serde_json::from_slice(&answer.body).unwrap());
            }
            // Some streams are read at once, some after what comes next.
            Some(Response::Stream { events, .. }) if choices.below(3) == 0 => left.push(events),
            Some(Response::Stream { events, .. }) => read(events, &mut seen).await,
            None => {}
        }
    }
    for events in left {
        read(events, &mut seen).await;
    }
    for thread in &seen.threads {
        for (operation, id) in [("threads.get_by_id", thread), ("threads.delete", thread)] {
            let body = json!({"type": operation, "params": {"thread_id": id}}).to_string();
            let answer = ask(chatkit, "eve", body.as_bytes(), RequestOptions::default()).await;
            assert!(answer.is_none(), "somebody else can use {operation} on {id}");
        }
    }
}

/// Asks as somebody; `None` when it was refused.
async fn ask(
    chatkit: &ChatKit,
    user: &str,
    body: &[u8],
    options: RequestOptions,
) -> Option<Response> {
    let owner = Owner::single_tenant(UserId::new(user));
    match chatkit.handle(owner, &Identity::default(), body, options).await {
        Ok(response) => Some(response),
        Err(error) => {
            let (status, code) = error.status_and_code();
            assert!(
                (400..500).contains(&status),
                "{status} {code} {error:?} for {}",
                String::from_utf8_lossy(body)
            );
            None
        }
    }
}

/// Reads a stream to its end.
async fn read(mut events: EventStream, seen: &mut Seen) {
    let mut text = String::new();
    while let Some(piece) = events.next().await {
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    let mut number = 0;
    let mut ends = 0;
    for frame in text.split_terminator("\n\n") {
        assert_eq!(ends, 0, "{frame} comes after the end");
        if frame.starts_with(": end ") {
            ends += 1;
        } else if !frame.starts_with(':') {
            let (id, data) = frame.split_once('\n').unwrap();
            let id: usize = id.strip_prefix("id: ").unwrap().parse().unwrap();
            // A resumed stream begins anywhere.
            assert!(number == 0 || id == number + 1, "{id} after {number}");
            number = id;
            seen.note(&serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap());
        }
    }
    assert_eq!(ends, 1, "{text}");
}

fn request(choices: &mut Choices<'_>, seen: &Seen) -> (Vec<u8>, RequestOptions) {
    let kind = choices.byte() % 20;
    let thread = Seen::pick(&seen.threads, choices);
    let mut params = json!({"thread_id": thread});
    let operation = match kind {
        0..=2 => {
            params = json!({"input": input(choices, seen)});
            "threads.create"
        }
        3..=5 => {
            params["input"] = input(choices, seen);
            choices.one_of(&["threads.add_user_message", "threads.run"])
        }
        6 => {
            params["item_id"] = Seen::pick(&seen.items, choices);
            "threads.retry_after_item"
        }
        7 => {
            params["result"] = any(choices, 0);
            "threads.add_client_tool_output"
        }
        8 => {
            params["item_id"] = Seen::pick(&seen.items, choices);
            params["input"] = json!({
                "status": choices.one_of(&["answered", "skipped"]),
                "answers": {"q": {"values": [choices.text()]}},
            });
            "threads.add_structured_input"
        }
        9 => {
            params["item_id"] = Seen::pick(&seen.items, choices);
            params["action"] = json!({"type": choices.text(), "payload": any(choices, 0)});
            choices.one_of(&["threads.custom_action", "threads.sync_custom_action"])
        }
        10 => "threads.get_by_id",
        11 => {
            params = page(choices, &seen.threads);
            "threads.list"
        }
        12 => {
            params["title"] = choices.text().into();
            "threads.update"
        }
        13 => "threads.delete",
        14 => {
            let page = page(choices, &seen.items);
            params["limit"] = page["limit"].clone();
            params["order"] = page["order"].clone();
            params["after"] = page["after"].clone();
            "items.list"
        }
        15 => {
            params["item_ids"] = json!([Seen::pick(&seen.items, choices)]);
            params["kind"] = choices.one_of(&["positive", "negative"]).into();
            "items.feedback"
        }
        16 => "threads.stop",
        17 => {
            params["after"] = choices.byte().into();
            "threads.resume"
        }
        18 => {
            params = any(choices, 0);
            choices.one_of(&["attachments.create", "attachments.delete", "input.transcribe"])
        }
        _ => return (choices.text().into_bytes(), RequestOptions::default()),
    };
    // Now and then a field is what nobody expects.
    if choices.below(8) == 1 {
        let wrong = any(choices, 0);
        if let Some(fields) = params.as_object_mut().filter(|fields| !fields.is_empty()) {
            let at = choices.below(fields.len());
            fields.values_mut().nth(at).into_iter().for_each(|field| *field = wrong.clone());
        }
    }
    let metadata = if choices.below(6) == 1 { any(choices, 0) } else { json!({}) };
    let body = json!({"type": operation, "params": params, "metadata": metadata});
    let mut options = RequestOptions::default();
    if choices.below(4) == 1 {
        options.idempotency_key = Some(choices.one_of(&["one", "two", "three"]).to_owned());
    }
    (body.to_string().into_bytes(), options)
}

fn input(choices: &mut Choices<'_>, seen: &Seen) -> Value {
    let mut input = json!({
        "content": [{"type": "input_text", "text": choices.text()}],
        "attachments": [],
        "inference_options": {},
    });
    match choices.below(8) {
        1 => input["attachments"] = json!([Seen::pick(&seen.items, choices)]),
        2 => input["quoted_text"] = choices.text().into(),
        3 => input["inference_options"] = any(choices, 0),
        4 => input["content"] = any(choices, 0),
        _ => {}
    }
    input
}

fn page(choices: &mut Choices<'_>, ids: &[String]) -> Value {
    json!({
        "limit": choices.one_of(&[Some(1), Some(3), Some(0), Some(u64::MAX), None]),
        "order": choices.one_of(&["asc", "desc"]),
        "after": Seen::pick(ids, choices),
    })
}

/// Any JSON.
fn any(choices: &mut Choices<'_>, depth: usize) -> Value {
    match choices.below(if depth < 4 { 8 } else { 6 }) {
        0 => Value::Null,
        1 => true.into(),
        2 => choices.byte().into(),
        3 => choices.one_of(&[i64::MIN, -1, i64::MAX]).into(),
        4 => 1e300.into(),
        5 => choices.text().into(),
        6 => (0..choices.below(4)).map(|_| any(choices, depth + 1)).collect(),
        _ => (0..choices.below(4))
            .map(|_| (choices.text(), any(choices, depth + 1)))
            .collect::<JsonMap>()
            .into(),
    }
}
