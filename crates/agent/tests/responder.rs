//! The responder as a user of the chat meets it: requests in, events out, the fake model behind.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use parlor_agent::usage::{TurnUsage, UsageSink};
use parlor_agent::{AgentResponder, History, ModelApi, ModelClient, ModelConfig, PromptConfig};
use parlor_chatkit::{ChatKit, EventStream, Identity, Owner, RequestOptions, Response, UserId};
use parlor_fake_model::{Behaviour, ErrorShape, FakeModel};
use parlor_search::{Neighbours, Passage, PassageSearch, SearchError, SearchFuture, SearchRequest};
use parlor_store::SqliteStore;
use serde_json::{Value, json};

#[path = "responder/approval.rs"]
mod approval;
#[path = "responder/guard.rs"]
mod guard;
#[path = "responder/http_tools.rs"]
mod http_tools;
#[path = "responder/page_tools.rs"]
mod page_tools;
#[path = "responder/team.rs"]
mod team;
#[path = "responder/thoughts.rs"]
mod thoughts;
#[path = "responder/tools.rs"]
mod tools;

const APIS: [ModelApi; 2] = [ModelApi::Responses, ModelApi::ChatCompletions];

/// A search with fixed answers.
enum Library {
    Finds(Vec<Passage>),
    Fails,
}

impl PassageSearch for Library {
    fn search<'a>(&'a self, request: SearchRequest<'a>) -> SearchFuture<'a> {
        Box::pin(async move {
            match self {
                Self::Finds(passages) => Ok(passages.iter().take(request.limit).cloned().collect()),
                Self::Fails => Err(broken_index().await),
            }
        })
    }
}

/// A real error of the search: an index that cannot be opened.
async fn broken_index() -> SearchError {
    match parlor_search::SqliteIndex::open("sqlite:///nonexistent/folder/index.db").await {
        Ok(_) => panic!("an index in a folder that does not exist"),
        Err(error) => error,
    }
}

fn passage(id: i64, heading: &str, text: &str) -> Passage {
    Passage {
        id,
        document_title: "Guide".into(),
        breadcrumbs: vec!["Guide".into(), heading.into()],
        url: format!("/guide#{}", heading.to_lowercase()),
        text: text.into(),
        description: None,
        score: 1.0,
        neighbours: Neighbours::default(),
    }
}

fn library() -> Arc<dyn PassageSearch> {
    Arc::new(Library::Finds(vec![
        passage(1, "Install", "Run the installer. Then wait a while."),
        passage(2, "Ports", "It listens on port 8000. Change it with PARLOR_LISTEN."),
    ]))
}

/// Keeps what turns took.
#[derive(Default)]
struct Book(Mutex<Vec<TurnUsage>>);

