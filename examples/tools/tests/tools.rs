//! The assistant, asked over a model that does as it is told.
#![expect(clippy::unwrap_used, reason = "tests")]

use futures::StreamExt as _;
use parlor_agent::{ModelApi, ModelClient, ModelConfig};
use parlor_chatkit::{ChatKit, Identity, Owner, RequestOptions, Response, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_store::SqliteStore;
use serde_json::json;

#[tokio::test]
async fn an_order_is_looked_up_and_shown_as_a_step() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().tool_call("order_status", json!({"number": "A-1700"})));
    model.push(Behaviour::new().tool_call("order_status", json!({"number": "B-1"})));
    model.push(Behaviour::new().text("A-1700 is on its way."));
    let base_url = model.base_url().parse().unwrap();
    let client = ModelConfig::new(ModelApi::Responses, base_url, "fake-model");
    let assistant = example_tools::assistant(ModelClient::new(client).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("chat.db").to_str().unwrap()).await.unwrap();
    let chatkit = ChatKit::new(store, example_tools::Shop::new(assistant));

    let seen = ask(&chatkit, "Opening hours").await;
    assert!(seen.contains("nine to five"), "{seen}");
    assert_eq!(model.requests().len(), 0, "no model was asked");

    let seen = ask(&chatkit, "Where is A-1700?").await;
    for expected in ["Order status", "https://shop.example/orders/A-1700", "This did not work."] {
        assert!(seen.contains(expected), "{expected} is not in {seen}");
    }
    let told = model.requests()[2].body.to_string();
    assert!(told.contains("Order A-1700 left the warehouse this morning."), "{told}");
    assert!(told.contains("Error: ada has no order B-1."), "{told}");
}

/// Asks in a new conversation; all that is said.
async fn ask(chatkit: &ChatKit, question: &str) -> String {
    let request = json!({
        "type": "threads.create",
        "params": {"input": {
            "content": [{"type": "input_text", "text": question}],
            "attachments": [], "inference_options": {},
        }},
    });
    let owner = Owner::single_tenant(UserId::new("ada"));
    let (request, options) = (request.to_string(), RequestOptions::default());
    let answer = chatkit.handle(owner, &Identity::default(), request.as_bytes(), options).await;
    let Ok(Response::Stream { mut events, .. }) = answer else { panic!("no stream") };
    let mut seen = String::new();
    while let Some(frame) = events.next().await {
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
    seen
}
