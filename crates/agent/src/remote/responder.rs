//! The responder: a run of the agent for each message.

use std::sync::Arc;

use bytes::Bytes;
use parlor_chatkit::protocol::{
    CallId, HiddenContextItem, ItemId, NoticeLevel, StructuredInputFreeform, StructuredInputItem,
    StructuredInputMultipleChoice, StructuredInputStatus, ThreadItem, ThreadMetadata, Timestamp,
    TranscriptionResult, UserMessageItem, WidgetItem,
};
use parlor_chatkit::{ActionSender, RequestContext, Responder, Turn, TurnError};
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use super::events::{AgentEvent, Outcome};
use super::http::AgentClient;
use super::input::{Past, run_input, user_message};
use super::record::{Form, Question};
use super::show::{Shown, State};
use super::{
    ClientTool, Probe, Record, RemoteConfig, RemoteError, RemoteProtocol, RemoteSetupError, webhook,
};
use crate::AgentResponder;
use crate::approval::{self, Decision};
use crate::files::Given;
use crate::measure::{AgentRun, Spent};
use crate::prompt::Said;
use crate::titles::title_of;
use crate::tools::{ToolCallRequest, ToolContext};

/// Questions of one run that are asked, at most.
const MAX_QUESTIONS: usize = 8;

/// Answers with an agent elsewhere.
#[derive(Debug)]
pub struct RemoteResponder {
    agent: Arc<AgentClient>,
    /// What the agent does not do: titles, dictation, reading files.
    local: AgentResponder,
}

/// What a run is asked for.
#[derive(Default)]
struct Ask<'a> {
    /// The message to answer, with its files.
    message: Option<(&'a UserMessageItem, &'a Given)>,
    /// Questions of an earlier run that are answered now.
    decided: &'a [Question],
}

/// How a run has ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// All is said.
    Whole,
    /// It goes on in another turn.
    Waits,
}

impl RemoteResponder {
    /// A responder for this agent. `local` writes titles, hears dictation and reads files, with what
    /// it was configured with.
    ///
    /// # Errors
    ///
    /// When the agent could never be asked.
    pub fn new(config: RemoteConfig, local: AgentResponder) -> Result<Self, RemoteSetupError> {
        Ok(Self { agent: Arc::new(AgentClient::new(config)?), local })
    }

