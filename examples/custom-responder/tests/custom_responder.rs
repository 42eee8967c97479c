//! The shop, asked through the SDK, with a scripted model.
#![expect(clippy::unwrap_used, reason = "tests")]

use example_custom_responder::{Shop, widgets};
use parlor_agent::{ModelApi, ModelClient, ModelConfig};
use parlor_chatkit::{
    ChatKit, TurnState,
    protocol::{
        Action, ItemId, Source, StatusIndicator, Task, ThreadItem, ThreadStreamEvent, WidgetItem,
        WorkflowItem,
    },
    testing::{Reply, TestUser},
};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_store::SqliteStore;
use serde_json::{Value, json};

struct Scene {
    model: FakeModel,
    chatkit: ChatKit,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let model = FakeModel::start().await;
        let config =
            ModelConfig::new(ModelApi::Responses, model.base_url().parse().unwrap(), "fake");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        let chatkit = ChatKit::new(store, Shop::new(ModelClient::new(config).unwrap()));
        Self { model, chatkit, _folder: folder }
    }

    fn user(&self, name: &str) -> TestUser {
        let metadata = json!({
            "userInfo": {"name": "Ada Lovelace"},
            "pageContext": {"title": "Your orders", "url": "https://shop.example/"},
        });
        TestUser::new(&self.chatkit, name).metadata(metadata.as_object().unwrap().clone())
    }

    /// What the model was sent with its last request.
    fn last_request(&self) -> Value {
        self.model.requests().pop().unwrap().body
    }
}

fn widget(reply: &Reply) -> &WidgetItem {
    let widget = reply.items().find_map(|item| match item {
        ThreadItem::Widget(widget) => Some(widget),
        _ => None,
    });
    widget.unwrap()
}

fn workflow(reply: &Reply) -> &WorkflowItem {
    let workflow = reply.items().find_map(|item| match item {
        ThreadItem::Workflow(workflow) => Some(workflow),
        _ => None,
    });
    workflow.unwrap()
}

fn sources(reply: &Reply) -> Vec<Source> {
    let messages = reply.items().filter_map(|item| match item {
        ThreadItem::AssistantMessage(message) => Some(message),
        _ => None,
    });
    let parts = messages.flat_map(|message| &message.content);
    parts.flat_map(|part| part.annotations.iter().map(|it| it.source.clone())).collect()
}

