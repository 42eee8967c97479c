//! An assistant that can look up orders: a model, and one function.

use parlor_agent::{
    AgentResponder, ModelClient, PromptConfig,
    tools::{FunctionTool, ToolContext, ToolError, ToolOutput, Toolbox},
};
use parlor_chatkit::protocol::UrlSource;
use schemars::JsonSchema;
use serde::Deserialize;

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
        "A-1700" => "It left the warehouse this morning.",
        "A-1701" => "It waits for the walnut veneer, due on Friday.",
        other => return Err(ToolError::new(format!("{} has no order {other}.", user.id))),
    };
    let page = format!("https://shop.example/orders/{}", order.number);
    Ok(ToolOutput::text(status).with_source(UrlSource::new(order.number, page)))
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
    .title("Looking up the order")
    .icon("cube");
    let prompt = PromptConfig {
        system_prompt: "You are the assistant of a furniture shop. Be brief.".to_owned(),
        ..PromptConfig::default()
    };
    Ok(AgentResponder::new(None, Some(model), prompt).tools(Toolbox::new([orders])?)?)
}
