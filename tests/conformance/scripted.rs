//! A ChatKit server without a model, for the conformance tests: it says what the user's message tells it to say.
//!
//! The message is JSON, a list of turns, each a list of steps. The first turn answers the message, the next ones what
//! follows without a message: a client tool's output, answered questions. An action brings its steps as its payload. A
//! step is an event of the stream, or `{"change": {…}}` (of the thread), `{"fail": {"message", "allow_retry"}}` or
//! `{"crash": "…"}`. In it the text `$thread` stands for the thread's id, `$now` for the time, and `$item:NAME` for an
//! id that is new when the name is, or when the message is answered again. `scripted.py` is the same on the official SDK.
//!
//! Prints its address; threads are kept in the file that the first argument names.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use bytes::Bytes;
use parlor_chatkit::{
    ActionSender, ChatKit, RequestContext, Responder, Turn, TurnError,
    protocol::{
        ItemId, SyncCustomActionResponse, ThreadId, ThreadMetadata, Timestamp, TranscriptionResult,
    },
};
use parlor_server::Server;
use parlor_store::SqliteStore;
use serde_json::Value;

#[derive(Default)]
struct Scripted {
    threads: Mutex<HashMap<ThreadId, Script>>,
}

/// What is still to be said in a thread.
#[derive(Default)]
struct Script {
    turns: VecDeque<Vec<Value>>,
    ids: HashMap<String, String>,
    answered: HashSet<ItemId>,
}

impl Responder for Scripted {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let message = turn.input();
        let told = message.map(|message| serde_json::from_str(&message.text())).transpose()?;
        let steps = self.with(&turn.thread().id, |script| {
            if let Some(turns) = told {
                script.turns = turns;
            }
            if let Some(message) = message
                && !script.answered.insert(message.id.clone())
            {
                script.ids.clear();
            }
            script.turns.pop_front()
        });
        self.play(turn, steps.unwrap_or_default()).await
    }

    async fn action(&self, turn: &mut Turn, action: ActionSender) -> Result<(), TurnError> {
        let payload = action.action.payload.unwrap_or_default();
        self.play(turn, serde_json::from_value(payload)?).await
    }

    async fn sync_action(
        &self,
        _: &RequestContext,
        thread: &ThreadMetadata,
        action: ActionSender,
    ) -> Result<SyncCustomActionResponse, TurnError> {
        let mut answer = action.action.payload.unwrap_or_default();
        self.with(&thread.id, |script| {
            let id = |name: &str| script.ids.get(name).cloned().unwrap_or_default();
            // Any time will do; this one is at hand.
            fill(&mut answer, &id, thread, thread.created_at);
        });
        Ok(serde_json::from_value(answer)?)
    }

    async fn transcribe(
        &self,
        _: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> Result<Option<TranscriptionResult>, TurnError> {
        let text = format!("{} bytes of {mime_type}", audio.len());
        Ok(Some(TranscriptionResult { text }))
    }
}

impl Scripted {
    fn with<T>(&self, thread_id: &ThreadId, change: impl FnOnce(&mut Script) -> T) -> T {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        change(threads.entry(thread_id.clone()).or_default())
    }

    async fn play(&self, turn: &mut Turn, steps: Vec<Value>) -> Result<(), TurnError> {
        // One time for a turn, so that an item has the same whenever it is spoken of.
        let now = turn.now();
        for mut step in steps {
            self.with(&turn.thread().id, |script| {
                let ids = std::cell::RefCell::new(&mut script.ids);
                let id = |name: &str| {
                    let fresh = || turn.new_item("itm").0.as_str().to_owned();
                    ids.borrow_mut().entry(name.to_owned()).or_insert_with(fresh).clone()
                };
                fill(&mut step, &id, turn.thread(), now);
            });
            if let Some(changes) = step.get("change") {
                change(turn, changes)?;
            } else if let Some(failure) = step.get("fail") {
                let message = failure["message"].as_str().unwrap_or_default().to_owned();
                let allow_retry = failure["allow_retry"].as_bool().unwrap_or_default();
                return Err(TurnError::new("scripted", message).allow_retry(allow_retry));
            } else if let Some(crash) = step.get("crash") {
                return Err(io::Error::other(crash.to_string()).into());
            } else {
                turn.emit(serde_json::from_value(step)?).await?;
            }
        }
        Ok(())
    }
}

/// Puts ids and times in place of their names.
fn fill(value: &mut Value, id: &dyn Fn(&str) -> String, thread: &ThreadMetadata, now: Timestamp) {
    match value {
        Value::String(text) => match text.as_str() {
            "$thread" => *text = thread.id.as_str().to_owned(),
            "$now" => *value = serde_json::to_value(now).unwrap_or_default(),
            name => {
                if let Some(name) = name.strip_prefix("$item:") {
                    *text = id(name);
                }
            }
        },
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, id, thread, now)),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill(value, id, thread, now)),
        _ => {}
    }
}

/// Changes the thread.
fn change(turn: &mut Turn, changes: &Value) -> Result<(), TurnError> {
    if let Some(title) = changes["title"].as_str() {
        turn.set_title(title);
    }
    if let Some(status) = changes.get("status") {
        turn.set_status(serde_json::from_value(status.clone())?);
    }
    if let Some(domains) = changes.get("allowed_image_domains") {
        turn.set_allowed_image_domains(serde_json::from_value(domains.clone())?);
    }
    if let Some(metadata) = changes.get("metadata") {
        *turn.thread_metadata_mut() = serde_json::from_value(metadata.clone())?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let database = std::env::args().nth(1).context("usage: scripted DATABASE")?;
    let chatkit = ChatKit::new(SqliteStore::open(&database).await?, Scripted::default());
    let server = Server::bind(chatkit, "127.0.0.1:0", Default::default()).await?.offer_ag_ui();
    writeln!(io::stdout(), "listening on http://{}", server.local_addr()?)?;
    server.run(parlor_server::stop_signal()).await?;
    Ok(())
}