fn press(action: &str, number: u32) -> Action {
    Action { r#type: action.to_owned(), payload: Some(json!({"number": number})) }
}

async fn proposed(scene: &Scene, user: &mut TestUser, number: u32) -> ItemId {
    scene.model.push(Behaviour::new().tool_call("propose_refund", json!({"number": number})));
    scene.model.push(Behaviour::new().text("Please confirm below."));
    let reply = user.say(&format!("Money back for {number}")).await.unwrap();
    widget(&reply).id.clone()
}

#[tokio::test]
async fn an_order_is_looked_up_shown_and_cited() {
    let scene = Scene::new().await;
    scene.model.push(Behaviour::new().tool_call("find_order", json!({"number": 1043})));
    scene.model.push(Behaviour::new().text("The lamp is on its way [1]."));
    let reply = scene.user("ada").say("Where is order 1043?").await.unwrap();

    assert_eq!(reply.end, Some(TurnState::Done));
    assert_eq!(reply.text(), "The lamp is on its way.");
    let [Source::Entity(order)] = &sources(&reply)[..] else { panic!("{:?}", sources(&reply)) };
    assert_eq!(order.id, "1043");
    assert_eq!(widget(&reply).copy_text.as_deref(), Some("Order 1043: Desk lamp"));
    let [Task::Custom(step)] = &workflow(&reply).workflow.tasks[..] else { panic!("one step") };
    assert_eq!(step.title.as_deref(), Some("Looking up order 1043"));
    assert_eq!(step.status_indicator, StatusIndicator::Complete);

    let request = scene.last_request();
    let instructions = request["instructions"].as_str().unwrap();
    assert!(instructions.contains("Ada Lovelace") && instructions.contains("Your orders"));
    assert!(request.to_string().contains("on_its_way"), "the model got the tool's result");
}

#[tokio::test]
async fn a_step_is_shown_while_it_runs() {
    let scene = Scene::new().await;
    scene.model.push(Behaviour::new().tool_call("read_policies", json!({})));
    scene.model.push(Behaviour::new().text("Within 30 days [1]."));
    let reply = scene.user("ada").say("How long can I return things?").await.unwrap();
    let begun = reply.events.iter().find_map(|event| match event {
        ThreadStreamEvent::ItemAdded(event) => match &event.item {
            ThreadItem::Workflow(item) => item.workflow.tasks.first(),
            _ => None,
        },
        _ => None,
    });
    let Some(Task::Custom(step)) = begun else { panic!("a workflow begins: {:?}", reply.events) };
    assert_eq!(step.status_indicator, StatusIndicator::Loading);
    let [Source::Url(rule)] = &sources(&reply)[..] else { panic!("{:?}", sources(&reply)) };
    assert_eq!(rule.url, "/#returns");
}

#[tokio::test]
async fn a_refund_is_paid_when_the_customer_confirms_and_not_before() {
    let scene = Scene::new().await;
    let mut ada = scene.user("ada");
    let card = proposed(&scene, &mut ada, 1042).await;

    let reply = ada.act(Some(&card), &press(widgets::REFUND, 1042)).await.unwrap();
    assert_eq!(reply.end, Some(TurnState::Done));
    assert_eq!(widget(&reply).id, card, "the card changes in its place");
    let shown = serde_json::to_string(&widget(&reply).widget).unwrap();
    assert!(shown.contains("Refunded") && !shown.contains("confirm"), "{shown}");
    let effects = reply.events.iter().filter(|event| event.tag() == "client_effect");
    assert_eq!(effects.count(), 1);

    // Once only, and the model is told.
    let again = ada.act(Some(&card), &press(widgets::REFUND, 1042)).await.unwrap();
    let error = again.error().unwrap();
    assert_eq!(error.message.as_deref(), Some("Nothing was paid: order 1042 is refunded already."));
    scene.model.push(Behaviour::new().text("It is."));
    ada.say("Is it done?").await.unwrap();
    assert!(scene.last_request().to_string().contains("order 1042 is refunded"));
}

#[tokio::test]
async fn a_refund_that_is_declined_leaves_a_card_without_buttons() {
    let scene = Scene::new().await;
    let mut ada = scene.user("ada");
    let card = proposed(&scene, &mut ada, 1044).await;
    let reply = ada.act(Some(&card), &press(widgets::KEEP, 1044)).await.unwrap();
    let shown = serde_json::to_string(&widget(&reply).widget).unwrap();
    assert!(shown.contains("Delivered") && !shown.contains("confirm"), "{shown}");
    assert_eq!(reply.text(), "");
}

#[tokio::test]
async fn one_customers_card_is_nothing_to_another() {
    let scene = Scene::new().await;
    let mut ada = scene.user("ada");
    let card = proposed(&scene, &mut ada, 1042).await;
    let mut eve = scene.user("eve");
    eve.say("/notools hello").await.unwrap();
    eve.act(Some(&card), &press(widgets::REFUND, 1042)).await.unwrap_err();
    // Eve has an order 1042 of her own; Ada's is not refunded by it.
    eve.act(None, &press(widgets::REFUND, 1042)).await.unwrap();
    let reply = ada.act(Some(&card), &press(widgets::REFUND, 1042)).await.unwrap();
    assert!(reply.error().is_none(), "{:?}", reply.error());
}

#[tokio::test]
async fn a_wrong_call_is_told_to_the_model_which_calls_again() {
    let scene = Scene::new().await;
    scene.model.push(Behaviour::new().tool_call("find_order", json!({"number": "the lamp"})));
    scene.model.push(Behaviour::new().tool_call("find_order", json!({"number": 7})));
    scene.model.push(Behaviour::new().text("You have no order 7."));
    let reply = scene.user("ada").say("Where is my lamp?").await.unwrap();
    assert_eq!(reply.text(), "You have no order 7.");
    let told = scene.last_request().to_string();
    assert!(told.contains("the arguments of find_order are wrong"), "{told}");
    assert!(told.contains("has no order 7"), "{told}");
}

#[tokio::test]
async fn a_model_that_calls_for_ever_has_to_answer() {
    let scene = Scene::new().await;
    scene.model.push(Behaviour::new().tool_call("read_policies", json!({})).times(4));
    scene.model.push(Behaviour::new().text("So be it."));
    let reply = scene.user("ada").say("Loop").await.unwrap();
    assert_eq!(reply.text(), "So be it.");
    assert!(scene.last_request().get("tools").is_none_or(|tools| tools == &json!([])));
}

#[tokio::test]
async fn a_model_that_fails_is_named_and_can_be_asked_again() {
    let scene = Scene::new().await;
    scene.model.push(Behaviour::new().rate_limited(30));
    let reply = scene.user("ada").say("Hello").await.unwrap();
    assert_eq!(reply.end, Some(TurnState::Failed));
    let error = reply.error().unwrap();
    assert_eq!(error.reason.as_deref(), Some("model.rate_limited"));
    assert!(error.allow_retry && error.retry_after == Some(30));
}

#[tokio::test]
async fn stopping_keeps_the_text_and_closes_the_connection_to_the_model() {
    let scene = Scene::new().await;
    scene.model.push(Behaviour::new().text("Half an answer").hold("middle").text(", whole."));
    let mut ada = scene.user("ada");
    let mut reading = ada.begin("Tell me").await.unwrap();
    let arrived = reading.until(|event| serde_json::to_string(event).unwrap().contains("answer"));
    arrived.await.unwrap().unwrap();
    ada.stop().await.unwrap();
    let reply = reading.rest().await.unwrap();
    assert_eq!(reply.end, Some(TurnState::Stopped));
    assert_eq!(reply.text(), "Half an answer");
    let requests = scene.model.requests_when(|all| all[0].aborted_after_events.is_some()).await;
    assert!(!requests[0].finished);
}
