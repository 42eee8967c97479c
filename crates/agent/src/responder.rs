//! The responder: asks the model, runs its searches, streams its answer.

mod consent;
mod conversation;
mod failures;
mod in_page;
mod members;
mod pictures;
mod quoting;
mod signing_in;
mod thoughts;
mod work;
mod writing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parlor_chatkit::protocol::{
    Attachment, Icon, NoticeLevel, ThreadMetadata, TranscriptionResult, UserMessageItem,
};
use parlor_chatkit::{ActionSender, Owner, RequestContext, Responder, Turn, TurnError};
use parlor_search::PassageSearch;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::approval;
use crate::files::{FileReader, FilesConfig, Given};
use crate::images::ImagesConfig;
use crate::measure::ModelCall;
use crate::model::{
    Finish, IMAGE_GENERATION, InputItem, ModelClient, ModelError, ModelRequest, ReasoningSummary,
};
use crate::prompt::{self, History, PromptConfig, PromptInput};
use crate::scope::SearchScope;
use crate::search_tool::SEARCH_DOCUMENTS;
use crate::sign_in_card::DISCONNECT;
use crate::team::NamedAgent;
use crate::titles::{self, title_of};
use crate::tools::{ToolLimits, ToolSource, Toolbox, ToolboxError};
use crate::transcription::TranscriptionClient;
use crate::usage::{Prices, Purpose, Tab, UsageSink};
use consent::HeldItems;
use conversation::Conversation;
use failures::{dictation_error, empty_answer, no_model, turn_error};
use members::Member;
use work::Work;
use writing::{Answer, Unread};

