//! The responder: asks the model, runs its searches, streams its answer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parlor_chatkit::protocol::{
    Attachment, HiddenContextItem, Icon, ItemId, NoticeLevel, ThreadItem, ThreadMetadata,
    Timestamp, TranscriptionResult, UrlSource, UserMessageItem, WidgetItem,
};
use parlor_chatkit::{
    ActionSender, MessageWriter, Owner, RequestContext, Responder, StoreError, TokenMeter, Turn,
    TurnError,
};
use parlor_search::PassageSearch;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::approval::{self, Decision, Held, MAX_WAITING, RECENT_ITEMS, Waiting};
use crate::citations::{CitationFilter, Piece, overlapping};
use crate::files::{FileReader, FilesConfig, Given};
use crate::measure::{ModelCall, searched};
use crate::model::{
    Finish, InputItem, ModelClient, ModelError, ModelEvent, ModelRequest, ModelStream,
};
use crate::prompt::{self, History, PromptConfig, PromptInput, Said};
use crate::quotes::{self, QUOTED_PASSAGES};
use crate::scope::SearchScope;
use crate::search_tool::{Found, SEARCH_DOCUMENTS, source};
use crate::titles::{self, title_of};
use crate::tools::{
    self, Left, Offer, SEARCHING, SearchDocuments, Steps, ToolCallRequest, ToolContext, ToolLimits,
    ToolSource, Toolbox, ToolboxError,
};
use crate::transcription::{TranscriptionClient, TranscriptionError};

/// Passages attached at the end when the model cited none.
const ATTACHED_PASSAGES: usize = 3;

/// Answers with a model, or without one by quoting the documents.
pub struct AgentResponder {
    search: Option<Arc<dyn PassageSearch>>,
    scope: SearchScope,
    model: Option<ModelClient>,
    /// Asked when the model does not answer.
    fallback: Option<ModelClient>,
    /// Whether the provider is told users apart.
    tells_users_apart: bool,
    /// Tools that users may demand.
    tool_choices: Vec<String>,
    prompt: PromptConfig,
    /// Those that are always there, without the search.
    toolbox: Toolbox,
    /// All that are always there, the search included.
    standing: Offer,
    tool_sources: Vec<Arc<dyn ToolSource>>,
    tool_limits: ToolLimits,
    allowed_models: Vec<String>,
    max_output_tokens: Option<u32>,
    dictation: Option<TranscriptionClient>,
    /// The model that is asked for titles; empty means the configured one.
    titles_by: Option<String>,
    files: FileReader,
}

