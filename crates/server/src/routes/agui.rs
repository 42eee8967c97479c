//! `POST /agui`: the same conversations over AG-UI.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{header, request::Parts},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{StreamExt as _, stream};
use parlor_agent::sse::SseDecoder;
use parlor_chatkit::{
    ChatKitError, EventStream, Extension, GivenIds, Identity, Owner, RequestOptions,
    Response as ChatKitResponse, TurnKey,
    protocol::{
        Action, AddClientToolOutputParams, AddStructuredInputParams, AddUserMessageParams,
        AttachmentCreateParams, AttachmentId, ClientToolCallStatus, CustomActionParams,
        InferenceOptions, ItemId, ItemsListParams, JsonMap, Operation, Order, Page, Request as Ask,
        ResumeParams, RetryAfterItemParams, StructuredInputAnswerSubmission,
        StructuredInputSubmission, SubmissionStatus, ThreadCreateParams, ThreadGetByIdParams,
        ThreadId, ThreadItem, ThreadStreamEvent, UserMessageContent, UserMessageInput,
        UserMessageTextContent,
    },
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    agui::{
        events::Event,
        history,
        input::{
            Content, Media, News, Part, Resume, ResumeStatus, RunInput, Source, ToolMessage,
            UserMessage, invalid,
        },
        translate::Translator,
    },
    app::{App, request_id},
    attachments::{base_url, inspect::Size, receive::receive},
    connection::LongStream,
    error::ApiError,
    routes::{
        chatkit::{check_content_type, extension_of},
        files::{check_origin, enabled},
    },
};

/// Items of a conversation that a client is given, at most: the latest.
const MAX_ITEMS: usize = 1_000;
/// Items that are asked for at once.
const PAGE: i64 = 100;
/// How far back a call or question that waits is looked for, in items.
const RECENT: usize = 60;

pub(crate) async fn post_agui(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = request_id(&parts);
    match answer(app, &parts, body).await {
        Ok(response) => response,
        Err(error) => error.into_response(request_id),
    }
}

