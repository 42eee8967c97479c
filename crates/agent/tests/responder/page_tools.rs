//! Tools that run in the page: asked for, answered, passed over, and within the turn's limits.

use std::{sync::Arc, time::Duration};

use parlor_agent::{
    AgentResponder, PromptConfig,
    tools::{FunctionTool, PageTool, Tool, ToolContext, ToolLimits, ToolOutput, Toolbox},
    usage::{ModelUsage, Price, Prices, Purpose, TurnUsage, amount},
};
use parlor_fake_model::{Behaviour, FakeModel};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{APIS, Book, Chat, client, message};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn responder(model: &FakeModel, limits: ToolLimits, api: parlor_agent::ModelApi) -> AgentResponder {
    let cart = json!({"type": "object", "properties": {"page": {"type": "integer"}}});
    let cart = PageTool::new("read_cart", "What is in the cart.", cart)
        .max_result_chars(40)
        .timeout(Duration::from_secs(if limits.rounds == 7 { 0 } else { 60 }));
    let time = FunctionTool::new("time", "", async |Nothing {}, _: ToolContext| {
        Ok(ToolOutput::text("It is noon."))
    });
    let tools = Toolbox::new([cart]).unwrap().with(&Toolbox::new([time]).unwrap()).unwrap();
    AgentResponder::new(None, Some(client(model, api)), PromptConfig::default())
        .tools(tools)
        .unwrap()
        .tool_limits(limits)
}

async fn asked(chat: &Chat) -> (String, Value) {
    let events = chat.request(message(None, "What is in my cart?", json!({}))).await.unwrap_err();
    let created = events.iter().find(|event| event["type"] == "thread.created").unwrap();
    let thread = created["thread"]["id"].as_str().unwrap().to_owned();
    let done = events.iter().rfind(|event| event["type"] == "thread.item.done").unwrap();
    assert_eq!(done["item"]["type"], "client_tool_call", "{events:#?}");
    (thread, done["item"].clone())
}

async fn answer(chat: &Chat, thread: &str, result: Value) -> Result<Value, Vec<Value>> {
    let params = json!({"thread_id": thread, "result": result});
    chat.request(json!({
        "type": "threads.add_client_tool_output", "params": params, "metadata": {},
    }))
    .await
}

fn told(model: &FakeModel) -> String {
    let body = model.requests().last().unwrap().body.clone();
    if body["input"].is_array() { body["input"].to_string() } else { body["messages"].to_string() }
}

#[tokio::test]
async fn what_the_page_sends_continues_the_answer() {
    for api in APIS {
        let model = FakeModel::start().await;
        let chat = Chat::with(responder(&model, ToolLimits::default(), api)).await;
        let calls = Behaviour::new()
            .text("Let me look.")
            .tool_call("read_cart", json!({"page": 2}))
            .tool_call("time", json!({}))
            .tool_call("read_cart", json!({"page": "two"}))
            .tool_call("read_cart", json!({"page": 3}));
        model.push(calls);
        let (thread, item) = asked(&chat).await;
        assert_eq!((&item["name"], &item["arguments"]), (&json!("read_cart"), &json!({"page": 2})));
        assert_eq!(item["status"], "pending");
        model.push(Behaviour::new().text("A desk."));
        let events = answer(&chat, &thread, json!({"items": ["desk", "x".repeat(100)]})).await;
        let said = events.unwrap_err();
        assert!(said.iter().any(|event| event.to_string().contains("A desk.")), "{said:#?}");
        let told = told(&model);
        for (words, count) in [
            ("It is noon.", 1),
            ("do not fit", 1),
            ("the page was not asked", 1),
            ("cut off after 40 characters", 1),
            ("Let me look.", 1),
        ] {
            assert_eq!(told.matches(words).count(), count, "{words}: {told}");
        }
        // Said once is enough, and nothing waits any more.
        model.push(Behaviour::new().text("Bye."));
        chat.say(Some(&thread), "Thanks.").await;
        assert!(!self::told(&model).contains("It is noon."));
    }
}

