//! The server's heart: a request in, JSON or a stream out.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parlor_protocol::{
    AddClientToolOutputParams, AddStructuredInputParams, AddUserMessageParams,
    ClientToolCallStatus, CustomActionParams, ItemFeedbackParams, ItemsListParams, JsonMap,
    Operation, Order, Page, Request, RequestId, ResumeParams, RetryAfterItemParams, StopParams,
    StopResult, StructuredInput, StructuredInputAnswer, StructuredInputItem, StructuredInputStatus,
    StructuredInputSubmission, SubmissionStatus, ThreadCreateParams, ThreadCreatedEvent, ThreadId,
    ThreadItem, ThreadItemDoneEvent, ThreadItemReplacedEvent, ThreadListParams, ThreadMetadata,
    ThreadStatus, ThreadStreamEvent, ThreadUpdateParams, TranscribeParams, TurnId,
    UserMessageInput, UserMessageItem, WidgetItem,
};
use serde::Serialize;

use crate::{
    BeginOutcome, BeginTurn, ChatKitError, Clock, Identity, Limits, Owner, PageQuery, RecordedTurn,
    RequestContext, Responder, Store, SystemClock, TurnKey, TurnState, TurnThread, Visibility, ids,
    registry::{Occupied, Registry, RunningTurn},
    responder::{ActionSender, DynResponder, Feedback},
    turn::{EventStream, Job, Opening, Shared, Turn, TurnLog, drive},
    validate,
};

/// A ChatKit server without its HTTP layer: a store, a responder, and the turns between them.
///
/// Cloning shares it. `parlor_server` puts HTTP around it; anything else can, too:
/// [`handle`](Self::handle) takes a body and gives JSON or a stream.
#[derive(Clone)]
pub struct ChatKit {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    responder: Arc<dyn DynResponder>,
    registry: Arc<Registry>,
    /// Names this process in the store, so that turns of a process that is gone can be told.
    instance: String,
}

/// Builds a [`ChatKit`] with other than the default limits or clock.
pub struct ChatKitBuilder {
    store: Arc<dyn Store>,
    responder: Arc<dyn DynResponder>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl ChatKitBuilder {
    /// Other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The server.
    pub fn build(self) -> ChatKit {
        ChatKit {
            inner: Arc::new(Inner {
                shared: Arc::new(Shared {
                    store: self.store,
                    clock: self.clock,
                    limits: self.limits,
                }),
                responder: self.responder,
                registry: Arc::new(Registry::default()),
                instance: ids::instance(),
            }),
        }
    }
}

/// What a request carries beside its body.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// Id of the request in logs and errors; made when absent.
    pub request_id: Option<RequestId>,
    /// The `Idempotency-Key` header: a request repeated with it is one message.
    pub idempotency_key: Option<String>,
}

/// The answer to a request.
pub enum Response {
    /// A JSON body.
    Json(JsonResponse),
    /// Server-Sent Events.
    Stream {
        /// The turn that is streamed; sent as the header `Parlor-Turn`.
        turn_id: TurnId,
        /// The events.
        events: EventStream,
    },
}

/// A JSON answer.
pub struct JsonResponse {
    /// The body.
    pub body: Bytes,
    /// The turn that is running in the thread that was asked for; sent as the header
    /// `Parlor-Turn`.
    pub running_turn: Option<TurnId>,
}

impl JsonResponse {
    fn of(body: &impl Serialize) -> Response {
        // Our types serialise always: no map has keys that are not text.
        let body = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec()).into();
        Response::Json(Self { body, running_turn: None })
    }

    fn empty() -> Response {
        Self::of(&JsonMap::new())
    }
}

/// How many items a page of `threads.get_by_id` holds, as in the reference.
const FIRST_PAGE: u32 = 20;

/// How far back an unanswered question or tool call is looked for.
const RECENT_ITEMS: u32 = 50;

impl ChatKit {
    /// A server with the default limits.
    pub fn new(store: impl Store, responder: impl Responder) -> Self {
        Self::builder(store, responder).build()
    }

