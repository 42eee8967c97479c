//! The server's heart: a request in, JSON or a stream out.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::FutureExt as _;
use parlor_protocol::{
    AddClientToolOutputParams, AddStructuredInputParams, AddUserMessageParams,
    AttachmentCreateParams, AttachmentDeleteParams, AttachmentId, ClientToolCallStatus,
    CustomActionParams, ItemFeedbackParams, ItemId, ItemsListParams, JsonMap, Operation, Order,
    Page, Request, RequestId, ResumeParams, RetryAfterItemParams, StopParams, StopResult,
    StructuredInput, StructuredInputAnswer, StructuredInputItem, StructuredInputStatus,
    StructuredInputSubmission, SubmissionStatus, ThreadCreateParams, ThreadCreatedEvent, ThreadId,
    ThreadItem, ThreadItemDoneEvent, ThreadItemReplacedEvent, ThreadListParams, ThreadMetadata,
    ThreadStatus, ThreadStreamEvent, ThreadUpdateParams, TranscribeParams, TurnId,
    UserMessageInput, UserMessageItem, WidgetItem,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::{
    Admission, AttachmentLimits, AttachmentLinks, AttachmentStore, Attachments, BeginOutcome,
    BeginTurn, ChatKitError, Clock, ErrorChain, Extension, HeldTurn, Identity, Limits,
    OnDisconnect, Owner, PageQuery, Quota, RecordedTurn, ReplaceOutcome, RequestContext, Responder,
    Store, StoreError, SystemClock, TurnError, TurnKey, TurnState, TurnThread, Visibility, Work,
    attachments::dress,
    ids, measure,
    peers::{self, Answer, Caller, Post, Question},
    registry::{Occupied, Registry, Reservation, RunningTurn},
    responder::{ActionSender, DynResponder, Feedback},
    trace::{self, Traced as _},
    turn::{EventStream, Job, Observer, Opening, Replaced, Shared, Turn, TurnLog, Unended, drive},
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
    /// The other processes, if the store is one that several share.
    post: Option<Arc<Post>>,
    /// Set once the store knows that this process lives.
    alive: OnceCell<()>,
}

impl Inner {
    /// Has the store know that this process lives, as long as it does: before its first turn,
    /// and then again and again. From then on it hears what other processes say. Nothing to do for
    /// a store that one process has for itself.
    async fn live(self: &Arc<Self>) -> Result<(), StoreError> {
        let begin = async || {
            if let Some(lease) = self.shared.store.lease() {
                self.shared.store.keep_alive(&self.instance).await?;
                tokio::spawn(keep_alive(Arc::downgrade(self), lease / HEARTBEATS));
            }
            if let Some(post) = &self.post {
                post.join().await;
            }
            Ok(())
        };
        self.alive.get_or_try_init(begin).await.copied()
    }
}

/// How often a process says within a lease that it lives: two may go wrong.
const HEARTBEATS: u32 = 3;

/// Keeps this process's lease, and closes the turns of processes that have lost theirs.
async fn keep_alive(inner: Weak<Inner>, period: Duration) {
    let mut pause = period;
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = inner.upgrade() else { return };
        let store = &inner.shared.store;
        let kept = match store.keep_alive(&inner.instance).await {
            Ok(()) => store.interrupt_orphans(&inner.instance, inner.shared.clock.now()).await,
            Err(error) => Err(error),
        };
        match kept {
            Ok(0) => pause = period,
            Ok(turns) => {
                pause = period;
                tracing::warn!(turns, "closed turns of a process that is gone");
            }
            Err(error) => {
                // Soon again: once the store is back, others may take us for gone.
                pause = period / 10;
                tracing::warn!(error = %ErrorChain(&error), "the lease was not kept");
            }
        }
    }
}

/// Builds a [`ChatKit`] with other than the default limits or clock.
pub struct ChatKitBuilder {
    store: Arc<dyn Store>,
    responder: Arc<dyn DynResponder>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    on_disconnect: OnDisconnect,
    attachments: Option<AttachmentParts>,
    observer: Option<Arc<dyn Observer>>,
}

/// What [`ChatKitBuilder::attachments`] was given.
struct AttachmentParts {
    bytes: Arc<dyn AttachmentStore>,
    links: Arc<dyn AttachmentLinks>,
    limits: AttachmentLimits,
}

impl ChatKitBuilder {
    /// Enables attachments: `bytes` keeps the files, `links` makes the addresses that clients
    /// send them to and fetch them from.
    #[must_use]
    pub fn attachments(
        mut self,
        bytes: impl AttachmentStore,
        links: impl AttachmentLinks,
        limits: AttachmentLimits,
    ) -> Self {
        let (bytes, links) = (Arc::new(bytes), Arc::new(links));
        self.attachments = Some(AttachmentParts { bytes, links, limits });
        self
    }

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

    /// Has somebody look on while turns run, in development: it is told what users write and what
    /// models are asked. Nobody by default, and then nothing is made for it.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// What becomes of a turn when nobody follows it any more. It goes on by default.
    #[must_use]
    pub fn on_disconnect(mut self, on_disconnect: OnDisconnect) -> Self {
        self.on_disconnect = on_disconnect;
        self
    }

