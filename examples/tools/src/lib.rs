//! A shop whose assistant can look up orders: a model, two functions, and what needs no model.

use std::sync::Arc;

use parlor_agent::{
    AgentResponder, ModelClient, PromptConfig,
    tools::{Approval, FunctionTool, PageTool, Tool, ToolContext, ToolError, ToolOutput, Toolbox},
};
use parlor_chatkit::{
    ActionSender, RequestContext, Responder, Turn, TurnError,
    protocol::{ThreadMetadata, UrlSource, UserMessageItem},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// What the model gives to find an order.
#[derive(Deserialize, JsonSchema)]
pub struct Order {
    /// The order's number: a letter, a hyphen and four digits, such as `A-1700`.
    number: String,
}

/// Looks up an order of whoever asks.
///
/// # Errors
///
/// When they have no such order; the model is told so.
pub async fn order_status(order: Order, context: ToolContext) -> Result<ToolOutput, ToolError> {
    // By who is asking, never by an argument: a model says what it is talked into.
    let user = context.request().user();
    let status = match order.number.as_str() {
        "A-1700" => "left the warehouse this morning",
        "A-1701" => "waits for the walnut veneer",
        other => return Err(ToolError::new(format!("{} has no order {other}.", user.id))),
    };
    let status = format!("Order {} {status}.", order.number);
    let page = format!("https://shop.example/orders/{}", order.number);
    Ok(ToolOutput::text(status).with_source(UrlSource::new(order.number, page)))
}

/// Cancels an order of whoever asks. Not called before they have pressed a button.
///
/// # Errors
///
/// Never; a real shop may refuse.
pub async fn cancel_order(order: Order, _context: ToolContext) -> Result<ToolOutput, ToolError> {
    Ok(ToolOutput::text(format!("Order {} was cancelled.", order.number)))
}

/// The assistant.
///
/// # Errors
///
/// When two tools have one name.
pub fn assistant(model: ModelClient) -> anyhow::Result<AgentResponder> {
    let orders = FunctionTool::new(
        "order_status",
        "Where an order of the user is. Ask for its number if it is not known.",
        order_status,
    )
    .title("Order status")
    .icon("cube");
    let cancelling =
        FunctionTool::new("cancel_order", "Cancel an order of the user.", cancel_order)
            .approval(Approval::Always);
    // The page does it: `onClientTool` of the element.
    let locating = PageTool::new(
        "locate",
        "Where the user is, as a city, to say which shop is near.",
        json!({"type": "object", "properties": {}}),
    );
    let prompt = PromptConfig {
        system_prompt: "You are the assistant of a furniture shop. Be brief.".to_owned(),
        ..PromptConfig::default()
    };
    let tools: [Arc<dyn Tool>; 3] = [Arc::new(orders), Arc::new(cancelling), Arc::new(locating)];
    let tools = Toolbox::of(tools)?;
    Ok(AgentResponder::new(None, Some(model), prompt).tools(tools)?)
}

/// The shop: what is always the same it says by itself, the rest is the assistant's.
pub struct Shop {
    assistant: AgentResponder,
}

impl Shop {
    /// A shop with this assistant.
    pub fn new(assistant: AgentResponder) -> Self {
        Self { assistant }
    }
}

impl Responder for Shop {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let question = turn.input().map(UserMessageItem::text).unwrap_or_default();
        if question.trim().eq_ignore_ascii_case("opening hours") {
            let mut message = turn.assistant_message().await?;
            message.push("We are open from nine to five.").await?;
            return message.finish().await;
        }
        self.assistant.respond(turn).await
    }

    // The buttons that ask for consent.
    async fn action(&self, turn: &mut Turn, action: ActionSender) -> Result<(), TurnError> {
        self.assistant.action(turn, action).await
    }

    async fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> Option<String> {
        self.assistant.title(context, thread, message).await
    }
}