async fn answer(app: Arc<App>, parts: &Parts, body: Body) -> Result<Response, ApiError> {
    if !app.ag_ui.load(Ordering::Relaxed) {
        return Err(ApiError::not_found(
            "this server does not speak AG-UI; its configuration can turn that on with ag_ui.enabled",
        ));
    }
    check_content_type(&parts.headers)?;
    check_origin(&app, &parts.headers)?;
    let caller = app.caller(parts).await?;
    let mut input = RunInput::parse(&app.bodies.read(body).await?.bytes)?;
    let asked_for = input.thread_id.as_str();
    let thread_id = match is_ours(asked_for) {
        true => ThreadId::new(asked_for),
        false => ThreadId::new(format!("thr_{}", derived(&caller.owner, &["thread", asked_for]))),
    };
    let message = |id: String| (derived_message(&caller.owner, asked_for, &id), id);
    let run = Run {
        names: input.user_messages().map(message).collect(),
        base_url: base_url(app.public_url.as_ref(), parts),
        extension: extension_of(&app, parts, &caller),
        metadata: input.metadata(),
        owner: caller.owner,
        identity: caller.identity,
        thread_id,
        app,
    };
    let (head, events, translator) = run.begin(&input, parts).await?;
    let body = Body::from_stream(run.told(head, events, translator).map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (headers, body).into_response();
    response.extensions_mut().insert(LongStream);
    if let Some(cookie) = caller.new_cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Whether an id has the form of our threads' ids. Whether there is such a thread is another question.
fn is_ours(thread_id: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    thread_id.strip_prefix("thr_").is_some_and(|id| id.len() == 32 && id.bytes().all(hex))
}

/// 128 bits that belong to these names and this owner: what a client calls a thing is not unique, and
/// nobody reaches another one's things by calling his own the same.
fn derived(owner: &Owner, names: &[&str]) -> String {
    let mut hash = Sha256::new();
    for name in [owner.tenant().as_str(), owner.user().as_str()].iter().chain(names) {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The id of a message that its client calls `id`.
fn derived_message(owner: &Owner, thread_id: &str, id: &str) -> String {
    format!("msg_{}", derived(owner, &["message", thread_id, id]))
}

/// A run under way.
struct Run {
    app: Arc<App>,
    owner: Owner,
    identity: Identity,
    base_url: String,
    extension: Extension,
    metadata: JsonMap,
    thread_id: ThreadId,
    /// What the client calls messages that were made from its own.
    names: HashMap<String, String>,
}

impl Run {
    /// Does what is asked for: the first events, those of the turn if there is one, and who translates
    /// them.
    async fn begin(
        &self,
        input: &RunInput,
        parts: &Parts,
    ) -> Result<(Vec<Event>, Option<EventStream>, Translator), ApiError> {
        let store = self.app.chatkit.store();
        let thread =
            store.thread(&self.owner, &self.thread_id).await.map_err(ChatKitError::from)?;
        if thread.is_none() && is_ours(&input.thread_id) {
            return Err(ChatKitError::NotFound("thread").into());
        }
        let mut translator = Translator::new(&input.thread_id, &input.run_id);
        let mut head = vec![translator.begin()];
        let key = Some(derived(&self.owner, &["run", &input.thread_id, &input.run_id]));
        let operation = match (input.resume.as_deref(), input.news()?) {
            (Some(answers @ [_, ..]), _) => {
                let mut operations = Vec::new();
                for (at, answer) in answers.iter().enumerate() {
                    operations.push(self.resumed(at, answer).await?);
                }
                let last = operations.pop();
                for (at, operation) in operations.into_iter().enumerate() {
                    let key = key.as_ref().map(|key| format!("{key}.{at}"));
                    let mut events =
                        self.stream(operation, parts, key, GivenIds::default()).await?;
                    // Each is decided in a turn of its own, which is over soon.
                    while events.next().await.is_some() {}
                }
                last
            }
            (_, News::Tools(results)) => Some(self.tool_output(results).await?),
            (_, News::User(message)) => {
                let own = ItemId::new(message.id.as_str());
                let made = derived_message(&self.owner, &input.thread_id, &message.id);
                let made = ItemId::new(made);
                for item_id in [&own, &made] {
                    let item = match thread {
                        Some(_) => store.item(&self.owner, &self.thread_id, item_id).await,
                        None => Ok(None),
                    };
                    if let Some(ThreadItem::UserMessage(_)) = item.map_err(ChatKitError::from)? {
                        let again = RetryAfterItemParams {
                            thread_id: self.thread_id.clone(),
                            item_id: item_id.clone(),
                        };
                        let operation = Operation::ThreadsRetryAfterItem(again);
                        let ids = GivenIds::default();
                        let events = self.stream(operation, parts, key, ids).await?;
                        return Ok((head, Some(events), translator));
                    }
                }
                let ids = GivenIds { thread: Some(self.thread_id.clone()), message: Some(made) };
                let input = self.message(message).await?;
                let operation = match thread {
                    None => Operation::ThreadsCreate(ThreadCreateParams { input }),
                    Some(_) => Operation::ThreadsAddUserMessage(AddUserMessageParams {
                        input,
                        thread_id: self.thread_id.clone(),
                    }),
                };
                let events = self.stream(operation, parts, key, ids).await?;
                return Ok((head, Some(events), translator));
            }
            (_, News::None) => None,
        };
        if let Some(operation) = operation {
            let events = self.stream(operation, parts, key, GivenIds::default()).await?;
            return Ok((head, Some(events), translator));
        }
        if thread.is_none() {
            return Ok((head, None, translator));
        }
        let (events, messages) = self.loaded(parts, &mut translator).await?;
        head.push(Event::MessagesSnapshot { messages });
        Ok((head, events, translator))
    }

    /// The conversation as it stands, and the events of the answer that is under way.
    async fn loaded(
        &self,
        parts: &Parts,
        translator: &mut Translator,
    ) -> Result<(Option<EventStream>, Vec<Value>), ApiError> {
        let thread_id = self.thread_id.clone();
        let get = Operation::ThreadsGetById(ThreadGetByIdParams { thread_id: thread_id.clone() });
        let running = match self.handle(get, Some(parts), None, GivenIds::default()).await? {
            ChatKitResponse::Json(json) => json.running_turn,
            ChatKitResponse::Stream { .. } => None,
        };
        let mut streamed = HashSet::new();
        let mut events = None;
        if let Some(turn_id) = running {
            let resume = ResumeParams {
                thread_id: thread_id.clone(),
                after: None,
                turn_id: Some(turn_id.clone()),
            };
            let operation = Operation::ThreadsResume(resume);
            match self.stream(operation, parts, None, GivenIds::default()).await {
                Ok(stream) => {
                    let key = TurnKey { turn_id, thread_id };
                    let items = self.app.chatkit.store().turn_items(&self.owner, &key).await;
                    let items = items.map_err(ChatKitError::from)?;
                    let told = |item: &ThreadItem| !matches!(item, ThreadItem::UserMessage(_));
                    streamed
                        .extend(items.iter().filter(|item| told(item)).filter_map(ThreadItem::id));
                    events = Some(stream);
                }
                // It has ended meanwhile.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let items = self.items(MAX_ITEMS).await?;
        let items = items.iter().filter(|item| item.id().is_none_or(|id| !streamed.contains(&id)));
        let items: Vec<_> = items.collect();
        if events.is_none() {
            let recent = items.iter().skip(items.len().saturating_sub(RECENT));
            recent.for_each(|item| translator.waits(item));
        }
        Ok((events, self.messages(items)))
    }

    /// Items as messages, by the names that the client has for them: it would take a message of its own
    /// with another id for one more.
    fn messages<'a>(&self, items: impl IntoIterator<Item = &'a ThreadItem>) -> Vec<Value> {
        let mut messages: Vec<Value> = items.into_iter().flat_map(history::messages).collect();
        for message in &mut messages {
            if let Some(name) = message["id"].as_str().and_then(|id| self.names.get(id)) {
                message["id"] = name.as_str().into();
            }
        }
        messages
    }

    /// The latest items, oldest first.
    async fn items(&self, most: usize) -> Result<Vec<ThreadItem>, ApiError> {
        let mut items: Vec<ThreadItem> = Vec::new();
        let mut after = None;
        loop {
            let list = Operation::ItemsList(ItemsListParams {
                thread_id: self.thread_id.clone(),
                limit: Some(PAGE.min(i64::try_from(most).unwrap_or(PAGE))),
                order: Order::Desc,
                after,
            });
            let answer = self.handle(list, None, None, GivenIds::default()).await?;
            let ChatKitResponse::Json(json) = answer else {
                return Err(ApiError::internal("items.list gave a stream"));
            };
            let page: Page<ThreadItem> = serde_json::from_slice(&json.body)
                .map_err(|error| ApiError::internal(error.to_string()))?;
            items.extend(page.data);
            after = page.after.filter(|_| page.has_more && items.len() < most);
            if after.is_none() {
                break;
            }
        }
        items.reverse();
        Ok(items)
    }

    /// An answer to what an earlier run asked.
    async fn resumed(&self, at: usize, answer: &Resume) -> Result<Operation, ApiError> {
        let item_id = ItemId::new(answer.interrupt_id.as_str());
        let store = self.app.chatkit.store();
        let item = store.item(&self.owner, &self.thread_id, &item_id).await;
        let thread_id = self.thread_id.clone();
        let resolved = answer.status == ResumeStatus::Resolved;
        match item.map_err(ChatKitError::from)? {
            Some(ThreadItem::Widget(_)) => {
                let approve = resolved && answer.payload["approve"] == true;
                Ok(Operation::ThreadsCustomAction(CustomActionParams {
                    thread_id,
                    item_id: Some(item_id),
                    action: Action {
                        r#type: parlor_agent::APPROVAL_ACTION.to_owned(),
                        payload: Some(json!({ "approve": approve })),
                    },
                }))
            }
            Some(ThreadItem::StructuredInput(_)) => {
                let given = answer.payload.as_object().into_iter().flatten();
                let answers = given.map(|(question, values)| {
                    let values = match values {
                        Value::Array(values) => {
                            values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                        }
                        Value::String(value) => vec![value.clone()],
                        _ => Vec::new(),
                    };
                    let answer = StructuredInputAnswerSubmission { values, skipped: false };
                    (question.clone(), answer)
                });
                let input = StructuredInputSubmission {
                    status: match resolved {
                        true => SubmissionStatus::Answered,
                        false => SubmissionStatus::Skipped,
                    },
                    answers: answers.filter(|_| resolved).collect(),
                };
                let params = AddStructuredInputParams { thread_id, item_id, input };
                Ok(Operation::ThreadsAddStructuredInput(params))
            }
            _ => Err(invalid(
                &format!("resume[{at}].interruptId"),
                "names nothing that waits for an answer in this conversation",
            )),
        }
    }

    /// What a tool of the page's has given.
    async fn tool_output(&self, results: Vec<ToolMessage>) -> Result<Operation, ApiError> {
        let items = self.items(RECENT).await?;
        let waits = items.iter().rev().find_map(|item| match item {
            ThreadItem::ClientToolCall(call) if call.status == ClientToolCallStatus::Pending => {
                Some(call.call_id.as_str())
            }
            _ => None,
        });
        let result = results.into_iter().find(|result| Some(result.tool_call_id.as_str()) == waits);
        let Some(result) = result else {
            return Err(invalid("messages", "answer no tool call that waits for its result"));
        };
        let text = match result.content {
            Content::Text(text) => text,
            Content::Parts(parts) => text_of(&parts),
        };
        let result = match result.error {
            Some(error) => json!({ "error": error }),
            None => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        let thread_id = self.thread_id.clone();
        Ok(Operation::ThreadsAddClientToolOutput(AddClientToolOutputParams { thread_id, result }))
    }

    /// A message of the user's, its files stored.
    async fn message(&self, message: UserMessage) -> Result<UserMessageInput, ApiError> {
        let mut attachments = Vec::new();
        let text = match message.content {
            Content::Text(text) => text,
            Content::Parts(parts) => {
                let text = text_of(&parts);
                for (at, part) in parts.into_iter().enumerate() {
                    let media = match part {
                        Part::Text { .. } => continue,
                        Part::Image(media)
                        | Part::Audio(media)
                        | Part::Video(media)
                        | Part::Document(media) => media,
                    };
                    attachments.push(self.stored(at, media).await?);
                }
                text
            }
        };
        Ok(UserMessageInput {
            content: vec![UserMessageContent::Text(UserMessageTextContent { text })],
            attachments,
            quoted_text: None,
            inference_options: InferenceOptions::default(),
            metadata: JsonMap::new(),
        })
    }

    /// Stores a file that came in a message.
    async fn stored(&self, at: usize, media: Media) -> Result<AttachmentId, ApiError> {
        let field = format!("messages[].content[{at}].source");
        let Source::Data { value, mime_type } = media.source else {
            return Err(invalid(
                &field,
                "is somewhere else, and this server fetches nothing for others; send the bytes, as type \"data\"",
            ));
        };
        let (files, attachments) = enabled(&self.app)?;
        let bytes = BASE64_STANDARD
            .decode(value)
            .map_err(|_| invalid(&field, "is not base64 as in RFC 4648, section 4"))?;
        let name = ["filename", "fileName", "name"];
        let name = name.iter().find_map(|key| media.metadata[*key].as_str()).unwrap_or("file");
        let size = bytes.len() as u64;
        let params = AttachmentCreateParams { name: name.to_owned(), size, mime_type };
        let record = attachments.create(&self.owner, params).await?;
        let mut upload = attachments.begin_upload(&self.owner, &record.id).await?;
        let incoming = stream::once(std::future::ready(Ok::<_, Infallible>(Bytes::from(bytes))));
        match receive(files, attachments, &mut upload, Size::AtMost(size), incoming).await {
            Ok(received) => Ok(received.complete(upload).await?.id),
            Err(error) => {
                upload.abandon().await;
                Err(error)
            }
        }
    }

    /// Does something that is answered with events.
    async fn stream(
        &self,
        operation: Operation,
        parts: &Parts,
        key: Option<String>,
        ids: GivenIds,
    ) -> Result<EventStream, ApiError> {
        match self.handle(operation, Some(parts), key, ids).await? {
            ChatKitResponse::Stream { events, .. } => Ok(events),
            ChatKitResponse::Json(_) => Err(ApiError::internal("no stream for a run")),
        }
    }

    /// Has ChatKit do something. What is only read on behalf of the run has no `parts`: it was counted
    /// already.
    async fn handle(
        &self,
        operation: Operation,
        parts: Option<&Parts>,
        idempotency_key: Option<String>,
        ids: GivenIds,
    ) -> Result<ChatKitResponse, ApiError> {
        let body = serde_json::to_vec(&Ask { metadata: self.metadata.clone(), operation })
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let quota = parts.and_then(|parts| self.app.limits.as_ref()?.quota(&self.owner, parts));
        let options = RequestOptions {
            request_id: parts.map(request_id),
            idempotency_key,
            base_url: self.base_url.clone(),
            quota,
            extension: self.extension.clone(),
            ids,
        };
        let owner = self.owner.clone();
        Ok(self.app.chatkit.handle(owner, &self.identity, &body, options).await?)
    }

    /// The run, as its client reads it.
    fn told(
        self,
        head: Vec<Event>,
        events: Option<EventStream>,
        translator: Translator,
    ) -> impl futures::Stream<Item = Bytes> + Send {
        let first = stream::once(std::future::ready(frames(&head)));
        let end = events.is_none().then_some(End::Done);
        let decoder = SseDecoder::default();
        let reading = Reading { run: self, events, translator, decoder, end };
        first.chain(stream::unfold(reading, async |mut reading| {
            let piece = reading.next().await?;
            Some((piece, reading))
        }))
    }
}

/// What is left to tell of a run.
struct Reading {
    run: Run,
    events: Option<EventStream>,
    translator: Translator,
    decoder: SseDecoder,
    /// How the turn has ended; `None` while it has not, or where that is not known.
    end: Option<End>,
}

/// How a turn has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Stopped,
    /// It failed, which an event says, or its process is gone.
    Otherwise,
}

impl End {
    /// What the last line of a stream says: the comment `: end` with a word.
    fn of(piece: &[u8]) -> Option<Self> {
        let mut lines = piece.split(|byte| *byte == b'\n');
        let word = lines.find_map(|line| line.strip_prefix(b": end "))?;
        Some(match word {
            b"done" => Self::Done,
            b"stopped" => Self::Stopped,
            _ => Self::Otherwise,
        })
    }
}

impl Reading {
    /// The next frames.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.translator.has_ended() {
                return None;
            }
            let piece = match &mut self.events {
                Some(events) => events.next().await,
                None => None,
            };
            let Some(piece) = piece else { return Some(self.last().await) };
            // That the connection lives.
            if piece.starts_with(b": keep-alive") {
                return Some(piece);
            }
            self.end = End::of(&piece).or(self.end);
            let mut told = Vec::new();
            let translator = &mut self.translator;
            let read = self.decoder.push(&piece, |event| {
                match serde_json::from_str::<ThreadStreamEvent>(event.data) {
                    Ok(event) => translator.event(event, &mut told),
                    Err(error) => tracing::error!(%error, "an event of ours cannot be read"),
                }
            });
            if let Err(error) = read {
                tracing::error!(%error, "events of ours cannot be read");
                self.events = None;
            }
            if !told.is_empty() {
                return Some(frames(&told));
            }
        }
    }

    /// The last frames of a run that has not failed.
    async fn last(&mut self) -> Bytes {
        let mut told = Vec::new();
        if self.translator.needs_snapshot() {
            // Its texts are whole now, and stored.
            match self.run.items(MAX_ITEMS).await {
                Ok(items) => {
                    let messages = self.run.messages(&items);
                    self.translator.close(&mut told);
                    told.push(Event::MessagesSnapshot { messages });
                }
                Err(error) => tracing::warn!(?error, "the conversation cannot be read again"),
            }
        }
        match self.end {
            Some(End::Done) => self.translator.finish(&mut told),
            Some(End::Stopped) => self.translator.cancelled(&mut told),
            Some(End::Otherwise) | None => self.translator.cut_off(&mut told),
        }
        frames(&told)
    }
}

fn frames(events: &[Event]) -> Bytes {
    let mut frames = Vec::new();
    events.iter().for_each(|event| event.write(&mut frames));
    frames.into()
}

/// The words of a message in parts.
fn text_of(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