    /// The server.
    pub fn build(self) -> ChatKit {
        let attachments = self.attachments.map(|parts| {
            let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
            Attachments::new(store, parts.bytes, parts.links, parts.limits, clock)
        });
        let shared = Arc::new(Shared {
            store: self.store,
            clock: self.clock,
            limits: self.limits,
            on_disconnect: self.on_disconnect,
            attachments,
            unended: Unended::default(),
            observer: self.observer,
        });
        let (registry, instance) = (Arc::<Registry>::default(), ids::instance());
        let post = shared.store.peers().map(|peers| {
            Post::new(Arc::clone(&shared), Arc::clone(&registry), instance.clone(), peers)
        });
        let (responder, alive) = (self.responder, OnceCell::new());
        ChatKit { inner: Arc::new(Inner { shared, responder, registry, instance, post, alive }) }
    }
}

/// What a request carries beside its body.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// Id of the request in logs and errors; made when absent.
    pub request_id: Option<RequestId>,
    /// The `Idempotency-Key` header: a request repeated with it is one message.
    pub idempotency_key: Option<String>,
    /// What addresses of files begin with, such as `https://chat.example.com`: the server as the
    /// client reaches it. Only needed where attachments are enabled.
    pub base_url: String,
    /// What the request may use. Unlimited when absent.
    pub quota: Option<Arc<dyn Quota>>,
    /// A value of your own for the responder, as [`RequestContext::extension`] gives it.
    pub extension: Extension,
    /// Ids for what the request makes.
    pub ids: GivenIds,
}

/// Ids for what a request makes, where others than ours have to be found again: an adapter of another
/// protocol derives them from ids that its clients make up. Made when absent.
///
/// They must be as hard to guess as ours, and belong to one owner. A request that would make what
/// exists already is refused with [`ChatKitError::ThreadBusy`].
#[derive(Clone, Debug, Default)]
pub struct GivenIds {
    /// Of the thread that `threads.create` makes.
    pub thread: Option<ThreadId>,
    /// Of the user's message.
    pub message: Option<ItemId>,
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
        Self::of(&parlor_protocol::Done {})
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
            on_disconnect: OnDisconnect::default(),
            attachments: None,
            observer: None,
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.shared.limits
    }

    /// The files that users send along; `None` where they are not enabled.
    pub fn attachments(&self) -> Option<&Attachments> {
        self.inner.shared.attachments.as_ref()
    }

    /// What the store knows this process by, as in [`Store::keep_alive`].
    pub fn process(&self) -> &str {
        &self.inner.instance
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.shared.store
    }

    /// Closes turns that an earlier process left running, keeping their partial text. Call it
    /// once at start.
    ///
    /// Where several processes share a store, those that live keep their turns. From then on this
    /// one says that it lives, too, and looks now and then for turns of one that does not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recover(&self) -> Result<u64, ChatKitError> {
        self.inner.live().await?;
        let now = self.inner.shared.clock.now();
        Ok(self.store().interrupt_orphans(&self.inner.instance, now).await?)
    }

    /// Takes no more turns and ends those that run, keeping their partial text.
    ///
    /// Where several processes share a store, those who follow these turns elsewhere are told of
    /// their end, and those who follow turns of others here are cut off, to go on elsewhere.
    pub async fn shut_down(&self) {
        self.inner.registry.close().await;
        if let Some(post) = &self.inner.post {
            post.close().await;
        }
    }

    /// A new request id.
    pub fn new_request_id() -> RequestId {
        ids::request()
    }

    /// Handles one request.
    ///
    /// `owner` and `identity` are what authentication found out. The turn that a request begins
    /// is a task of its own: dropping the answer does not end it, unless the server was built with
    /// [`OnDisconnect::Cancel`].
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
        let request = Request::parse(body);
        let name = request.as_ref().map_or("unknown", |request| request.operation.name());
        let answer = match request {
            Ok(request) => self.answer(owner, identity, request, options).await,
            Err(error) => Err(error.into()),
        };
        measure::answered(name, &answer);
        answer
    }

    async fn answer(
        &self,
        owner: Owner,
        identity: &Identity,
        request: Request,
        options: RequestOptions,
    ) -> Result<Response, ChatKitError> {
        let Request { metadata, mut operation } = request;
        validate::metadata(&metadata, self.limits())?;
        let input_metadata = match &mut operation {
            Operation::ThreadsCreate(params) => std::mem::take(&mut params.input.metadata),
            Operation::ThreadsAddUserMessage(params) => std::mem::take(&mut params.input.metadata),
            _ => JsonMap::new(),
        };
        validate::metadata(&input_metadata, self.limits())?;
        let request_id = options.request_id.unwrap_or_else(ids::request);
        let context = RequestContext::new(owner, request_id, identity, metadata, input_metadata)
            .with_extension(options.extension)
            .with_quota(options.quota);
        if let Some(key) = &options.idempotency_key {
            validate::idempotency_key(key)?;
        }
        let call = Call {
            inner: Arc::clone(&self.inner),
            context,
            idempotency_key: options.idempotency_key,
            base_url: options.base_url,
            ids: options.ids,
        };
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
            Operation::AttachmentsCreate(params) => call.create_attachment(params).await,
            Operation::AttachmentsDelete(params) => call.delete_attachment(params).await,
        }
    }
}

/// One request being handled.
struct Call {
    inner: Arc<Inner>,
    context: RequestContext,
    idempotency_key: Option<String>,
    base_url: String,
    ids: GivenIds,
}