    /// Whether the agent could ever be asked.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(config: RemoteConfig) -> Result<(), RemoteSetupError> {
        AgentClient::new(config).map(drop)
    }

    /// Waits with `other` for the same places where files are read.
    #[must_use]
    pub fn reading_files_with(self, other: &AgentResponder) -> Self {
        Self { local: self.local.reading_files_with(other), ..self }
    }

    /// What reads files and writes titles here.
    pub fn local(&self) -> &AgentResponder {
        &self.local
    }

    /// Asks the agent's server for nothing, to see whether it is there. Headers that belong to a
    /// caller are left out.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn probe(config: RemoteConfig) -> Result<Probe, RemoteError> {
        let headers = config.headers.fixed();
        let agent = AgentClient::new(config)
            .map_err(|error| RemoteError::Malformed { detail: error.to_string() })?;
        agent.probe(&headers).await
    }

    fn config(&self) -> &RemoteConfig {
        &self.agent.config
    }

    /// What was said before the message to answer, and the rest of what is known of it.
    async fn past(&self, turn: &Turn) -> Result<(Past, Vec<ThreadItem>), TurnError> {
        let mut items = turn.history(self.config().history_items.saturating_add(1)).await?;
        if let Some(input) = turn.input() {
            items.retain(|item| item.id().as_ref() != Some(&input.id));
        }
        Ok((Past::of(&items), items))
    }

    /// Tools of the page, those that are configured first.
    fn client_tools(&self, context: &RequestContext) -> Vec<ClientTool> {
        let mut tools = self.config().client_tools.clone();
        if self.config().page_tools {
            for tool in ClientTool::of_page(context) {
                if tools.iter().all(|known| known.name != tool.name) {
                    tools.push(tool);
                }
            }
        }
        tools
    }

    async fn answer(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let (mut past, items) = self.past(turn).await?;
        if turn.thread().title.is_none()
            && let Some(title) = turn.input().and_then(|message| title_of(&message.text()))
        {
            turn.set_title_at_end(title);
        }
        let Some(message) = turn.input().cloned() else {
            return self.go_on(turn, past, &items).await;
        };
        if let Some((item, record)) = past.waits.take() {
            // The user has written something instead of answering. The agent is told so before it
            // is told the message.
            let decided = pass_over(turn, item, record, &items).await?;
            past.settle_calls();
            let ask = Ask { message: None, decided: &decided };
            if self.run(turn, &mut past, ask).await? == Ended::Waits {
                return Ok(());
            }
        }
        past.settle_calls();
        let given = match message.attachments.as_slice() {
            [] => Given::default(),
            files => self.local.read_files(turn, files).await?,
        };
        let ask = Ask { message: Some((&message, &given)), decided: &[] };
        self.run(turn, &mut past, ask).await.map(drop)
    }

    /// The page has run a tool, or a question was answered.
    async fn go_on(
        &self,
        turn: &mut Turn,
        mut past: Past,
        items: &[ThreadItem],
    ) -> Result<(), TurnError> {
        if let Some((item, mut record)) = past.waits.take() {
            for question in &mut record.questions {
                take_answer(question, items);
            }
            return self.decided(turn, past, item, record).await;
        }
        if let Some(call) = past.open_calls.first() {
            // One after the other: the page is asked for one at a time.
            return call_page(turn, call).await;
        }
        self.run(turn, &mut past, Ask::default()).await.map(drop)
    }

    /// The user has pressed a button.
    async fn decide(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        let approve = sender.action.payload.is_some_and(|payload| payload["approve"] == true);
        let card = sender.widget.map(|card| card.id);
        let (mut past, items) = self.past(turn).await?;
        let found = past.waits.take().and_then(|(item, record)| {
            let pressed = |question: &Question| Some(&question.waiting.widget) == card.as_ref();
            let at = record.questions.iter().position(pressed)?;
            let pending = record.questions[at].waiting.decision == Decision::Pending;
            pending.then_some((item, record, at))
        });
        let Some((item, mut record, at)) = found else {
            // In another tab, or before the last message. The card shows how.
            return turn.notice(NoticeLevel::Info, "This was answered already.").await;
        };
        let decision = match approve {
            _ if record.expires_at.is_some_and(|until| turn.now() > until) => Decision::Expired,
            true => Decision::Approved,
            false => Decision::Denied,
        };
        record.questions[at].waiting.decision = decision;
        // Stored before anything is done: what was approved is not approved again.
        save(turn, &item, &record).await?;
        show_card(turn, &record.questions[at], &items).await?;
        if record.has_pending() {
            return Ok(());
        }
        self.decided(turn, past, item, record).await
    }

    /// All questions are answered: the run goes on.
    async fn decided(
        &self,
        turn: &mut Turn,
        mut past: Past,
        item: HiddenContextItem,
        mut record: Record,
    ) -> Result<(), TurnError> {
        if record.has_pending() {
            return save(turn, &item, &record).await;
        }
        record.told = true;
        save(turn, &item, &record).await?;
        past.settle_calls();
        let ask = Ask { message: None, decided: &record.questions };
        self.run(turn, &mut past, ask).await.map(drop)
    }

    /// One run, shown as it goes, and remembered. What it says is added to the past.
    async fn run(
        &self,
        turn: &mut Turn,
        past: &mut Past,
        ask: Ask<'_>,
    ) -> Result<Ended, TurnError> {
        let mut measured = AgentRun::begin(&self.config().url);
        let tools = self.client_tools(turn.context());
        let (id, ..) = turn.new_item("run");
        // Boxed, like everything else that is over while the answer is read.
        let asked = Box::pin(self.ask(turn, past, &ask, &tools, id.as_str()));
        let asked = asked.instrument(measured.span.clone()).await;
        let (mut stream, bytes) = asked.map_err(|error| {
            measured.failed(error.reason());
            error.for_user()
        })?;
        let mut spent = Spent::begin(turn.context().token_meter(), None, bytes);
        let names = tools.into_iter().map(|tool| tool.name);
        let writer = turn.assistant_message().await?;
        let mut shown = Shown::new(writer, names, past.state.clone());
        for question in ask.decided {
            shown.run.knows(&question.waiting.call);
        }
        let last_user_message = last_user_message(past);
        let mut ended = Err(RemoteError::Empty);
        while let Some(event) = stream.next().await {
            match event {
                Ok(AgentEvent::Finished { outcome, tokens }) => {
                    if let Some(tokens) = tokens {
                        spent.told(tokens);
                    }
                    ended = Ok(outcome);
                }
                Ok(event) => {
                    if let AgentEvent::Text { delta, .. } | AgentEvent::Thought { delta } = &event {
                        spent.said(delta.len());
                    }
                    shown.event(event, &last_user_message).await?;
                }
                Err(error) => ended = Err(error),
            }
        }
        drop(stream);
        Box::pin(self.close(shown, past, ended, &mut measured)).await
    }

    /// Sends the request.
    async fn ask(
        &self,
        turn: &Turn,
        past: &mut Past,
        ask: &Ask<'_>,
        tools: &[ClientTool],
        run_id: &str,
    ) -> Result<(super::http::RunStream, usize), RemoteError> {
        let context = turn.context();
        let config = self.config();
        let headers = config
            .headers
            .of(&ToolContext::new(context.clone()))
            .map_err(|error| RemoteError::Header { detail: error.message().to_owned() })?;
        let thread_id = turn.thread().id.as_str();
        let state = past.state.clone().filter(|_| config.keep_state);
        let said = ask.message.map(|(message, given)| {
            let text = match Said::from_item(&ThreadItem::UserMessage(UserMessageItem {
                attachments: Vec::new(),
                ..message.clone()
            })) {
                Some(Said::User(text)) => text,
                _ => "(The user sent this without a text.)".to_owned(),
            };
            (message.id.as_str(), text, given)
        });
        let (body, secret) = match &config.protocol {
            RemoteProtocol::AgUi => {
                if let Some((id, text, given)) = &said {
                    past.messages.push(user_message(id, text, given));
                }
                let resume: Vec<Value> = ask.decided.iter().map(Question::resume).collect();
                let messages = &past.messages;
                let state = state.as_ref();
                let body = run_input(context, thread_id, run_id, messages, state, tools, &resume);
                (body, None)
            }
            RemoteProtocol::Webhook { secret } => {
                let tools: Vec<Value> = tools.iter().map(ClientTool::declared).collect();
                let call = webhook::Call {
                    run_id,
                    thread_id,
                    title: turn.thread().title.as_deref(),
                    message: said.as_ref().map(|(id, text, given)| (*id, text.as_str(), *given)),
                    past,
                    state: state.as_ref(),
                    decided: ask.decided,
                    tools: &tools,
                };
                (webhook::body(context, &call), secret.as_ref())
            }
        };
        let seconds = turn.now().as_micros().div_euclid(1_000_000);
        let (body, signature) = webhook::signed(secret, seconds, &body);
        let bytes = body.len();
        // The body, and none of the headers: credentials are in those.
        turn.notes().add("remote.request", || {
            serde_json::from_slice(&body).unwrap_or_else(|_| json!({ "bytes": bytes }))
        });
        let stream = self.agent.ask(&headers, signature.as_deref(), body).await?;
        Ok((stream, bytes))
    }

    /// The run is over, well or not: remembers what it was, and asks what it asks.
    async fn close(
        &self,
        mut shown: Shown<'_>,
        past: &mut Past,
        ended: Result<Outcome, RemoteError>,
        measured: &mut AgentRun,
    ) -> Result<Ended, TurnError> {
        let (left, interrupts, error) = match ended {
            Ok(Outcome::Success) => (State::Done, Vec::new(), None),
            Ok(Outcome::Interrupted(interrupts)) => (State::Waiting, interrupts, None),
            Ok(Outcome::Cancelled) => (State::Failed, Vec::new(), Some(RemoteError::Cancelled)),
            Err(error) => (State::Failed, Vec::new(), Some(error)),
        };
        shown.finish(left).await?;
        let page_calls = if error.is_none() { shown.page_calls() } else { Vec::new() };
        let calls = shown.run.all_calls();
        let messages = shown.run.messages();
        let state = shown.run.state.take().filter(|_| shown.run.state_changed);
        let (items, visible) = (std::mem::take(&mut shown.run.items), shown.run.visible);
        let turn = shown.turn();
        // All are answered together, so the first to expire is what counts.
        let expires_at = interrupts.iter().filter_map(|interrupt| interrupt.expires_at);
        let expires_at =
            expires_at.fold(turn.now().saturating_add(self.config().consent), Timestamp::min);
        let questions = interrupts
            .into_iter()
            .take(MAX_QUESTIONS)
            .map(|interrupt| Question::new(interrupt, &calls, turn.new_item("wdg").0));
        let questions: Vec<Question> = questions.collect();
        let waits = !questions.is_empty() || !page_calls.is_empty();
        let error = error.or_else(|| (!visible && !waits).then_some(RemoteError::Empty));
        let record = Record {
            messages,
            items,
            state: state.filter(|_| self.config().keep_state),
            expires_at: (!questions.is_empty()).then_some(expires_at),
            page_calls,
            questions,
            told: false,
        }
        .bounded();
        past.add(record.messages.iter().cloned());
        if record.state.is_some() {
            past.state.clone_from(&record.state);
        }
        if visible || waits || record.state.is_some() {
            // Before the cards: one without it could not be answered.
            turn.hidden_context(record.content()).await?;
        }
        if let Some(error) = error {
            measured.failed(error.reason());
            return Err(error.for_user());
        }
        measured.done();
        for question in &record.questions {
            ask_user(turn, question).await?;
        }
        if record.questions.is_empty()
            && let Some(call) = record.page_calls.first()
        {
            call_page(turn, call).await?;
        }
        Ok(if waits { Ended::Waits } else { Ended::Whole })
    }
}