impl Book {
    /// What it has once that is so much. A turn writes it when all who work for it are gone.
    async fn written(&self, turns: usize) -> Vec<TurnUsage> {
        loop {
            let book = self.0.lock().unwrap().clone();
            if book.len() >= turns {
                return book;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl UsageSink for Book {
    fn used(&self, usage: TurnUsage) {
        self.0.lock().unwrap().push(usage);
    }
}

/// The request that says something.
fn message(thread: Option<&str>, text: &str, options: Value) -> Value {
    let input = json!({
        "content": [{"type": "input_text", "text": text}],
        "attachments": [], "inference_options": options,
    });
    let metadata = json!({
        "userInfo": {"name": "Ada Lovelace"},
        "pageContext": {"title": "Install guide", "url": "https://example.com/install"},
    });
    match thread {
        None => json!({
            "type": "threads.create", "params": {"input": input}, "metadata": metadata,
        }),
        Some(thread) => json!({
            "type": "threads.add_user_message",
            "params": {"thread_id": thread, "input": input}, "metadata": metadata,
        }),
    }
}

struct Chat {
    chatkit: ChatKit,
    _folder: tempfile::TempDir,
}

impl Chat {
    async fn with(responder: AgentResponder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("chat.db").display());
        let store = SqliteStore::open(&url).await.unwrap();
        Self { chatkit: ChatKit::new(store, responder), _folder: folder }
    }

    async fn over(model: &FakeModel, api: ModelApi) -> Self {
        Self::with(AgentResponder::new(
            Some(library()),
            Some(client(model, api)),
            PromptConfig::default(),
        ))
        .await
    }

    async fn request(&self, body: Value) -> Result<Value, Vec<Value>> {
        let owner = Owner::single_tenant(UserId::new("u1"));
        let body = body.to_string();
        let options = RequestOptions::default();
        let answer =
            self.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        match answer.unwrap() {
            Response::Json(answer) => Ok(serde_json::from_slice(&answer.body).unwrap()),
            Response::Stream { mut events, .. } => {
                let mut all = Vec::new();
                while let Some(frame) = events.next().await {
                    let frame = String::from_utf8(frame.to_vec()).unwrap();
                    let data = frame.lines().filter_map(|line| line.strip_prefix("data: "));
                    all.extend(data.map(|data| serde_json::from_str::<Value>(data).unwrap()));
                }
                Err(all)
            }
        }
    }

    /// Says something and gives the stream of the answer.
    async fn begin(&self, thread: Option<&str>, text: &str) -> EventStream {
        let owner = Owner::single_tenant(UserId::new("u1"));
        let body = message(thread, text, json!({})).to_string();
        let options = RequestOptions::default();
        let answer =
            self.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        match answer {
            Ok(Response::Stream { events, .. }) => events,
            _ => panic!("no stream"),
        }
    }

    /// Says something, in a new thread or in one that is there.
    async fn say(&self, thread: Option<&str>, text: &str) -> Answer {
        self.say_with(thread, text, json!({})).await
    }

    async fn say_with(&self, thread: Option<&str>, text: &str, options: Value) -> Answer {
        let body = message(thread, text, options);
        let events = self.request(body).await.unwrap_err();
        let thread = match thread {
            Some(thread) => thread.to_owned(),
            None => events
                .iter()
                .find(|event| event["type"] == "thread.created")
                .and_then(|event| event["thread"]["id"].as_str())
                .unwrap()
                .to_owned(),
        };
        Answer { thread, events }
    }

    async fn stored(&self, thread: &str) -> Vec<Value> {
        let request = json!({
            "type": "items.list", "params": {"thread_id": thread, "order": "asc"}, "metadata": {},
        });
        let page = self.request(request).await.unwrap();
        page["data"].as_array().unwrap().clone()
    }

    /// The text of the thread's last assistant message.
    async fn stored_text(&self, thread: &str) -> Option<String> {
        let items = self.stored(thread).await;
        let message = items.iter().rfind(|item| item["type"] == "assistant_message")?;
        Some(message["content"][0]["text"].as_str().unwrap_or_default().to_owned())
    }
}

struct Answer {
    thread: String,
    events: Vec<Value>,
}

impl Answer {
    fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["type"] == kind).collect()
    }

    /// The finished assistant message's content.
    fn content(&self) -> &Value {
        let done = self.of_type("thread.item.done");
        let message = done.iter().rfind(|event| event["item"]["type"] == "assistant_message");
        &message.unwrap_or_else(|| panic!("{:#?}", self.events))["item"]["content"][0]
    }

    fn text(&self) -> &str {
        self.content()["text"].as_str().unwrap()
    }

    /// Where each citation points and to what.
    fn citations(&self) -> Vec<(u64, String)> {
        let annotations = self.content()["annotations"].as_array().unwrap();
        annotations
            .iter()
            .map(|annotation| {
                let url = annotation["source"]["url"].as_str().unwrap().to_owned();
                (annotation["index"].as_u64().unwrap(), url)
            })
            .collect()
    }

    fn error(&self) -> &Value {
        self.of_type("error").first().copied().unwrap_or(&Value::Null)
    }
}

fn client(model: &FakeModel, api: ModelApi) -> ModelClient {
    let config = ModelConfig::new(api, model.base_url().parse().unwrap(), "fake-model");
    ModelClient::new(config).unwrap()
}

fn instructions(body: &Value) -> &str {
    let of_chat = &body["messages"][0]["content"];
    body["instructions"].as_str().or(of_chat.as_str()).unwrap()
}

#[tokio::test]
async fn a_question_is_searched_for_answered_and_cited() {
    for api in APIS {
        let model = FakeModel::start().await;
        let chat = Chat::over(&model, api).await;
        let answer = chat.say(None, "How do I install it?").await;
        let text = "Here is what the documents say. Run the installer. It listens on port 8000.";
        assert_eq!(answer.text(), text);
        let citations =
            [(50, "/guide#install".to_owned()), (text.len() as u64, "/guide#ports".to_owned())];
        assert_eq!(answer.citations(), citations);
        let progress = answer.of_type("progress_update");
        assert_eq!(progress[0]["icon"], "search");
        assert_eq!(chat.stored_text(&answer.thread).await.as_deref(), Some(text));
        let titled = answer.of_type("thread.updated");
        assert_eq!(titled[0]["thread"]["title"], "How do I install it?");
    }
}

#[tokio::test]
async fn the_model_is_told_who_asks_where_and_what_was_said() {
    for api in APIS {
        let model = FakeModel::start().await;
        let chat = Chat::over(&model, api).await;
        let first = chat.say(None, "How do I install it?").await;
        chat.say(Some(&first.thread), "And then what?").await;
        let requests = model.requests();
        assert_eq!(requests.len(), 4);
        let told = instructions(&requests[0].body);
        for expected in ["Ada Lovelace", "Install guide", "https://example.com/install"] {
            assert!(told.contains(expected), "{expected} is not in {told}");
        }
        assert!(!told.contains("<message"), "nothing was said yet: {told}");
        let told = instructions(&requests[2].body);
        let said = "<message from=\"user\">\nHow do I install it?\n</message>\n<message \
                    from=\"assistant\">\nHere is what the documents say. Run the installer.";
        assert!(told.contains(said), "{told}");
        assert!(!told.contains("And then what?"), "the question is the input: {told}");
        assert_eq!(requests[2].user_message.as_deref(), Some("And then what?"));
    }
}

#[tokio::test]
async fn history_can_be_sent_as_messages() {
    let model = FakeModel::start().await;
    let prompt = PromptConfig { history: History::Messages, ..PromptConfig::default() };
    let chat = Chat::with(AgentResponder::new(
        None,
        Some(client(&model, ModelApi::ChatCompletions)),
        prompt,
    ))
    .await;
    let first = chat.say(None, "One").await;
    chat.say(Some(&first.thread), "Two").await;
    let messages = &model.requests()[1].body["messages"];
    assert_eq!(messages[1], json!({"role": "user", "content": "One"}));
    assert_eq!(messages[2], json!({"role": "assistant", "content": "You said: One"}));
    assert_eq!(messages[3], json!({"role": "user", "content": "Two"}));
}

/// Reads a stream until all of these words have come.
async fn read_until(events: &mut EventStream, words: &[&str]) -> String {
    let mut seen = String::new();
    while !words.iter().all(|word| seen.contains(word)) {
        let frame = events.next().await.unwrap_or_else(|| panic!("it ended: {seen}"));
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
    seen
}

#[tokio::test]
async fn words_appear_while_the_rest_is_still_being_generated() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("first words").hold("middle").text(" and the rest"));
    let chat = Chat::over(&model, ModelApi::Responses).await;
    let mut events = chat.begin(None, "x").await;
    let seen = read_until(&mut events, &["first", "words"]).await;
    assert!(!seen.contains("rest"));
    model.release("middle");
    read_until(&mut events, &["first words and the rest", ": end done"]).await;
}

