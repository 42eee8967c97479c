#![doc = include_str!("../README.md")]

use std::collections::BTreeMap;

use axum::{Router, response::Html, routing::get};
use parlor_chatkit::{
    ChatKit, Responder, Turn, TurnError,
    protocol::{
        CallId, ClientToolCallItem, JsonMap, StructuredInputFreeform, StructuredInputItem,
        StructuredInputMultipleChoice, ThreadItem,
    },
};
use parlor_server::Server;
use parlor_store::SqliteStore;
use serde::Deserialize;
use serde_json::{Value, json};

/// Gives the form's fields: `{"fields": {name: value}}`.
pub const READ_FORM: &str = "read_form";
/// Takes `{"values": {name: value}}`, gives `{"filled": [name]}`.
pub const FILL_FORM: &str = "fill_form";
/// Takes `{"section": id}`, and shows it.
pub const GO_TO: &str = "go_to";

/// Fills in a form that is on the user's page, where the server cannot reach.
pub struct Clerk;

impl Responder for Clerk {
    /// A turn that calls a tool, or asks, ends there. What the page or the user answers begins
    /// another turn, without a message: the thread says where we are, so nothing has to be kept in
    /// memory, and a restart in between harms nobody.
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        if let Some(message) = turn.input() {
            let wish = message.text().to_lowercase();
            return begin(turn, &wish).await;
        }
        match turn.history(1).await?.pop() {
            Some(ThreadItem::ClientToolCall(call)) => answered_by_the_page(turn, call).await,
            Some(ThreadItem::StructuredInput(item)) => answered_by_the_user(turn, &item).await,
            _ => Ok(()),
        }
    }
}

/// The user said something.
async fn begin(turn: &mut Turn, wish: &str) -> Result<(), TurnError> {
    turn.set_title_at_end("Your delivery");
    if wish.contains("fill") {
        turn.ask(vec![
            StructuredInputFreeform::new("name", "Who is it for?").into(),
            StructuredInputFreeform::new("street", "Where does it go?")
                .description("Street and number")
                .into(),
            StructuredInputMultipleChoice::new("speed", "How fast?", ["Standard", "Express"])
                .into(),
        ])
        .await?;
        return Ok(());
    }
    if wish.contains("check") {
        return call(turn, READ_FORM, json!({})).await;
    }
    if wish.contains("return") {
        return call(turn, GO_TO, json!({"section": "returns"})).await;
    }
    say(
        turn,
        "I can **fill in** the form for you, **check** what is still missing, or show you what \
         you need to know about **returns**.",
    )
    .await
}

/// The user answered our questions, or passed them over.
async fn answered_by_the_user(
    turn: &mut Turn,
    item: &StructuredInputItem,
) -> Result<(), TurnError> {
    let answers = ["name", "street", "speed"].into_iter().filter_map(|field| {
        let value = item.answer(field)?.first()?;
        Some((field.to_owned(), Value::from(value.as_str())))
    });
    let values = JsonMap::from_iter(answers);
    if values.is_empty() {
        return say(turn, "Then I leave the form as it is.").await;
    }
    call(turn, FILL_FORM, json!({"values": values})).await
}

/// What the page's tools give back. It came from a browser: anything may be in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Output {
    /// The tool failed, or the page has none of that name.
    Failed { error: String },
    /// Of [`READ_FORM`].
    Read { fields: BTreeMap<String, String> },
    /// Of [`FILL_FORM`].
    Filled { filled: Vec<String> },
    /// Of [`GO_TO`].
    Went { section: String },
}

/// A tool has run in the page, or has not.
async fn answered_by_the_page(turn: &mut Turn, call: ClientToolCallItem) -> Result<(), TurnError> {
    let output = serde_json::from_value(call.output.unwrap_or_default());
    let text = match output {
        Ok(Output::Read { fields }) => {
            let empty: Vec<_> =
                fields.iter().filter(|(_, value)| value.trim().is_empty()).collect();
            match &empty[..] {
                [] => "Everything is filled in. You can send it.".to_owned(),
                [(field, _)] => format!("Only **{field}** is missing."),
                _ => {
                    let names = empty.iter().map(|(field, _)| format!("- **{field}**\n"));
                    format!("These are missing:\n\n{}", names.collect::<String>())
                }
            }
        }
        Ok(Output::Filled { filled }) => {
            format!("I have filled in {}. Please check it before you send it.", filled.join(", "))
        }
        Ok(Output::Went { section }) => format!("Here is what to know about {section}."),
        Ok(Output::Failed { error }) => format!("The page could not do that: {error}"),
        Err(_) => "The page gave an answer that I do not understand.".to_owned(),
    };
    say(turn, &text).await
}

/// Calls a tool in the page. The turn ends after it.
async fn call(turn: &mut Turn, tool: &str, arguments: Value) -> Result<(), TurnError> {
    // The model's id of the call where there is a model; here any id that is new.
    let (id, _, _) = turn.new_item("call");
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    turn.client_tool_call(CallId::new(id.as_str()), tool, arguments).await?;
    Ok(())
}

async fn say(turn: &mut Turn, text: &str) -> Result<(), TurnError> {
    let mut reply = turn.assistant_message().await?;
    reply.push(text).await?;
    reply.finish().await
}

/// The page with the form and the chat, on one port.
///
/// # Errors
/// When the database cannot be opened or the address is taken.
pub async fn server(database: &str, address: &str) -> anyhow::Result<Server> {
    let chatkit = ChatKit::new(SqliteStore::open(database).await?, Clerk);
    let pages = Router::new().route("/", get(async || Html(include_str!("../page.html"))));
    Ok(Server::bind(chatkit, address, pages).await?)
}
