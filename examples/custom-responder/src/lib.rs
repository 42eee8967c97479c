#![doc = include_str!("../README.md")]

pub mod orders;
pub mod tools;
pub mod widgets;

use axum::{Router, response::Html, routing::get};
use parlor_agent::{
    ModelClient, ModelError, PromptConfig,
    citations::{CitationFilter, Piece},
    model::{InputItem, ModelEvent, ModelRequest},
    prompt::{self, PromptInput, Said},
};
use parlor_chatkit::{
    ActionSender, ChatKit, RequestContext, Responder, Turn, TurnError,
    protocol::{CustomSummary, CustomTask, JsonMap, Source, ThreadMetadata},
};
use parlor_server::Server;
use parlor_store::SqliteStore;
use serde_json::json;

use crate::{
    orders::{Orders, REFUNDS, RefundError::NoSuchOrder, State},
    tools::Call,
};

const INSTRUCTIONS: &str = "\
You are the assistant of a furniture shop. Look orders and rules up before you speak of them, and \
cite what you found by its number, like [1]. To pay an order back, call propose_refund: the \
customer decides. Be brief.";

/// Rounds in which the model may call tools. The one after them has none, so it must answer.
const TOOL_ROUNDS: usize = 4;

/// The shop's assistant.
pub struct Shop {
    model: ModelClient,
    orders: Orders,
}

impl Shop {
    /// An assistant that asks this model.
    pub fn new(model: ModelClient) -> Self {
        Self { model, orders: Orders::default() }
    }
}

impl Responder for Shop {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        if let Some(message) = turn.input() {
            let title = message.text();
            turn.set_title_at_end(title);
        }
        let mut request = request(turn).await?;
        let mut sources = Vec::new();
        for round in 0..=TOOL_ROUNDS {
            if round == TOOL_ROUNDS {
                request.tools = std::sync::Arc::default();
            }
            let calls = self.ask(turn, &mut request, &sources).await?;
            if calls.is_empty() {
                break;
            }
            self.run(turn, &mut request, &mut sources, calls).await?;
        }
        Ok(())
    }

    /// The customer answers whether to pay an order back: change the card in its place, and say
    /// what was done.
    async fn action(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        let customer = turn.context().owner().clone();
        let asked = sender.action.payload.as_ref().and_then(|payload| payload["number"].as_u64());
        let number = asked.and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
        let order = match sender.action.r#type.as_str() {
            widgets::REFUND => self.orders.refund(&customer, number),
            widgets::KEEP => self.orders.find(&customer, number).ok_or(NoSuchOrder(number)),
            _ => return Err(TurnError::new("action.unknown", "This button does nothing here.")),
        };
        let order = order.map_err(|error| {
            TurnError::new("order.refused", format!("Nothing was paid: {error}."))
        })?;
        if let Some(mut card) = sender.widget {
            card.widget = widgets::order(&order).into();
            turn.replace_item(card).await?;
        }
        if order.state != State::Refunded {
            return Ok(());
        }
        // The model has not seen the button, and the page has a list of its own.
        turn.hidden_context(json!(format!("The customer confirmed: order {number} is refunded.")))
            .await?;
        let data = JsonMap::from_iter([("number".to_owned(), json!(number))]);
        turn.client_effect("order.refunded", data).await?;
        let mut reply = turn.assistant_message().await?;
        reply.push(&format!("Done. The money for the {} is on its way", order.what)).await?;
        reply.cite(REFUNDS.source()).await?;
        reply.push(".").await?;
        reply.finish().await
    }

    /// The text so far is stored already, and the connection to the model is closed.
    async fn on_cancelled(&self, context: &RequestContext, thread: &ThreadMetadata) {
        tracing::info!(user = %context.owner().user(), thread = %thread.id, "stopped");
    }
}

