//! Calls that need the user's consent: every state, over reloads, tabs, messages and restarts.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use parlor_agent::{
    AgentResponder, ModelApi, PromptConfig,
    tools::{Approval, FunctionTool, ToolContext, ToolLimits, Toolbox},
};
use parlor_chatkit::{ChatKit, Identity, Owner, RequestOptions, Response, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_store::SqliteStore;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{client, message};

#[derive(Deserialize, JsonSchema)]
struct Order {
    /// The order's number.
    number: String,
}

/// A chat whose orders can be cancelled, with consent.
struct Shop {
    model: FakeModel,
    folder: tempfile::TempDir,
    chatkit: ChatKit,
    cancelled: Arc<AtomicUsize>,
    consent: Duration,
    api: ModelApi,
}

impl Shop {
    async fn open() -> Self {
        Self::with(ModelApi::Responses, Duration::from_secs(3_600)).await
    }

    async fn with(api: ModelApi, consent: Duration) -> Self {
        let (model, folder) = (FakeModel::start().await, tempfile::tempdir().unwrap());
        let cancelled = Arc::default();
        let chatkit = serve(&model, folder.path(), &cancelled, consent, api).await;
        Self { model, folder, chatkit, cancelled, consent, api }
    }

    /// Another process on the same database: after a restart, or another replica.
    async fn restart(&mut self) {
        let folder = self.folder.path();
        self.chatkit = serve(&self.model, folder, &self.cancelled, self.consent, self.api).await;
    }

    async fn request(&self, user: &str, body: Value) -> Result<Value, Vec<Value>> {
        let (owner, body) = (Owner::single_tenant(UserId::new(user)), body.to_string());
        let options = RequestOptions::default();
        let answer =
            self.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        match answer {
            Ok(Response::Json(answer)) => Ok(serde_json::from_slice(&answer.body).unwrap()),
            Ok(Response::Stream { mut events, .. }) => {
                let mut all = Vec::new();
                while let Some(frame) = events.next().await {
                    let frame = String::from_utf8(frame.to_vec()).unwrap();
                    let data = frame.lines().filter_map(|line| line.strip_prefix("data: "));
                    all.extend(data.map(|data| serde_json::from_str::<Value>(data).unwrap()));
                }
                Err(all)
            }
            Err(error) => Ok(json!({"refused": error.status_and_code().0})),
        }
    }

    /// Asks for something that needs consent; the thread and the card.
    async fn ask(&self) -> (String, String) {
        let cancel = json!({"number": "A-1"});
        self.model.push(Behaviour::new().text("Let me see.").tool_call("cancel_order", cancel));
        let events = self.request("u1", message(None, "Cancel A-1.", json!({}))).await.unwrap_err();
        let thread = events.iter().find(|event| event["type"] == "thread.created").unwrap();
        let thread = thread["thread"]["id"].as_str().unwrap().to_owned();
        let card = self.card(&thread).await;
        (thread, card["id"].as_str().unwrap().to_owned())
    }

    async fn items(&self, thread: &str) -> Vec<Value> {
        let request = json!({
            "type": "items.list", "params": {"thread_id": thread, "order": "asc"}, "metadata": {},
        });
        self.request("u1", request).await.unwrap()["data"].as_array().unwrap().clone()
    }

    async fn card(&self, thread: &str) -> Value {
        let items = self.items(thread).await;
        items.into_iter().find(|item| item["type"] == "widget").unwrap()
    }

    /// What the card says of its state.
    async fn state(&self, thread: &str) -> String {
        let card = self.card(thread).await;
        let buttons = card["widget"]["confirm"].is_object();
        let badge = card["widget"].to_string();
        let states = ["Needs your consent", "Approved", "Denied", "Expired", "Not answered"];
        let state = states.iter().find(|state| badge.contains(*state)).unwrap();
        assert_eq!(buttons, *state == "Needs your consent", "{badge}");
        (*state).to_owned()
    }

    async fn press(
        &self,
        user: &str,
        thread: &str,
        card: &str,
        approve: bool,
    ) -> Result<Value, Vec<Value>> {
        let action = json!({"type": "parlor.approval", "payload": {"approve": approve}});
        let params = json!({"thread_id": thread, "item_id": card, "action": action});
        let request = json!({"type": "threads.custom_action", "params": params, "metadata": {}});
        self.request(user, request).await
    }

    async fn say(&self, thread: &str, text: &str) -> Vec<Value> {
        self.request("u1", message(Some(thread), text, json!({}))).await.unwrap_err()
    }

    /// What the model was told in its last request: results, and instructions.
    fn told(&self) -> (Vec<String>, String) {
        let body = self.model.requests().last().unwrap().body.clone();
        let items = body["input"].as_array().or(body["messages"].as_array()).unwrap();
        let results = items.iter().filter_map(|item| {
            item["output"].as_str().or(item["content"].as_str().filter(|_| item["role"] == "tool"))
        });
        (results.map(str::to_owned).collect(), super::instructions(&body).to_owned())
    }

    fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }
}

