//! What agents ask for: consent, words, tools of the page.

use serde_json::{Value, json};

use super::support::*;

fn interrupted(interrupts: Value) -> Vec<Value> {
    vec![
        json!({"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "cancel_order"}),
        json!({"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": "{\"number\":\"A-1\"}"}),
        json!({"type": "TOOL_CALL_END", "toolCallId": "c1"}),
        json!({"type": "RUN_FINISHED", "outcome": {"type": "interrupt", "interrupts": interrupts}}),
    ]
}

fn one() -> Value {
    json!([{"id": "i1", "reason": "tool_call", "toolCallId": "c1", "message": "Approve?"}])
}

fn card(items: &[&Value]) -> Value {
    items.iter().rfind(|item| item["type"] == "widget").copied().cloned().unwrap()
}

#[tokio::test]
async fn an_interrupt_is_a_card_and_the_answer_goes_on() {
    for approve in [true, false] {
        let agent = Agent::start().await;
        let chat = Chat::with(&agent).await;
        agent.says(events(&interrupted(one())));
        let asked = chat.say(None, "Cancel A-1").await;
        assert_eq!(error(&asked.events), Value::Null);
        let card = card(&items(&asked.events));
        let shown = card.to_string();
        assert!(shown.contains("Cancel order") && shown.contains("number: A-1"), "{shown}");
        assert!(shown.contains("Needs your consent"), "{shown}");
        agent.says(events(&[
            json!({"type": "TOOL_CALL_RESULT", "toolCallId": "c1", "messageId": "m", "content": "done"}),
            json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "b", "delta": "So be it."}),
            json!({"type": "RUN_FINISHED"}),
        ]));
        let answer = chat.press(&asked.thread, &card, approve).await;
        assert_eq!(texts(&items(&answer)), ["So be it."]);
        let resumed = &agent.asked()[1].body;
        assert_eq!(
            resumed["resume"],
            json!([{"interruptId": "i1", "status": "resolved", "payload": {"approved": approve}}])
        );
        let messages = resumed["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 2, "{messages:#?}");
        assert_eq!(messages[1]["toolCalls"][0]["id"], "c1");
        let stored = json!(chat.stored(&asked.thread).await).to_string();
        assert!(stored.contains(if approve { "Approved" } else { "Denied" }), "{stored}");
        // Pressed once more, in another tab.
        let again = chat.press(&asked.thread, &card, true).await;
        assert!(json!(again).to_string().contains("answered already"));
        assert_eq!(agent.asked().len(), 2);
        // The next message knows all of it.
        agent.says(events(&text_run("c", "Good.")));
        chat.say(Some(&asked.thread), "Thanks").await;
        let messages = agent.asked()[2].body["messages"].as_array().unwrap().clone();
        let roles: Vec<_> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user"]);
    }
}

#[tokio::test]
async fn a_new_message_instead_of_an_answer_cancels_and_is_answered() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&interrupted(one())));
    let asked = chat.say(None, "Cancel A-1").await;
    agent.says(events(&text_run("b", "I have not cancelled it.")));
    agent.says(events(&text_run("c", "It is Monday.")));
    let answer = chat.say(Some(&asked.thread), "What day is it?").await;
    assert_eq!(texts(&items(&answer.events)), ["I have not cancelled it.", "It is Monday."]);
    let requests = agent.asked();
    assert_eq!(requests[1].body["resume"], json!([{"interruptId": "i1", "status": "cancelled"}]));
    assert!(requests[2].body.get("resume").is_none());
    let messages = requests[2].body["messages"].as_array().unwrap();
    let said: Vec<_> = messages.iter().map(|m| m["content"].as_str().unwrap_or("-")).collect();
    assert_eq!(said, ["Cancel A-1", "-", "I have not cancelled it.", "What day is it?"]);
    assert!(json!(chat.stored(&asked.thread).await).to_string().contains("Not answered"));
}