impl Call {
    fn owner(&self) -> &Owner {
        self.context.owner()
    }

    fn store(&self) -> &dyn Store {
        &*self.inner.shared.store
    }

    fn limits(&self) -> &Limits {
        &self.inner.shared.limits
    }

    fn attachments(&self) -> Option<&Attachments> {
        self.inner.shared.attachments.as_ref()
    }

    /// An item as its owner's client is sent it.
    fn dress(&self, item: &mut ThreadItem) {
        dress(item, self.attachments(), &self.base_url);
    }

    async fn thread(&self, thread_id: &ThreadId) -> Result<ThreadMetadata, ChatKitError> {
        self.store()
            .thread(self.owner(), thread_id)
            .traced("thread")
            .await?
            .ok_or(ChatKitError::NotFound("thread"))
    }

    // Reading and housekeeping.

    async fn get_thread(&self, thread_id: &ThreadId) -> Result<Response, ChatKitError> {
        // Asked before the items are read: a turn that ends in between is in the items.
        let (thread, elsewhere) = match self.inner.post {
            Some(_) => self.thread_and_turn(thread_id).await?,
            None => (self.thread(thread_id).await?, None),
        };
        let running = self.running_turn(thread_id).map(|turn| turn.key.turn_id.clone());
        let query = PageQuery { limit: FIRST_PAGE, order: Order::Asc, after: None };
        let mut items = self
            .store()
            .items(self.owner(), thread_id, &query, Visibility::Visible)
            .traced("items")
            .await?
            .ok_or(ChatKitError::NotFound("thread"))?;
        items.data.iter_mut().for_each(|item| self.dress(item));
        let Response::Json(mut response) = JsonResponse::of(&thread.into_response(items)) else {
            return Err(ChatKitError::NotFound("thread"));
        };
        response.running_turn = running.or(elsewhere.map(|held| held.turn_id));
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
            .traced("threads")
            .await?
            .ok_or(ChatKitError::NotFound("page cursor `params.after`"))?;
        Ok(JsonResponse::of(&page.map(|thread| thread.into_response(Page::default()))))
    }

    async fn rename_thread(&self, params: ThreadUpdateParams) -> Result<Response, ChatKitError> {
        let title = validate::title(&params.title, self.limits())?;
        let thread = self
            .store()
            .rename_thread(self.owner(), &params.thread_id, title)
            .traced("rename_thread")
            .await?
            .ok_or(ChatKitError::NotFound("thread"))?;
        Ok(JsonResponse::of(&thread.into_response(Page::default())))
    }

