//! A turn: one answer being made.

pub mod apply;
mod drive;
mod frames;
mod growing;
mod image;
mod log;
mod message;
mod notes;
mod screen;
mod titling;
mod unended;
mod workflow;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_protocol::{
    Attachment, AttachmentId, CallId, ClientEffectEvent, ClientToolCallItem, ClientToolCallStatus,
    EndOfTurnItem, HiddenContextItem, Icon, ItemId, JsonMap, NoticeEvent, NoticeLevel,
    ProgressUpdateEvent, StructuredInput, StructuredInputItem, StructuredInputStatus, Task,
    TaskItem, ThreadItem, ThreadItemRemovedEvent, ThreadMetadata, ThreadStatus, ThreadStreamEvent,
    ThreadUpdatedEvent, Timestamp, UserMessageItem, WidgetItem, widgets::WidgetRoot,
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use tracing::Instrument as _;

use crate::{
    Admission, AttachmentReadError, Attachments, Clock, ItemState, ItemWrite, Limits, Owner,
    PageQuery, RequestContext, Store, StoreError, TurnError, TurnKey, Visibility,
    attachments::dressed, ids, measure, responder::DynResponder, trace::Traced as _,
};
use apply::Effect;
pub(crate) use drive::{Job, Opening, Replaced, drive};
use growing::Growing;
pub use image::{ImageWriter, PausedImage};
pub use log::EventStream;
pub(crate) use log::{Misfit, TurnLog};
pub use message::MessageWriter;
pub use notes::{Noted, Notes, Observer};
use screen::Before;
pub use screen::{Screen, Verdict};
pub(crate) use titling::LateTitle;
use titling::Titling;
pub(crate) use unended::Unended;
pub use workflow::{PausedWorkflow, WorkflowWriter};

/// What becomes of a turn when the last connection that followed it is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It goes on and is saved; it can be resumed.
    #[default]
    Continue,
    /// It ends as if the user had stopped it: the partial text is kept and
    /// [`Responder::on_cancelled`](crate::Responder::on_cancelled) is called, as in the official
    /// SDK. A reload or a lost network ends an answer then.
    Cancel,
}

/// What all turns of a server share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) on_disconnect: OnDisconnect,
    /// `None`: attachments are not enabled.
    pub(crate) attachments: Option<Attachments>,
    /// Turns that have ended while the store was away.
    pub(crate) unended: Unended,
    /// Who looks on.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// One answer being made: what is known, and what can be said.
///
/// Everything said goes through one function, [`Turn::emit`], which applies the event to the
/// items that are being made, stores what is whole, numbers the event and sends it to everybody
/// who follows.
pub struct Turn {
    context: RequestContext,
    key: TurnKey,
    thread: ThreadMetadata,
    saved_thread: ThreadMetadata,
    input: Option<UserMessageItem>,
    items: Growing,
    /// A title for a thread that has none when the turn ends.
    title_at_end: Option<String>,
    /// A better one, which takes its time.
    titling: Titling,
    /// The earlier answer that this turn takes the place of once it has begun, oldest item
    /// first.
    replaces: Vec<Replaced>,
    /// Whether the thread may differ from the stored one.
    thread_touched: bool,
    /// When it began, until the first item of its answer is sent.
    awaited_since: Option<Instant>,
    /// What the store is writing at this moment.
    saving: Option<Saving>,
    /// What the store could not write while it was away.
    unsaved: Unsaved,
    /// What says that the turn may run, until it is over.
    admission: Option<Box<Admission>>,
    /// What stands between the answer and those who read it.
    before: Option<Box<Before>>,
    notes: Notes,
    log: Arc<TurnLog>,
    /// What links begin with that whoever began it is sent.
    base_url: String,
    shared: Arc<Shared>,
}

/// Changes to the thread's items, and the events that tell of them once they are stored.
#[derive(Default)]
struct Unsaved {
    writes: Vec<ItemWrite>,
    events: Vec<ThreadStreamEvent>,
}

/// A write under way.
///
/// A task, because the responder's future may be dropped at any moment, when the user stops the
/// turn: what it has finished saying must still be stored, and it must be known whether it was.
struct Saving {
    task: JoinHandle<(Vec<ItemWrite>, Result<(), StoreError>)>,
    events: Vec<ThreadStreamEvent>,
    /// The earlier answer that this write takes away: it stays when the write fails.
    replaced: Vec<Replaced>,
}