#[tokio::test]
async fn a_question_outlives_a_restart_and_is_its_users_alone() {
    let agent = Agent::start().await;
    let mut chat = Chat::with(&agent).await;
    agent.says(events(&interrupted(one())));
    let asked = chat.say(None, "Cancel A-1").await;
    let card = card(&items(&asked.events));
    chat.restart(&agent).await;
    assert_eq!(chat.refused(&pressed(&asked.thread, &card, true)).await, 404);
    assert_eq!(agent.asked().len(), 1);
    agent.says(events(&text_run("b", "Done.")));
    let answer = chat.press(&asked.thread, &card, true).await;
    assert_eq!(texts(&items(&answer)), ["Done."]);
    assert_eq!(agent.asked()[1].body["resume"][0]["payload"], json!({"approved": true}));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_cancels() {
    let agent = Agent::start().await;
    let mut config = agent.config();
    config.consent = std::time::Duration::ZERO;
    let chat = Chat::over(config).await;
    agent.says(events(&interrupted(one())));
    let asked = chat.say(None, "Cancel A-1").await;
    agent.says(events(&text_run("b", "That was too late.")));
    let answer = chat.press(&asked.thread, &card(&items(&asked.events)), true).await;
    assert!(json!(answer).to_string().contains("Expired"));
    assert_eq!(agent.asked()[1].body["resume"][0]["status"], "cancelled");
}

#[tokio::test]
async fn an_agent_may_say_when_its_question_expires() {
    // The first of several counts, and what is no time is none.
    let cases = [
        (json!(["2001-01-01T00:00:00Z"]), false),
        (json!(["2999-01-01T00:00:00.5+02:00"]), true),
        (json!(["2999-01-01T00:00:00Z", "2001-01-01T00:00:00"]), false),
        (json!(["soon"]), true),
        (json!([1_000_000]), true),
    ];
    for (times, in_time) in cases {
        let agent = Agent::start().await;
        let chat = Chat::with(&agent).await;
        let interrupts = times.as_array().unwrap().iter().enumerate().map(|(n, time)| {
            json!({"id": format!("i{n}"), "reason": "confirm", "message": "Sure?", "expiresAt": time})
        });
        agent.says(events(&[json!({
            "type": "RUN_FINISHED",
            "outcome": {"type": "interrupt", "interrupts": interrupts.collect::<Vec<_>>()},
        })]));
        let asked = chat.say(None, "Cancel A-1").await;
        agent.says(events(&text_run("b", "So be it.")));
        for item in items(&asked.events).into_iter().filter(|item| item["type"] == "widget") {
            chat.press(&asked.thread, item, true).await;
        }
        let status = &agent.asked()[1].body["resume"][0]["status"];
        assert_eq!(status, if in_time { "resolved" } else { "cancelled" }, "{times}");
    }
}

#[tokio::test]
async fn several_questions_are_answered_together() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&interrupted(json!([
        {"id": "i1", "reason": "tool_call", "toolCallId": "c1"},
        {"id": "i2", "reason": "confirmation", "message": "Really?", "responseSchema": {"type": "boolean"}},
    ]))));
    let asked = chat.say(None, "Cancel A-1").await;
    let items = items(&asked.events);
    let cards: Vec<_> = items.iter().filter(|item| item["type"] == "widget").collect();
    assert_eq!(cards.len(), 2);
    chat.press(&asked.thread, cards[0], true).await;
    assert_eq!(agent.asked().len(), 1, "one is still open");
    agent.says(events(&text_run("b", "Done.")));
    chat.press(&asked.thread, cards[1], false).await;
    assert_eq!(
        agent.asked()[1].body["resume"],
        json!([
            {"interruptId": "i1", "status": "resolved", "payload": {"approved": true}},
            {"interruptId": "i2", "status": "resolved", "payload": false},
        ])
    );
}