impl fmt::Debug for AgentResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentResponder")
            .field("search", &self.search.is_some())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl AgentResponder {
    /// A responder with what there is: documents to search, a model to ask, both or neither.
    pub fn new(
        search: Option<Arc<dyn PassageSearch>>,
        model: Option<ModelClient>,
        prompt: PromptConfig,
    ) -> Self {
        let toolbox = Toolbox::default();
        Self {
            standing: standing(search.as_ref(), &SearchScope::default(), &toolbox, false),
            toolbox,
            tool_sources: Vec::new(),
            tool_limits: ToolLimits::default(),
            fallback: None,
            tells_users_apart: false,
            tool_choices: Vec::new(),
            search,
            scope: SearchScope::default(),
            model,
            prompt,
            allowed_models: Vec::new(),
            max_output_tokens: None,
            dictation: None,
            titles_by: None,
            files: FileReader::new(FilesConfig::default()),
        }
    }

    /// Tools that the model may call, besides the search in the documents.
    ///
    /// # Errors
    ///
    /// When one of them has the name of the search, `search_documents`.
    pub fn tools(mut self, tools: Toolbox) -> Result<Self, ToolboxError> {
        if self.search.is_some() && tools.offer().get(SEARCH_DOCUMENTS).is_some() {
            return Err(ToolboxError::SameName(SEARCH_DOCUMENTS.to_owned()));
        }
        self.toolbox = tools;
        Ok(self.with_standing_tools())
    }

    /// One more place where tools come from, asked at the beginning of each turn.
    #[must_use]
    pub fn tool_source(mut self, source: Arc<dyn ToolSource>) -> Self {
        self.tool_sources.push(source);
        self.with_standing_tools()
    }

    /// How much tools may be used in one turn.
    #[must_use]
    pub fn tool_limits(mut self, limits: ToolLimits) -> Self {
        self.tool_limits = limits;
        self
    }

    fn with_standing_tools(mut self) -> Self {
        self.standing = standing(
            self.search.as_ref(),
            &self.scope,
            &self.toolbox,
            !self.tool_sources.is_empty(),
        );
        self
    }

    /// The tools for one turn.
    async fn offer(&self, context: &ToolContext) -> Offer {
        let sources = self.tool_sources.iter().map(|source| source.tools(context));
        let offers = futures::future::join_all(sources).await;
        let (offer, clashes) = Offer::gathered([self.standing.clone()].into_iter().chain(offers));
        for name in clashes {
            tracing::warn!(tool = name, "left out a tool: another one has the same name");
        }
        offer
    }

    /// Which documents are searched. By default all that the user may see.
    #[must_use]
    pub fn searching(mut self, scope: SearchScope) -> Self {
        self.scope = scope;
        self.with_standing_tools()
    }

    /// Another model, asked when the first cannot be reached, refuses the key or the rate, or fails
    /// before it has said anything. None by default.
    #[must_use]
    pub fn fallback(mut self, model: ModelClient) -> Self {
        self.fallback = Some(model);
        self
    }

    /// Sends a name of the user's own with each request to the model: a hash of tenant and user, for
    /// providers that look after misuse. Not sent by default.
    #[must_use]
    pub fn tell_users_apart(mut self) -> Self {
        self.tells_users_apart = true;
        self
    }

    /// Tools that users may demand by a message's `inference_options.tool_choice`; others are ignored.
    /// None by default.
    #[must_use]
    pub fn tool_choices(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tool_choices = names.into_iter().map(Into::into).collect();
        self
    }

    /// Models that users may choose by a message's `inference_options.model`; others are ignored
    /// and the configured model is asked. None by default.
    #[must_use]
    pub fn allowed_models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed_models = models.into_iter().map(Into::into).collect();
        self
    }

    /// Longest answer, in tokens. By default the server decides.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// Has the model write the titles of conversations. `model` is the name of the one to ask;
    /// empty means the configured one. By default, and while the title is being written, a
    /// conversation is called by the first words of its question.
    #[must_use]
    pub fn titles_by(mut self, model: impl Into<String>) -> Self {
        self.titles_by = Some(model.into());
        self
    }

    /// What the model can be given of the files that users send. By default images, and the text of
    /// other files.
    #[must_use]
    pub fn files(mut self, config: FilesConfig) -> Self {
        self.files = self.files.with_config(config);
        self
    }

    /// Waits with `other` for the same places where files are read: however many responders a server
    /// has, one for each tenant say, no more files are read at once.
    #[must_use]
    pub fn reading_files_with(mut self, other: &Self) -> Self {
        self.files = self.files.in_places_of(&other.files);
        self
    }

    /// Turns dictated recordings into text with this speech model. Dictation is not offered by
    /// default.
    #[must_use]
    pub fn dictation(mut self, client: TranscriptionClient) -> Self {
        self.dictation = Some(client);
        self
    }

    async fn conversation(&self, turn: &Turn) -> Result<Conversation, StoreError> {
        // The message to answer is the last item of the history, and not part of what was said
        // before.
        let mut count = self.prompt.history_items.saturating_add(1);
        if self.may_need_consent() {
            count = count.max(RECENT_ITEMS);
        }
        let mut items = turn.history(count).await?;
        let held = Held::unfinished(&items).map(|(record, held)| {
            let of = |widget: &ItemId| items.iter().find(|item| item.id().as_ref() == Some(widget));
            let cards = held.waiting.iter().filter_map(|waiting| match of(&waiting.widget)? {
                ThreadItem::Widget(card) => Some(card.clone()),
                _ => None,
            });
            Box::new(HeldItems { cards: cards.collect(), record, held })
        });
        let question = match turn.input() {
            Some(input) => {
                items.retain(|item| item.id().as_ref() != Some(&input.id));
                Some(ThreadItem::UserMessage(input.clone()))
            }
            // The turn goes on after a tool's output or an answered question: what was asked
            // last is still to be answered.
            None => items
                .iter()
                .rposition(|item| matches!(item, ThreadItem::UserMessage(_)))
                .map(|at| items.remove(at)),
        };
        let mut question = question;
        // They stand beside the question, and need not be named in it.
        let files = match &mut question {
            Some(ThreadItem::UserMessage(message)) => std::mem::take(&mut message.attachments),
            _ => Vec::new(),
        };
        let excess = items.len().saturating_sub(self.prompt.history_items as usize);
        let said: Vec<Said> = items[excess..].iter().filter_map(Said::from_item).collect();
        let question = match question.as_ref().and_then(Said::from_item) {
            Some(Said::User(text)) => text,
            _ if !files.is_empty() => "(The user sent this without a text.)".to_owned(),
            _ => "Please go on.".to_owned(),
        };
        Ok(Conversation { question, said, files, held, before: Vec::new() })
    }

    /// Answers with a model.
    async fn answer<'a>(
        &'a self,
        turn: &mut Turn,
        mut model: &'a ModelClient,
        conversation: &Conversation,
        decided: Option<Box<HeldItems>>,
    ) -> Result<(), TurnError> {
        let given = match conversation.files.as_slice() {
            [] => Given::default(),
            files => {
                turn.progress(Icon::from_static("document"), "Reading the files…").await?;
                self.files.read(turn, files).await
            }
        };
        let offer = match self.tool_sources.as_slice() {
            [] => self.standing.clone(),
            // Boxed: it is over when the answer begins.
            _ => {
                let context = ToolContext::new(turn.context().clone());
                Box::pin(self.offer(&context)).await
            }
        };
        let mut work = Box::new(Work::new(offer, &self.tool_limits));
        let mut writer = turn.assistant_message().await?;
        let mut answer = Answer::new(self.search.is_some());
        if let Some(held) = decided {
            Box::pin(self.take_up(&mut work, held, &mut answer, &mut writer)).await?;
        }
        let finish = loop {
            let may_call = work.may_call();
            // Made anew for each round and not kept while the answer is read: it is long, and
            // thousands of answers may be waiting for their next word.
            let mut request = self.request(writer.turn(), conversation, &given, &work, may_call);
            let meter = writer.turn().context().token_meter();
            let mut call = ModelCall::begin(meter, request.text_bytes());
            // Boxed, like everything else that is over while the answer is read.
            let stream = match Box::pin(model.stream(&request)).await {
                Ok(stream) => stream,
                Err(error) => {
                    call.failed(&error);
                    let meter = writer.turn().context().token_meter();
                    let other = Box::pin(self.ask_fallback(&mut request, meter, error)).await?;
                    call = other.1;
                    // What has failed once is not waited for again in this answer.
                    model = self.fallback.as_ref().unwrap_or(model);
                    other.0
                }
            };
            drop(request);
            let round = answer.read_round(stream, call, &mut writer).await?;
            if round.calls.is_empty() || !may_call {
                break round.finish;
            }
            let called = Box::pin(self.run_calls(&mut work, round, &mut answer, writer)).await?;
            let Some(next) = called else { return Ok(()) };
            writer = next;
        };
        answer.end(&mut writer).await?;
        answer.steps.finish(writer.turn()).await?;
        if !answer.has_text {
            return Err(empty_answer(finish));
        }
        answer.attach_sources(&conversation.question, &mut writer).await?;
        let cut_short = match finish {
            Finish::Length => {
                Some("The answer stops here: it reached the longest that is allowed.")
            }
            Finish::ContentFilter => Some("The answer stops here: the model's filter ended it."),
            Finish::Stop | Finish::ToolCalls => None,
        };
        if let Some(message) = cut_short {
            writer.turn().notice(NoticeLevel::Warning, message).await?;
        }
        writer.finish().await
    }

    /// Asks the other model what the first did not answer.
    async fn ask_fallback(
        &self,
        request: &mut ModelRequest,
        meter: TokenMeter,
        error: ModelError,
    ) -> Result<(ModelStream, ModelCall), TurnError> {
        let Some(fallback) = self.fallback.as_ref().filter(|_| error.is_worth_another_model())
        else {
            return Err(turn_error(error));
        };
        tracing::warn!(%error, model = fallback.model(), "the model did not answer; asking another");
        // A choice was among the first one's models.
        request.model.clear();
        let mut call = ModelCall::begin(meter, request.text_bytes());
        match fallback.stream(request).await {
            Ok(stream) => Ok((stream, call)),
            Err(error) => {
                call.failed(&error);
                Err(turn_error(error))
            }
        }
    }

    /// What the model is asked, given the calls and results of this turn so far.
    fn request(
        &self,
        turn: &Turn,
        conversation: &Conversation,
        given: &Given,
        work: &Work,
        may_call: bool,
    ) -> ModelRequest {
        let context = turn.context();
        let instructions = prompt::instructions(
            &self.prompt,
            &PromptInput {
                user: context.user(),
                page: context.page(),
                locale: context.locale(),
                said: &conversation.said,
                can_search: self.search.is_some(),
                has_tools: work.has_tools,
                away: work.offer.away(),
            },
        );
        let mut input = match self.prompt.history {
            History::Text => Vec::new(),
            History::Messages => prompt::history_messages(&conversation.said),
        };
        input.extend_from_slice(&conversation.before);
        let text = format!("{}{}", conversation.question, given.text);
        input.push(match given.files.as_slice() {
            [] => InputItem::User(text),
            files => InputItem::UserWithFiles { text, files: files.to_vec() },
        });
        input.extend_from_slice(&work.exchanged);
        let wished = turn.input().and_then(|message| message.inference_options.model.as_ref());
        let allowed = wished.filter(|&model| self.allowed_models.contains(model));
        ModelRequest {
            // Empty means the configured one.
            model: allowed.cloned().unwrap_or_default(),
            instructions,
            input,
            tools: if may_call { Arc::clone(work.offer.specs()) } else { Arc::default() },
            tool_choice: self.demanded(turn, work).filter(|_| may_call),
            user: self.tells_users_apart.then(|| pseudonym(context.owner())),
            max_output_tokens: self.max_output_tokens,
        }
    }

    /// The tool that the user demands, in the first round.
    fn demanded(&self, turn: &Turn, work: &Work) -> Option<String> {
        let choice = turn.input()?.inference_options.tool_choice.as_ref()?;
        let name = self.tool_choices.iter().find(|name| **name == choice.id)?;
        (work.rounds == 0 && work.offer.get(name).is_some()).then(|| name.clone())
    }

    /// Runs the calls of a round and adds them to what was exchanged, with their results. Gives the
    /// message that the answer goes on in; `None` if it goes on when the user has decided.
    async fn run_calls<'turn>(
        &self,
        work: &mut Work,
        round: Round,
        answer: &mut Answer,
        mut writer: MessageWriter<'turn>,
    ) -> Result<Option<MessageWriter<'turn>>, TurnError> {
        if !round.text.is_empty() {
            work.exchanged.push(InputItem::Assistant(round.text));
        }
        let mut waiting = 0;
        let (held, calls): (Vec<_>, Vec<_>) = round.calls.iter().cloned().partition(|call| {
            let waits = waiting < MAX_WAITING.min(work.left().calls)
                && work.offer.needs_consent(&call.name, &call.arguments);
            waiting += usize::from(waits);
            waits
        });
        let shows_steps = round.calls.iter().any(|call| work.offer.shows_steps(&call.name));
        if shows_steps && writer.position() > 0 {
            // What was said before the steps stands before them.
            writer = writer.finish_and_begin().await?;
            answer.another_message();
        }
        let results = work.call(&calls, answer, writer.turn()).await?;
        work.ran(round.calls.len(), round.tokens);
        work.exchanged.extend(round.calls.into_iter().map(|call| InputItem::ToolCall {
            call_id: call.call_id,
            name: call.name,
            arguments: call.arguments,
        }));
        work.exchanged.extend(results);
        answer.passages_changed();
        if held.is_empty() {
            return Ok(Some(writer));
        }
        answer.steps.finish(writer.turn()).await?;
        writer = writer.finish_and_begin().await?;
        self.hold(work, held, answer, writer.turn()).await?;
        Ok(None)
    }

    /// Asks the user whether calls may be made. The answer goes on in another turn.
    async fn hold(
        &self,
        work: &Work,
        calls: Vec<ToolCallRequest>,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Result<(), TurnError> {
        let waiting = calls.into_iter().map(|call| Waiting {
            title: work.offer.title(&call.name),
            call,
            widget: turn.new_item("wdg").0,
            decision: Decision::Pending,
        });
        let waiting: Vec<Waiting> = waiting.collect();
        let now = turn.now().as_micros();
        let patience = i64::try_from(self.tool_limits.consent.as_micros()).unwrap_or(i64::MAX);
        let expires_at = Timestamp::from_micros(now.saturating_add(patience));
        let expires_at = expires_at.unwrap_or_else(|| turn.now());
        let held = Held::new(&work.exchanged, answer.found.passages(), waiting, expires_at);
        // Before the cards: one without it could not be answered.
        turn.hidden_context(held.content()).await?;
        for waiting in held.waiting {
            let (_, thread_id, created_at) = turn.new_item("wdg");
            turn.put(WidgetItem {
                widget: waiting.card().into(),
                id: waiting.widget,
                thread_id,
                created_at,
                copy_text: None,
            })
            .await?;
        }
        Ok(())
    }

    /// Goes on with an answer whose calls the user has decided about: makes those that were
    /// approved.
    async fn take_up(
        &self,
        work: &mut Work,
        mut items: Box<HeldItems>,
        answer: &mut Answer,
        writer: &mut MessageWriter<'_>,
    ) -> Result<(), TurnError> {
        work.exchanged = items.held.exchanged();
        answer.found = std::mem::take(&mut items.held.found).into();
        let approved = |waiting: &&Waiting| waiting.decision == Decision::Approved;
        let calls = items.held.waiting.iter().filter(approved);
        let calls: Vec<ToolCallRequest> = calls.map(|waiting| waiting.call.clone()).collect();
        let results = work.call(&calls, answer, writer.turn()).await?;
        work.ran(calls.len(), 0);
        work.exchanged.extend(results);
        let refused = items.held.waiting.iter().filter(|waiting| !approved(waiting));
        work.exchanged.extend(refused.map(Waiting::refusal));
        answer.passages_changed();
        items.held.finish();
        items.save(writer.turn()).await
    }

    /// Whether calls may have to wait for the user's consent.
    fn may_need_consent(&self) -> bool {
        !self.tool_sources.is_empty() || self.standing.may_need_consent()
    }

    /// The user has written something instead of answering: the calls are not made, and the model
    /// is told so before it reads the message.
    async fn pass_over(
        &self,
        turn: &mut Turn,
        conversation: &mut Conversation,
    ) -> Result<(), TurnError> {
        let Some(mut items) = conversation.held.take() else { return Ok(()) };
        conversation.before = items.held.exchanged();
        for waiting in &mut items.held.waiting {
            if waiting.decision == Decision::Pending {
                waiting.decision = Decision::PassedOver;
            }
        }
        conversation.before.extend(items.held.waiting.iter().map(Waiting::refusal));
        items.held.finish();
        items.save(turn).await?;
        for waiting in &items.held.waiting {
            items.show(turn, waiting).await?;
        }
        Ok(())
    }

    /// The user has pressed a button of a call that waits.
    async fn decide(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        let approve = sender.action.payload.is_some_and(|payload| payload["approve"] == true);
        let mut conversation = self.conversation(turn).await?;
        let card = sender.widget.map(|card| card.id);
        let found = conversation.held.take().and_then(|items| {
            let pressed = |waiting: &Waiting| Some(&waiting.widget) == card.as_ref();
            let at = items.held.waiting.iter().position(pressed)?;
            (items.held.waiting[at].decision == Decision::Pending).then_some((items, at))
        });
        let (Some((mut items, at)), Some(model)) = (found, &self.model) else {
            // In another tab, or before the last message. The card shows how.
            return turn.notice(NoticeLevel::Info, "This was answered already.").await;
        };
        let decision = match approve {
            _ if turn.now() > items.held.expires_at => Decision::Expired,
            true => Decision::Approved,
            false => Decision::Denied,
        };
        tracing::info!(tool = items.held.waiting[at].call.name, ?decision, "consent to a call");
        items.held.waiting[at].decision = decision;
        // Stored before anything is done: what was approved is not approved again.
        items.save(turn).await?;
        items.show(turn, &items.held.waiting[at]).await?;
        if items.held.waiting.iter().any(|waiting| waiting.decision == Decision::Pending) {
            return Ok(());
        }
        self.answer(turn, model, &conversation, Some(items)).await
    }

    /// Answers without a model.
    async fn quote(&self, turn: &mut Turn, conversation: &Conversation) -> Result<(), TurnError> {
        let Some(search) = self.search.as_deref() else {
            return say(turn, quotes::NO_DOCUMENTS).await;
        };
        turn.progress(Icon::from_static("search"), SEARCHING).await?;
        let earlier: Vec<&str> = conversation
            .said
            .iter()
            .filter_map(|said| match said {
                Said::User(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let query = quotes::search_query(&conversation.question, &earlier);
        let request = self.scope.request(turn.context(), &query, QUOTED_PASSAGES);
        let passages = match searched(search.search(request)).await {
            Ok(passages) => passages,
            Err(error) => {
                tracing::warn!(%error, "the search failed, and there is no model");
                return say(turn, quotes::SEARCH_FAILED).await;
            }
        };
        if passages.is_empty() {
            return say(turn, quotes::NOTHING_FOUND).await;
        }
        let mut writer = turn.assistant_message().await?;
        writer.push(quotes::INTRODUCTION).await?;
        for passage in passages.iter().take(QUOTED_PASSAGES) {
            writer.push("\n\n").await?;
            writer.push(&quotes::quotation(passage, &query)).await?;
            writer.cite(source(passage)).await?;
        }
        writer.finish().await
    }
}

impl Responder for AgentResponder {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let mut conversation = Box::pin(self.conversation(turn)).await?;
        if conversation.held.is_some() {
            Box::pin(self.pass_over(turn, &mut conversation)).await?;
        }
        if turn.thread().title.is_none()
            && let Some(title) = turn.input().and_then(|message| title_of(&message.text()))
        {
            turn.set_title_at_end(title);
        }
        match &self.model {
            Some(model) => self.answer(turn, model, &conversation, None).await,
            None => Box::pin(self.quote(turn, &conversation)).await,
        }
    }

    async fn action(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        if sender.action.r#type != approval::ACTION {
            return Err(TurnError::new("action.unknown", "This button does nothing here."));
        }
        Box::pin(self.decide(turn, sender)).await
    }

    async fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> Option<String> {
        let (client, model) = (self.model.as_ref()?, self.titles_by.as_ref()?);
        let question = message.text();
        if question.trim().is_empty() {
            return None;
        }
        match titles::title_by(client, model, &question, context.token_meter()).await {
            Ok(title) => title,
            Err(error) => {
                tracing::warn!(thread_id = %thread.id, %error, "the model gave no title");
                None
            }
        }
    }

    async fn transcribe(
        &self,
        _context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> Result<Option<TranscriptionResult>, TurnError> {
        let Some(dictation) = &self.dictation else { return Ok(None) };
        let text = dictation.transcribe(audio, mime_type).await.map_err(dictation_error)?;
        Ok(Some(TranscriptionResult { text }))
    }
}

/// What is to be answered.
struct Conversation {
    question: String,
    said: Vec<Said>,
    /// What was sent along with the question.
    files: Vec<Attachment>,
    /// Calls that wait for the user's consent.
    held: Option<Box<HeldItems>>,
    /// What belongs to an answer before the question.
    before: Vec<InputItem>,
}

/// Calls that wait, with the items that they are.
struct HeldItems {
    record: HiddenContextItem,
    held: Held,
    cards: Vec<WidgetItem>,
}

impl HeldItems {
    /// Stores what is known now, before anything else is done.
    async fn save(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        self.record.content = self.held.content();
        turn.replace_item(self.record.clone()).await
    }

    /// Shows what was decided about a call.
    async fn show(&self, turn: &mut Turn, waiting: &Waiting) -> Result<(), TurnError> {
        match self.cards.iter().find(|card| card.id == waiting.widget) {
            Some(card) => {
                let widget = waiting.card().into();
                turn.replace_item(WidgetItem { widget, ..card.clone() }).await
            }
            None => Ok(()),
        }
    }
}

/// What was done for an answer with tools, and what may still be done.
struct Work {
    offer: Offer,
    /// Whether there are tools besides the search.
    has_tools: bool,
    limits: ToolLimits,
    rounds: u32,
    calls: usize,
    tokens: u64,
    until: Instant,
    context: Option<ToolContext>,
    /// The calls and results of this turn so far.
    exchanged: Vec<InputItem>,
}

impl Work {
    fn new(offer: Offer, limits: &ToolLimits) -> Self {
        Self {
            has_tools: offer.specs().iter().any(|tool| tool.name != SEARCH_DOCUMENTS),
            offer,
            limits: limits.clone(),
            rounds: 0,
            calls: 0,
            tokens: 0,
            until: Instant::now() + limits.time,
            context: None,
            exchanged: Vec::new(),
        }
    }

    /// Whether the model may call tools in the next round. If not, it must answer.
    fn may_call(&self) -> bool {
        let limits = &self.limits;
        !self.offer.is_empty()
            && self.rounds < limits.rounds
            && self.calls < limits.calls as usize
            && limits.tokens.is_none_or(|most| self.tokens < most)
            && Instant::now() < self.until
    }

    fn left(&self) -> Left {
        Left {
            calls: (self.limits.calls as usize).saturating_sub(self.calls),
            parallel: self.limits.parallel,
            until: self.until,
        }
    }

    /// Makes calls. What the model is told of each, in their order.
    async fn call(
        &mut self,
        calls: &[ToolCallRequest],
        answer: &mut Answer,
        turn: &mut Turn,
    ) -> Result<Vec<InputItem>, TurnError> {
        let context = self.context(turn);
        let (steps, left) = (&mut answer.steps, self.left());
        let ran = tools::run_calls(turn, steps, &self.offer, &context, calls, left).await?;
        let results = calls.iter().zip(ran).map(|(call, ran)| InputItem::ToolResult {
            call_id: call.call_id.clone(),
            output: ran.told(&call.name, &mut answer.found),
        });
        Ok(results.collect())
    }

    fn ran(&mut self, calls: usize, tokens: u64) {
        self.rounds += 1;
        self.calls += calls;
        self.tokens += tokens;
        if !self.may_call() {
            tracing::info!(
                rounds = self.rounds,
                calls = self.calls,
                tokens = self.tokens,
                "the limit of tools in a turn is reached; the model must answer"
            );
        }
    }

    /// On whose behalf tools are called. Made when it is first needed.
    fn context(&mut self, turn: &Turn) -> ToolContext {
        self.context.get_or_insert_with(|| ToolContext::new(turn.context().clone())).clone()
    }
}

/// What one request to the model gave.
struct Round {
    /// The text as the model wrote it, markers included.
    text: String,
    calls: Vec<ToolCallRequest>,
    finish: Finish,
    /// What it took, as far as the server says.
    tokens: u64,
}

/// An answer being written, over all its rounds.
struct Answer {
    found: Found,
    filter: CitationFilter,
    pieces: Vec<Piece>,
    /// The text of this message so far, kept only if sources may have to be attached.
    text: Option<String>,
    /// Whether anything was said, in this message or before.
    has_text: bool,
    cited: bool,
    /// Text follows that belongs to another round than the text before it.
    new_paragraph: bool,
    thinking: bool,
    /// What is shown of the calls since the last text.
    steps: Steps,
}

impl Answer {
    fn new(can_search: bool) -> Self {
        Self {
            found: Found::default(),
            filter: CitationFilter::default(),
            pieces: Vec::new(),
            text: can_search.then(String::new),
            has_text: false,
            cited: false,
            new_paragraph: false,
            thinking: false,
            steps: Steps::default(),
        }
    }

    /// The text goes on in another message.
    fn another_message(&mut self) {
        self.cited = false;
        self.new_paragraph = false;
        if let Some(text) = &mut self.text {
            text.clear();
        }
    }

    /// Writes what the model says in one round.
    async fn read_round(
        &mut self,
        mut stream: ModelStream,
        mut call: ModelCall,
        writer: &mut MessageWriter<'_>,
    ) -> Result<Round, TurnError> {
        let mut round =
            Round { text: String::new(), calls: Vec::new(), finish: Finish::Stop, tokens: 0 };
        while let Some(event) = stream.next().await {
            if event.is_ok() {
                call.event();
            }
            match event {
                Ok(ModelEvent::TextDelta(delta)) => {
                    call.spent.said(delta.len());
                    self.filter.push(&delta, &mut self.pieces);
                    self.write(writer).await?;
                    round.text.push_str(&delta);
                }
                Ok(ModelEvent::Reasoning(thought)) => {
                    call.spent.said(thought.len());
                    if writer.position() == 0 && !std::mem::replace(&mut self.thinking, true) {
                        writer.turn().progress(Icon::from_static("sparkle"), "Thinking…").await?;
                    }
                }
                Ok(ModelEvent::ToolCall { call_id, name, arguments }) => {
                    round.calls.push(ToolCallRequest { call_id, name, arguments });
                }
                Ok(ModelEvent::Citation { url, title }) => {
                    if is_web_page(&url) {
                        self.cited = true;
                        writer.cite(UrlSource { title, url, ..UrlSource::default() }).await?;
                    }
                }
                Ok(ModelEvent::Done { usage, finish }) => {
                    tracing::debug!(?usage, ?finish, "the model has answered");
                    call.done(usage.as_ref());
                    round.finish = finish;
                    round.tokens =
                        usage.map_or(0, |usage| usage.input_tokens + usage.output_tokens);
                }
                Err(error) => {
                    call.failed(&error);
                    // What was held back is part of the partial answer.
                    self.end(writer).await?;
                    return Err(turn_error(error));
                }
            }
        }
        self.end(writer).await?;
        self.new_paragraph = writer.position() > 0;
        Ok(round)
    }

    /// Writes what the filter still holds.
    async fn end(&mut self, writer: &mut MessageWriter<'_>) -> Result<(), TurnError> {
        self.filter.finish(&mut self.pieces);
        self.write(writer).await
    }

    async fn write(&mut self, writer: &mut MessageWriter<'_>) -> Result<(), TurnError> {
        for piece in self.pieces.drain(..) {
            match piece {
                Piece::Text(text) => {
                    if self.steps.are_shown() {
                        Box::pin(self.steps.finish(writer.turn())).await?;
                    }
                    self.has_text |= !text.is_empty();
                    if std::mem::take(&mut self.new_paragraph) {
                        writer.push("\n\n").await?;
                    }
                    writer.push(&text).await?;
                    if let Some(all) = &mut self.text {
                        all.push_str(&text);
                    }
                }
                Piece::Cite { passage, .. } => {
                    if let Some(passage) = self.found.get(passage) {
                        self.cited = true;
                        writer.cite(source(passage)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins a new filter, as code that one round left open does not reach into the next.
    fn passages_changed(&mut self) {
        self.filter = CitationFilter::new(self.found.passages().len());
    }

    /// Refers to the passages that the answer was made of, if the model did not.
    async fn attach_sources(
        &self,
        question: &str,
        writer: &mut MessageWriter<'_>,
    ) -> Result<(), TurnError> {
        let Some(text) = self.text.as_deref().filter(|_| !self.cited) else { return Ok(()) };
        let passages = self.found.passages();
        for number in overlapping(text, question, passages, ATTACHED_PASSAGES) {
            if let Some(passage) = self.found.get(number) {
                writer.cite(source(passage)).await?;
            }
        }
        Ok(())
    }
}

/// Says one fixed thing.
async fn say(turn: &mut Turn, text: &str) -> Result<(), TurnError> {
    let mut writer = turn.assistant_message().await?;
    writer.push(text).await?;
    writer.finish().await
}

/// What a provider may call a user: the same each time, and nothing that says who it is.
fn pseudonym(owner: &Owner) -> String {
    let mut hash = Sha256::new();
    hash.update(owner.tenant().as_str());
    // No id has it, so that no two pairs are the same.
    hash.update([0]);
    hash.update(owner.user().as_str());
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The tools that are always there.
fn standing(
    search: Option<&Arc<dyn PassageSearch>>,
    scope: &SearchScope,
    toolbox: &Toolbox,
    other_tools: bool,
) -> Offer {
    let Some(search) = search else { return toolbox.offer() };
    let as_step = other_tools || !toolbox.specs().is_empty();
    // Name and schema are ours, and the name was looked for among the others.
    let search = Toolbox::new([SearchDocuments::new(Arc::clone(search), scope.clone(), as_step)]);
    Offer::gathered([search.unwrap_or_default().offer(), toolbox.offer()]).0
}

/// Whether a page that a provider cites can be linked to.
fn is_web_page(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn turn_error(error: ModelError) -> TurnError {
    TurnError::new(error.reason(), error.user_message())
        .allow_retry(error.allow_retry())
        .retry_after(error.retry_after())
        .caused_by(error)
}

fn dictation_error(error: TranscriptionError) -> TurnError {
    let error = match error {
        TranscriptionError::Empty => {
            let message = "Nothing was recorded. Please check the microphone and try again.";
            return TurnError::new("transcription.empty", message);
        }
        TranscriptionError::Format { .. } => {
            return TurnError::new("transcription.format", error.to_string());
        }
        TranscriptionError::Model(error) => error,
    };
    let about_the_recording = match error {
        ModelError::BadRequest { .. } => {
            "The speech model did not take the recording. It may be too short or damaged; please \
             record it again."
        }
        ModelError::ContextTooLong { .. } => {
            "The recording is too long for the speech model. Please say less at a time."
        }
        error => {
            return TurnError::new(error.reason(), error.message_about("speech model"))
                .allow_retry(error.allow_retry())
                .retry_after(error.retry_after())
                .caused_by(error);
        }
    };
    // Not a fault of this server, but an operator may want to know what the other one said.
    tracing::warn!(%error, "a recording was refused");
    TurnError::new(error.reason(), about_the_recording)
}

fn empty_answer(finish: Finish) -> TurnError {
    let message = match finish {
        Finish::ContentFilter => "The language model's filter stopped the answer.",
        Finish::Length => "The language model used up its longest answer before it said anything.",
        Finish::Stop | Finish::ToolCalls => "The language model gave an empty answer.",
    };
    TurnError::new("model.empty", message).allow_retry(true)
}
