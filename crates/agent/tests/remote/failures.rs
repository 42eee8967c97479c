//! An agent that is down, slow, cut, or says what nobody understands: typed errors, the partial text
//! kept, and never a wait without an end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::support::*;

fn half() -> Value {
    json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "a", "delta": "Half an answer"})
}

#[tokio::test]
async fn every_failure_is_told_with_its_kind_and_keeps_the_text() {
    let html = "<html><h1>502 at s3cret.internal</h1></html>";
    let broken = "data: {\"type\": \"TEXT_MESSAGE_CHUNK\", \"messageId\": \"a\", \"delta\": \"Half an answer\"}\n\ndata: {\"type\": \"TEXT";
    let cases: Vec<(Vec<Step>, Option<&str>, &str, bool)> = vec![
        (
            response("401 Unauthorized", "text/plain", "no s3cret"),
            None,
            "agent.unauthorized",
            false,
        ),
        (response("403 Forbidden", "text/plain", "no"), None, "agent.unauthorized", false),
        (response("404 Not Found", "text/html", html), None, "agent.not_found", false),
        (response("422 Unprocessable", "application/json", "{}"), None, "agent.bad_request", false),
        (response("413 Too Large", "text/plain", ""), None, "agent.context_too_long", false),
        (response("500 Oops", "text/html", html), None, "agent.server_error", true),
        (response("503 Later", "text/html", html), None, "agent.server_error", true),
        (response("200 OK", "text/html", html), None, "agent.malformed", false),
        (
            response("200 OK", "application/json", "{\"text\": \"hi\"}"),
            None,
            "agent.malformed",
            false,
        ),
        (vec![Step::HangUp], None, "agent.cut", true),
        (vec![begin(&[half()]), Step::HangUp], Some("Half an answer"), "agent.cut", true),
        (
            response("200 OK", "text/event-stream", &sse(&[half()])),
            Some("Half an answer"),
            "agent.cut",
            true,
        ),
        (
            response("200 OK", "text/event-stream", broken),
            Some("Half an answer"),
            "agent.malformed",
            true,
        ),
        (
            events(&[half(), json!([1]), json!({"type": "RUN_FINISHED"})]),
            Some("Half an answer"),
            "agent.malformed",
            true,
        ),
        (
            events(&[
                half(),
                json!({"type": "RUN_ERROR", "message": "s3cret at /srv/x.py", "code": "E1"}),
            ]),
            Some("Half an answer"),
            "agent.failed",
            true,
        ),
        (
            events(&[half(), json!({"type": "RUN_FINISHED", "outcome": {"type": "cancelled"}})]),
            Some("Half an answer"),
            "agent.cancelled",
            true,
        ),
        (
            events(&[json!({"type": "RUN_STARTED"}), json!({"type": "RUN_FINISHED"})]),
            None,
            "agent.empty",
            true,
        ),
    ];
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    for (number, (steps, text, reason, allow_retry)) in cases.into_iter().enumerate() {
        agent.says(steps);
        let answer = chat.say(None, "x").await;
        let error = error(&answer.events);
        assert_eq!(error["reason"], reason, "case {number}: {:#?}", answer.events);
        assert_eq!(error["allow_retry"], allow_retry, "case {number}: {error}");
        assert!(!json!(answer.events).to_string().contains("s3cret"), "case {number}: {error}");
        let stored = chat.stored(&answer.thread).await;
        let kept = stored.iter().find(|item| item["type"] == "assistant_message");
        let kept = kept.map(|item| item["content"][0]["text"].as_str().unwrap().to_owned());
        assert_eq!(kept.as_deref(), text, "case {number}");
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(response_with("429 Slow Down", "text/plain", "retry-after: 7\r\n", "slow"));
    let error = error(&chat.say(None, "x").await.events);
    assert_eq!(
        (&error["reason"], &error["retry_after"]),
        (&json!("agent.rate_limited"), &json!(7))
    );
    assert!(error["message"].as_str().unwrap().contains("7 seconds"), "{error}");
}

#[tokio::test]
async fn an_agent_that_is_down_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let agent = Agent::start().await;
    let mut config = agent.config();
    config.url = format!("http://{address}/").parse().unwrap();
    let chat = Chat::over(config).await;
    let error = error(&chat.say(None, "x").await.events);
    assert_eq!(
        (&error["reason"], &error["allow_retry"]),
        (&json!("agent.unreachable"), &json!(true))
    );
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_given_up() {
    let agent = Agent::start().await;
    let mut config = agent.config();
    config.idle_timeout = Duration::from_millis(300);
    let chat = Chat::over(config).await;
    agent.says(vec![Step::Hold]);
    let answer = chat.say(None, "x").await;
    assert_eq!(error(&answer.events)["reason"], "agent.silent");
    agent.says(vec![begin(&[half()]), Step::Hold]);
    let answer = chat.say(None, "x").await;
    assert_eq!(error(&answer.events)["reason"], "agent.silent");
    assert_eq!(texts(&items(&chat.stored_events(&answer.thread).await)), ["Half an answer"]);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_given_up_though_it_is_not_silent() {
    let agent = Agent::start().await;
    let mut config = agent.config();
    config.timeout = Duration::from_millis(500);
    let chat = Chat::over(config).await;
    let mut steps = vec![begin(&[half()])];
    steps.push(Step::Trickle(chunk(": still there\n\n")));
    agent.says(steps);
    let answer = chat.say(None, "x").await;
    assert_eq!(error(&answer.events)["reason"], "agent.too_slow");
    assert_eq!(texts(&items(&chat.stored_events(&answer.thread).await)), ["Half an answer"]);
}

#[tokio::test]
async fn what_is_too_long_is_cut_off() {
    let agent = Agent::start().await;
    let mut config = agent.config();
    config.max_run_bytes = 2_000;
    config.max_event_bytes = 1_000;
    let chat = Chat::over(config).await;
    let long = |length: usize| json!({"type": "RAW", "event": "x".repeat(length)});
    agent.says(events(&[half(), long(1_200), json!({"type": "RUN_FINISHED"})]));
    let answer = chat.say(None, "x").await;
    assert_eq!(error(&answer.events)["reason"], "agent.malformed");
    let mut run = vec![begin(&[half()])];
    run.extend((0..4).map(|_| Step::Send(chunk(&sse(&[long(600)])))));
    run.push(Step::Hold);
    agent.says(run);
    let answer = chat.say(None, "x").await;
    assert_eq!(error(&answer.events)["reason"], "agent.too_long");
    agent.client_left().await;
}

#[tokio::test]
async fn steps_of_a_run_that_fails_are_shown_as_failed() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&[
        json!({"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "get_weather"}),
        json!({"type": "RUN_ERROR", "message": "no"}),
    ]));
    let answer = chat.say(None, "x").await;
    let items = items(&answer.events);
    let task = &items[0]["workflow"]["tasks"][0];
    assert_eq!(
        (&task["status_indicator"], &task["content"]),
        (&json!("none"), &json!("This did not work."))
    );
}

#[tokio::test]
async fn a_request_is_never_sent_twice() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&text_run("a", "Hello.")));
    let first = chat.say(None, "x").await;
    // The agent hangs up on a connection that may have been used before.
    agent.says(vec![Step::HangUp]);
    let answer = chat.say(Some(&first.thread), "y").await;
    assert_eq!(error(&answer.events)["reason"], "agent.cut");
    assert_eq!(agent.asked().len(), 2);
}
