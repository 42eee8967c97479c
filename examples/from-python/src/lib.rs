#![doc = include_str!("../README.md")]

use bytes::Bytes;
use parlor_chatkit::{
    ActionSender, ChatKit, Feedback, RequestContext, Responder, Turn, TurnError,
    protocol::{
        CallId, CustomSummary, CustomTask, Icon, JsonMap, NoticeLevel, StreamOptions,
        StructuredInputMultipleChoice, SyncCustomActionResponse, ThreadItem, ThreadMetadata,
        TranscriptionResult, UrlSource, WidgetItem,
        widgets::{Card, Text, WidgetRoot},
    },
};
use parlor_server::Server;
use parlor_store::SqliteStore;
use serde_json::json;

/// `Desk` in `python/server.py`.
pub struct Desk;

impl Responder for Desk {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let Some(message) = turn.input() else {
            let text = what_came(turn).await?;
            return say(turn, &text).await;
        };
        let text = message.text();
        match text.as_str() {
            "ask" => {
                let question =
                    StructuredInputMultipleChoice::new("size", "Which size?", ["S", "L"]);
                turn.ask(vec![question.into()]).await?;
            }
            "tool" => {
                let arguments = JsonMap::from_iter([("form".to_owned(), json!("delivery"))]);
                turn.client_tool_call(CallId::new("call_1"), "read_form", arguments).await?;
            }
            "widget" => {
                turn.widget(card("Where to?"), Some("Where to?".to_owned())).await?;
            }
            _ => {
                turn.progress(Icon::from_static("search"), "Looking it up").await?;
                let mut steps = turn.workflow();
                steps.add(CustomTask::new("Reading the manual").complete()).await?;
                steps.finish_as(CustomSummary::new("Read the manual")).await?;
                let mut reply = turn.assistant_message().await?;
                reply.push("You said").await?;
                reply.cite(UrlSource::new("Manual", "/manual")).await?;
                reply.push(&format!(": {text}")).await?;
                reply.finish().await?;
                turn.notice(NoticeLevel::Info, "Answered from the manual.").await?;
                turn.set_title(text);
            }
        }
        Ok(())
    }

    async fn action(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        if let Some(item) = sender.widget {
            turn.replace_item(WidgetItem { widget: card("Sent."), ..item }).await?;
        }
        turn.hidden_context(json!("The order was sent.")).await?;
        let payload = sender.action.payload.unwrap_or_default();
        turn.client_effect("order.sent", payload.as_object().cloned().unwrap_or_default()).await?;
        say(turn, "It is on its way.").await
    }

    async fn sync_action(
        &self,
        _context: &RequestContext,
        _thread: &ThreadMetadata,
        sender: ActionSender,
    ) -> Result<SyncCustomActionResponse, TurnError> {
        let noted = |item| WidgetItem { widget: card("Noted."), ..item }.into();
        Ok(SyncCustomActionResponse { updated_item: sender.widget.map(noted) })
    }

    async fn add_feedback(
        &self,
        _context: &RequestContext,
        feedback: Feedback<'_>,
    ) -> Result<(), TurnError> {
        let (kind, count) = (feedback.kind, feedback.item_ids.len());
        tracing::info!(?kind, count, thread = %feedback.thread_id, "feedback");
        Ok(())
    }

    async fn transcribe(
        &self,
        _context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> Result<Option<TranscriptionResult>, TurnError> {
        Ok(Some(TranscriptionResult { text: format!("{} bytes of {mime_type}", audio.len()) }))
    }

    fn stream_options(&self, _context: &RequestContext, _thread: &ThreadMetadata) -> StreamOptions {
        StreamOptions { allow_cancel: false }
    }

    async fn on_cancelled(&self, _context: &RequestContext, thread: &ThreadMetadata) {
        tracing::info!(thread = %thread.id, "stopped");
    }
}

/// The turn goes on without a message: what came is the last item.
async fn what_came(turn: &Turn) -> Result<String, TurnError> {
    Ok(match turn.history(1).await?.pop() {
        Some(ThreadItem::ClientToolCall(call)) => {
            let output = call.output.unwrap_or_default();
            format!("The page says: {}", output["name"].as_str().unwrap_or_default())
        }
        Some(ThreadItem::StructuredInput(item)) => match item.answer("size") {
            Some([size, ..]) => format!("Size {size}, then."),
            _ => "Let us go on.".to_owned(),
        },
        _ => "Let us go on.".to_owned(),
    })
}

async fn say(turn: &mut Turn, text: &str) -> Result<(), TurnError> {
    let mut reply = turn.assistant_message().await?;
    reply.push(text).await?;
    reply.finish().await
}

fn card(text: &str) -> WidgetRoot {
    Card::new([Text::new(text).into()]).into()
}

/// What FastAPI and uvicorn are there.
///
/// # Errors
/// When the database cannot be opened or the address is taken.
pub async fn server(database: &str, address: &str) -> anyhow::Result<Server> {
    let chatkit = ChatKit::new(SqliteStore::open(database).await?, Desk);
    Ok(Server::bind(chatkit, address, Default::default()).await?)
}
