//! The server as its clients see it, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use parlor_fake_model::{Behaviour, FakeModel, Ids, Options, Purpose};
use serde_json::{Value, json};

async fn post(model: &FakeModel, path: &str, body: Value) -> reqwest::Response {
    let url = format!("{}{path}", model.url());
    reqwest::Client::new().post(url).json(&body).send().await.unwrap()
}

/// The JSON of each event of a stream.
fn events(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn the_responses_api_sends_its_events_in_order() {
    let model = FakeModel::start().await;
    let request = json!({"model": "m", "input": "Hello", "stream": true});
    let stream = post(&model, "/v1/responses", request).await.text().await.unwrap();
    let events = events(&stream);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], json!(number));
    }
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["output"][0]["content"][0]["text"], "You said: Hello");
    assert!(response["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn chat_completions_stream_a_tool_call_in_fragments() {
    let model = FakeModel::start().await;
    let request = json!({
        "model": "m", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "How?"}],
        "tools": [{"type": "function", "function": {"name": "search_documents"}}],
    });
    let stream = post(&model, "/v1/chat/completions", request).await.text().await.unwrap();
    assert!(stream.ends_with("data: [DONE]\n\n"));
    let events = events(&stream);
    let calls = events.iter().map(|event| &event["choices"][0]["delta"]["tool_calls"][0]);
    let arguments: String =
        calls.filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, r#"{"query":"How?"}"#);
    let [.., finish, usage] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "tool_calls");
    assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn scripts_holds_and_records_work_over_http() {
    let model = FakeModel::start().await;
    let script = json!([
        {"when": "cats", "steps": [{"step": "text", "text": "Meow."}]},
        {"steps": [{"step": "text", "text": "Any"}, {"step": "hold", "name": "h"}]},
    ]);
    assert_eq!(post(&model, "/control/script", script).await.status(), 200);
    let ask = |text: &str| json!({"model": "m", "input": text, "stream": true});

    let held = post(&model, "/v1/responses", ask("dogs")).await;
    model.hold_reached("h").await;
    let state = reqwest::get(format!("{}/control/state", model.url())).await.unwrap();
    let state: Value = serde_json::from_str(&state.text().await.unwrap()).unwrap();
    assert_eq!(state, json!({"requests": 1, "titles": 0, "queued": 1, "holding": {"h": 1}}));

    let cats = post(&model, "/v1/responses", ask("cats")).await.text().await.unwrap();
    assert!(cats.contains("Meow."));
    assert_eq!(post(&model, "/control/release", json!({"name": "h"})).await.status(), 204);
    assert!(held.text().await.unwrap().contains("response.completed"));

    let wrong = post(&model, "/control/script", json!({"steps": [{"step": "fly"}]})).await;
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("fly"));

    let requests = model.requests_when(|requests| requests.iter().all(|one| one.finished)).await;
    let messages: Vec<_> = requests.iter().map(|one| one.user_message.as_deref()).collect();
    assert_eq!(messages, [Some("dogs"), Some("cats")]);
    assert_eq!(requests[0].body["input"], "dogs");
    post(&model, "/control/reset", json!({})).await;
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_goes_away_is_recorded() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("one two").hold("never"));
    model.push(Behaviour::new().stall());
    let request = json!({"model": "m", "input": "x", "stream": true});
    let answer = post(&model, "/v1/responses", request.clone()).await;
    model.hold_reached("never").await;
    drop(answer);
    let requests = model.requests_when(|requests| requests[0].aborted_after_events.is_some()).await;
    // created, in_progress, item, part and two deltas.
    assert_eq!(requests[0].aborted_after_events, Some(6));
    assert!(!requests[0].finished);

    let silent = tokio::spawn(async move {
        let url = model.base_url();
        let sent = reqwest::Client::new().post(format!("{url}/responses")).json(&request).send();
        tokio::select! {
            _ = sent => panic!("an answer came"),
            _ = model.requests_when(|requests| requests.len() == 2) => {}
        }
        model.requests_when(|requests| requests[1].aborted_after_events == Some(0)).await;
    });
    silent.await.unwrap();
}

#[tokio::test]
async fn a_cut_sends_what_came_before_it_and_then_breaks_the_connection() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("kept").cut());
    let request = json!({"model": "m", "input": "x", "stream": true});
    let mut answer = post(&model, "/v1/responses", request).await;
    let mut received = Vec::new();
    let error = loop {
        match answer.chunk().await {
            Ok(Some(bytes)) => received.extend_from_slice(&bytes),
            Ok(None) => panic!("the stream ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    let received = String::from_utf8(received).unwrap();
    assert!(received.contains("kept"));
    assert!(!received.ends_with('\n'), "it was cut between events");
}

#[tokio::test]
async fn keys_can_be_required_and_ids_left_out() {
    let options = Options { require_key: Some("secret".into()), ..Options::default() };
    let model = FakeModel::bind("127.0.0.1:0", options).await.unwrap();
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let refused = post(&model, "/v1/chat/completions", request.clone()).await;
    assert_eq!(refused.status(), 401);

    model.push(Behaviour::new().tool_call("f", json!({})).ids(Ids::Missing));
    let url = format!("{}/chat/completions", model.base_url());
    let answer = reqwest::Client::new().post(url).bearer_auth("secret").json(&request).send();
    let answer: Value = serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(answer.get("id"), None);
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!((call.get("id"), &call["function"]["name"]), (None, &json!("f")));
}

#[tokio::test]
async fn dropping_the_server_closes_its_connections() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("x").hold("never"));
    let request = json!({"model": "m", "input": "x", "stream": true});
    let mut answer = post(&model, "/v1/responses", request).await;
    model.hold_reached("never").await;
    drop(model);
    while let Ok(Some(_)) = answer.chunk().await {}
}

#[tokio::test]
async fn transcriptions_have_scripts_of_their_own() {
    let model = FakeModel::start().await;
    // First in the queue, and not for a recording.
    model.push(Behaviour::new().text("An answer."));
    model.push(Behaviour::new().purpose(Purpose::Transcription).when("ogg").text("Good morning."));
    model.push(Behaviour::new().purpose(Purpose::Transcription).status(429));
    let send = |kind: &'static str| {
        let file = reqwest::multipart::Part::bytes(vec![1, 2, 3]).file_name("a.x");
        let form = reqwest::multipart::Form::new()
            .text("model", "m")
            .part("file", file.mime_str(kind).unwrap());
        let url = format!("{}/audio/transcriptions", model.base_url());
        reqwest::Client::new().post(url).multipart(form).send()
    };
    assert_eq!(send("audio/webm").await.unwrap().status(), 429);
    let said: Value = send("audio/ogg").await.unwrap().json().await.unwrap();
    assert_eq!(said["text"], "Good morning.");
    let said: Value = send("audio/webm").await.unwrap().json().await.unwrap();
    assert_eq!(said["text"], "This is what was said in a.x, 3 bytes of audio/webm.");
    assert_eq!(model.requests()[2].body["file"]["type"], "audio/webm");
    assert!(model.requests().iter().all(|request| request.finished));
}
