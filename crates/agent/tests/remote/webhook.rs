//! Agents behind a webhook: what they are sent, and each form of answer.

use parlor_agent::remote::{RemoteConfig, RemoteProtocol, signature};
use serde_json::{Value, json};

use super::support::*;

fn config(agent: &Agent, secret: Option<&str>) -> RemoteConfig {
    let secret = secret.map(Into::into);
    RemoteConfig::new(agent.url.parse().unwrap(), RemoteProtocol::Webhook { secret })
}

#[tokio::test]
async fn a_message_is_posted_signed_and_answered_in_each_form() {
    let agent = Agent::start().await;
    let chat = Chat::over(config(&agent, Some("s3cret"))).await;
    agent.says(response("200 OK", "application/json", "{\"text\": \"Hello Ada.\"}"));
    let first = chat.say(None, "Hi").await;
    assert_eq!(texts(&items(&first.events)), ["Hello Ada."]);
    agent.says(response("200 OK", "text/plain; charset=utf-8", "Plain words."));
    let second = chat.say(Some(&first.thread), "Again").await;
    assert_eq!(texts(&items(&second.events)), ["Plain words."]);
    let stream = [
        json!({"tool": {"id": "c1", "name": "get_weather", "status": "running"}}),
        json!({"tool": {"id": "c1", "name": "get_weather", "status": "done"}}),
        json!({"text": "It is "}),
        json!({"text": "sunny.", "state": {"n": 1}}),
    ];
    agent.says(events(&stream));
    let third = chat.say(Some(&first.thread), "Weather?").await;
    assert_eq!(kinds(&items(&third.events)), ["workflow", "assistant_message"]);
    assert_eq!(texts(&items(&third.events)), ["It is sunny."]);
    agent.says(response("200 OK", "application/json", "{\"text\": \"Bye.\"}"));
    chat.say(Some(&first.thread), "Bye").await;
    let asked = agent.asked();
    let body = &asked[1].body;
    assert_eq!((&body["type"], &body["message"]["text"]), (&json!("message"), &json!("Again")));
    assert_eq!(
        (&body["user"]["id"], &body["user"]["name"]),
        (&json!("u1"), &json!("Ada Lovelace"))
    );
    assert_eq!(body["page"]["title"], "Install guide");
    assert_eq!((&body["locale"], &body["tenant"]), (&json!("de-CH"), &json!("default")));
    assert_eq!(body["thread"]["id"], first.thread);
    let history = body["history"].as_array().unwrap();
    let said: Vec<_> = history
        .iter()
        .map(|said| (said["role"].as_str().unwrap(), said["text"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("user", "Hi"), ("assistant", "Hello Ada.")]);
    assert_eq!(asked[3].body["state"], json!({"n": 1}));
    let line =
        asked[1].head.lines().find_map(|line| line.strip_prefix("parlor-signature: ")).unwrap();
    let seconds: i64 = line.split(['=', ',']).nth(1).unwrap().parse().unwrap();
    assert_eq!(line, signature(&"s3cret".into(), seconds, &asked[1].bytes));
    assert!(!asked[1].head.contains("s3cret") && !asked[1].body.to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_webhook_asks_for_consent_and_for_the_page() {
    let agent = Agent::start().await;
    let chat = Chat::over(config(&agent, None)).await;
    let approval = json!({"text": "One moment.", "approval":
        {"id": "q1", "title": "Cancel order A-1?", "arguments": {"number": "A-1"}}});
    agent.says(response("200 OK", "application/json", &approval.to_string()));
    let asked = chat.say(None, "Cancel A-1").await;
    let shown = items(&asked.events);
    assert_eq!(kinds(&shown), ["assistant_message", "widget"]);
    assert!(shown[1].to_string().contains("Cancel order A-1?"));
    let call = json!({"client_tool": {"id": "c1", "name": "locate", "arguments": {"exact": true}}});
    agent.says(response("200 OK", "application/json", &call.to_string()));
    let answer = chat.press(&asked.thread, shown[1], true).await;
    let called = items(&answer);
    let call = called.iter().find(|item| item["type"] == "client_tool_call").unwrap();
    assert_eq!((&call["name"], &call["arguments"]), (&json!("locate"), &json!({"exact": true})));
    agent.says(response("200 OK", "text/plain", "In Bern."));
    let answer = chat.request(&json!({
        "type": "threads.add_client_tool_output",
        "params": {"thread_id": asked.thread, "item_id": call["id"], "result": {"city": "Bern"}},
        "metadata": {},
    })).await;
    assert_eq!(texts(&items(&answer)), ["In Bern."]);
    let asked = agent.asked();
    assert_eq!(asked[1].body["type"], "decision");
    assert_eq!(
        asked[1].body["decisions"],
        json!([{"id": "q1", "decision": "approved", "arguments": {"number": "A-1"}}])
    );
    assert_eq!(asked[2].body["type"], "tool_output");
    assert_eq!(
        asked[2].body["tool_output"],
        json!({"id": "c1", "name": "locate", "arguments": {"exact": true}, "output": {"city": "Bern"}})
    );
    assert_eq!(asked[2].body["message"], Value::Null);
}

#[tokio::test]
async fn failures_of_a_webhook_have_kinds_too() {
    let agent = Agent::start().await;
    let chat = Chat::over(config(&agent, None)).await;
    let half = "data: {\"text\": \"Half\"}\n\n";
    let html = "<h1>s3cret</h1>";
    for (steps, text, reason) in [
        (response("200 OK", "text/html", html), None, "agent.malformed"),
        (response("500 Oops", "text/html", html), None, "agent.server_error"),
        (response("200 OK", "application/json", "{\"text\""), None, "agent.malformed"),
        (response("200 OK", "application/json", "{\"error\": \"s3cret\"}"), None, "agent.failed"),
        (response("200 OK", "application/json", "{}"), None, "agent.empty"),
        (
            response(
                "200 OK",
                "text/event-stream",
                &format!("{half}event: error\ndata: s3cret\n\n"),
            ),
            Some("Half"),
            "agent.failed",
        ),
        (vec![begin(&[json!({"text": "Half"})]), Step::HangUp], Some("Half"), "agent.cut"),
    ] {
        agent.says(steps);
        let answer = chat.say(None, "x").await;
        assert_eq!(error(&answer.events)["reason"], reason);
        assert!(!json!(answer.events).to_string().contains("s3cret"), "{:#?}", answer.events);
        let stored = chat.stored_events(&answer.thread).await;
        assert_eq!(texts(&items(&stored)).first().map(String::as_str), text, "{reason}");
    }
}