    /// A server to be configured.
    pub fn builder(store: impl Store, responder: impl Responder) -> ChatKitBuilder {
        ChatKitBuilder {
            store: Arc::new(store),
            responder: Arc::new(responder),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.shared.limits
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.shared.store
    }

    /// Closes turns that an earlier process left running, keeping their partial text. Call it
    /// once at start.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recover(&self) -> Result<u64, ChatKitError> {
        let now = self.inner.shared.clock.now();
        Ok(self.store().interrupt_orphans(&self.inner.instance, now).await?)
    }

    /// Takes no more turns and ends those that run, keeping their partial text.
    pub async fn shut_down(&self) {
        let running = self.inner.registry.close();
        for turn in &running {
            turn.cancel(TurnState::Interrupted);
        }
        for turn in &running {
            turn.log.ended().await;
        }
    }

    /// A new request id.
    pub fn new_request_id() -> RequestId {
        ids::request()
    }

    /// Handles one request.
    ///
    /// `owner` and `identity` are what authentication found out. The turn that a request begins
    /// is a task of its own: dropping the answer does not end it.
    ///
    /// # Errors
    /// A [`ChatKitError`] says what is wrong with the request, or what is down. Nothing was
    /// stored then.
    pub async fn handle(
        &self,
        owner: Owner,
        identity: &Identity,
        body: &[u8],
        options: RequestOptions,
    ) -> Result<Response, ChatKitError> {
        let Request { metadata, mut operation } = Request::parse(body)?;
        validate::metadata(&metadata, self.limits())?;
        let input_metadata = match &mut operation {
            Operation::ThreadsCreate(params) => std::mem::take(&mut params.input.metadata),
            Operation::ThreadsAddUserMessage(params) => std::mem::take(&mut params.input.metadata),
            _ => JsonMap::new(),
        };
        validate::metadata(&input_metadata, self.limits())?;
        let request_id = options.request_id.unwrap_or_else(ids::request);
        let context = RequestContext::new(owner, request_id, identity, metadata, input_metadata);
        let call = Call { inner: &self.inner, context, idempotency_key: options.idempotency_key };
        match operation {
            Operation::ThreadsGetById(params) => call.get_thread(&params.thread_id).await,
            Operation::ThreadsList(params) => call.list_threads(params).await,
            Operation::ThreadsUpdate(params) => call.rename_thread(params).await,
            Operation::ThreadsDelete(params) => call.delete_thread(&params.thread_id).await,
            Operation::ItemsList(params) => call.list_items(params).await,
            Operation::ItemsFeedback(params) => call.add_feedback(params).await,
            Operation::ThreadsCreate(params) => call.create_thread(params).await,
            Operation::ThreadsAddUserMessage(params) => call.add_user_message(params).await,
            Operation::ThreadsRetryAfterItem(params) => call.retry_after_item(params).await,
            Operation::ThreadsAddClientToolOutput(params) => {
                call.add_client_tool_output(params).await
            }
            Operation::ThreadsAddStructuredInput(params) => call.add_structured_input(params).await,
            Operation::ThreadsCustomAction(params) => call.custom_action(params).await,
            Operation::ThreadsSyncCustomAction(params) => call.sync_custom_action(params).await,
            Operation::ThreadsStop(params) => call.stop(&params).await,
            Operation::ThreadsResume(params) => call.resume(&params).await,
            Operation::InputTranscribe(params) => call.transcribe(params).await,
            Operation::AttachmentsCreate(_) | Operation::AttachmentsDelete(_) => {
                Err(ChatKitError::NotEnabled("attachments are not enabled on this server".into()))
            }
        }
    }
}

/// One request being handled.
struct Call<'a> {
    inner: &'a Inner,
    context: RequestContext,
    idempotency_key: Option<String>,
}

