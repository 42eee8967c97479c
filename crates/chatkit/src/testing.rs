//! A user for tests: talks to a [`ChatKit`] as a client does, without HTTP, and gives back typed
//! events.
//!
//! ```
//! use parlor_chatkit::{ChatKit, Responder, Turn, TurnError, testing::TestUser};
//! use parlor_store::SqliteStore;
//!
//! struct Echo;
//!
//! impl Responder for Echo {
//!     async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
//!         let said = turn.input().map(|message| message.text()).unwrap_or_default();
//!         let mut reply = turn.assistant_message().await?;
//!         reply.push(&format!("You said: {said}")).await?;
//!         reply.finish().await
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let store = SqliteStore::open(&folder.path().join("chat.db").display().to_string()).await?;
//! let mut ada = TestUser::new(&ChatKit::new(store, Echo), "ada");
//! assert_eq!(ada.say("Hello").await?.text(), "You said: Hello");
//! assert_eq!(ada.items().await?.len(), 2);
//! # Ok(())
//! # }
//! ```

use bytes::Bytes;
use futures::StreamExt as _;
use parlor_protocol::{
    Action, ErrorEvent, ItemId, JsonMap, Page, StructuredInputSubmission, ThreadId, ThreadItem,
    ThreadStreamEvent,
};
use serde_json::{Value, json};

use crate::{
    ChatKit, ChatKitError, EventStream, Extension, Identity, Owner, RequestOptions, Response,
    TurnState, UserId,
};

/// Somebody who uses a [`ChatKit`]: one conversation of one user.
pub struct TestUser {
    chatkit: ChatKit,
    owner: Owner,
    identity: Identity,
    metadata: JsonMap,
    extension: Extension,
    thread_id: Option<ThreadId>,
}

/// Why a test user got no answer.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The request was refused.
    #[error(transparent)]
    Refused(#[from] ChatKitError),
    /// An event or response is not what the protocol says.
    #[error("`{text}` is not what the protocol says")]
    Malformed {
        /// What came.
        text: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The operation answers in the other way: with a stream, or without one.
    #[error("`{0}` answers in the other way: with JSON or with a stream")]
    OtherKind(String),
    /// Nothing was said yet, so there is no thread.
    #[error("there is no thread yet; say something first")]
    NoThread,
}

impl TestUser {
    /// A user of this name, with nothing said yet.
    pub fn new(chatkit: &ChatKit, user: &str) -> Self {
        Self {
            chatkit: chatkit.clone(),
            owner: Owner::single_tenant(UserId::new(user)),
            identity: Identity::default(),
            metadata: JsonMap::new(),
            extension: Extension::default(),
            thread_id: None,
        }
    }

    /// With what the page sends along: `userInfo`, `pageContext` and the like.
    #[must_use]
    pub fn metadata(mut self, metadata: JsonMap) -> Self {
        self.metadata = metadata;
        self
    }

    /// With a value of your own for the responder.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extension = extension;
        self
    }

    /// With what authentication knows.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// The conversation, once something was said.
    pub fn thread_id(&self) -> Option<&ThreadId> {
        self.thread_id.as_ref()
    }

    /// Says something, in a new conversation the first time, and waits for the end of the answer.
    ///
    /// # Errors
    /// When the message is refused.
    pub async fn say(&mut self, text: &str) -> Result<Reply, TestError> {
        let mut reading = self.begin(text).await?;
        let reply = reading.rest().await?;
        Ok(reply)
    }

    /// Says something and gives the stream of the answer, to be read event by event.
    ///
    /// # Errors
    /// When the message is refused.
    pub async fn begin(&mut self, text: &str) -> Result<Reading, TestError> {
        let input = json!({
            "content": [{"type": "input_text", "text": text}],
            "attachments": [],
            "inference_options": {},
        });
        let Some(thread_id) = &self.thread_id else {
            let mut reading = self.stream("threads.create", json!({"input": input})).await?;
            while let Some(event) = reading.next().await? {
                if let ThreadStreamEvent::ThreadCreated(event) = event {
                    self.thread_id = Some(event.thread.thread.id);
                    break;
                }
            }
            return Ok(reading);
        };
        let params = json!({"thread_id": thread_id, "input": input});
        self.stream("threads.add_user_message", params).await
    }

    /// Sends what a client tool gave back, and waits for the end of what follows.
    ///
    /// # Errors
    /// When no call is pending.
    pub async fn tool_output(&self, result: Value) -> Result<Reply, TestError> {
        let params = json!({"thread_id": self.thread()?, "result": result});
        self.stream("threads.add_client_tool_output", params).await?.rest().await
    }

    /// Answers the questions of an item, and waits for the end of what follows.
    ///
    /// # Errors
    /// When the item is no pending question.
    pub async fn answer(
        &self,
        item_id: &ItemId,
        input: &StructuredInputSubmission,
    ) -> Result<Reply, TestError> {
        let params = json!({"thread_id": self.thread()?, "item_id": item_id, "input": input});
        self.stream("threads.add_structured_input", params).await?.rest().await
    }

    /// Uses a widget, or sends an action of the page's own, and waits for the end of what follows.
    ///
    /// # Errors
    /// When the widget is not there.
    pub async fn act(&self, item_id: Option<&ItemId>, action: &Action) -> Result<Reply, TestError> {
        let params = json!({"thread_id": self.thread()?, "item_id": item_id, "action": action});
        self.stream("threads.custom_action", params).await?.rest().await
    }

    /// Uses a widget whose action is answered with one item. Gives the changed item, if there is
    /// one.
    ///
    /// # Errors
    /// When the widget is not there, or the responder refuses.
    pub async fn act_sync(
        &self,
        item_id: &ItemId,
        action: &Action,
    ) -> Result<Option<ThreadItem>, TestError> {
        let params = json!({"thread_id": self.thread()?, "item_id": item_id, "action": action});
        let body = self.json("threads.sync_custom_action", params).await?;
        let response: parlor_protocol::SyncCustomActionResponse = read(&body)?;
        Ok(response.updated_item)
    }

    /// Has an answer made again, from behind this item on.
    ///
    /// # Errors
    /// When the item is no message of the user's.
    pub async fn retry_after(&self, item_id: &ItemId) -> Result<Reply, TestError> {
        let params = json!({"thread_id": self.thread()?, "item_id": item_id});
        self.stream("threads.retry_after_item", params).await?.rest().await
    }

    /// Stops the answer that is being made.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stop(&self) -> Result<(), TestError> {
        self.json("threads.stop", json!({"thread_id": self.thread()?})).await.map(drop)
    }

    /// The conversation's newest items as clients see them, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn items(&self) -> Result<Vec<ThreadItem>, TestError> {
        let params = json!({"thread_id": self.thread()?, "limit": 100, "order": "desc"});
        let body = self.json("items.list", params).await?;
        let mut page: Page<ThreadItem> = read(&body)?;
        page.data.reverse();
        Ok(page.data)
    }

    /// Sends any request that is answered with JSON.
    ///
    /// # Errors
    /// When it is refused, or streams.
    pub async fn json(&self, operation: &str, params: Value) -> Result<Bytes, TestError> {
        match self.send(operation, &params).await? {
            Response::Json(json) => Ok(json.body),
            Response::Stream { .. } => Err(TestError::OtherKind(operation.to_owned())),
        }
    }

    /// Sends any request that is answered with a stream.
    ///
    /// # Errors
    /// When it is refused, or does not stream.
    pub async fn stream(&self, operation: &str, params: Value) -> Result<Reading, TestError> {
        match self.send(operation, &params).await? {
            Response::Stream { events, .. } => {
                Ok(Reading { stream: events, waiting: String::new(), reply: Reply::default() })
            }
            Response::Json(_) => Err(TestError::OtherKind(operation.to_owned())),
        }
    }

    async fn send(&self, operation: &str, params: &Value) -> Result<Response, ChatKitError> {
        let body = json!({"type": operation, "params": params, "metadata": self.metadata});
        let body = body.to_string();
        let options =
            RequestOptions { extension: self.extension.clone(), ..RequestOptions::default() };
        self.chatkit.handle(self.owner.clone(), &self.identity, body.as_bytes(), options).await
    }

    fn thread(&self) -> Result<&ThreadId, TestError> {
        self.thread_id.as_ref().ok_or(TestError::NoThread)
    }
}