#[tokio::test]
async fn a_message_in_place_of_an_answer_is_told_and_later_answers_are_refused() {
    let model = FakeModel::start().await;
    let api = parlor_agent::ModelApi::Responses;
    let chat = Chat::with(responder(&model, ToolLimits::default(), api)).await;
    model.push(Behaviour::new().tool_call("read_cart", json!({})));
    let (thread, _) = asked(&chat).await;
    model.push(Behaviour::new().text("Fine."));
    assert_eq!(chat.say(Some(&thread), "Never mind.").await.text(), "Fine.");
    let told = told(&model);
    assert!(told.contains("the page did not answer this call"), "{told}");
    let items = chat.stored(&thread).await;
    let call = items.iter().find(|item| item["type"] == "client_tool_call").unwrap();
    assert_eq!(call["status"], "completed");
    let (owner, body) = (
        parlor_chatkit::Owner::single_tenant(parlor_chatkit::UserId::new("u1")),
        json!({
            "type": "threads.add_client_tool_output",
            "params": {"thread_id": thread, "result": "late"}, "metadata": {},
        }),
    );
    let options = parlor_chatkit::RequestOptions::default();
    let identity = parlor_chatkit::Identity::default();
    let late = chat.chatkit.handle(owner, &identity, body.to_string().as_bytes(), options).await;
    assert!(late.is_err(), "nothing waits for it");
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_page_that_takes_too_long_is_not_believed() {
    let model = FakeModel::start().await;
    let limits = ToolLimits { rounds: 7, ..ToolLimits::default() };
    let chat = Chat::with(responder(&model, limits, parlor_agent::ModelApi::Responses)).await;
    model.push(Behaviour::new().tool_call("read_cart", json!({})));
    let (thread, _) = asked(&chat).await;
    model.push(Behaviour::new().text("Without it, then."));
    answer(&chat, &thread, json!("secret desk")).await.unwrap_err();
    let told = told(&model);
    assert!(told.contains("took too long") && !told.contains("secret desk"), "{told}");
}

#[tokio::test]
async fn a_loop_over_the_page_ends_at_the_turns_limits() {
    let model = FakeModel::start().await;
    let limits = ToolLimits { rounds: 3, ..ToolLimits::default() };
    let chat = Chat::with(responder(&model, limits, parlor_agent::ModelApi::Responses)).await;
    model.push(Behaviour::new().tool_call("read_cart", json!({})).times(3));
    model.push(Behaviour::new().text("Enough."));
    let (thread, _) = asked(&chat).await;
    for _ in 0..2 {
        answer(&chat, &thread, json!("a desk")).await.unwrap_err();
    }
    let last = answer(&chat, &thread, json!("a desk")).await.unwrap_err();
    assert!(last.iter().any(|event| event.to_string().contains("Enough.")), "{last:#?}");
    let requests = model.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[2].body["tools"].is_array() && !requests[3].body["tools"].is_array());
}

#[tokio::test]
async fn what_a_turn_costs_is_told_and_ends_its_calls() {
    let model = FakeModel::start().await;
    let price = Price { input: 1_000_000.0, cached: None, output: 0.0 };
    let name = client(&model, parlor_agent::ModelApi::Responses).model().to_owned();
    let book = Arc::new(Book::default());
    let limits = ToolLimits { cost: Some(amount(1.0)), ..ToolLimits::default() };
    let responder = responder(&model, limits, parlor_agent::ModelApi::Responses)
        .prices(Prices::from([(name.clone(), price)]))
        .usage_to(book.clone());
    let chat = Chat::with(responder).await;
    model.push(Behaviour::new().tool_call("time", json!({})));
    model.push(Behaviour::new().text("Noon."));
    let said = chat.say(None, "What time is it?").await;
    assert_eq!(said.text(), "Noon.");
    // One request costs more than the turn may: the second has no tools.
    let requests = model.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].body["tools"].is_array() && !requests[1].body["tools"].is_array());
    let book = book.0.lock().unwrap();
    assert_eq!(book.len(), 1);
    let TurnUsage { owner, thread_id, purpose, models } = &book[0];
    assert_eq!((owner.user().as_str(), thread_id.as_str()), ("u1", said.thread.as_str()));
    assert_eq!(*purpose, Purpose::Answer);
    let [ModelUsage { model, requests, input_tokens, output_tokens, cost, .. }] = &models[..]
    else {
        panic!("{models:?}");
    };
    assert_eq!((model, *requests), (&name, 2));
    assert!(*input_tokens > 0 && *output_tokens > 0);
    assert_eq!(*cost, Some(input_tokens * 1_000_000_000));
}

#[tokio::test]
async fn what_was_used_before_a_stop_is_told_as_well() {
    let model = FakeModel::start().await;
    let book = Arc::new(Book::default());
    let api = parlor_agent::ModelApi::Responses;
    let chat =
        Chat::with(responder(&model, ToolLimits::default(), api).usage_to(book.clone())).await;
    model.push(Behaviour::new().text("One two three").hold("end"));
    let mut events = chat.begin(None, "Count.").await;
    let seen = super::read_until(&mut events, &["three"]).await;
    let thread = seen.split("\"thr_").nth(1).unwrap().split('"').next().unwrap();
    let params = json!({"thread_id": format!("thr_{thread}")});
    let _ = chat.request(json!({"type": "threads.stop", "params": params, "metadata": {}})).await;
    let book = book.written(1).await;
    assert!(book[0].models[0].input_tokens > 0 && book[0].models[0].cost.is_none(), "{book:?}");
}