impl Turn {
    pub(crate) fn new(
        context: RequestContext,
        key: TurnKey,
        thread: ThreadMetadata,
        next_seq: i64,
        opening: Opening,
        log: Arc<TurnLog>,
        shared: Arc<Shared>,
    ) -> Self {
        let notes = Notes::new(shared.observer.as_ref(), &key.turn_id, &key.thread_id);
        Self {
            context,
            key,
            input: opening.input,
            items: Growing::new(next_seq),
            title_at_end: None,
            titling: Titling::NotWanted,
            replaces: opening.replaces,
            saved_thread: thread.clone(),
            thread,
            thread_touched: false,
            awaited_since: Some(Instant::now()),
            saving: None,
            unsaved: Unsaved::default(),
            admission: None,
            before: None,
            notes,
            log,
            base_url: String::new(),
            shared,
        }
    }

    /// Has this responder asked for a title, if the turn's thread needs one.
    pub(crate) fn titled_by(&mut self, responder: &Arc<dyn DynResponder>) {
        self.titling = Titling::new(responder, &self.thread, self.input.as_ref());
    }

    /// Has links begin with this.
    pub(crate) fn reached_at(&mut self, base_url: String) {
        self.base_url = base_url;
    }

    /// Holds this admission for as long as the turn runs.
    pub(crate) fn admitted(&mut self, admission: Admission) {
        self.admission = Some(Box::new(admission));
    }

    // What is known.

    /// Who asks, and from where.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// The thread as it is now.
    pub fn thread(&self) -> &ThreadMetadata {
        &self.thread
    }

    /// The message to answer. `None` when the turn goes on after a client tool's output, an
    /// answered question or an action.
    pub fn input(&self) -> Option<&UserMessageItem> {
        self.input.as_ref()
    }