#[tokio::test]
async fn every_failure_is_told_with_its_kind_and_keeps_the_text() {
    let half = || Behaviour::new().text("Half an answer");
    let cases = [
        (Behaviour::new().status(401), None, "model.unauthorized", false),
        (Behaviour::new().rate_limited(30), None, "model.rate_limited", true),
        (Behaviour::new().status(500).times(3), None, "model.server_error", true),
        (Behaviour::new().status(404), None, "model.not_found", false),
        (half().cut(), Some("Half an answer"), "model.cut", true),
        (half().malformed().end(), Some("Half an answer"), "model.malformed", true),
        (
            half().error(ErrorShape::Event, "server_error", "overloaded"),
            Some("Half an answer"),
            "model.server_error",
            true,
        ),
        (Behaviour::new(), None, "model.empty", true),
    ];
    for api in APIS {
        let model = FakeModel::start().await;
        let chat = Chat::over(&model, api).await;
        for (behaviour, text, reason, allow_retry) in &cases {
            model.reset();
            model.push(behaviour.clone());
            let answer = chat.say(None, "x").await;
            let error = answer.error();
            assert_eq!(error["reason"], *reason, "{api:?} {behaviour:?} {error}");
            assert_eq!(error["allow_retry"], *allow_retry, "{api:?} {behaviour:?}");
            assert!(!error["message"].as_str().unwrap().is_empty());
            assert_eq!(chat.stored_text(&answer.thread).await.as_deref(), *text, "{behaviour:?}");
            if *reason == "model.rate_limited" {
                assert_eq!(error["retry_after"], 30);
            }
            // The next message works.
            model.reset();
            let next = chat.say(Some(&answer.thread), "/notools next").await;
            assert_eq!(next.text(), "You said: next");
        }
    }
}