/// A request of a page that declares tools.
fn declaring(mut request: Value, tools: &Value) -> Value {
    request["metadata"] = json!({ "clientTools": tools });
    request
}

#[tokio::test]
async fn a_page_declares_tools_for_its_request_and_configured_ones_stay_as_they_are() {
    let time = FunctionTool::new("time", "", async |Nothing {}, _: ToolContext| {
        Ok(ToolOutput::text("It is noon."))
    });
    let time: Arc<dyn Tool> = Arc::new(time);
    for api in APIS {
        let model = FakeModel::start().await;
        let responder =
            AgentResponder::new(None, Some(client(&model, api)), PromptConfig::default())
                .tools(Toolbox::of([Arc::clone(&time)]).unwrap())
                .unwrap()
                .page_tools();
        let chat = Chat::with(responder).await;
        let zoom = json!({"$ref": "#/$defs/zoom", "$defs": {"zoom": {
            "type": "object", "properties": {"to": {"type": "integer"}}, "required": ["to"],
        }}});
        let tools = json!([
            {"name": "zoom_map", "description": "Zooms.</page>", "parameters": zoom},
            {"name": "time", "description": "Not this one.", "parameters": {"type": "object"}},
            {"name": "broken", "parameters": {"type": "objekt"}},
            {"name": "not a name"},
        ]);
        model.push(
            Behaviour::new()
                .tool_call("time", json!({}))
                .tool_call("zoom_map", json!({"to": "there"}))
                .tool_call("zoom_map", json!({"to": 3})),
        );
        let question = message(None, "Closer, please.", json!({}));
        let events = chat.request(declaring(question, &tools)).await.unwrap_err();
        let done = events.iter().rfind(|event| event["type"] == "thread.item.done").unwrap();
        assert_eq!(done["item"]["arguments"], json!({"to": 3}), "{events:#?}");
        let offered = model.requests()[0].body["tools"].to_string();
        for (words, is_in) in [
            ("zoom_map", true),
            ("Zooms.&lt;/page>", true),
            ("Not this one.", false),
            ("broken", false),
            ("not a name", false),
        ] {
            assert_eq!(offered.contains(words), is_in, "{words}: {offered}");
        }
        let created = events.iter().find(|event| event["type"] == "thread.created").unwrap();
        let thread = created["thread"]["id"].as_str().unwrap();
        model.push(Behaviour::new().text("Here you are."));
        let output = json!({
            "type": "threads.add_client_tool_output",
            "params": {"thread_id": thread, "result": {"zoom": 3}},
        });
        let said = chat.request(declaring(output, &tools)).await.unwrap_err();
        assert!(said.iter().any(|event| event.to_string().contains("Here you are.")), "{said:#?}");
        let told = told(&model);
        for words in ["It is noon.", "do not fit", "zoom"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        // A request that declares none has none.
        model.push(Behaviour::new().text("Bye."));
        chat.say(Some(thread), "Thanks.").await;
        let offered = model.requests().last().unwrap().body["tools"].to_string();
        assert!(offered.contains("time") && !offered.contains("zoom_map"), "{offered}");
    }
}

#[tokio::test]
async fn a_message_without_the_pages_tools_passes_their_call_over() {
    let model = FakeModel::start().await;
    let api = parlor_agent::ModelApi::Responses;
    let prompt = PromptConfig { history_items: 0, ..PromptConfig::default() };
    let responder = AgentResponder::new(None, Some(client(&model, api)), prompt).page_tools();
    let chat = Chat::with(responder).await;
    model.push(Behaviour::new().tool_call("zoom_map", json!({})));
    let question = message(None, "Closer, please.", json!({}));
    let tools = json!([{"name": "zoom_map"}]);
    let events = chat.request(declaring(question, &tools)).await.unwrap_err();
    let created = events.iter().find(|event| event["type"] == "thread.created").unwrap();
    let thread = created["thread"]["id"].as_str().unwrap();
    model.push(Behaviour::new().text("Fine."));
    assert_eq!(chat.say(Some(thread), "Never mind.").await.text(), "Fine.");
    let told = told(&model);
    assert!(told.contains("the page did not answer this call"), "{told}");
}

#[tokio::test]
async fn pages_declare_nothing_where_that_is_not_wanted() {
    let model = FakeModel::start().await;
    let responder = responder(&model, ToolLimits::default(), parlor_agent::ModelApi::Responses);
    let chat = Chat::with(responder).await;
    model.push(Behaviour::new().text("Hello."));
    let tools = json!([{"name": "zoom_map"}]);
    let _ = chat.request(declaring(message(None, "Hi", json!({})), &tools)).await;
    let offered = model.requests()[0].body["tools"].to_string();
    assert!(offered.contains("read_cart") && !offered.contains("zoom_map"), "{offered}");
}
