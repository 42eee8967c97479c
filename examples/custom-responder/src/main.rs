//! `cargo run -p example-custom-responder`

use anyhow::Context as _;
use example_custom_responder::server;
use parlor_agent::{ModelApi, ModelClient, ModelConfig};
use secrecy::SecretString;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "says where to look")]
async fn main() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let base_url = variable("OPENAI_BASE_URL")
        .unwrap_or_else(|| "https://api.openai.com/v1".to_owned())
        .parse()
        .context("OPENAI_BASE_URL is not a URL")?;
    let name = variable("PARLOR_MODEL").unwrap_or_else(|| "gpt-5-mini".to_owned());
    let api = match variable("PARLOR_MODEL_API").as_deref() {
        Some("chat_completions") => ModelApi::ChatCompletions,
        _ => ModelApi::Responses,
    };
    let mut config = ModelConfig::new(api, base_url, name);
    if let Some(key) = variable("OPENAI_API_KEY") {
        config = config.with_key(SecretString::from(key));
    }

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let server = server(ModelClient::new(config)?, "custom-responder.db", &address).await?;
    println!("Open http://{}", server.local_addr()?);
    server.run(parlor_server::stop_signal()).await?;
    Ok(())
}