    /// The last `count` items of the thread, oldest first, hidden context included. The message
    /// to answer is the last of them. Messages that were [refused](Self::refuse) are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn history(&self, count: u32) -> Result<Vec<ThreadItem>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        // A retry reads what stood before the answer that it replaces, and no word of that.
        let after = self.replaces.first().map(|item| item.id.as_str().to_owned());
        let query = PageQuery { limit: count, order: parlor_protocol::Order::Desc, after };
        let page = self
            .shared
            .store
            .items(self.owner(), &self.key.thread_id, &query, Visibility::All)
            .traced("items")
            .await?
            .unwrap_or_default();
        let mut items = page.data;
        items.reverse();
        self.read_history(&mut items);
        Ok(items)
    }

    /// The files that were sent with the message to answer. Those of earlier messages are in the
    /// [`history`](Self::history).
    ///
    /// They carry no links: those are made for clients. [`attachment_bytes`](Self::attachment_bytes)
    /// has what is in them.
    pub fn attachments(&self) -> &[Attachment] {
        self.input.as_ref().map_or(&[], |input| &input.attachments)
    }

    /// The bytes of a file that was sent with a message of this thread, if they are no more than
    /// `max`. They are held in memory.
    ///
    /// # Errors
    /// When the thread has no such file, when it is larger, or when it cannot be read.
    pub async fn attachment_bytes(
        &self,
        id: &AttachmentId,
        max: u64,
    ) -> Result<Bytes, AttachmentReadError> {
        match &self.shared.attachments {
            Some(attachments) => {
                attachments.bytes_in(self.owner(), &self.key.thread_id, id, max).await
            }
            None => Err(AttachmentReadError::NotFound(id.clone())),
        }
    }

    /// Where what happens is noted, for an [`Observer`].
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Now, by the server's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    // What can be changed of the thread: saved and announced with the next event.

    /// Gives the thread a title. A title that its user gave it stays.
    pub fn set_title(&mut self, title: impl Into<String>) {
        let title: String = title.into();
        let title = title.chars().take(self.shared.limits.title_chars).collect();
        self.thread.title = Some(title);
        self.thread_touched = true;
    }

    /// Gives the thread a title when the turn ends, unless it has one by then. However it ends:
    /// also a thread whose first answer was stopped can be told from the others.
    ///
    /// It is saved with the end of the turn and delays nothing, where [`set_title`](Self::set_title)
    /// is saved before the next event is sent.
    pub fn set_title_at_end(&mut self, title: impl Into<String>) {
        let title: String = title.into();
        self.title_at_end = Some(title.chars().take(self.shared.limits.title_chars).collect());
    }

    /// Opens, locks or closes the thread.
    pub fn set_status(&mut self, status: ThreadStatus) {
        self.thread.status = status;
        self.thread_touched = true;
    }

    /// The integrator's own notes on the thread, never sent to clients.
    pub fn thread_metadata_mut(&mut self) -> &mut JsonMap {
        self.thread_touched = true;
        &mut self.thread.metadata
    }

    /// Hosts from which clients may load images that this thread's answers refer to.
    pub fn set_allowed_image_domains(&mut self, domains: Option<Vec<String>>) {
        self.thread.allowed_image_domains = domains;
        self.thread_touched = true;
    }

    // What can be said.

    /// Begins an assistant message. Clients see it from its first text on.
    ///
    /// # Errors
    /// None today; a message that cannot be begun must be able to say so.
    pub async fn assistant_message(&mut self) -> Result<MessageWriter<'_>, TurnError> {
        Ok(MessageWriter::new(self))
    }

    /// Says what the assistant is doing, until the next event replaces it.
    ///
    /// # Errors
    /// When the turn's event log is full.
    pub async fn progress(
        &mut self,
        icon: impl Into<Option<Icon>>,
        text: impl Into<String>,
    ) -> Result<(), TurnError> {
        self.emit(ProgressUpdateEvent { icon: icon.into(), text: text.into() }.into()).await
    }

    /// Tells the user something beside the answer. `message` is Markdown.
    ///
    /// # Errors
    /// When the turn's event log is full.
    pub async fn notice(
        &mut self,
        level: NoticeLevel,
        message: impl Into<String>,
    ) -> Result<(), TurnError> {
        self.emit(NoticeEvent { level, message: message.into(), title: None }.into()).await
    }

    /// Has the page do something.
    ///
    /// # Errors
    /// When the turn's event log is full.
    pub async fn client_effect(
        &mut self,
        name: impl Into<String>,
        data: JsonMap,
    ) -> Result<(), TurnError> {
        self.emit(ClientEffectEvent { name: name.into(), data }.into()).await
    }

    /// Adds something to the thread that only the model is shown.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hidden_context(&mut self, content: Value) -> Result<ItemId, TurnError> {
        let (id, thread_id, created_at) = self.new_item("hc");
        self.put(HiddenContextItem { id: id.clone(), thread_id, created_at, content }).await?;
        Ok(id)
    }

    /// Shows a widget that is whole; [`begin_widget`](Self::begin_widget) shows one that changes.
    /// `copy_text` is what the user gets who copies it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn widget(
        &mut self,
        widget: impl Into<WidgetRoot>,
        copy_text: Option<String>,
    ) -> Result<ItemId, TurnError> {
        let (id, thread_id, created_at) = self.new_item("wdg");
        let widget = widget.into();
        self.put(WidgetItem { id: id.clone(), thread_id, created_at, widget, copy_text }).await?;
        Ok(id)
    }

    /// Asks the user questions. End the turn after it: the answers begin another.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask(&mut self, inputs: Vec<StructuredInput>) -> Result<ItemId, TurnError> {
        let (id, thread_id, created_at) = self.new_item("sin");
        let status = StructuredInputStatus::Pending;
        self.put(StructuredInputItem { id: id.clone(), thread_id, created_at, status, inputs })
            .await?;
        Ok(id)
    }

    /// Calls a tool that runs in the user's browser. End the turn after it: the output begins
    /// another.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn client_tool_call(
        &mut self,
        call_id: CallId,
        name: impl Into<String>,
        arguments: JsonMap,
    ) -> Result<ItemId, TurnError> {
        let (id, thread_id, created_at) = self.new_item("tc");
        self.put(ClientToolCallItem {
            id: id.clone(),
            thread_id,
            created_at,
            status: ClientToolCallStatus::Pending,
            call_id,
            name: name.into(),
            arguments,
            output: None,
        })
        .await?;
        Ok(id)
    }

    /// Shows one step of the assistant's work by itself; [`workflow`](Self::workflow) shows
    /// several together.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn task(&mut self, task: impl Into<Task>) -> Result<ItemId, TurnError> {
        let (id, thread_id, created_at) = self.new_item("tsk");
        self.put(TaskItem { id: id.clone(), thread_id, created_at, task: task.into() }).await?;
        Ok(id)
    }

    /// Marks that all is said, for clients that show where an answer ends.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_of_turn(&mut self) -> Result<ItemId, TurnError> {
        let (id, thread_id, created_at) = self.new_item("eot");
        self.put(EndOfTurnItem { id: id.clone(), thread_id, created_at }).await?;
        Ok(id)
    }

    /// Takes an item out of the thread, whether it is stored or still being made.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_item(&mut self, item_id: ItemId) -> Result<(), TurnError> {
        self.emit(ThreadItemRemovedEvent { item_id }.into()).await
    }

    /// Adds an item that is whole.
    ///
    /// # Errors
    /// When the store fails or the item's id exists already.
    pub async fn put(&mut self, item: impl Into<ThreadItem>) -> Result<(), TurnError> {
        self.emit(parlor_protocol::ThreadItemDoneEvent { item: item.into() }.into()).await
    }

    /// A new item's id, thread and time. `prefix` names the kind of item.
    pub fn new_item(&self, prefix: &'static str) -> (ItemId, parlor_protocol::ThreadId, Timestamp) {
        (ids::item(prefix), self.key.thread_id.clone(), self.now())
    }

    /// Reads the item that is being made under this id.
    pub(crate) fn pending_item<T>(
        &self,
        id: &ItemId,
        read: impl FnOnce(&ThreadItem) -> T,
    ) -> Option<T> {
        self.items.read(id, read)
    }

    /// Applies an event, stores what it makes whole, numbers it and sends it. Every event goes
    /// this way.
    ///
    /// # Errors
    /// When the event makes no sense ([`apply::ApplyError`]), when the store fails, or when the
    /// turn's event log is full.
    pub async fn emit(&mut self, event: ThreadStreamEvent) -> Result<(), TurnError> {
        if self.before.is_some() {
            Box::pin(self.pass(&event)).await?;
        }
        self.apply_and_send(event).await?;
        self.save_thread_if_changed().await
    }

    async fn apply_and_send(&mut self, event: ThreadStreamEvent) -> Result<(), TurnError> {
        let effect = self.items.apply(&event)?;
        let mut writes = Vec::new();
        let begins = match &event {
            ThreadStreamEvent::ItemAdded(event) => !event.item.is_hidden(),
            ThreadStreamEvent::ItemDone(event) => !event.item.is_hidden(),
            _ => false,
        };
        if begins {
            if let Some(since) = self.awaited_since.take() {
                measure::first_item(since.elapsed());
            }
            let max = self.shared.limits.title_chars;
            self.titling.start(&self.context, &self.thread, self.input.as_ref(), max);
        }
        let replaced = if begins { std::mem::take(&mut self.replaces) } else { Vec::new() };
        writes.extend(replaced.iter().map(|item| ItemWrite::Remove(item.id.clone())));
        match effect {
            Effect::None => {
                if matches!(event, ThreadStreamEvent::ItemUpdated(_)) {
                    self.items.grew(&self.shared, self.owner(), &self.key);
                }
            }
            // The old answer goes in the transaction that brings the new one.
            Effect::Began if !writes.is_empty() => writes.extend(self.items.pending_writes()),
            Effect::Began => self.items.grew(&self.shared, self.owner(), &self.key),
            Effect::Put { seq, item } => {
                writes.push(ItemWrite::Put { seq, item, state: ItemState::Done });
            }
            Effect::Replace(item) => writes.push(ItemWrite::Replace(item)),
            Effect::Remove(id) => writes.push(ItemWrite::Remove(id)),
        }
        if writes.is_empty() && self.saving.is_none() && self.unsaved.writes.is_empty() {
            return self.send(&event);
        }
        let removals = replaced
            .iter()
            .filter(|item| !item.hidden)
            .map(|item| ThreadItemRemovedEvent { item_id: item.id.clone() }.into());
        self.unsaved.events.extend(removals.chain([event]));
        self.unsaved.writes.extend(writes);
        // Boxed: what is rare must not make every turn's state larger.
        Box::pin(self.save(replaced)).await
    }

    /// Stores what is not stored yet, then sends what tells of it.
    ///
    /// Everything is in `self` at each point where this can be dropped.
    async fn save(&mut self, replaced: Vec<Replaced>) -> Result<(), TurnError> {
        // An older checkpoint must not overwrite what comes after it.
        if replaced.is_empty() {
            self.items.settle().await;
            self.settle_saving().await?;
        }
        let Unsaved { writes, events } = std::mem::take(&mut self.unsaved);
        let (shared, owner, key) =
            (Arc::clone(&self.shared), self.owner().clone(), self.key.clone());
        let work = async move {
            let mut patience = Patience::new(shared.limits.store_patience);
            loop {
                match shared.store.write(&owner, &key, &writes).traced("write").await {
                    Err(error) if patience.allows(&error).await => {}
                    written => {
                        // What was made for an item goes with it.
                        if let Some(attachments) = &shared.attachments
                            && writes.iter().any(|write| matches!(write, ItemWrite::Remove(_)))
                        {
                            attachments.delete_bytes_soon();
                        }
                        return (writes, written);
                    }
                }
            }
        };
        let task = tokio::spawn(work.in_current_span());
        self.saving = Some(Saving { task, events, replaced });
        self.settle_saving().await
    }

    /// Waits for the write under way, if there is one.
    async fn settle_saving(&mut self) -> Result<(), TurnError> {
        let Some(saving) = &mut self.saving else { return Ok(()) };
        let written = (&mut saving.task).await;
        let Some(Saving { events, replaced, .. }) = self.saving.take() else { return Ok(()) };
        match written {
            Ok((_, Ok(()))) => events.iter().try_for_each(|event| self.send(event)),
            Ok((writes, Err(error))) => {
                if !replaced.is_empty() {
                    // The new answer has not begun: the old one stays.
                    self.replaces = replaced;
                } else if matches!(error, StoreError::Unavailable(_)) {
                    // Tried once more with what comes next, at the latest when the turn ends.
                    self.unsaved.writes.splice(0..0, writes);
                    self.unsaved.events.splice(0..0, events);
                }
                Err(error.into())
            }
            Err(lost) => Err(lost.into()),
        }
    }

    /// Sends an event that has been applied. Hidden items stay here.
    fn send(&self, event: &ThreadStreamEvent) -> Result<(), TurnError> {
        let hidden = match event {
            ThreadStreamEvent::ItemAdded(event) => event.item.is_hidden(),
            ThreadStreamEvent::ItemUpdated(event) => {
                self.items.read(&event.item_id, ThreadItem::is_hidden).unwrap_or(false)
            }
            ThreadStreamEvent::ItemDone(event) => event.item.is_hidden(),
            ThreadStreamEvent::ItemReplaced(event) => event.item.is_hidden(),
            _ => false,
        };
        if hidden {
            return Ok(());
        }
        // What is taken back must reach everybody, however long it was.
        let max = match event {
            ThreadStreamEvent::ItemRemoved(_) => usize::MAX,
            _ => self.shared.limits.turn_bytes,
        };
        let dressed = dressed(event, self.shared.attachments.as_ref(), &self.base_url);
        self.log.append(dressed.as_ref().unwrap_or(event), max).map_err(|error| {
            TurnError::new("turn.too_large", "The answer became too long and was cut off.")
                .caused_by(error)
        })?;
        self.notes.add("event", || json!({ "number": self.log.last(), "event": event }));
        Ok(())
    }

    async fn save_thread_if_changed(&mut self) -> Result<(), TurnError> {
        if !self.thread_touched {
            return Ok(());
        }
        if self.thread != self.saved_thread {
            let writes = [self.thread_write()];
            self.shared.store.write(self.owner(), &self.key, &writes).traced("write").await?;
            Box::pin(self.announce_thread()).await?;
        }
        self.thread_touched = false;
        Ok(())
    }

    /// What writes the thread as it is now. A title that this turn has not given stays as it is
    /// stored.
    fn thread_write(&self) -> ItemWrite {
        let mut thread = self.thread.clone();
        if thread.title == self.saved_thread.title {
            thread.title = None;
        }
        ItemWrite::Thread(thread)
    }

    /// Announces the thread as it is stored: its user may have renamed it meanwhile.
    async fn announce_thread(&mut self) -> Result<(), TurnError> {
        if let Some(stored) = self.shared.store.thread(self.owner(), &self.key.thread_id).await? {
            self.thread = stored;
        }
        self.saved_thread = self.thread.clone();
        let thread = self.thread.clone().into_response(parlor_protocol::Page::default());
        self.send(&ThreadUpdatedEvent { thread }.into())
    }

    fn owner(&self) -> &Owner {
        self.context.owner()
    }
}

/// How long a store may be away before a turn gives up on it.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, pause: Duration::from_millis(50) }
    }

    /// Whether to try again; waits a while before it says yes.
    async fn allows(&mut self, error: &StoreError) -> bool {
        let now = Instant::now();
        if !matches!(error, StoreError::Unavailable(_)) || now >= self.until {
            return false;
        }
        tracing::warn!(%error, "the store is away; trying again");
        tokio::time::sleep(self.pause.min(self.until - now)).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        true
    }
}