    async fn delete_thread(&self, thread_id: &ThreadId) -> Result<Response, ChatKitError> {
        // Asked before the deletion, which leaves nothing to ask for.
        let elsewhere = match (&self.inner.post, self.running_turn(thread_id)) {
            (Some(post), None) => Some(post).zip(self.thread_and_turn(thread_id).await?.1),
            _ => None,
        };
        if !self.store().delete_thread(self.owner(), thread_id).traced("delete_thread").await? {
            return Err(ChatKitError::NotFound("thread"));
        }
        // Asked after the deletion: a turn that began meanwhile is found.
        if let Some(running) = self.running_turn(thread_id) {
            running.cancel(TurnState::Interrupted);
        }
        if let Some((post, held)) = elsewhere {
            let key = held.key(thread_id);
            post.tell_of_deletion(self.owner(), &held, &key).await;
        }
        if let Some(attachments) = self.attachments() {
            attachments.delete_bytes_soon();
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
        let Some(mut page) = items.await? else {
            // Which of the two it was costs a query, but only here.
            self.thread(&params.thread_id).await?;
            return Err(ChatKitError::NotFound("page cursor `params.after`"));
        };
        page.data.iter_mut().for_each(|item| self.dress(item));
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
            .traced("set_feedback")
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
        /// Recordings up to this long are decoded where they are; longer ones would hold up the
        /// other tasks of the thread.
        const SHORT: usize = 256 * 1024;

        let (field, max) = ("params.audio_base64", self.limits().audio_bytes);
        let TranscribeParams { audio_base64, mime_type } = params;
        // Base64 is four characters for three bytes: what is too long is not even decoded.
        let padding = audio_base64.bytes().rev().take(2).filter(|byte| *byte == b'=').count();
        if (audio_base64.len() / 4 * 3).saturating_sub(padding) > max {
            return Err(ChatKitError::TooLarge { field, max });
        }
        let is_short = audio_base64.len() <= SHORT;
        let decode = move || STANDARD.decode(audio_base64);
        let mut admission = self.admit(Work::Recording).await?;
        let decoded = if is_short {
            decode()
        } else {
            let decoding = tokio::task::spawn_blocking(decode).await;
            decoding.map_err(|lost| ChatKitError::Responder(lost.into()))?
        };
        let audio = decoded
            .map_err(|error| ChatKitError::invalid(field, format!("is not base64: {error}")))?;
        admission.begin();
        let result = self
            .inner
            .responder
            .transcribe(&self.context, audio.into(), &mime_type)
            .await
            .map_err(ChatKitError::Responder)?
            .ok_or_else(|| {
                ChatKitError::NotEnabled("dictation is not enabled on this server".into())
            })?;
        Ok(JsonResponse::of(&result))
    }

    fn enabled_attachments(&self) -> Result<&Attachments, ChatKitError> {
        self.attachments().ok_or_else(|| {
            ChatKitError::NotEnabled("attachments are not enabled on this server".into())
        })
    }

    async fn create_attachment(
        &self,
        params: AttachmentCreateParams,
    ) -> Result<Response, ChatKitError> {
        let attachments = self.enabled_attachments()?;
        let record = attachments.create(self.owner(), params).await?;
        Ok(JsonResponse::of(&attachments.present(&record, &self.base_url)))
    }

    async fn delete_attachment(
        &self,
        params: AttachmentDeleteParams,
    ) -> Result<Response, ChatKitError> {
        self.enabled_attachments()?.delete(self.owner(), &params.attachment_id).await?;
        Ok(JsonResponse::empty())
    }

    // Turns.

    fn check_message(&self, input: &UserMessageInput) -> Result<(), ChatKitError> {
        validate::message(input, self.limits(), self.attachments().map(Attachments::limits))
    }

    async fn create_thread(self, params: ThreadCreateParams) -> Result<Response, ChatKitError> {
        self.check_message(&params.input)?;
        let thread = ThreadMetadata {
            title: None,
            id: self.ids.thread.clone().unwrap_or_else(ids::thread),
            created_at: self.inner.shared.clock.now(),
            status: ThreadStatus::default(),
            allowed_image_domains: None,
            metadata: JsonMap::new(),
        };
        let start = self.user_message(params.input, thread.id.clone());
        self.begin(TurnThread::New(thread), start).await
    }

    async fn add_user_message(
        self,
        params: AddUserMessageParams,
    ) -> Result<Response, ChatKitError> {
        self.check_message(&params.input)?;
        let start = self.user_message(params.input, params.thread_id.clone());
        self.begin(TurnThread::Existing(params.thread_id), start).await
    }

    fn user_message(&self, input: UserMessageInput, thread_id: ThreadId) -> Start {
        let message = UserMessageItem {
            id: self.ids.message.clone().unwrap_or_else(|| ids::item("msg")),
            thread_id,
            created_at: self.inner.shared.clock.now(),
            content: input.content,
            attachments: Vec::new(),
            quoted_text: input.quoted_text,
            inference_options: input.inference_options,
        };
        Start::Message { message, attachments: input.attachments }
    }

    async fn retry_after_item(
        self,
        params: RetryAfterItemParams,
    ) -> Result<Response, ChatKitError> {
        self.begin(TurnThread::Existing(params.thread_id), Start::Retry(params.item_id)).await
    }

    async fn add_client_tool_output(
        self,
        params: AddClientToolOutputParams,
    ) -> Result<Response, ChatKitError> {
        let start = Start::ToolOutput(params.result);
        self.begin(TurnThread::Existing(params.thread_id), start).await
    }

    async fn add_structured_input(
        self,
        params: AddStructuredInputParams,
    ) -> Result<Response, ChatKitError> {
        let start = Start::Answers { item_id: params.item_id, submission: params.input };
        self.begin(TurnThread::Existing(params.thread_id), start).await
    }

    async fn custom_action(self, params: CustomActionParams) -> Result<Response, ChatKitError> {
        let thread = TurnThread::Existing(params.thread_id.clone());
        self.begin(thread, Start::Action(params)).await
    }

    /// What a turn starts from, as the store knows it at this moment.
    async fn prepare(&self, thread_id: &ThreadId, start: &Start) -> Result<Prepared, ChatKitError> {
        Ok(match start {
            Start::Message { message, attachments } => {
                let mut message = message.clone();
                if let Some(enabled) = self.attachments()
                    && !attachments.is_empty()
                {
                    message.attachments =
                        enabled.of_message(self.owner(), thread_id, attachments).await?;
                }
                Prepared {
                    opening: vec![message.clone().into()],
                    turn: Opening { input: Some(message), replaces: Vec::new() },
                    ..Prepared::default()
                }
            }
            Start::Retry(item_id) => {
                let item = self
                    .store()
                    .item(self.owner(), thread_id, item_id)
                    .await?
                    .ok_or(ChatKitError::NotFound("item"))?;
                let ThreadItem::UserMessage(message) = item else {
                    return Err(ChatKitError::invalid(
                        "params.item_id",
                        "is not a user message; name the message that is to be answered again",
                    ));
                };
                let replaces = self.items_after(thread_id, item_id).await?;
                Prepared { turn: Opening { input: Some(message), replaces }, ..Prepared::default() }
            }
            Start::ToolOutput(result) => {
                let pending = self.recent(thread_id, |item| match item {
                    ThreadItem::ClientToolCall(call)
                        if call.status == ClientToolCallStatus::Pending =>
                    {
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
                call.output = Some(result.clone());
                Prepared { changed: vec![call.into()], ..Prepared::default() }
            }
            Start::Answers { item_id, submission } => {
                let item = self.store().item(self.owner(), thread_id, item_id).await?;
                let Some(ThreadItem::StructuredInput(mut question)) = item else {
                    return Err(ChatKitError::NotFound("question"));
                };
                if question.status != StructuredInputStatus::Pending {
                    return Err(ChatKitError::invalid("params.item_id", "was answered already"));
                }
                answer(&mut question, submission);
                Prepared { changed: vec![question.into()], ..Prepared::default() }
            }
            Start::Action(params) => {
                let widget = self.sender(params).await?;
                let action = ActionSender { action: params.action.clone(), widget };
                Prepared { job: Job::Action(Box::new(action)), ..Prepared::default() }
            }
        })
    }

    /// All items behind one, oldest first.
    async fn items_after(
        &self,
        thread_id: &ThreadId,
        item_id: &ItemId,
    ) -> Result<Vec<Replaced>, ChatKitError> {
        let mut after = Some(item_id.as_str().to_owned());
        let mut found = Vec::new();
        loop {
            let query = PageQuery { limit: self.limits().page_size, order: Order::Asc, after };
            let page = self
                .store()
                .items(self.owner(), thread_id, &query, Visibility::All)
                .traced("items")
                .await?
                .ok_or(ChatKitError::NotFound("item"))?;
            found.extend(
                page.data
                    .iter()
                    .filter_map(|item| Some(Replaced { id: item.id()?, hidden: item.is_hidden() })),
            );
            if !page.has_more {
                return Ok(found);
            }
            after = page.after;
        }
    }

    async fn sync_custom_action(
        &self,
        params: CustomActionParams,
    ) -> Result<Response, ChatKitError> {
        let thread = self.thread(&params.thread_id).await?;
        if thread.status != ThreadStatus::Active {
            return Err(not_active(&thread.status));
        }
        let widget = self.sender(&params).await?;
        let sender = ActionSender { action: params.action, widget };
        let answer = self
            .inner
            .responder
            .sync_action(&self.context, &thread, sender)
            .await
            .map_err(ChatKitError::Responder)?;
        if let Some(item) = &answer.updated_item {
            let sender = params.item_id.as_ref();
            self.store_updated(&params.thread_id, sender, item).await?;
        }
        Ok(JsonResponse::of(&answer))
    }

    /// Stores the item that a sync action changed. It must be the widget that was used: what a
    /// responder mixes up must not land in the place of another item.
    async fn store_updated(
        &self,
        thread_id: &ThreadId,
        sender: Option<&ItemId>,
        item: &ThreadItem,
    ) -> Result<(), ChatKitError> {
        let is_the_sender = match item {
            ThreadItem::Widget(item) => Some(&item.id) == sender && item.thread_id == *thread_id,
            _ => false,
        };
        if !is_the_sender {
            let mistake = UpdatedOther { updated: item.id(), sender: sender.cloned() };
            return Err(ChatKitError::Responder(mistake.into()));
        }
        match self.store().replace_item(self.owner(), thread_id, item).await? {
            ReplaceOutcome::Replaced => Ok(()),
            ReplaceOutcome::NotActive(status) => Err(not_active(&status)),
            ReplaceOutcome::NotFound => Err(ChatKitError::NotFound("item")),
        }
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
            .traced("items")
            .await?
            .ok_or(ChatKitError::NotFound("thread"))?;
        Ok(page.data.iter().find_map(pick))
    }

    async fn stop(&self, params: &StopParams) -> Result<Response, ChatKitError> {
        let running = self.running_turn(&params.thread_id);
        let Some(running) = running else {
            let Some(post) = self.joined().await? else {
                self.thread(&params.thread_id).await?;
                return Ok(JsonResponse::of(&StopResult { stopped: false }));
            };
            let stopped = match self.thread_and_turn(&params.thread_id).await?.1 {
                Some(held) => {
                    let key = held.key(&params.thread_id);
                    let (owner, holder) = (self.owner(), &held.holder);
                    match post.ask(owner, &key, holder, Question::Stop).await? {
                        Some(answer) => answer == Answer::Ended(TurnState::Stopped),
                        None => return Err(no_answer(&held)),
                    }
                }
                None => false,
            };
            return Ok(JsonResponse::of(&StopResult { stopped }));
        };
        running.cancel(TurnState::Stopped);
        // It may have ended by itself in the same moment.
        let stopped = running.log.ended().await == TurnState::Stopped;
        Ok(JsonResponse::of(&StopResult { stopped }))
    }

    async fn resume(&self, params: &ResumeParams) -> Result<Response, ChatKitError> {
        let Some(turn) = self.inner.registry.recent(self.owner(), &params.thread_id) else {
            return self.resume_elsewhere(params).await;
        };
        let same_turn = params.turn_id.as_ref().is_none_or(|id| *id == turn.key.turn_id);
        if turn.log.end().is_some() && (params.turn_id.is_none() || !same_turn) {
            // It ended, and the client was not following it: unless another one runs, the thread
            // has all there is.
            return self.resume_elsewhere(params).await;
        }
        let after = if same_turn { params.after.unwrap_or(0) } else { 0 };
        let events = self.follow(&turn, after).await?;
        Ok(Response::Stream { turn_id: turn.key.turn_id.clone(), events })
    }

    /// One more connection to a turn. The first one is the turn's own and was admitted with it.
    async fn follow(&self, turn: &RunningTurn, after: u64) -> Result<EventStream, ChatKitError> {
        if turn.log.end().is_some() || !turn.log.has_readers() {
            return Ok(turn.log.follow(after));
        }
        let mut admission = self.admit(Work::Following).await?;
        admission.begin();
        Ok(turn.log.follow(after).admitted(admission))
    }

    /// Asks whether work may begin.
    async fn admit(&self, work: Work) -> Result<Admission, ChatKitError> {
        match self.context.quota() {
            Some(quota) => quota.admit(work, &self.inner.instance).await,
            None => Ok(Admission::free()),
        }
    }

    /// Follows a turn that another process runs, or ran a moment ago.
    async fn resume_elsewhere(&self, params: &ResumeParams) -> Result<Response, ChatKitError> {
        let Some(post) = self.joined().await? else {
            self.thread(&params.thread_id).await?;
            return Err(ChatKitError::NoRunningTurn);
        };
        let owner = self.owner();
        let running = self.thread_and_turn(&params.thread_id).await?.1;
        let (key, held) = match (running, &params.turn_id) {
            (Some(held), _) => (held.key(&params.thread_id), held),
            (None, Some(turn_id)) => {
                let turn_id = turn_id.clone();
                let key = TurnKey { turn_id, thread_id: params.thread_id.clone() };
                let held = post.state_of(owner, &key).await?;
                (key, held.ok_or(ChatKitError::NoRunningTurn)?)
            }
            (None, None) => return Err(ChatKitError::NoRunningTurn),
        };
        let same_turn = params.turn_id.as_ref().is_none_or(|id| *id == key.turn_id);
        let after = if same_turn { params.after.unwrap_or(0) } else { 0 };
        if held.holder == self.inner.instance {
            return Err(ChatKitError::NoRunningTurn);
        }
        if held.state != TurnState::Running {
            if !held.holder_is_alive {
                // Its events are gone with the process that made them.
                let events = self.tell_from_store(&key, held.state, after).await?;
                return Ok(Response::Stream { turn_id: key.turn_id, events });
            }
            if post.ask(owner, &key, &held.holder, Question::Have).await? != Some(Answer::Here) {
                return Err(ChatKitError::NoRunningTurn);
            }
        }
        self.follow_elsewhere(post, key, &held, after).await
    }

    /// As [`follow`](Self::follow): the first connection of this process passes for the turn's own,
    /// which whoever lost it takes up again at any process.
    async fn follow_elsewhere(
        &self,
        post: &Arc<Post>,
        key: TurnKey,
        held: &HeldTurn,
        after: u64,
    ) -> Result<Response, ChatKitError> {
        let mut admission = match post.is_followed(self.owner(), &key) {
            true => self.admit(Work::Following).await?,
            false => Admission::free(),
        };
        let events = post.follow(self.owner(), &key, &held.holder, after, self.caller());
        let events = events.ok_or(ChatKitError::ShuttingDown)?;
        admission.begin();
        let events = events.admitted(admission);
        Ok(Response::Stream { turn_id: key.turn_id, events })
    }

    /// A turn whose events are gone: its items, numbered from behind `after`.
    async fn tell_from_store(
        &self,
        key: &TurnKey,
        state: TurnState,
        after: u64,
    ) -> Result<EventStream, ChatKitError> {
        let (shared, caller) = (&self.inner.shared, self.caller());
        let told = peers::tell_from_store(shared, self.owner(), key, state, &caller);
        let events = told.await?;
        Ok(EventStream::replay(&events, state, after, self.limits().turn_bytes))
    }

    fn caller(&self) -> Caller {
        let request_id = self.context.request_id().clone();
        Caller { request_id, base_url: self.base_url.clone() }
    }

    /// The way to the other processes, once this one is among them.
    async fn joined(&self) -> Result<Option<&Arc<Post>>, ChatKitError> {
        let Some(post) = &self.inner.post else { return Ok(None) };
        self.inner.live().await?;
        Ok(Some(post))
    }

    /// A thread, and the turn that another process runs in it.
    async fn thread_and_turn(
        &self,
        thread_id: &ThreadId,
    ) -> Result<(ThreadMetadata, Option<HeldTurn>), ChatKitError> {
        let found =
            self.store().thread_and_turn(self.owner(), thread_id).traced("thread_and_turn").await?;
        let (thread, held) = found.ok_or(ChatKitError::NotFound("thread"))?;
        // One of our own that is not in the registry has ended; an orphan has, too.
        Ok((thread, held.filter(|held| held.holder != self.inner.instance && !held.is_orphan())))
    }

    /// The turn that runs in a thread, if it is the caller's.
    fn running_turn(&self, thread_id: &ThreadId) -> Option<Arc<RunningTurn>> {
        self.inner.registry.running(self.owner(), thread_id)
    }

    /// Begins a turn.
    ///
    /// In a task of its own: a client that goes away in the middle must not leave a message
    /// behind that nobody answers.
    async fn begin(self, thread: TurnThread, start: Start) -> Result<Response, ChatKitError> {
        let begun = tokio::spawn(self.begin_now(thread, start).in_current_span()).await;
        begun.unwrap_or_else(|lost| Err(ChatKitError::Responder(lost.into())))
    }

    /// Begins a turn: all checks, one transaction, then a task of its own.
    async fn begin_now(self, thread: TurnThread, start: Start) -> Result<Response, ChatKitError> {
        self.inner.live().await?;
        // Held until the turn is known to the registry, so that the same request, sent twice at
        // once, finds it there.
        let _held = match &self.idempotency_key {
            Some(key) => Some(self.inner.registry.hold_key(self.owner(), key).await),
            None => None,
        };
        let is_new = matches!(thread, TurnThread::New(_));
        if let Some(key) = &self.idempotency_key
            && let Some(recorded) =
                self.store().turn_by_key(self.owner(), key).traced("turn_by_key").await?
        {
            return self.repeat(recorded, is_new).await;
        }
        let thread_id = match &thread {
            TurnThread::New(thread) => thread.id.clone(),
            TurnThread::Existing(thread_id) => thread_id.clone(),
        };
        let mut prepared = self.prepare(&thread_id, &start).await?;
        let reservation = self.reserve(&thread_id).await?;
        if !matches!(start, Start::Message { .. }) {
            // Another turn may have ended since: what it left counts.
            prepared = self.prepare(&thread_id, &start).await?;
        }

        // Given back when the turn does not begin after all.
        let mut admission = self.admit(start.work()).await?;
        let key = TurnKey { turn_id: ids::turn(), thread_id };
        let mut asked = false;
        let outcome = loop {
            let outcome = self
                .store()
                .begin_turn(
                    self.owner(),
                    BeginTurn {
                        turn_id: key.turn_id.clone(),
                        thread: thread.clone(),
                        opening: &prepared.opening,
                        changed: &prepared.changed,
                        idempotency_key: self.idempotency_key.as_deref(),
                        holder: &self.inner.instance,
                        now: self.inner.shared.clock.now(),
                    },
                )
                .traced("begin_turn")
                .await;
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) if self.is_made(&key.thread_id, is_new, &error).await? => {
                    return Err(ChatKitError::ThreadBusy);
                }
                Err(error) => return Err(error.into()),
            };
            match outcome {
                // A turn of this process that the registry does not know has ended, but the
                // store was not there to be told.
                BeginOutcome::Busy { turn_id, holder } if holder == self.inner.instance => {
                    if Unended::end(&self.inner.shared, &turn_id).await? {
                        continue;
                    }
                    let lost = TurnKey { turn_id, thread_id: key.thread_id.clone() };
                    let now = self.inner.shared.clock.now();
                    let state = TurnState::Interrupted;
                    match self.store().end_turn(self.owner(), &lost, state, &[], now).await {
                        Ok(()) | Err(StoreError::TurnLost(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                // A turn of another process, which gives way if nobody follows it. Asked once: what
                // has begun there since then was sent just now.
                BeginOutcome::Busy { turn_id, holder } if !asked => {
                    let Some(post) = &self.inner.post else {
                        return Err(ChatKitError::ThreadBusy);
                    };
                    let held = TurnKey { turn_id, thread_id: key.thread_id.clone() };
                    let answer = post.ask(self.owner(), &held, &holder, Question::Yield).await?;
                    if !matches!(answer, Some(Answer::Ended(_) | Answer::Unknown)) {
                        return Err(ChatKitError::ThreadBusy);
                    }
                    asked = true;
                    if !matches!(start, Start::Message { .. }) {
                        prepared = self.prepare(&key.thread_id, &start).await?;
                    }
                }
                outcome => break outcome,
            }
        };
        let (thread, next_seq, settled) = match outcome {
            BeginOutcome::Begun { thread, next_seq, settled } => (thread, next_seq, settled),
            BeginOutcome::Repeated(recorded) => return self.repeat(recorded, is_new).await,
            BeginOutcome::NotFound => return Err(ChatKitError::NotFound("thread")),
            BeginOutcome::AttachmentLost => return Err(ChatKitError::NotFound("attachment")),
            BeginOutcome::Busy { .. } => return Err(ChatKitError::ThreadBusy),
            BeginOutcome::NotActive(status) => return Err(not_active(&status)),
        };

        admission.begin();
        let log = TurnLog::new();
        let events = log.follow(0);
        let max = self.limits().turn_bytes;
        if is_new {
            let thread = thread.clone().into_response(Page::default());
            let _ = log.append(&ThreadCreatedEvent { thread }.into(), max);
        }
        prepared.opening.iter_mut().for_each(|item| self.dress(item));
        for event in opening_events(prepared.opening, settled, prepared.changed) {
            // The opening is no larger than the request was.
            let _ = log.append(&event, max);
        }
        let running = RunningTurn::new(key.clone(), Arc::clone(&log));
        reservation.activate(&running);

        let turn_id = key.turn_id.clone();
        let span = trace::turn(&self.context, &key);
        let mut turn = Turn::new(
            self.context,
            key,
            thread,
            next_seq,
            prepared.turn,
            log,
            Arc::clone(&self.inner.shared),
        );
        let responder = Arc::clone(&self.inner.responder);
        turn.titled_by(&responder);
        turn.admitted(admission);
        turn.reached_at(self.base_url);
        let work = drive(Box::new(turn), responder, prepared.job, running, reservation);
        // What comes afterwards is rare, and no part of the turn.
        tokio::spawn(work.instrument(span).then(|afterwards| Box::pin(afterwards.run())));
        Ok(Response::Stream { turn_id, events })
    }

    /// Whether what the request would make, with a given id, was made by another one just now.
    async fn is_made(
        &self,
        thread_id: &ThreadId,
        is_new: bool,
        error: &StoreError,
    ) -> Result<bool, ChatKitError> {
        match error {
            StoreError::DuplicateItem(_) => Ok(self.ids.message.is_some()),
            StoreError::Failed(_) if is_new && self.ids.thread.is_some() => {
                Ok(self.store().thread(self.owner(), thread_id).await?.is_some())
            }
            _ => Ok(false),
        }
    }

    /// Holds the thread, in place of an orphaned turn if one is running.
    async fn reserve(&self, thread_id: &ThreadId) -> Result<Reservation, ChatKitError> {
        loop {
            let running = match self.inner.registry.reserve(self.owner(), thread_id) {
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
                // A message that will be refused takes nobody's place.
                let thread = self.thread(thread_id).await?;
                if thread.status != ThreadStatus::Active {
                    return Err(not_active(&thread.status));
                }
                running.cancel(TurnState::Interrupted);
                running.log.ended().await;
            }
        }
    }

    /// Answers a request that was made before with the same key.
    async fn repeat(
        &self,
        recorded: RecordedTurn,
        made_the_thread: bool,
    ) -> Result<Response, ChatKitError> {
        let turn_id = recorded.turn_id.clone();
        if let Some(turn) = self.inner.registry.recent(self.owner(), &recorded.thread_id)
            && turn.key.turn_id == turn_id
        {
            let events = self.follow(&turn, 0).await?;
            return Ok(Response::Stream { turn_id, events });
        }
        let thread = self.thread(&recorded.thread_id).await?;
        let key = TurnKey { turn_id: turn_id.clone(), thread_id: recorded.thread_id };
        let mut state = recorded.state;
        if let Some(post) = &self.inner.post
            && state == TurnState::Running
            && let Some(held) = post.state_of(self.owner(), &key).await?
        {
            if held.state == TurnState::Running && held.holder != self.inner.instance {
                return self.follow_elsewhere(post, key, &held, 0).await;
            }
            state = held.state;
        }
        let items = self.store().turn_items(self.owner(), &key).traced("turn_items").await?;
        let mut events: Vec<ThreadStreamEvent> = Vec::new();
        if made_the_thread {
            let thread = thread.into_response(Page::default());
            events.push(ThreadCreatedEvent { thread }.into());
        }
        events.extend(items.into_iter().map(|mut item| {
            self.dress(&mut item);
            ThreadItemDoneEvent { item }.into()
        }));
        let state = match state {
            // It runs nowhere that is known here: its process is gone.
            TurnState::Running => TurnState::Interrupted,
            TurnState::Failed => {
                // What exactly went wrong was told then; that it did must be told again.
                let error = TurnError::not_completed();
                let request_id = self.context.request_id().clone();
                events.push(error.allow_retry(true).into_event(request_id).into());
                TurnState::Failed
            }
            state => state,
        };
        let events = EventStream::replay(&events, state, 0, self.limits().turn_bytes);
        Ok(Response::Stream { turn_id, events })
    }
}

/// A responder's mistake: a sync action gave another item than the widget that was used.
#[derive(Debug, thiserror::Error)]
#[error(
    "sync_action gave the item {updated:?} as updated_item, but the widget that was used is \
     {sender:?}; give that widget item back, with its id and thread_id, or none"
)]
struct UpdatedOther {
    updated: Option<ItemId>,
    sender: Option<ItemId>,
}

/// What a turn is begun with.
enum Start {
    /// A message of the user's, and the files that it names.
    Message { message: UserMessageItem, attachments: Vec<AttachmentId> },
    /// This message is to be answered again.
    Retry(ItemId),
    /// What the client tool gave that the last answer called.
    ToolOutput(Value),
    /// Answers to questions.
    Answers { item_id: ItemId, submission: StructuredInputSubmission },
    /// Somebody used a widget.
    Action(CustomActionParams),
}

impl Start {
    /// What it counts as.
    fn work(&self) -> Work {
        match self {
            Self::Message { .. } | Self::Retry(_) | Self::Action(_) => Work::Message,
            Self::ToolOutput(_) | Self::Answers { .. } => Work::Continuation,
        }
    }
}

/// What a turn's first transaction writes, and what the turn is for.
#[derive(Default)]
struct Prepared {
    opening: Vec<ThreadItem>,
    changed: Vec<ThreadItem>,
    turn: Opening,
    job: Job,
}

/// What followers are told of what is stored already when the turn begins.
fn opening_events(
    opening: Vec<ThreadItem>,
    settled: Vec<ThreadItem>,
    changed: Vec<ThreadItem>,
) -> impl Iterator<Item = ThreadStreamEvent> {
    let replaced = settled.into_iter().chain(changed);
    opening
        .into_iter()
        .map(|item| ThreadItemDoneEvent { item }.into())
        .chain(replaced.map(|item| ThreadItemReplacedEvent { item }.into()))
}

/// The process that holds a turn lives, and does not answer.
fn no_answer(held: &HeldTurn) -> ChatKitError {
    let holder = held.holder.clone();
    ChatKitError::Store(StoreError::Unavailable(Box::new(NoAnswer { holder })))
}

/// For the log: clients are told that chat is unavailable.
#[derive(Debug, thiserror::Error)]
#[error("the server `{holder}`, which makes this answer, does not answer this one")]
struct NoAnswer {
    holder: String,
}

fn not_active(status: &ThreadStatus) -> ChatKitError {
    let (state, reason) = match status {
        ThreadStatus::Closed { reason } => ("closed", reason.clone()),
        ThreadStatus::Locked { reason } => ("locked", reason.clone()),
        ThreadStatus::Active => ("locked", None),
    };
    ChatKitError::ThreadNotActive { state, reason }
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