async fn serve(
    model: &FakeModel,
    folder: &Path,
    cancelled: &Arc<AtomicUsize>,
    consent: Duration,
    api: ModelApi,
) -> ChatKit {
    let count = Arc::clone(cancelled);
    let cancel = FunctionTool::new(
        "cancel_order",
        "Cancels an order.",
        move |Order { number }: Order, _: ToolContext| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(format!("{number} is cancelled.").into()) }
        },
    );
    let look = FunctionTool::new("look_up", "", async |Order { number }: Order, _| {
        Ok(format!("{number} is a desk.").into())
    });
    let tools = Toolbox::new([cancel.approval(Approval::Always)]).unwrap();
    let tools = tools.with(&Toolbox::new([look]).unwrap()).unwrap();
    let responder = AgentResponder::new(None, Some(client(model, api)), PromptConfig::default())
        .tools(tools)
        .unwrap()
        .tool_limits(ToolLimits { consent, ..ToolLimits::default() });
    let url = format!("sqlite://{}", folder.join("chat.db").display());
    ChatKit::new(SqliteStore::open(&url).await.unwrap(), responder)
}

fn text_of(events: &[Value]) -> String {
    let done = events.iter().rfind(|event| {
        event["type"] == "thread.item.done" && event["item"]["type"] == "assistant_message"
    });
    done.unwrap_or_else(|| panic!("{events:#?}"))["item"]["content"][0]["text"].to_string()
}

#[tokio::test]
async fn an_approved_call_is_made_once_and_the_answer_goes_on() {
    for api in super::APIS {
        let shop = Shop::with(api, Duration::from_secs(3_600)).await;
        let (thread, card) = shop.ask().await;
        assert_eq!(shop.state(&thread).await, "Needs your consent");
        assert!(shop.card(&thread).await["widget"].to_string().contains("number: A-1"));
        assert_eq!((shop.cancelled(), shop.model.requests().len()), (0, 1));

        shop.model.push(Behaviour::new().text("It is cancelled."));
        let events = shop.press("u1", &thread, &card, true).await.unwrap_err();
        assert!(text_of(&events).contains("It is cancelled."));
        assert_eq!((shop.cancelled(), shop.state(&thread).await.as_str()), (1, "Approved"));
        let (results, _) = shop.told();
        assert_eq!(results.len(), 1);
        assert!(results[0].contains("A-1 is cancelled."), "{results:?}");

        // A second tab that shows the old card.
        let again = shop.press("u1", &thread, &card, true).await.unwrap_err();
        assert!(again.iter().any(|event| event["type"] == "notice"), "{again:#?}");
        assert_eq!((shop.cancelled(), shop.model.requests().len()), (1, 2));
        // And one more turn.
        shop.model.push(Behaviour::new().text("You are welcome."));
        shop.say(&thread, "Thanks.").await;
        let (results, instructions) = shop.told();
        assert!(results.is_empty());
        assert!(instructions.contains("the user approved it, and it was called"), "{instructions}");
        assert!(!instructions.contains("held_calls"), "{instructions}");
    }
}

#[tokio::test]
async fn a_denied_call_is_not_made_and_the_model_is_told() {
    let shop = Shop::open().await;
    let (thread, card) = shop.ask().await;
    shop.model.push(Behaviour::new().text("Then I leave it."));
    let events = shop.press("u1", &thread, &card, false).await.unwrap_err();
    assert!(text_of(&events).contains("Then I leave it."));
    assert_eq!((shop.cancelled(), shop.state(&thread).await.as_str()), (0, "Denied"));
    assert!(shop.told().0[0].contains("the user denied this call"));
    shop.press("u1", &thread, &card, true).await.unwrap_err();
    assert_eq!((shop.cancelled(), shop.state(&thread).await.as_str()), (0, "Denied"));
    shop.model.push(Behaviour::new().text("Yes."));
    shop.say(&thread, "Is it still there?").await;
    assert!(shop.told().1.contains("the user denied it, and it was not called"));
}

