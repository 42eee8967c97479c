//! The model client against the fake model server, over both APIs.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use parlor_agent::model::{
    Finish, InputItem, ModelApi, ModelClient, ModelConfig, ModelError, ModelEvent, ModelRequest,
    ToolSpec,
};
use parlor_fake_model::{Behaviour, ErrorShape, FakeModel, Ids, LineEnds, Step};
use serde_json::{Value, json};

#[path = "model/images.rs"]
mod images;

const APIS: [ModelApi; 2] = [ModelApi::Responses, ModelApi::ChatCompletions];

fn config(model: &FakeModel, api: ModelApi) -> ModelConfig {
    ModelConfig::new(api, model.base_url().parse().unwrap(), "fake-model")
}

fn client(model: &FakeModel, api: ModelApi) -> ModelClient {
    ModelClient::new(config(model, api)).unwrap()
}

fn question(text: &str) -> ModelRequest {
    ModelRequest { input: vec![InputItem::User(text.into())], ..ModelRequest::default() }
}

fn search_tool() -> ToolSpec {
    ToolSpec {
        name: "search_documents".into(),
        description: "Searches.".into(),
        parameters: json!({"type": "object", "properties": {"query": {"type": "string"}}}),
    }
}

/// Everything that came, and the error if it ended with one.
async fn ask(
    client: &ModelClient,
    request: &ModelRequest,
) -> (Vec<ModelEvent>, Option<ModelError>) {
    let mut stream = match client.stream(request).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

fn text_of(events: &[ModelEvent]) -> String {
    let deltas = events.iter().filter_map(|event| match event {
        ModelEvent::TextDelta(text) => Some(text.as_str()),
        _ => None,
    });
    deltas.collect()
}

fn calls_of(events: &[ModelEvent]) -> Vec<(&str, &str)> {
    let calls = events.iter().filter_map(|event| match event {
        ModelEvent::ToolCall { name, arguments, .. } => Some((name.as_str(), arguments.as_str())),
        _ => None,
    });
    calls.collect()
}

fn finish_of(events: &[ModelEvent]) -> Option<Finish> {
    events.iter().find_map(|event| match event {
        ModelEvent::Done { finish, .. } => Some(*finish),
        _ => None,
    })
}

#[tokio::test]
async fn text_streams_in_and_ends_with_its_usage() {
    for api in APIS {
        let model = FakeModel::start().await;
        let (events, error) = ask(&client(&model, api), &question("Hello there")).await;
        assert_eq!(error, None);
        assert_eq!(text_of(&events), "You said: Hello there");
        let deltas = events.len() - 1;
        assert_eq!(deltas, 4, "{events:?}");
        let Some(ModelEvent::Done { usage: Some(usage), finish: Finish::Stop }) = events.last()
        else {
            panic!("{events:?}")
        };
        assert!(usage.input_tokens > 0 && usage.output_tokens > 0);
    }
}

#[tokio::test]
async fn a_delta_arrives_while_the_rest_is_still_being_generated() {
    for api in APIS {
        let model = FakeModel::start().await;
        model.push(Behaviour::new().text("first ").hold("middle").text("second"));
        let mut stream = client(&model, api).stream(&question("x")).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(first, ModelEvent::TextDelta("first ".into()));
        model.hold_reached("middle").await;
        model.release("middle");
        assert_eq!(stream.next().await, Some(Ok(ModelEvent::TextDelta("second".into()))));
    }
}

#[tokio::test]
async fn a_tool_call_and_its_result_make_the_round() {
    for api in APIS {
        let model = FakeModel::start().await;
        let client = client(&model, api);
        let mut request = question("How do I install it?");
        request.instructions = "Cite as [1].".into();
        request.tools = vec![search_tool()].into();
        let (events, error) = ask(&client, &request).await;
        assert_eq!(error, None);
        assert_eq!(finish_of(&events), Some(Finish::ToolCalls));
        let arguments = r#"{"query":"How do I install it?"}"#;
        assert_eq!(calls_of(&events), [("search_documents", arguments)]);
        let Some(ModelEvent::ToolCall { call_id, name, arguments }) = events.first().cloned()
        else {
            panic!("{events:?}")
        };
        let output = "<passage number=\"1\">\ntitle: A\n\nRun it.\n</passage>".to_owned();
        request.input.push(InputItem::ToolCall { call_id: call_id.clone(), name, arguments });
        request.input.push(InputItem::ToolResult { call_id: call_id.clone(), output });
        let (events, error) = ask(&client, &request).await;
        assert_eq!(error, None);
        assert!(text_of(&events).ends_with("Run it. [1]"), "{events:?}");

        let body = &model.requests()[1].body;
        match api {
            ModelApi::Responses => {
                assert_eq!(body["input"][1]["call_id"], call_id);
                assert_eq!(body["input"][2]["type"], "function_call_output");
                assert_eq!(body["store"], false);
                assert_eq!(body["tools"][0]["name"], "search_documents");
            }
            ModelApi::ChatCompletions => {
                assert_eq!(body["messages"][2]["tool_calls"][0]["id"], call_id);
                assert_eq!(body["messages"][3]["tool_call_id"], call_id);
                assert_eq!(body["tools"][0]["function"]["name"], "search_documents");
            }
        }
    }
}

#[tokio::test]
async fn the_key_is_sent_if_there_is_one_and_only_then() {
    for api in APIS {
        let model = FakeModel::start().await;
        ask(&client(&model, api), &question("x")).await;
        let with_key = config(&model, api).with_key("secret".to_owned().into());
        ask(&ModelClient::new(with_key).unwrap(), &question("x")).await;
        let empty_key = config(&model, api).with_key(String::new().into());
        ask(&ModelClient::new(empty_key).unwrap(), &question("x")).await;
        let sent: Vec<Option<Value>> = model
            .requests()
            .iter()
            .map(|request| request.headers.get("authorization").cloned())
            .collect();
        assert_eq!(sent, [None, Some("Bearer secret".into()), None]);
    }
}

/// A behaviour that is odd but not wrong, with the text it gives.
#[tokio::test]
async fn oddities_of_other_servers_change_nothing() {
    let odd = |change: fn(&mut Behaviour)| {
        let mut behaviour = Behaviour::new().text("The answer 👋🏽 is here.");
        change(&mut behaviour);
        behaviour
    };
    let behaviours = [
        odd(|b| b.line_ends = LineEnds::CrLf),
        odd(|b| b.line_ends = LineEnds::Cr),
        odd(|b| b.bom = true),
        odd(|b| b.no_space = true),
        odd(|b| b.no_usage = true),
        odd(|b| b.no_done = true),
        odd(|b| b.ids = Ids::Missing),
        odd(|b| b.ids = Ids::Constant),
        odd(|b| b.chunk_bytes = Some(1)),
        odd(|b| b.chunk_bytes = Some(7)),
        odd(|b| b.steps.insert(0, Step::Comment { text: "keep-alive".into() })),
        odd(|b| b.steps.push(Step::UnknownEvent { kind: "response.made_up".into() })),
    ];
    for api in APIS {
        let model = FakeModel::start().await;
        for behaviour in &behaviours {
            model.push(behaviour.clone());
            let (events, error) = ask(&client(&model, api), &question("x")).await;
            assert_eq!(error, None, "{api:?} {behaviour:?}");
            assert_eq!(text_of(&events), "The answer 👋🏽 is here.", "{api:?} {behaviour:?}");
            assert_eq!(finish_of(&events), Some(Finish::Stop), "{api:?} {behaviour:?}");
        }
    }
}

#[tokio::test]
async fn tool_calls_come_in_many_shapes() {
    let call = |name: &str, whole: bool| Step::ToolCall {
        name: name.into(),
        arguments: json!({"query": "x y z"}),
        call_id: None,
        whole,
    };
    for api in APIS {
        let model = FakeModel::start().await;
        for ids in [Ids::Unique, Ids::Constant, Ids::Missing] {
            for whole in [false, true] {
                // Constant ids are what makes two calls look like one; only one is made then.
                let names: &[&str] = if ids == Ids::Constant { &["a"] } else { &["a", "b"] };
                let mut behaviour = Behaviour::new().ids(ids);
                behaviour.finish_reason = Some("stop".into());
                behaviour.steps = names.iter().map(|name| call(name, whole)).collect();
                model.push(behaviour.clone());
                let (events, error) = ask(&client(&model, api), &question("x")).await;
                assert_eq!(error, None);
                let expected: Vec<_> =
                    names.iter().map(|&name| (name, r#"{"query":"x y z"}"#)).collect();
                assert_eq!(calls_of(&events), expected, "{api:?} {behaviour:?}");
                assert_eq!(finish_of(&events), Some(Finish::ToolCalls));
                for event in &events {
                    if let ModelEvent::ToolCall { call_id, .. } = event {
                        assert!(!call_id.is_empty());
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn reasoning_refusals_and_short_answers_are_told_apart() {
    for api in APIS {
        let model = FakeModel::start().await;
        let client = client(&model, api);
        let (events, _) = ask(&client, &question("/reason")).await;
        let thought: String = events
            .iter()
            .filter_map(|event| match event {
                ModelEvent::Reasoning(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(thought, "First I think about it.");
        assert_eq!(text_of(&events), "Then I answer.");
        let (events, _) = ask(&client, &question("/refuse")).await;
        assert_eq!(text_of(&events), "I cannot help with that.");
        let (events, _) = ask(&client, &question("/incomplete")).await;
        assert_eq!(finish_of(&events), Some(Finish::Length));
        model.push(Behaviour::new().text("x").incomplete("content_filter"));
        let (events, _) = ask(&client, &question("x")).await;
        assert_eq!(finish_of(&events), Some(Finish::ContentFilter));
    }
}

#[tokio::test]
async fn citations_of_the_provider_are_passed_on() {
    let model = FakeModel::start().await;
    let (url, title) = ("https://e.org/a".to_owned(), "A".to_owned());
    let step = Step::Annotation { url: url.clone(), title: title.clone() };
    model.push(Behaviour::new().text("See").step(step));
    let (events, _) = ask(&client(&model, ModelApi::Responses), &question("x")).await;
    assert!(events.contains(&ModelEvent::Citation { url, title }), "{events:?}");
}

#[tokio::test]
async fn a_whole_answer_is_taken_where_a_stream_was_asked_for() {
    // A server that ignores `stream`: its answer is one JSON document.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let answers = [
        (
            ModelApi::Responses,
            json!({"status": "completed", "output": [
                {"type": "message", "content": [{"type": "output_text", "text": "Whole."}]}]}),
        ),
        (
            ModelApi::ChatCompletions,
            json!({"choices": [{"message": {"content": "Whole."}, "finish_reason": "stop"}]}),
        ),
    ];
    for (api, answer) in answers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1/", listener.local_addr().unwrap());
        let body = answer.to_string();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
            let response = format!("{head}{}\r\n\r\n{body}", body.len());
            socket.write_all(response.as_bytes()).await.unwrap();
        });
        let config = ModelConfig::new(api, base.parse().unwrap(), "m");
        let (events, error) = ask(&ModelClient::new(config).unwrap(), &question("x")).await;
        assert_eq!(error, None);
        assert_eq!(text_of(&events), "Whole.");
        assert_eq!(finish_of(&events), Some(Finish::Stop));
    }
}

#[tokio::test]
async fn every_failure_has_its_kind_and_keeps_the_text_so_far() {
    let half = || Behaviour::new().text("Half an answer");
    let error = |shape| half().error(shape, "server_error", "overloaded");
    let cases = [
        (Behaviour::new().status(401), "", "model.unauthorized"),
        (Behaviour::new().status(403), "", "model.unauthorized"),
        (Behaviour::new().status(404), "", "model.not_found"),
        (Behaviour::new().status(400), "", "model.bad_request"),
        (Behaviour::new().rate_limited(30), "", "model.rate_limited"),
        (half().cut(), "Half an answer", "model.cut"),
        (half().end(), "Half an answer", "model.cut"),
        (half().malformed().end(), "Half an answer", "model.malformed"),
        (half().malformed().text(" and the rest"), "Half an answer", "model.malformed"),
        (half().stall(), "Half an answer", "model.silent"),
        (Behaviour::new().stall(), "", "model.silent"),
        (error(ErrorShape::Event), "Half an answer", "model.server_error"),
        (error(ErrorShape::Nested), "Half an answer", "model.server_error"),
        (error(ErrorShape::ResponseFailed), "Half an answer", "model.server_error"),
        (error(ErrorShape::Object), "Half an answer", "model.server_error"),
    ];
    for api in APIS {
        let model = FakeModel::start().await;
        let patient = client(&model, api);
        let impatient = config(&model, api).with_idle_timeout(Duration::from_secs(2));
        let impatient = ModelClient::new(impatient).unwrap();
        for (behaviour, text, reason) in &cases {
            if api == ModelApi::ChatCompletions
                && behaviour.steps.iter().any(|step| {
                    matches!(step, Step::Error { shape: ErrorShape::ResponseFailed, .. })
                })
            {
                continue;
            }
            model.push(behaviour.clone());
            let client = if *reason == "model.silent" { &impatient } else { &patient };
            let (events, error) = ask(client, &question("x")).await;
            let error = error.unwrap_or_else(|| panic!("{api:?} {behaviour:?}: no error"));
            assert_eq!(error.reason(), *reason, "{api:?} {behaviour:?}: {error}");
            assert_eq!(text_of(&events), *text, "{api:?} {behaviour:?}");
            assert!(!error.user_message().is_empty());
            // The next message works.
            let (events, error) = ask(&patient, &question("next")).await;
            assert_eq!((text_of(&events).as_str(), error), ("You said: next", None));
        }
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().rate_limited(12));
    let (_, error) = ask(&client(&model, ModelApi::Responses), &question("x")).await;
    let error = error.unwrap();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(12)));
    assert!(error.user_message().contains("in 12 seconds"), "{}", error.user_message());
    assert_eq!(model.requests().len(), 1, "a long wait is left to the user");
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let model = FakeModel::start().await;
    let client = client(&model, ModelApi::Responses);
    drop(model);
    // The listener is closed when its task is gone, which may be a moment later.
    let error = loop {
        match ask(&client, &question("x")).await.1 {
            Some(error @ ModelError::Unreachable { .. }) => break error,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!error.user_message().contains("127.0.0.1"));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_twice() {
    for api in APIS {
        let model = FakeModel::start().await;
        let client = client(&model, api);
        model.push(Behaviour::new().status(500));
        model.push(Behaviour::new().rate_limited(0));
        let (events, error) = ask(&client, &question("x")).await;
        assert_eq!((text_of(&events).as_str(), error), ("You said: x", None));
        assert_eq!(model.requests().len(), 3);

        model.reset();
        model.push(Behaviour::new().status(503).times(3));
        let (_, error) = ask(&client, &question("x")).await;
        assert_eq!(error.unwrap().reason(), "model.server_error");
        assert_eq!(model.requests().len(), 3);

        model.reset();
        model.push(Behaviour::new().text("Some text").cut());
        let (_, error) = ask(&client, &question("x")).await;
        assert_eq!(error.unwrap().reason(), "model.cut");
        assert_eq!(model.requests().len(), 1, "once there was text, nothing is repeated");
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    for api in APIS {
        let model = FakeModel::start().await;
        model.push(Behaviour::new().text("one two").hold("never"));
        let mut stream = client(&model, api).stream(&question("x")).await.unwrap();
        assert!(matches!(stream.next().await, Some(Ok(ModelEvent::TextDelta(_)))));
        model.hold_reached("never").await;
        drop(stream);
        model.requests_when(|requests| requests[0].aborted_after_events.is_some()).await;
    }
}

#[tokio::test]
async fn the_list_of_models_shows_whether_the_server_is_there() {
    let model = FakeModel::start().await;
    let models = client(&model, ModelApi::Responses).models().await.unwrap();
    assert!(models.contains(&"fake-model".to_owned()), "{models:?}");
}

#[test]
fn a_base_url_must_be_one() {
    let config = ModelConfig::new(ModelApi::Responses, "mailto:a@b.c".parse().unwrap(), "m");
    assert!(
        ModelClient::new(config).unwrap_err().to_string().contains("https://api.openai.com/v1")
    );
}
