//! Agents elsewhere, as a user of the chat meets them: an agent that says what a test says, and what
//! becomes of it in the thread.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "remote/asking.rs"]
mod asking;
#[path = "remote/failures.rs"]
mod failures;
#[path = "remote/support.rs"]
mod support;
#[path = "remote/webhook.rs"]
mod webhook;

use serde_json::{Value, json};
use support::*;

#[tokio::test]
async fn text_tools_and_thoughts_become_items() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&[
        json!({"type": "RUN_STARTED", "threadId": "t", "runId": "r"}),
        json!({"type": "STEP_STARTED", "stepName": "look_around"}),
        json!({"type": "REASONING_START", "messageId": "th"}),
        json!({"type": "REASONING_MESSAGE_CONTENT", "messageId": "th", "delta": "Let me see."}),
        json!({"type": "REASONING_MESSAGE_END", "messageId": "th"}),
        json!({"type": "TEXT_MESSAGE_START", "messageId": "a"}),
        json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": "a", "delta": "I look "}),
        json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": "a", "delta": "it up."}),
        json!({"type": "TEXT_MESSAGE_END", "messageId": "a"}),
        json!({"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "get_weather"}),
        json!({"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": "{\"city\":"}),
        json!({"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": "\"Bern\"}"}),
        json!({"type": "TOOL_CALL_END", "toolCallId": "c1"}),
        json!({"type": "TOOL_CALL_RESULT", "messageId": "m1", "toolCallId": "c1", "content": "sunny"}),
        json!({"type": "CUSTOM", "name": "x", "value": 1}),
        json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "b", "delta": "It is sunny."}),
        json!({"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}),
    ]));
    let answer = chat.say(None, "How is the weather?").await;
    assert_eq!(error(&answer.events), Value::Null);
    let items = items(&answer.events);
    let expected = ["workflow", "assistant_message", "workflow", "assistant_message"];
    assert_eq!(kinds(&items), expected);
    assert_eq!(items[0]["workflow"]["type"], "reasoning");
    assert_eq!(items[0]["workflow"]["tasks"][0]["content"], "Let me see.");
    assert_eq!(texts(&items), ["I look it up.", "It is sunny."]);
    let task = &items[2]["workflow"]["tasks"][0];
    assert_eq!(
        (task["title"].as_str(), task["status_indicator"].as_str()),
        (Some("Get weather"), Some("complete"))
    );
    assert!(
        answer
            .events
            .iter()
            .any(|event| event["type"] == "progress_update" && event["text"] == "Look around…")
    );
    let stored = chat.stored(&answer.thread).await;
    assert_eq!(stored.len(), 5, "the user's message and four items: {stored:#?}");
    assert!(!json!(stored).to_string().contains("agent_run"), "what is remembered is hidden");
    // What is told next time: as the agent said it.
    agent.says(events(&text_run("c", "And tomorrow as well.")));
    chat.say(Some(&answer.thread), "And tomorrow?").await;
    let asked = agent.asked();
    let messages = asked[1].body["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(messages[1]["id"], "a");
    assert_eq!(messages[1]["toolCalls"][0]["function"]["arguments"], "{\"city\":\"Bern\"}");
    assert_eq!(
        (&messages[2]["toolCallId"], &messages[2]["content"]),
        (&json!("c1"), &json!("sunny"))
    );
    assert_eq!(messages[0]["id"], asked[0].body["messages"][0]["id"], "ids are stable");
    assert_eq!(asked[0].body["threadId"], asked[1].body["threadId"]);
    assert_ne!(asked[0].body["runId"], asked[1].body["runId"]);
}