#[tokio::test]
async fn a_new_message_passes_a_question_over_and_the_model_is_told() {
    let shop = Shop::open().await;
    let (thread, card) = shop.ask().await;
    shop.model.push(Behaviour::new().text("Fine."));
    let events = shop.say(&thread, "Wait, which one is A-1?").await;
    assert!(text_of(&events).contains("Fine."));
    assert_eq!((shop.cancelled(), shop.state(&thread).await.as_str()), (0, "Not answered"));
    let (results, _) = shop.told();
    assert!(results[0].contains("wrote another message"), "{results:?}");
    // Too late now.
    shop.press("u1", &thread, &card, true).await.unwrap_err();
    assert_eq!(shop.cancelled(), 0);
}

#[tokio::test]
async fn consent_that_comes_too_late_is_none() {
    let shop = Shop::with(ModelApi::Responses, Duration::ZERO).await;
    let (thread, card) = shop.ask().await;
    shop.model.push(Behaviour::new().text("It is too late."));
    shop.press("u1", &thread, &card, true).await.unwrap_err();
    assert_eq!((shop.cancelled(), shop.state(&thread).await.as_str()), (0, "Expired"));
    assert!(shop.told().0[0].contains("came too late"));
    shop.model.push(Behaviour::new().text("Yes."));
    shop.say(&thread, "And now?").await;
    assert!(shop.told().1.contains("it was not called"));
}

#[tokio::test]
async fn every_state_outlives_a_restart() {
    for approve in [true, false] {
        let mut shop = Shop::open().await;
        let (thread, card) = shop.ask().await;
        shop.restart().await;
        assert_eq!(shop.state(&thread).await, "Needs your consent");
        shop.model.push(Behaviour::new().text("Well."));
        shop.press("u1", &thread, &card, approve).await.unwrap_err();
        assert_eq!(shop.cancelled(), usize::from(approve));
        shop.restart().await;
        assert_eq!(shop.state(&thread).await, if approve { "Approved" } else { "Denied" });
        shop.press("u1", &thread, &card, true).await.unwrap_err();
        assert_eq!(shop.cancelled(), usize::from(approve));
        shop.model.push(Behaviour::new().text("Hello."));
        assert!(text_of(&shop.say(&thread, "Hello?").await).contains("Hello."));
    }
    let mut shop = Shop::open().await;
    let (thread, _) = shop.ask().await;
    shop.restart().await;
    shop.model.push(Behaviour::new().text("Hello."));
    shop.say(&thread, "Hello?").await;
    assert_eq!(shop.state(&thread).await, "Not answered");
}

#[tokio::test]
async fn nobody_else_can_consent() {
    let shop = Shop::open().await;
    let (thread, card) = shop.ask().await;
    assert_eq!(shop.press("u2", &thread, &card, true).await, Ok(json!({"refused": 404})));
    assert_eq!((shop.cancelled(), shop.state(&thread).await.as_str()), (0, "Needs your consent"));
}

#[tokio::test]
async fn several_calls_wait_for_their_own_answers_and_others_run_at_once() {
    let shop = Shop::open().await;
    let calls = Behaviour::new()
        .tool_call("cancel_order", json!({"number": "A-1"}))
        .tool_call("look_up", json!({"number": "A-3"}))
        .tool_call("cancel_order", json!({"number": "A-2"}))
        .tool_call("cancel_order", json!({"town": "wrong"}));
    shop.model.push(calls);
    let events = shop.request("u1", message(None, "Cancel both.", json!({}))).await.unwrap_err();
    let thread = events[0]["thread"]["id"].as_str().unwrap().to_owned();
    let items = shop.items(&thread).await;
    let cards: Vec<&str> = items
        .iter()
        .filter(|item| item["type"] == "widget")
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(cards.len(), 2, "{items:#?}");
    shop.press("u1", &thread, cards[1], true).await.unwrap_err();
    assert_eq!((shop.cancelled(), shop.model.requests().len()), (0, 1), "the other one waits");
    shop.model.push(Behaviour::new().text("One is cancelled."));
    shop.press("u1", &thread, cards[0], false).await.unwrap_err();
    assert_eq!(shop.cancelled(), 1);
    let results = shop.told().0.concat();
    for expected in
        ["A-3 is a desk.", "do not fit", "A-2 is cancelled.", "the user denied this call"]
    {
        assert_eq!(results.matches(expected).count(), 1, "{expected}: {results}");
    }
}