#[tokio::test]
async fn a_question_in_words_is_answered_in_words() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(events(&interrupted(json!([
        {"id": "i1", "reason": "input_required", "message": "Which city?", "responseSchema": {"type": "string"}},
    ]))));
    let asked = chat.say(None, "Weather?").await;
    let items = items(&asked.events);
    let question = items.iter().find(|item| item["type"] == "structured_input").unwrap();
    assert_eq!(question["inputs"][0]["question"], "Which city?");
    agent.says(events(&text_run("b", "Sunny in Bern.")));
    let answer = chat
        .request(&json!({
            "type": "threads.add_structured_input",
            "params": {"thread_id": asked.thread, "item_id": question["id"],
                "input": {"status": "answered", "answers": {"i1": {"values": ["Bern"]}}}},
            "metadata": {},
        }))
        .await;
    assert_eq!(texts(&super::items(&answer)), ["Sunny in Bern."], "{answer:#?}");
    assert_eq!(
        agent.asked()[1].body["resume"],
        json!([{"interruptId": "i1", "status": "resolved", "payload": "Bern"}])
    );
}

fn page_tools() -> Value {
    json!({"clientTools": [
        {"name": "locate", "description": "Where the user is.",
            "parameters": {"type": "object", "properties": {"exact": {"type": "boolean"}}}},
        {"name": "not a name", "description": "x"},
        5,
    ]})
}

fn called() -> Vec<Step> {
    events(&[
        json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "a", "delta": "Let me see."}),
        json!({"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "locate"}),
        json!({"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": "{\"exact\":true}"}),
        json!({"type": "TOOL_CALL_START", "toolCallId": "c2", "toolCallName": "locate"}),
        json!({"type": "RUN_FINISHED"}),
    ])
}

fn output(thread: &str, call: &Value, result: &Value) -> Value {
    json!({
        "type": "threads.add_client_tool_output",
        "params": {"thread_id": thread, "item_id": call["id"], "result": result},
        "metadata": {},
    })
}

#[tokio::test]
async fn a_tool_of_the_page_runs_in_the_page() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(called());
    let asked = chat.say_as(None, "Where am I?", page_tools()).await;
    let tools = &agent.asked()[0].body["tools"];
    assert_eq!(tools.as_array().unwrap().len(), 1, "{tools}");
    assert_eq!(tools[0]["name"], "locate");
    let shown = items(&asked.events);
    assert_eq!(kinds(&shown), ["assistant_message", "client_tool_call"], "no step of ours");
    assert_eq!(shown[1]["arguments"], json!({"exact": true}));
    // The page is asked for one after the other.
    let next = chat.request(&output(&asked.thread, shown[1], &json!({"city": "Bern"}))).await;
    let next = items(&next);
    let pending: Vec<_> = next.iter().filter(|item| item["status"] == "pending").collect();
    assert_eq!((pending.len(), agent.asked().len()), (1, 1), "{next:#?}");
    agent.says(events(&text_run("b", "In Bern.")));
    let answer = chat.request(&output(&asked.thread, pending[0], &json!("exactly"))).await;
    assert_eq!(texts(&items(&answer)), ["In Bern."]);
    let messages = agent.asked()[1].body["messages"].as_array().unwrap().clone();
    let told: Vec<_> =
        messages.iter().map(|m| (m["role"].as_str().unwrap(), m["toolCallId"].as_str())).collect();
    assert_eq!(
        told,
        [("user", None), ("assistant", None), ("tool", Some("c1")), ("tool", Some("c2"))]
    );
    assert_eq!(messages[2]["content"], "{\"city\":\"Bern\"}");
    assert_eq!(messages[3]["content"], "exactly");
}

#[tokio::test]
async fn a_message_instead_of_a_tools_output_settles_the_call() {
    let agent = Agent::start().await;
    let chat = Chat::with(&agent).await;
    agent.says(called());
    let asked = chat.say_as(None, "Where am I?", page_tools()).await;
    agent.says(events(&text_run("b", "Fine.")));
    chat.say(Some(&asked.thread), "Never mind").await;
    let messages = agent.asked()[1].body["messages"].as_array().unwrap().clone();
    let roles: Vec<_> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "user"]);
    assert!(messages[2]["content"].as_str().unwrap().starts_with("Error: "));
}