/// Tries after the first one, of a model that fails in its answer before it has said anything.
const RETRIES: u32 = 2;

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
    /// How reasoning is asked for, where it is shown.
    reasoning: Option<ReasoningSummary>,
    /// What models cost, by their names.
    prices: Arc<Prices>,
    /// Who is told what turns took.
    usage_to: Option<Arc<dyn UsageSink>>,
    prompt: PromptConfig,
    /// Those that are always there, without the search.
    toolbox: Toolbox,
    /// The agents as they were given; none where there is only one.
    agents: Vec<NamedAgent>,
    /// The same ready to answer, one at least.
    members: Vec<Member>,
    /// Who answers first.
    start: usize,
    tool_sources: Vec<Arc<dyn ToolSource>>,
    tool_limits: ToolLimits,
    /// Whether pages may declare tools for their requests.
    page_tools: bool,
    allowed_models: Vec<String>,
    max_output_tokens: Option<u32>,
    dictation: Option<TranscriptionClient>,
    /// The model that is asked for titles; empty means the configured one.
    titles_by: Option<String>,
    files: FileReader,
    /// How images are made, if they are.
    images: Option<ImagesConfig>,
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
        let responder = Self {
            toolbox: Toolbox::default(),
            agents: Vec::new(),
            members: Vec::new(),
            start: 0,
            tool_sources: Vec::new(),
            tool_limits: ToolLimits::default(),
            fallback: None,
            tells_users_apart: false,
            tool_choices: Vec::new(),
            reasoning: None,
            prices: Arc::default(),
            usage_to: None,
            search,
            scope: SearchScope::default(),
            model,
            prompt,
            page_tools: false,
            allowed_models: Vec::new(),
            max_output_tokens: None,
            dictation: None,
            titles_by: None,
            files: FileReader::new(FilesConfig::default()),
            images: None,
        };
        responder.with_members()
    }

    /// Tools that the model may call, besides the search in the documents.
    ///
    /// # Errors
    ///
    /// When one of them has the name of the search, `search_documents`, or of a hand-off.
    pub fn tools(mut self, tools: Toolbox) -> Result<Self, ToolboxError> {
        if self.search.is_some() && tools.offer().get(SEARCH_DOCUMENTS).is_some() {
            return Err(ToolboxError::SameName(SEARCH_DOCUMENTS.to_owned()));
        }
        self.toolbox = tools;
        match self.called_as_a_hand_off() {
            Some(name) => Err(ToolboxError::SameName(name)),
            None => Ok(self.with_members()),
        }
    }

    /// One more place where tools come from, asked at the beginning of each turn.
    #[must_use]
    pub fn tool_source(mut self, source: Arc<dyn ToolSource>) -> Self {
        self.tool_sources.push(source);
        self.with_members()
    }

    /// Offers the model the tools that a page declares in its request's metadata as `clientTools`, a list
    /// of `{name, description, parameters}`: each is a [`PageTool`](crate::tools::PageTool) for the answer
    /// to this request. One that is called like another tool is left out. Not offered by default.
    #[must_use]
    pub fn page_tools(mut self) -> Self {
        self.page_tools = true;
        self
    }

    /// How much tools may be used in one turn.
    #[must_use]
    pub fn tool_limits(mut self, limits: ToolLimits) -> Self {
        self.tool_limits = limits;
        self
    }

    /// Which documents are searched. By default all that the user may see.
    #[must_use]
    pub fn searching(mut self, scope: SearchScope) -> Self {
        self.scope = scope;
        self.with_members()
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

    /// Shows what the model thinks before it answers, as a step of its own: the summaries that the
    /// Responses API is asked for, and the reasoning that other servers send by themselves. By default
    /// people read only that it thinks.
    #[must_use]
    pub fn show_reasoning(mut self, summary: ReasoningSummary) -> Self {
        self.reasoning = Some(summary);
        self
    }

    /// What models cost, by their names: counts towards [`ToolLimits::cost`], and is told with what
    /// turns took.
    #[must_use]
    pub fn prices(mut self, prices: Prices) -> Self {
        self.prices = Arc::new(prices);
        self
    }

    /// Tells what each turn took, once it is over.
    #[must_use]
    pub fn usage_to(mut self, sink: Arc<dyn UsageSink>) -> Self {
        self.usage_to = Some(sink);
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

    /// Reads what the user has sent along.
    pub(crate) async fn read_files(
        &self,
        turn: &mut Turn,
        files: &[Attachment],
    ) -> Result<Given, TurnError> {
        turn.progress(Icon::from_static("document"), "Reading the files…").await?;
        Ok(self.files.read(turn, files).await)
    }

    /// Answers with a model.
    async fn answer(
        &self,
        turn: &mut Turn,
        conversation: &Conversation,
        decided: Option<Box<HeldItems>>,
    ) -> Result<(), TurnError> {
        let mut given = match conversation.files.as_slice() {
            [] => Given::default(),
            files => self.read_files(turn, files).await?,
        };
        let asked =
            decided.as_ref().and_then(|items| self.agent_named(items.held.agent.as_deref()?));
        let agent = asked.unwrap_or_else(|| self.agent_of(turn));
        if !conversation.pictures.is_empty() && self.images_of(agent).is_some() {
            Box::pin(self.give_back(turn, &conversation.pictures, &mut given)).await;
        }
        let mut work =
            Box::new(Work::new(agent, &self.tool_limits, self.tab(turn, Purpose::Answer)));
        work.offer_is(self.offer_to(agent, turn).await);
        let mut writer = turn.assistant_message().await?;
        let mut answer = Answer::new(self.search.is_some());
        answer.shows_thoughts = self.reasoning.is_some();
        answer.pictures = self.pictures();
        if let Some(held) = decided {
            Box::pin(self.take_up(&mut work, held, &mut answer, &mut writer)).await?;
        }
        let mut tries = 0;
        let finish = loop {
            let may_call = work.may_call();
            // Made anew for each round and not kept while the answer is read: it is long, and
            // thousands of answers may be waiting for their next word.
            let request = self.request(writer.turn(), conversation, &given, &work, may_call);
            // What has failed once is not waited for again in this answer.
            let fallback = self.fallback.as_ref().filter(|_| work.fell_back);
            let Some(model) = fallback.or_else(|| self.model_of(work.agent)) else {
                return Err(no_model());
            };
            writer.turn().notes().add("model.request", || request.noted(model.model()));
            let meter = writer.turn().context().token_meter();
            let paid_by = (meter, work.tab.clone(), model.name_of(&request));
            let mut call = ModelCall::begin(paid_by, request.text_bytes());
            // Boxed, like everything else that is over while the answer is read.
            let said = match Box::pin(model.stream(&request)).await {
                Ok(stream) => {
                    drop(request);
                    answer.read_round(stream, call, &mut writer).await
                }
                Err(error) => {
                    call.failed(&error);
                    let noted = || json!({ "error": error.to_string() });
                    writer.turn().notes().add("model.error", noted);
                    // It was tried again already, where that helps.
                    tries = u32::MAX;
                    Err(Unread::Unsaid(error))
                }
            };
            let round = match said {
                Ok(round) => round,
                Err(Unread::Unsaid(error)) => {
                    Box::pin(self.after_silence(error, &mut work, &mut tries)).await?;
                    continue;
                }
                Err(Unread::Failed(error)) => return Err(error),
            };
            tries = 0;
            work.has_drawn(answer.pictures.as_ref().map_or(0, |pictures| pictures.begun));
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
            let pictures = answer.pictures.as_ref();
            let failed = pictures.and_then(|pictures| pictures.failed());
            match failed {
                Some(why) => writer.push(why).await?,
                None if pictures.is_some_and(|pictures| pictures.any()) => {}
                None => return Err(empty_answer(finish)),
            }
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

    /// A model has failed before it said anything: waits before it is asked again, or chooses the
    /// other one.
    async fn after_silence(
        &self,
        error: ModelError,
        work: &mut Work,
        tries: &mut u32,
    ) -> Result<(), TurnError> {
        if let Some(at_least) = error.retry_of_stream().filter(|_| *tries < RETRIES) {
            *tries += 1;
            let wait = at_least.max(Duration::from_millis(100) * *tries * *tries);
            tracing::warn!(%error, tries = *tries, wait_ms = wait.as_millis(), "asking again");
            tokio::time::sleep(wait).await;
            return Ok(());
        }
        let other = self.fallback.as_ref().filter(|_| !work.fell_back);
        let Some(other) = other.filter(|_| error.is_worth_another_model()) else {
            return Err(turn_error(error));
        };
        tracing::warn!(%error, model = other.model(), "the model did not answer; asking another");
        work.fell_back = true;
        *tries = 0;
        Ok(())
    }

    /// Where what a turn takes is added up.
    fn tab(&self, turn: &Turn, purpose: Purpose) -> Tab {
        let (owner, thread) = (turn.context().owner().clone(), turn.thread().id.clone());
        Tab::open(self.usage_to.clone(), Arc::clone(&self.prices), owner, thread, purpose)
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
        let member = &self.members[work.agent];
        let instructions = prompt::instructions(
            &member.prompt,
            &PromptInput {
                user: context.user(),
                page: context.page(),
                locale: context.locale(),
                said: &conversation.said,
                can_search: member.can_search,
                has_tools: work.has_tools,
                can_draw: self.images_of(work.agent).is_some(),
                away: work.offer.away(),
            },
        );
        let mut input = match self.prompt.history {
            History::Text => Vec::new(),
            History::Messages => prompt::history_messages(&conversation.said),
        };
        input.extend_from_slice(&conversation.before);
        let question = conversation.told.as_ref().unwrap_or(&conversation.question);
        let text = format!("{question}{}", given.text);
        input.push(match given.files.as_slice() {
            [] => InputItem::User(text),
            files => InputItem::UserWithFiles { text, files: files.to_vec() },
        });
        input.extend_from_slice(&work.exchanged);
        let wished = turn.input().and_then(|message| message.inference_options.model.as_ref());
        // A choice is among the first one's models.
        let may_choose = member.own_model().is_none() && !work.fell_back;
        let allowed = wished.filter(|&model| may_choose && self.allowed_models.contains(model));
        let images = self.image_tool(work);
        ModelRequest {
            // Empty means the configured one.
            model: allowed.cloned().unwrap_or_default(),
            instructions,
            input,
            tools: if may_call { Arc::clone(work.offer.specs()) } else { Arc::default() },
            tool_choice: self.demanded(turn, work, may_call, images.is_some()),
            user: self.tells_users_apart.then(|| pseudonym(context.owner())),
            max_output_tokens: self.max_output_tokens,
            reasoning: self.reasoning,
            images,
        }
    }

    /// The tool that the user demands, in the first round.
    fn demanded(&self, turn: &Turn, work: &Work, may_call: bool, may_draw: bool) -> Option<String> {
        let choice = turn.input()?.inference_options.tool_choice.as_ref()?;
        let name = self.tool_choices.iter().find(|name| **name == choice.id)?;
        let is_there = match name.as_str() {
            IMAGE_GENERATION => may_draw && !work.has_drawn_any(),
            name => may_call && work.offer.get(name).is_some(),
        };
        (work.rounds == 0 && is_there).then(|| name.clone())
    }
}

impl Responder for AgentResponder {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        Self::take_back_hand_off(turn);
        let mut conversation = Box::pin(self.conversation(turn)).await?;
        let answered = conversation.held.as_ref().is_some_and(|held| held.page_has_answered());
        if turn.input().is_none() && answered {
            let held = conversation.held.take();
            return self.answer(turn, &conversation, held).await;
        }
        if conversation.held.is_some() {
            Box::pin(self.pass_over(turn, &mut conversation)).await?;
        }
        if turn.thread().title.is_none()
            && let Some(title) = turn.input().and_then(|message| title_of(&message.text()))
        {
            turn.set_title_at_end(title);
        }
        match self.model_of(self.agent_of(turn)) {
            Some(_) => self.answer(turn, &conversation, None).await,
            None => Box::pin(self.quote(turn, &conversation)).await,
        }
    }

    async fn action(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        if sender.action.r#type == DISCONNECT {
            return Box::pin(self.disconnect(turn, sender)).await;
        }
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
        let (owner, thread_id) = (context.owner().clone(), thread.id.clone());
        let (sink, prices) = (self.usage_to.clone(), Arc::clone(&self.prices));
        let tab = Tab::open(sink, prices, owner, thread_id, Purpose::Title);
        match titles::title_by(client, model, &question, (context.token_meter(), tab)).await {
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

/// What a provider may call a user: the same each time, and nothing that says who it is.
fn pseudonym(owner: &Owner) -> String {
    let mut hash = Sha256::new();
    hash.update(owner.tenant().as_str());
    // No id has it, so that no two pairs are the same.
    hash.update([0]);
    hash.update(owner.user().as_str());
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