#[tokio::test]
async fn silence_and_a_refused_connection_are_told() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half an answer").stall());
    let base = model.base_url().parse().unwrap();
    let config =
        ModelConfig::new(ModelApi::Responses, base, "m").with_idle_timeout(Duration::from_secs(2));
    let chat = Chat::with(AgentResponder::new(
        None,
        Some(ModelClient::new(config).unwrap()),
        PromptConfig::default(),
    ))
    .await;
    let answer = chat.say(None, "x").await;
    assert_eq!(answer.error()["reason"], "model.silent");
    assert_eq!(chat.stored_text(&answer.thread).await.as_deref(), Some("Half an answer"));
    // Silence ends the connection, too.
    model.requests_when(|requests| requests[0].aborted_after_events.is_some()).await;

    drop(model);
    let answer = loop {
        // The listener is closed when its task is gone, which may be a moment later.
        let answer = chat.say(None, "x").await;
        if answer.error()["reason"] == "model.unreachable" {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer.error()["allow_retry"], true);
    assert!(!answer.error()["message"].as_str().unwrap().contains("127.0.0.1"));
}

#[tokio::test]
async fn bad_calls_are_answered_with_errors_that_the_model_can_mend() {
    for api in APIS {
        let model = FakeModel::start().await;
        let chat = Chat::over(&model, api).await;
        model.push(
            Behaviour::new()
                .tool_call("search_documents", json!("{\"query\": "))
                .tool_call("make_coffee", json!({})),
        );
        model.push(Behaviour::new().tool_call("search_documents", json!({"query": "ports"})));
        model.push(Behaviour::new().text("It is 8000 [2]."));
        let answer = chat.say(None, "Which port?").await;
        assert_eq!(answer.text(), "It is 8000.");
        assert_eq!(answer.citations(), [(10, "/guide#ports".to_owned())]);
        let second = model.requests()[1].body.to_string();
        assert!(second.contains("must be a JSON object"), "{second}");
        assert!(second.contains("there is no tool “make_coffee”"), "{second}");
    }
}

#[tokio::test]
async fn a_model_that_searches_for_ever_is_made_to_answer() {
    for api in APIS {
        let model = FakeModel::start().await;
        let chat = Chat::over(&model, api).await;
        let search = Behaviour::new().tool_call("search_documents", json!({"query": "x"}));
        model.push(search.times(8));
        model.push(Behaviour::new().text("Enough."));
        let answer = chat.say(None, "x").await;
        assert_eq!(answer.text(), "Enough.");
        let requests = model.requests();
        assert_eq!(requests.len(), 9);
        assert!(requests[7].body.get("tools").is_some());
        assert!(requests[8].body.get("tools").is_none());
    }
}

