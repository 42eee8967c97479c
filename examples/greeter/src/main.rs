#![doc = include_str!("../README.md")]

use parlor_chatkit::{ChatKit, Responder, Turn, TurnError};
use parlor_store::SqliteStore;

pub(crate) struct Greeter;

impl Responder for Greeter {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let name = turn.context().user().display_name().unwrap_or("there");
        let greeting = format!("Hello {name}, you are reading {}.", turn.context().page().title());
        let mut reply = turn.assistant_message().await?;
        reply.push(&greeting).await?;
        reply.finish().await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let chatkit = ChatKit::new(SqliteStore::open("chat.db").await?, Greeter);
    parlor_server::serve(chatkit, "127.0.0.1:8000").await
}
