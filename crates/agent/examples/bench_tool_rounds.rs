//! What a round of tools costs beside the model and the tool; see `bench/README.md`.
//!
//! A turn with so many rounds, against the same requests made directly, to the same model. Prints one
//! figure a line.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{env, error::Error, time::Instant};

use futures::StreamExt as _;
use parlor_agent::{
    AgentResponder, ModelApi, ModelClient, ModelConfig, ModelError, PromptConfig,
    model::{InputItem, ModelRequest},
    tools::{FunctionTool, ToolContext, ToolLimits, ToolOutput, Toolbox},
};
use parlor_chatkit::{ChatKit, Identity, Owner, RequestOptions, Response, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_store::SqliteStore;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Rounds of a turn.
const ROUNDS: u32 = 20;
/// Calls of a round.
const CALLS: usize = 2;

#[derive(Deserialize, JsonSchema)]
struct Number {
    /// Any number.
    number: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let turns: usize = env::args().nth(1).map_or(Ok(60), |turns| turns.parse())?;
    let model = FakeModel::start().await;
    let config = ModelConfig::new(ModelApi::Responses, model.base_url().parse()?, "fake-model");
    let client = ModelClient::new(config)?;
    let double = FunctionTool::new(
        "double",
        "Doubles a number.",
        async |Number { number }: Number, _: ToolContext| {
            Ok(ToolOutput::text((number * 2).to_string()))
        },
    );
    let tools = Toolbox::new([double])?;
    let limits = ToolLimits { rounds: ROUNDS, calls: 1_000, ..ToolLimits::default() };
    let responder = AgentResponder::new(None, Some(client.clone()), PromptConfig::default())
        .tools(tools.clone())?
        .tool_limits(limits);
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("chat.db").display());
    let chatkit = ChatKit::new(SqliteStore::open(&url).await?, responder);

    let script = |model: &FakeModel| {
        model.reset();
        let call = |calls: Behaviour, _: usize| calls.tool_call("double", json!({"number": 21}));
        model.push((0..CALLS).fold(Behaviour::new(), call).times(ROUNDS));
        model.push(Behaviour::new().text("Forty-two."));
    };
    let mut rounds = Vec::new();
    // The first ones warm up.
    for turn in 0..turns + 5 {
        script(&model);
        let began = Instant::now();
        ask(&chatkit).await?;
        let with_tools = began.elapsed();
        script(&model);
        let began = Instant::now();
        ask_directly(&client, &tools).await?;
        let directly = began.elapsed();
        if turn >= 5 {
            let over = with_tools.as_secs_f64() - directly.as_secs_f64();
            rounds.push(over * 1_000.0 / f64::from(ROUNDS));
        }
    }
    rounds.sort_by(f64::total_cmp);
    println!("tools.round.median_ms {:.3}", rounds[rounds.len() / 2]);
    println!("tools.round.p90_ms {:.3}", rounds[rounds.len() * 9 / 10]);
    Ok(())
}

async fn ask(chatkit: &ChatKit) -> Result<(), Box<dyn Error>> {
    let request = json!({
        "type": "threads.create",
        "params": {"input": {
            "content": [{"type": "input_text", "text": "How much is it?"}],
            "attachments": [], "inference_options": {},
        }},
    });
    let owner = Owner::single_tenant(UserId::new("u1"));
    let (request, options) = (request.to_string(), RequestOptions::default());
    match chatkit.handle(owner, &Identity::default(), request.as_bytes(), options).await? {
        Response::Stream { mut events, .. } => {
            let mut all = Vec::new();
            while let Some(frame) = events.next().await {
                all.extend_from_slice(&frame);
            }
            let all = String::from_utf8(all)?;
            if !all.contains("Forty-two.") || !all.ends_with(": end done\n\n") {
                return Err(format!("an answer is not whole: {all}").into());
            }
            Ok(())
        }
        Response::Json(_) => Err("no stream".into()),
    }
}

/// The same requests without anything around them.
async fn ask_directly(client: &ModelClient, tools: &Toolbox) -> Result<(), ModelError> {
    let mut request = ModelRequest {
        input: vec![InputItem::User("How much is it?".to_owned())],
        tools: tools.specs().into(),
        ..ModelRequest::default()
    };
    for round in 0..=ROUNDS {
        let mut stream = client.stream(&request).await?;
        while let Some(event) = stream.next().await {
            event?;
        }
        for call in 0..CALLS {
            let call_id = format!("call_{round}_{call}");
            request.input.push(InputItem::ToolCall {
                call_id: call_id.clone(),
                name: "double".to_owned(),
                arguments: r#"{"number":21}"#.to_owned(),
            });
            let output = "<tool_result tool=\"double\">\n42\n</tool_result>".to_owned();
            request.input.push(InputItem::ToolResult { call_id, output });
        }
    }
    Ok(())
}