impl Call<'_> {
    fn owner(&self) -> &Owner {
        self.context.owner()
    }

    fn store(&self) -> &dyn Store {
        &*self.inner.shared.store
    }

    fn limits(&self) -> &Limits {
        &self.inner.shared.limits
    }

    async fn thread(&self, thread_id: &ThreadId) -> Result<ThreadMetadata, ChatKitError> {
        self.store().thread(self.owner(), thread_id).await?.ok_or(ChatKitError::NotFound("thread"))
    }

    // Reading and housekeeping.

    async fn get_thread(&self, thread_id: &ThreadId) -> Result<Response, ChatKitError> {
        let thread = self.thread(thread_id).await?;
        // Asked before the items are read: a turn that ends in between is in the items.
        let running = self.running_turn(thread_id);
        let query = PageQuery { limit: FIRST_PAGE, order: Order::Asc, after: None };
        let items = self
            .store()
            .items(self.owner(), thread_id, &query, Visibility::Visible)
            .await?
            .ok_or(ChatKitError::NotFound("thread"))?;
        let Response::Json(mut response) = JsonResponse::of(&thread.into_response(items)) else {
            return Err(ChatKitError::NotFound("thread"));
        };
        response.running_turn = running.map(|turn| turn.key.turn_id.clone());
        Ok(Response::Json(response))
    }

    async fn list_threads(&self, params: ThreadListParams) -> Result<Response, ChatKitError> {
        let query = PageQuery {
            limit: validate::page_size(params.limit, self.limits())?,
            order: params.order,
            after: params.after,
        };
        let page = self
            .store()
            .threads(self.owner(), &query)
            .await?
            .ok_or(ChatKitError::NotFound("page cursor `params.after`"))?;
        Ok(JsonResponse::of(&page.map(|thread| thread.into_response(Page::default()))))
    }

    async fn rename_thread(&self, params: ThreadUpdateParams) -> Result<Response, ChatKitError> {
        let title = validate::title(&params.title, self.limits())?;
        let thread = self
            .store()
            .rename_thread(self.owner(), &params.thread_id, title)
            .await?
            .ok_or(ChatKitError::NotFound("thread"))?;
        Ok(JsonResponse::of(&thread.into_response(Page::default())))
    }

    async fn delete_thread(&self, thread_id: &ThreadId) -> Result<Response, ChatKitError> {
        let running = self.running_turn(thread_id);
        if !self.store().delete_thread(self.owner(), thread_id).await? {
            return Err(ChatKitError::NotFound("thread"));
        }
        if let Some(running) = running {
            running.cancel(TurnState::Interrupted);
        }
        Ok(JsonResponse::empty())
    }

    async fn list_items(&self, params: ItemsListParams) -> Result<Response, ChatKitError> {
        let query = PageQuery {
            limit: validate::page_size(params.limit, self.limits())?,
            order: params.order,
            after: params.after,
        };
        let items =
            self.store().items(self.owner(), &params.thread_id, &query, Visibility::Visible);
        let Some(page) = items.await? else {
            // Which of the two it was costs a query, but only here.
            self.thread(&params.thread_id).await?;
            return Err(ChatKitError::NotFound("page cursor `params.after`"));
        };
        Ok(JsonResponse::of(&page))
    }

    async fn add_feedback(&self, params: ItemFeedbackParams) -> Result<Response, ChatKitError> {
        let most = self.limits().page_size as usize;
        if params.item_ids.len() > most {
            return Err(ChatKitError::invalid(
                "params.item_ids",
                format!("names {} items, at most {most} are allowed", params.item_ids.len()),
            ));
        }
        let now = self.inner.shared.clock.now();
        let kept = self
            .store()
            .set_feedback(self.owner(), &params.thread_id, &params.item_ids, params.kind, now)
            .await?;
        if !kept {
            return Err(ChatKitError::NotFound("item"));
        }
        let feedback = Feedback {
            thread_id: &params.thread_id,
            item_ids: &params.item_ids,
            kind: params.kind,
        };
        self.inner
            .responder
            .add_feedback(&self.context, feedback)
            .await
            .map_err(ChatKitError::Responder)?;
        Ok(JsonResponse::empty())
    }

    async fn transcribe(&self, params: TranscribeParams) -> Result<Response, ChatKitError> {
        let (field, max) = ("params.audio_base64", self.limits().audio_bytes);
        // Base64 is four characters for three bytes: what is too long is not even decoded.
        if params.audio_base64.len() / 4 * 3 > max.saturating_add(2) {
            return Err(ChatKitError::TooLarge { field, max });
        }
        let audio = STANDARD
            .decode(&params.audio_base64)
            .map_err(|error| ChatKitError::invalid(field, format!("is not base64: {error}")))?;
        let result = self
            .inner
            .responder
            .transcribe(&self.context, &audio, &params.mime_type)
            .await
            .map_err(ChatKitError::Responder)?
            .ok_or_else(|| {
                ChatKitError::NotEnabled("dictation is not enabled on this server".into())
            })?;
        Ok(JsonResponse::of(&result))
    }

    // Turns.

    async fn create_thread(self, params: ThreadCreateParams) -> Result<Response, ChatKitError> {
        validate::message(&params.input, self.limits())?;
        let thread = ThreadMetadata {
            title: None,
            id: ids::thread(),
            created_at: self.inner.shared.clock.now(),
            status: ThreadStatus::default(),
            allowed_image_domains: None,
            metadata: JsonMap::new(),
        };
        let message = self.user_message(params.input, thread.id.clone());
        self.begin(Begin {
            thread: TurnThread::New(thread),
            opening: vec![message.clone().into()],
            changed: Vec::new(),
            turn: Opening { input: Some(message), replaces: Vec::new() },
            job: Job::Respond,
        })
        .await
    }

    async fn add_user_message(
        self,
        params: AddUserMessageParams,
    ) -> Result<Response, ChatKitError> {
        validate::message(&params.input, self.limits())?;
        let message = self.user_message(params.input, params.thread_id.clone());
        self.begin(Begin {
            thread: TurnThread::Existing(params.thread_id),
            opening: vec![message.clone().into()],
            changed: Vec::new(),
            turn: Opening { input: Some(message), replaces: Vec::new() },
            job: Job::Respond,
        })
        .await
    }

    fn user_message(&self, input: UserMessageInput, thread_id: ThreadId) -> UserMessageItem {
        UserMessageItem {
            id: ids::item("msg"),
            thread_id,
            created_at: self.inner.shared.clock.now(),
            content: input.content,
            attachments: Vec::new(),
            quoted_text: input.quoted_text,
            inference_options: input.inference_options,
        }
    }

    async fn retry_after_item(
        self,
        params: RetryAfterItemParams,
    ) -> Result<Response, ChatKitError> {
        let item = self
            .store()
            .item(self.owner(), &params.thread_id, &params.item_id)
            .await?
            .ok_or(ChatKitError::NotFound("item"))?;
        let ThreadItem::UserMessage(message) = item else {
            return Err(ChatKitError::invalid(
                "params.item_id",
                "is not a user message; name the message that is to be answered again",
            ));
        };
        let replaces = self.items_after(&params.thread_id, &params.item_id).await?;
        self.begin(Begin {
            thread: TurnThread::Existing(params.thread_id),
            opening: Vec::new(),
            changed: Vec::new(),
            turn: Opening { input: Some(message), replaces },
            job: Job::Respond,
        })
        .await
    }

    /// The ids of all items behind one, newest first.
    async fn items_after(
        &self,
        thread_id: &ThreadId,
        item_id: &parlor_protocol::ItemId,
    ) -> Result<Vec<parlor_protocol::ItemId>, ChatKitError> {
        let mut after = Some(item_id.as_str().to_owned());
        let mut found = Vec::new();
        loop {
            let query = PageQuery { limit: self.limits().page_size, order: Order::Asc, after };
            let page = self
                .store()
                .items(self.owner(), thread_id, &query, Visibility::All)
                .await?
                .ok_or(ChatKitError::NotFound("item"))?;
            found.extend(page.data.iter().filter_map(ThreadItem::id));
            if !page.has_more {
                return Ok(found);
            }
            after = page.after;
        }
    }

    async fn add_client_tool_output(
        self,
        params: AddClientToolOutputParams,
    ) -> Result<Response, ChatKitError> {
        let pending = self.recent(&params.thread_id, |item| match item {
            ThreadItem::ClientToolCall(call) if call.status == ClientToolCallStatus::Pending => {
                Some(call.clone())
            }
            _ => None,
        });
        let mut call = pending.await?.ok_or_else(|| {
            ChatKitError::invalid(
                "params.thread_id",
                "has no client tool call that waits for output",
            )
        })?;
        call.status = ClientToolCallStatus::Completed;
        call.output = Some(params.result);
        self.begin(Begin {
            thread: TurnThread::Existing(params.thread_id),
            opening: Vec::new(),
            changed: vec![call.into()],
            turn: Opening::default(),
            job: Job::Respond,
        })
        .await
    }

    async fn add_structured_input(
        self,
        params: AddStructuredInputParams,
    ) -> Result<Response, ChatKitError> {
        let item = self.store().item(self.owner(), &params.thread_id, &params.item_id).await?;
        let Some(ThreadItem::StructuredInput(mut question)) = item else {
            return Err(ChatKitError::NotFound("question"));
        };
        if question.status != StructuredInputStatus::Pending {
            return Err(ChatKitError::invalid("params.item_id", "was answered already"));
        }
        answer(&mut question, &params.input);
        self.begin(Begin {
            thread: TurnThread::Existing(params.thread_id),
            opening: Vec::new(),
            changed: vec![question.into()],
            turn: Opening::default(),
            job: Job::Respond,
        })
        .await
    }

    async fn custom_action(self, params: CustomActionParams) -> Result<Response, ChatKitError> {
        let widget = self.sender(&params).await?;
        self.begin(Begin {
            thread: TurnThread::Existing(params.thread_id),
            opening: Vec::new(),
            changed: Vec::new(),
            turn: Opening::default(),
            job: Job::Action(Box::new(ActionSender { action: params.action, widget })),
        })
        .await
    }

    async fn sync_custom_action(
        &self,
        params: CustomActionParams,
    ) -> Result<Response, ChatKitError> {
        let thread = self.thread(&params.thread_id).await?;
        let widget = self.sender(&params).await?;
        let sender = ActionSender { action: params.action, widget };
        let updated = self
            .inner
            .responder
            .sync_action(&self.context, &thread, sender)
            .await
            .map_err(ChatKitError::Responder)?;
        Ok(JsonResponse::of(&updated))
    }

    /// The widget that an action names.
    async fn sender(
        &self,
        params: &CustomActionParams,
    ) -> Result<Option<WidgetItem>, ChatKitError> {
        let Some(item_id) = &params.item_id else { return Ok(None) };
        match self.store().item(self.owner(), &params.thread_id, item_id).await? {
            Some(ThreadItem::Widget(widget)) => Ok(Some(widget)),
            Some(_) => Err(ChatKitError::invalid("params.item_id", "is not a widget")),
            None => Err(ChatKitError::NotFound("item")),
        }
    }

    /// The newest item that `pick` picks, not too far back.
    async fn recent<T>(
        &self,
        thread_id: &ThreadId,
        pick: impl Fn(&ThreadItem) -> Option<T>,
    ) -> Result<Option<T>, ChatKitError> {
        let query = PageQuery { limit: RECENT_ITEMS, order: Order::Desc, after: None };
        let page = self
            .store()
            .items(self.owner(), thread_id, &query, Visibility::Visible)
            .await?
            .ok_or(ChatKitError::NotFound("thread"))?;
        Ok(page.data.iter().find_map(pick))
    }

    async fn stop(&self, params: &StopParams) -> Result<Response, ChatKitError> {
        let running = self.running_turn(&params.thread_id);
        let Some(running) = running else {
            self.thread(&params.thread_id).await?;
            return Ok(JsonResponse::of(&StopResult { stopped: false }));
        };
        running.cancel(TurnState::Stopped);
        running.log.ended().await;
        Ok(JsonResponse::of(&StopResult { stopped: true }))
    }

    async fn resume(&self, params: &ResumeParams) -> Result<Response, ChatKitError> {
        let recent = self.inner.registry.recent(&params.thread_id);
        let Some(turn) = recent.filter(|turn| turn.owner == *self.owner()) else {
            self.thread(&params.thread_id).await?;
            return Err(ChatKitError::NoRunningTurn);
        };
        let same_turn = params.turn_id.as_ref().is_none_or(|id| *id == turn.key.turn_id);
        if turn.log.end().is_some() && (params.turn_id.is_none() || !same_turn) {
            // It ended, and the client was not following it: the thread has all there is.
            return Err(ChatKitError::NoRunningTurn);
        }
        let after = if same_turn { params.after.unwrap_or(0) } else { 0 };
        Ok(Response::Stream { turn_id: turn.key.turn_id.clone(), events: turn.log.follow(after) })
    }

    /// The turn that runs in a thread, if it is the caller's.
    fn running_turn(&self, thread_id: &ThreadId) -> Option<Arc<RunningTurn>> {
        self.inner.registry.running(thread_id).filter(|turn| turn.owner == *self.owner())
    }

    /// Begins a turn: all checks, one transaction, then a task of its own.
    async fn begin(self, begin: Begin) -> Result<Response, ChatKitError> {
        if let Some(key) = &self.idempotency_key
            && let Some(recorded) = self.store().turn_by_key(self.owner(), key).await?
        {
            return self.repeat(recorded).await;
        }
        let thread_id = match &begin.thread {
            TurnThread::New(thread) => thread.id.clone(),
            TurnThread::Existing(thread_id) => {
                check_active(&self.thread(thread_id).await?)?;
                thread_id.clone()
            }
        };
        let reservation = self.reserve(&thread_id).await?;

        let key = TurnKey { turn_id: ids::turn(), thread_id };
        let outcome = loop {
            let outcome = self
                .store()
                .begin_turn(
                    self.owner(),
                    BeginTurn {
                        turn_id: key.turn_id.clone(),
                        thread: begin.thread.clone(),
                        opening: &begin.opening,
                        changed: &begin.changed,
                        idempotency_key: self.idempotency_key.as_deref(),
                        holder: &self.inner.instance,
                        now: self.inner.shared.clock.now(),
                    },
                )
                .await?;
            match outcome {
                // A turn of this process that the registry does not know has ended, but the
                // store was not there to be told.
                BeginOutcome::Busy { turn_id, holder } if holder == self.inner.instance => {
                    let lost = TurnKey { turn_id, thread_id: key.thread_id.clone() };
                    let now = self.inner.shared.clock.now();
                    self.store()
                        .end_turn(self.owner(), &lost, TurnState::Interrupted, &[], now)
                        .await?;
                }
                outcome => break outcome,
            }
        };
        let (thread, next_seq) = match outcome {
            BeginOutcome::Begun { thread, next_seq } => (thread, next_seq),
            BeginOutcome::Repeated(recorded) => return self.repeat(recorded).await,
            BeginOutcome::NotFound => return Err(ChatKitError::NotFound("thread")),
            BeginOutcome::Busy { .. } => return Err(ChatKitError::ThreadBusy),
        };

        let log = TurnLog::new();
        let events = log.follow(0);
        let max = self.limits().turn_bytes;
        for event in opening_events(&begin, &thread) {
            // The opening is no larger than the request was.
            let _ = log.append(&event, max);
        }
        let running = RunningTurn::new(self.owner().clone(), key.clone(), Arc::clone(&log));
        reservation.activate(&running);

        let turn_id = key.turn_id.clone();
        let turn = Turn::new(
            self.context,
            key,
            thread,
            next_seq,
            begin.turn,
            log,
            Arc::clone(&self.inner.shared),
        );
        let responder = Arc::clone(&self.inner.responder);
        let shared = Arc::clone(&self.inner.shared);
        tokio::spawn(async move {
            drive(turn, responder, begin.job, Arc::clone(&running)).await;
            reservation.complete(&running, &shared.limits);
        });
        Ok(Response::Stream { turn_id, events })
    }

    /// Holds the thread, in place of an orphaned turn if one is running.
    async fn reserve(
        &self,
        thread_id: &ThreadId,
    ) -> Result<crate::registry::Reservation, ChatKitError> {
        loop {
            let running = match self.inner.registry.reserve(thread_id) {
                Ok(reservation) => return Ok(reservation),
                Err(Occupied::Running(running)) => running,
                Err(Occupied::Starting) => return Err(ChatKitError::ThreadBusy),
                Err(Occupied::Closed) => return Err(ChatKitError::ShuttingDown),
            };
            if running.log.end().is_some() {
                // Its end is on its way into the registry.
                tokio::task::yield_now().await;
            } else if running.log.has_readers() {
                return Err(ChatKitError::ThreadBusy);
            } else {
                running.cancel(TurnState::Interrupted);
                running.log.ended().await;
            }
        }
    }

    /// Answers a request that was made before with the same key.
    async fn repeat(&self, recorded: RecordedTurn) -> Result<Response, ChatKitError> {
        let turn_id = recorded.turn_id.clone();
        if let Some(turn) = self.inner.registry.recent(&recorded.thread_id)
            && turn.key.turn_id == turn_id
        {
            return Ok(Response::Stream { turn_id, events: turn.log.follow(0) });
        }
        let thread = self.thread(&recorded.thread_id).await?;
        let key = TurnKey { turn_id: turn_id.clone(), thread_id: recorded.thread_id };
        let items = self.store().turn_items(self.owner(), &key).await?;
        let mut events: Vec<ThreadStreamEvent> =
            vec![ThreadCreatedEvent { thread: thread.into_response(Page::default()) }.into()];
        events.extend(items.into_iter().map(|item| ThreadItemDoneEvent { item }.into()));
        let events = EventStream::replay(&events, recorded.state, self.limits().turn_bytes);
        Ok(Response::Stream { turn_id, events })
    }
}