#[tokio::test]
async fn text_before_a_search_is_a_paragraph_of_its_own() {
    let model = FakeModel::start().await;
    let chat = Chat::over(&model, ModelApi::Responses).await;
    let search = json!({"query": "x"});
    model.push(Behaviour::new().text("Let me look.").tool_call("search_documents", search));
    model.push(Behaviour::new().text("Run it [1]."));
    let answer = chat.say(None, "x").await;
    assert_eq!(answer.text(), "Let me look.\n\nRun it.");
    assert_eq!(answer.citations(), [(20, "/guide#install".to_owned())]);
}

#[tokio::test]
async fn passages_that_were_used_but_not_cited_are_attached() {
    let model = FakeModel::start().await;
    let chat = Chat::over(&model, ModelApi::Responses).await;
    model.push(Behaviour::new().tool_call("search_documents", json!({"query": "x"})));
    model.push(Behaviour::new().text("It listens on port 8000, see PARLOR_LISTEN, and change it."));
    let answer = chat.say(None, "How?").await;
    assert_eq!(answer.citations(), [(58, "/guide#ports".to_owned())]);
}

#[tokio::test]
async fn a_search_that_fails_is_no_error() {
    let model = FakeModel::start().await;
    let search: Arc<dyn PassageSearch> = Arc::new(Library::Fails);
    let responder = AgentResponder::new(
        Some(search),
        Some(client(&model, ModelApi::Responses)),
        PromptConfig::default(),
    );
    let answer = Chat::with(responder).await.say(None, "x").await;
    assert!(answer.error().is_null());
    assert!(answer.text().contains("The search is not available"), "{}", answer.text());
}

#[tokio::test]
async fn an_answer_cut_short_comes_with_a_notice() {
    let model = FakeModel::start().await;
    let chat = Chat::over(&model, ModelApi::Responses).await;
    let answer = chat.say(None, "/incomplete").await;
    assert_eq!(answer.text(), "The first half of an answer, ");
    assert_eq!(answer.of_type("notice")[0]["level"], "warning");
}

#[tokio::test]
async fn only_allowed_models_can_be_chosen() {
    let model = FakeModel::start().await;
    let responder = AgentResponder::new(
        None,
        Some(client(&model, ModelApi::Responses)),
        PromptConfig::default(),
    );
    let chat = Chat::with(responder.allowed_models(["large"])).await;
    chat.say_with(None, "x", json!({"model": "large"})).await;
    chat.say_with(None, "x", json!({"model": "expensive"})).await;
    let asked: Vec<Value> =
        model.requests().iter().map(|request| request.body["model"].clone()).collect();
    assert_eq!(asked, ["large", "fake-model"]);
}

#[tokio::test]
async fn stopping_closes_the_connection_to_the_model() {
    let model = FakeModel::start().await;
    let chat = Chat::over(&model, ModelApi::Responses).await;
    let thread = chat.say(None, "/notools first").await.thread;
    model.reset();
    model.push(Behaviour::new().text("Half an answer").hold("never"));
    let mut events = chat.begin(Some(&thread), "x").await;
    read_until(&mut events, &["Half", "answer"]).await;
    let stop = json!({"type": "threads.stop", "params": {"thread_id": thread}, "metadata": {}});
    assert_eq!(chat.request(stop).await, Ok(json!({"stopped": true})));
    read_until(&mut events, &[": end stopped"]).await;
    model.requests_when(|requests| requests[0].aborted_after_events.is_some()).await;
    assert_eq!(chat.stored_text(&thread).await.as_deref(), Some("Half an answer"));
}