impl Responder for RemoteResponder {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        self.answer(turn).await
    }

    async fn action(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        if sender.action.r#type != approval::ACTION {
            return Err(TurnError::new("action.unknown", "This button does nothing here."));
        }
        self.decide(turn, sender).await
    }

    async fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> Option<String> {
        self.local.title(context, thread, message).await
    }

    async fn transcribe(
        &self,
        context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> Result<Option<TranscriptionResult>, TurnError> {
        self.local.transcribe(context, audio, mime_type).await
    }
}

/// The id of the message that is being answered.
fn last_user_message(past: &Past) -> String {
    let mut messages = past.messages.iter().rev();
    let last = messages.find(|message| message["role"] == "user");
    last.and_then(|message| message["id"].as_str()).unwrap_or_default().to_owned()
}

/// Marks what was not answered, and shows it.
async fn pass_over(
    turn: &mut Turn,
    item: HiddenContextItem,
    mut record: Record,
    items: &[ThreadItem],
) -> Result<Vec<Question>, TurnError> {
    for question in &mut record.questions {
        if question.waiting.decision == Decision::Pending {
            question.waiting.decision = Decision::PassedOver;
        }
    }
    record.told = true;
    save(turn, &item, &record).await?;
    for question in &record.questions {
        show_card(turn, question, items).await?;
    }
    Ok(record.questions)
}