/// A stream being read.
pub struct Reading {
    stream: EventStream,
    waiting: String,
    reply: Reply,
}

impl Reading {
    /// The next event; `None` when the stream has ended.
    ///
    /// # Errors
    /// When it is not what the protocol says.
    pub async fn next(&mut self) -> Result<Option<ThreadStreamEvent>, TestError> {
        loop {
            let Some(end) = self.waiting.find("\n\n") else {
                let Some(piece) = self.stream.next().await else { return Ok(None) };
                self.waiting.push_str(&String::from_utf8_lossy(&piece));
                continue;
            };
            let frame: String = self.waiting.drain(..end + 2).collect();
            for line in frame.lines() {
                if let Some(data) = line.strip_prefix("data: ") {
                    let event: ThreadStreamEvent = read(data.as_bytes())?;
                    self.reply.events.push(event.clone());
                    return Ok(Some(event));
                }
                if let Some(end) = line.strip_prefix(": end ") {
                    self.reply.end = TurnState::from_name(end);
                }
            }
        }
    }

    /// Reads on until an event fits, and gives it; `None` when the stream ends before.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn until(
        &mut self,
        mut fits: impl FnMut(&ThreadStreamEvent) -> bool,
    ) -> Result<Option<ThreadStreamEvent>, TestError> {
        while let Some(event) = self.next().await? {
            if fits(&event) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Reads to the end, and gives everything that came since the beginning.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn rest(&mut self) -> Result<Reply, TestError> {
        while self.next().await?.is_some() {}
        Ok(std::mem::take(&mut self.reply))
    }
}

/// What came over a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The events, in order.
    pub events: Vec<ThreadStreamEvent>,
    /// How the turn ended.
    pub end: Option<TurnState>,
}

impl Reply {
    /// Items that became whole or were replaced, in order, without the user's own message.
    pub fn items(&self) -> impl Iterator<Item = &ThreadItem> {
        self.events
            .iter()
            .filter_map(|event| match event {
                ThreadStreamEvent::ItemDone(event) => Some(&event.item),
                ThreadStreamEvent::ItemReplaced(event) => Some(&event.item),
                _ => None,
            })
            .filter(|item| !matches!(item, ThreadItem::UserMessage(_)))
    }

    /// What the assistant said, its messages joined by line ends.
    pub fn text(&self) -> String {
        let texts = self.items().filter_map(|item| match item {
            ThreadItem::AssistantMessage(message) => Some(message.text()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The error that ended the turn.
    pub fn error(&self) -> Option<&ErrorEvent> {
        self.events.iter().find_map(|event| match event {
            ThreadStreamEvent::Error(error) => Some(error),
            _ => None,
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, TestError> {
    serde_json::from_slice(json).map_err(|source| TestError::Malformed {
        text: String::from_utf8_lossy(json).into_owned(),
        source,
    })
}