#[tokio::test]
async fn without_a_model_the_documents_are_quoted() {
    let responder = AgentResponder::new(Some(library()), None, PromptConfig::default());
    let answer = Chat::with(responder).await.say(None, "How do I install it?").await;
    let text = answer.text();
    assert!(text.starts_with("No language model is set up here"), "{text}");
    assert!(text.contains("**Guide › Install**\n\n> Run the installer. Then wait"), "{text}");
    let citations = answer.citations();
    assert_eq!(citations[0].1, "/guide#install");
    assert_eq!(citations[1].1, "/guide#ports");
    let before: String = text.chars().take(citations[0].0 as usize).collect();
    assert!(before.ends_with("Then wait a while."), "{before}");
}

#[tokio::test]
async fn without_a_model_and_without_passages_it_says_so() {
    let nothing: Arc<dyn PassageSearch> = Arc::new(Library::Finds(Vec::new()));
    let broken: Arc<dyn PassageSearch> = Arc::new(Library::Fails);
    for (search, expected) in [
        (Some(nothing), "I found nothing about that"),
        (Some(broken), "cannot be searched at the moment"),
        (None, "Neither a language model nor documents"),
    ] {
        let responder = AgentResponder::new(search, None, PromptConfig::default());
        let answer = Chat::with(responder).await.say(None, "How?").await;
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert!(answer.error().is_null());
    }
}

#[tokio::test]
async fn another_model_answers_when_the_first_does_not() {
    for (first, answered_by_other) in
        [("/fail 500", true), ("/fail 401", true), ("/fail 400", false)]
    {
        let (model, other) = (FakeModel::start().await, FakeModel::start().await);
        let responder = AgentResponder::new(
            Some(library()),
            Some(client(&model, ModelApi::Responses)),
            PromptConfig::default(),
        );
        let responder = responder.fallback(client(&other, ModelApi::ChatCompletions));
        let chat = Chat::with(responder.allowed_models(["large"])).await;
        other.push(Behaviour::new().tool_call("search_documents", json!({"query": "x"})));
        other.push(Behaviour::new().text("From the other."));
        let answer = chat.say_with(None, first, json!({"model": "large"})).await;
        assert_eq!(answer.error().is_null(), answered_by_other, "{first}");
        if answered_by_other {
            assert_eq!(answer.text(), "From the other.");
            let asked = other.requests();
            assert_eq!(asked.len(), 2, "the rest of the answer is the other's, too");
            assert_eq!(asked[0].body["model"], "fake-model", "a choice is not the other's");
        } else {
            assert!(other.requests().is_empty());
        }
    }
}

#[tokio::test]
async fn users_are_told_apart_without_saying_who_they_are() {
    for api in APIS {
        let model = FakeModel::start().await;
        let responder =
            || AgentResponder::new(None, Some(client(&model, api)), PromptConfig::default());
        let chat = Chat::with(responder().tell_users_apart()).await;
        chat.say(None, "One").await;
        chat.say(None, "Two").await;
        Chat::with(responder()).await.say(None, "Three").await;
        let asked = model.requests();
        let user = asked[0].body["user"].as_str().unwrap();
        assert_eq!(user.len(), 32);
        assert!(!user.contains("u1"));
        assert_eq!(asked[1].body["user"], user);
        assert!(asked[2].body.get("user").is_none());
    }
}

#[tokio::test]
async fn users_may_demand_the_tools_that_are_listed() {
    for api in APIS {
        let model = FakeModel::start().await;
        let responder = AgentResponder::new(
            Some(library()),
            Some(client(&model, api)),
            PromptConfig::default(),
        );
        let chat = Chat::with(responder.tool_choices(["search_documents", "not_there"])).await;
        for choice in ["search_documents", "not_there", "other"] {
            chat.say_with(None, "x", json!({"tool_choice": {"id": choice}})).await;
        }
        let choices: Vec<String> = model
            .requests()
            .iter()
            .map(|request| request.body["tool_choice"].to_string())
            .collect();
        assert!(choices[0].contains("search_documents"), "{choices:?}");
        // Not again after the first round, or it would go on for ever.
        assert!(choices[1..].iter().all(|choice| choice == "null"), "{choices:?}");
    }
}