#[tokio::test]
async fn the_agent_is_told_who_asks_and_where() {
    let agent = Agent::start().await;
    let mut config = agent.config();
    config.headers = config.headers.with("X-User", &"{tenant.id}/{user.id}".into()).unwrap();
    config.headers = config.headers.with("Authorization", &"Bearer s3cret".into()).unwrap();
    let chat = Chat::over(config).await;
    agent.says(events(&text_run("a", "Hello Ada.")));
    chat.say(None, "Hi").await;
    let asked = &agent.asked()[0];
    let parlor = &asked.body["forwardedProps"]["parlor"];
    assert_eq!(
        (&parlor["user"]["id"], &parlor["user"]["name"]),
        (&json!("u1"), &json!("Ada Lovelace"))
    );
    assert_eq!(parlor["page"]["url"], "https://example.com/install");
    assert_eq!(parlor["locale"], "de-CH");
    let context = asked.body["context"].to_string();
    assert!(context.contains("Ada Lovelace") && context.contains("Install guide"), "{context}");
    assert!(asked.head.contains("x-user: default/u1\r\n"), "{}", asked.head);
    assert!(asked.head.contains("authorization: Bearer s3cret\r\n"), "{}", asked.head);
    assert!(!asked.body.to_string().contains("s3cret"));
    assert_eq!(asked.body["protocolVersion"], "1.0");
    assert_eq!(asked.body["messages"][0]["content"], "Hi");
}

#[tokio::test]
async fn words_appear_while_the_rest_is_still_being_generated() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(vec![
        begin(&[json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "a", "delta": "First words"})]),
        Step::Hold,
        Step::Send(format!(
            "{}0\r\n\r\n",
            chunk(&sse(&[
                json!({"type": "TEXT_MESSAGE_CHUNK", "delta": " and the rest"}),
                json!({"type": "RUN_FINISHED"}),
            ]))
        )),
    ]);
    let mut stream = chat.begin(&message(None, "x", json!({}))).await;
    let seen = read_until(&mut stream, "First words").await;
    assert!(!seen.contains("rest"));
    agent.release();
    read_until(&mut stream, ": end done").await;
}

#[tokio::test]
async fn stopping_closes_the_connection_and_keeps_the_text() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(vec![
        begin(&[
            json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "a", "delta": "Half an answer"}),
        ]),
        Step::Hold,
    ]);
    let mut stream = chat.begin(&message(None, "x", json!({}))).await;
    let seen = read_until(&mut stream, "Half an answer").await;
    let thread = seen.split("\"id\":\"thr").nth(1).unwrap().split('"').next().unwrap();
    let thread = format!("thr{thread}");
    let stop = json!({"type": "threads.stop", "params": {"thread_id": thread}, "metadata": {}});
    chat.chatkit_json(&stop).await;
    agent.client_left().await;
    read_until(&mut stream, ": end stopped").await;
    let stored = chat.stored(&thread).await;
    assert_eq!(stored[1]["content"][0]["text"], "Half an answer");
    // What the agent has said is told as people saw it, though the run was never over.
    agent.says(events(&text_run("b", "Fine.")));
    chat.say(Some(&thread), "Go on").await;
    let messages = &agent.asked()[1].body["messages"];
    assert_eq!(
        messages[1],
        json!({"id": stored[1]["id"], "role": "assistant", "content": "Half an answer"})
    );
}

#[tokio::test]
async fn state_is_kept_and_sent_back() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    let run = |more: Vec<Value>| {
        let mut run = text_run("a", "Done.");
        run.splice(1..1, more);
        run
    };
    agent.says(events(&run(vec![
        json!({"type": "STATE_SNAPSHOT", "snapshot": {"cart": ["tea"], "n": 1, "messages": ["x"]}}),
        json!({"type": "STATE_DELTA", "delta": [
            {"op": "add", "path": "/cart/-", "value": "milk"}, {"op": "remove", "path": "/n"}]}),
        json!({"type": "STATE_DELTA", "delta": [{"op": "remove", "path": "/not/there"}]}),
    ])));
    let first = chat.say(None, "Tea and milk").await;
    agent.says(events(&run(Vec::new())));
    chat.say(Some(&first.thread), "More").await;
    agent.says(events(&run(Vec::new())));
    chat.say(Some(&first.thread), "Even more").await;
    let states: Vec<Value> =
        agent.asked().iter().map(|asked| asked.body["state"].clone()).collect();
    let cart = json!({"cart": ["tea", "milk"]});
    assert_eq!(states, [json!({}), cart.clone(), cart]);
}