/// A turn that is about to begin.
struct Begin {
    thread: TurnThread,
    opening: Vec<ThreadItem>,
    changed: Vec<ThreadItem>,
    turn: Opening,
    job: Job,
}

/// What followers are told of what is stored already when the turn begins.
fn opening_events(begin: &Begin, thread: &ThreadMetadata) -> Vec<ThreadStreamEvent> {
    let mut events = Vec::new();
    if matches!(begin.thread, TurnThread::New(_)) {
        let thread = thread.clone().into_response(Page::default());
        events.push(ThreadCreatedEvent { thread }.into());
    }
    events
        .extend(begin.opening.iter().map(|item| ThreadItemDoneEvent { item: item.clone() }.into()));
    events.extend(
        begin.changed.iter().map(|item| ThreadItemReplacedEvent { item: item.clone() }.into()),
    );
    events
}

fn check_active(thread: &ThreadMetadata) -> Result<(), ChatKitError> {
    match &thread.status {
        ThreadStatus::Active => Ok(()),
        ThreadStatus::Locked { reason } => {
            Err(ChatKitError::ThreadNotActive { state: "locked", reason: reason.clone() })
        }
        ThreadStatus::Closed { reason } => {
            Err(ChatKitError::ThreadNotActive { state: "closed", reason: reason.clone() })
        }
    }
}

/// Fills in the answers to questions. A question without an answer counts as passed over, and
/// one that allows a single value keeps the first, as in the reference.
fn answer(item: &mut StructuredInputItem, submission: &StructuredInputSubmission) {
    for input in &mut item.inputs {
        let (id, multiple, slot) = match input {
            StructuredInput::MultipleChoice(question) => {
                (&question.id, question.multiple, &mut question.answer)
            }
            StructuredInput::Freeform(question) => (&question.id, true, &mut question.answer),
            StructuredInput::Unknown(_) => continue,
        };
        let given = submission.answers.get(id).filter(|given| {
            submission.status == SubmissionStatus::Answered
                && !given.skipped
                && !given.values.is_empty()
        });
        *slot = Some(match given {
            Some(given) if multiple => {
                StructuredInputAnswer { values: given.values.clone(), skipped: false }
            }
            Some(given) => StructuredInputAnswer {
                values: given.values.first().cloned().into_iter().collect(),
                skipped: false,
            },
            None => StructuredInputAnswer { values: Vec::new(), skipped: true },
        });
    }
    item.status = match submission.status {
        SubmissionStatus::Answered => StructuredInputStatus::Answered,
        SubmissionStatus::Skipped => StructuredInputStatus::Skipped,
    };
}