/// What the user wrote or chose, if they did.
fn take_answer(question: &mut Question, items: &[ThreadItem]) {
    let asked = items.iter().find_map(|item| match item {
        ThreadItem::StructuredInput(item) if item.id == question.waiting.widget => Some(item),
        _ => None,
    });
    let Some(item) = asked.filter(|item| item.status != StructuredInputStatus::Pending) else {
        return;
    };
    let answer = item.inputs.first().and_then(|input| input.answer());
    match answer.filter(|answer| !answer.skipped && !answer.values.is_empty()) {
        Some(answer) => {
            question.answer = Some(answer.values.join(", "));
            question.waiting.decision = Decision::Approved;
        }
        None => question.waiting.decision = Decision::PassedOver,
    }
}

async fn save(turn: &mut Turn, item: &HiddenContextItem, record: &Record) -> Result<(), TurnError> {
    turn.replace_item(HiddenContextItem { content: record.content(), ..item.clone() }).await
}

/// Shows what was decided.
async fn show_card(
    turn: &mut Turn,
    question: &Question,
    items: &[ThreadItem],
) -> Result<(), TurnError> {
    let card = items.iter().find_map(|item| match item {
        ThreadItem::Widget(card) if card.id == question.waiting.widget => Some(card.clone()),
        _ => None,
    });
    match card {
        Some(card) => {
            let widget = question.waiting.card().into();
            turn.replace_item(WidgetItem { widget, ..card }).await
        }
        None => Ok(()),
    }
}

/// Asks the user what the agent asks: with two buttons, or in words.
async fn ask_user(turn: &mut Turn, question: &Question) -> Result<(), TurnError> {
    let (_, thread_id, created_at) = turn.new_item("wdg");
    let id: ItemId = question.waiting.widget.clone();
    if question.form.is_consent() {
        let widget = question.waiting.card().into();
        let copy_text = None;
        return turn.put(WidgetItem { id, thread_id, created_at, widget, copy_text }).await;
    }
    let title = question.waiting.title.as_str();
    let input = match &question.form {
        Form::Choice(options) => {
            StructuredInputMultipleChoice::new(&question.interrupt, title, options.clone()).into()
        }
        _ => StructuredInputFreeform::new(&question.interrupt, title).into(),
    };
    turn.put(StructuredInputItem {
        id,
        thread_id,
        created_at,
        status: StructuredInputStatus::Pending,
        inputs: vec![input],
    })
    .await
}

/// Has the page make a call.
async fn call_page(turn: &mut Turn, call: &ToolCallRequest) -> Result<(), TurnError> {
    let arguments = match serde_json::from_str::<Value>(&call.arguments) {
        Ok(Value::Object(arguments)) => arguments,
        _ => Map::new(),
    };
    let id = CallId::new(call.call_id.as_str());
    turn.client_tool_call(id, call.name.as_str(), arguments).await.map(drop)
}
