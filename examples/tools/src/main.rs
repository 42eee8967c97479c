//! Serves the assistant on port 8000, or where the first argument says.

use std::env;

use parlor_agent::{ModelApi, ModelClient, ModelConfig};
use parlor_chatkit::ChatKit;
use parlor_store::SqliteStore;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "says where to look")]
async fn main() -> anyhow::Result<()> {
    let or = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let base_url = or("OPENAI_BASE_URL", "https://api.openai.com/v1").parse()?;
    let model = ModelConfig::new(ModelApi::Responses, base_url, or("PARLOR_MODEL", "gpt-5-mini"))
        .with_key(or("OPENAI_API_KEY", "").into());
    let assistant = example_tools::assistant(ModelClient::new(model)?)?;
    let shop = example_tools::Shop::new(assistant);
    let chatkit = ChatKit::new(SqliteStore::open("chat.db").await?, shop);
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let server = parlor_server::Server::bind(chatkit, &address, axum::Router::new()).await?;
    println!("The assistant listens on http://{}", server.local_addr()?);
    Ok(server.run(parlor_server::stop_signal()).await?)
}