impl Shop {
    /// Asks the model once, streams what it says, and gives the tools that it calls.
    async fn ask(
        &self,
        turn: &mut Turn,
        request: &mut ModelRequest,
        sources: &[Source],
    ) -> Result<Vec<InputItem>, TurnError> {
        let mut calls = Vec::new();
        let mut said = String::new();
        // Takes the marks `[1]` out of the text, and says where they stood.
        let mut marks = CitationFilter::new(sources.len());
        let mut pieces = Vec::new();
        let mut reply = turn.assistant_message().await?;
        // Dropped when the user stops the turn, which closes the connection.
        let mut stream = self.model.stream(request).await.map_err(failed)?;
        let mut over = false;
        while !over {
            match stream.next().await.transpose().map_err(failed)? {
                Some(ModelEvent::TextDelta(delta)) => {
                    marks.push(&delta, &mut pieces);
                    said.push_str(&delta);
                }
                Some(ModelEvent::ToolCall { call_id, name, arguments }) => {
                    calls.push(InputItem::ToolCall { call_id, name, arguments });
                }
                Some(_) => {}
                None => {
                    marks.finish(&mut pieces);
                    over = true;
                }
            }
            for piece in pieces.drain(..) {
                match piece {
                    Piece::Text(text) => reply.push(&text).await?,
                    Piece::Cite { passage, .. } => reply.cite(sources[passage - 1].clone()).await?,
                }
            }
        }
        reply.finish().await?;
        if !said.is_empty() {
            request.input.push(InputItem::Assistant(said));
        }
        Ok(calls)
    }

    /// Runs the tools that the model calls, and shows the customer what is done.
    async fn run(
        &self,
        turn: &mut Turn,
        request: &mut ModelRequest,
        sources: &mut Vec<Source>,
        calls: Vec<InputItem>,
    ) -> Result<(), TurnError> {
        let customer = turn.context().owner().clone();
        let mut shown = Vec::new();
        let mut results = Vec::new();
        let mut steps = turn.workflow();
        for call in &calls {
            let InputItem::ToolCall { call_id, name, arguments } = call else { continue };
            let output = match Call::parse(name, arguments) {
                Ok(call) => {
                    let task = || CustomTask::new(call.title()).icon(call.icon());
                    let step = steps.add(task().loading()).await?;
                    let outcome = call.run(&self.orders, &customer, sources);
                    steps.update(step, task().complete()).await?;
                    shown.extend(outcome.shown);
                    outcome.told
                }
                Err(wrong) => wrong,
            };
            results.push(InputItem::ToolResult { call_id: call_id.clone(), output });
        }
        steps.finish_as(CustomSummary::new("Looked it up").icon("check-circle")).await?;
        for (card, copy_text) in shown {
            turn.widget(card, Some(copy_text)).await?;
        }
        request.input.extend(calls);
        request.input.extend(results);
        Ok(())
    }
}

/// What the model is asked: who the customer is, what they look at, and what was said.
async fn request(turn: &Turn) -> Result<ModelRequest, TurnError> {
    let history = turn.history(20).await?;
    let said: Vec<Said> = history.iter().filter_map(Said::from_item).collect();
    let config = PromptConfig {
        system_prompt: INSTRUCTIONS.to_owned(),
        history: parlor_agent::History::Messages,
        ..PromptConfig::default()
    };
    let context = turn.context();
    let input = PromptInput {
        user: context.user(),
        page: context.page(),
        locale: context.locale(),
        said: &[],
        can_search: false,
        has_tools: false,
        can_draw: false,
        away: &[],
    };
    Ok(ModelRequest {
        instructions: prompt::instructions(&config, &input),
        input: prompt::history_messages(&said),
        tools: tools::specs().into(),
        ..ModelRequest::default()
    })
}

/// A model that fails: its name for programs, a sentence for people, the rest for the log.
fn failed(error: ModelError) -> TurnError {
    TurnError::new(error.reason(), error.user_message())
        .allow_retry(error.allow_retry())
        .retry_after(error.retry_after())
        .caused_by(error)
}

/// The shop's page with the chat beside it, on one port.
///
/// # Errors
/// When the database cannot be opened or the address is taken.
pub async fn server(model: ModelClient, database: &str, address: &str) -> anyhow::Result<Server> {
    let chatkit = ChatKit::new(SqliteStore::open(database).await?, Shop::new(model));
    let pages = Router::new().route("/", get(async || Html(include_str!("../page.html"))));
    Ok(Server::bind(chatkit, address, pages).await?)
}