#[tokio::test]
async fn a_snapshot_of_the_messages_is_what_is_remembered() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    // An agent that streams nothing and says all in the end.
    agent.says(events(&[
        json!({"type": "RUN_STARTED"}),
        json!({"type": "MESSAGES_SNAPSHOT", "messages": [
            {"id": "u", "role": "user", "content": "Hi"},
            {"id": "a1", "role": "assistant", "toolCalls": [{"id": "c1", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"id": "t1", "role": "tool", "toolCallId": "c1", "content": "5"},
            {"id": "a2", "role": "assistant", "content": "It is five."},
        ]}),
        json!({"type": "RUN_FINISHED"}),
    ]));
    let answer = chat.say(None, "Hi").await;
    assert_eq!(texts(&items(&answer.events)), ["It is five."]);
    agent.says(events(&text_run("b", "Fine.")));
    chat.say(Some(&answer.thread), "And?").await;
    let messages = agent.asked()[1].body["messages"].clone();
    let ids: Vec<_> =
        messages.as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(&ids[1..4], ["a1", "t1", "a2"]);
}

#[tokio::test]
async fn events_in_any_order_lose_nothing_that_was_said() {
    let content = |id: &str, delta: &str| json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": delta});
    let start = |id: &str| json!({"type": "TEXT_MESSAGE_START", "messageId": id});
    let end = |id: &str| json!({"type": "TEXT_MESSAGE_END", "messageId": id});
    let finished = || json!({"type": "RUN_FINISHED"});
    let cases: Vec<(Vec<Value>, &[&str])> = vec![
        // Content before its start.
        (
            vec![content("a", "One "), start("a"), content("a", "two."), end("a"), finished()],
            &["One two."],
        ),
        // An end without a start, and no end.
        (vec![end("x"), start("a"), content("a", "One."), finished()], &["One."]),
        // A start twice.
        (
            vec![start("a"), content("a", "One "), start("a"), content("a", "two."), finished()],
            &["One two."],
        ),
        // A message that begins again.
        (
            vec![
                start("a"),
                content("a", "One."),
                end("a"),
                start("a"),
                content("a", "Two."),
                finished(),
            ],
            &["One.", "Two."],
        ),
        // Two at a time.
        (
            vec![
                start("a"),
                content("a", "One "),
                start("b"),
                content("b", "Two."),
                content("a", "three."),
                end("a"),
                end("b"),
                finished(),
            ],
            &["One ", "Two.", "three."],
        ),
        // Nothing of what comes after the end.
        (
            vec![start("a"), content("a", "One."), finished(), content("a", "Two."), finished()],
            &["One."],
        ),
        // A result of a call that nobody made, and arguments of none.
        (
            vec![
                json!({"type": "TOOL_CALL_RESULT", "toolCallId": "?", "messageId": "m", "content": "x"}),
                json!({"type": "TOOL_CALL_ARGS", "toolCallId": "?", "delta": "x"}),
                content("a", "One."),
                finished(),
            ],
            &["One."],
        ),
    ];
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    for (run, expected) in cases {
        agent.says(events(&run));
        let answer = chat.say(None, "x").await;
        assert_eq!(error(&answer.events), Value::Null, "{run:?}");
        assert_eq!(texts(&items(&answer.events)), expected, "{run:?}");
    }
}

#[tokio::test]
async fn a_tool_that_text_follows_before_its_result_is_still_one_step() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&[
        json!({"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "slow_one"}),
        json!({"type": "TOOL_CALL_START", "toolCallId": "c2", "toolCallName": "slow_two"}),
        json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "a", "delta": "Meanwhile."}),
        json!({"type": "TOOL_CALL_RESULT", "toolCallId": "c1", "messageId": "m", "content": "x"}),
        json!({"type": "TOOL_CALL_RESULT", "toolCallId": "c2", "messageId": "n", "content": "x"}),
        json!({"type": "RUN_FINISHED"}),
    ]));
    let answer = chat.say(None, "x").await;
    let stored = chat.stored(&answer.thread).await;
    let workflow = stored.iter().find(|item| item["type"] == "workflow").unwrap();
    let tasks = workflow["workflow"]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().all(|task| task["status_indicator"] == "complete"), "{workflow:#}");
    assert_eq!(workflow["workflow"]["summary"]["title"], "2 steps");
}
