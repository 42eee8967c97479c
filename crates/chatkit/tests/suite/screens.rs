//! Answers that are held back, taken back, and refused.

use parlor_chatkit::Response;
use serde_json::json;

use crate::support::{Frames, Reader, Server, message};

/// What is left of an answer for somebody who follows its events.
fn left(frames: &Frames) -> Vec<String> {
    let mut left = Vec::new();
    for event in &frames.events {
        let item = &event["item"];
        match event["type"].as_str().unwrap() {
            "thread.item.added" | "thread.item.done" if item["type"] != "user_message" => {
                let id = item["id"].as_str().unwrap().to_owned();
                left.retain(|known| *known != id);
                left.push(id);
            }
            "thread.item.removed" => left.retain(|known| *known != event["item_id"]),
            _ => {}
        }
    }
    left
}

const EXPLAINED: &str = "assistant_message Taken back.";

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_shown_is_taken_back_when_a_screen_ends_the_answer() {
    let server = Server::start().await;
    server.stage.open("v");
    // No id has the words by chance: those are of hexadecimal digits.
    let script = "screen wrong back@v; say first; widget w; secret s; say good|wrong|more";
    let (thread, frames) = server.converse(script).await;
    // Three items were shown or would have been, and what is said instead is left.
    let mut removed: Vec<_> =
        frames.of("thread.item.removed").iter().map(|e| e["item_id"].to_string()).collect();
    removed.sort();
    removed.dedup();
    assert_eq!(removed.len(), 3, "{:?}", frames.types());
    assert_eq!(left(&frames).len(), 1);
    assert!(!frames.events.iter().any(|event| event["type"] == "error"), "{:?}", frames.types());
    assert!(!serde_json::to_string(&frames.events[2..]).unwrap().contains("more"));
    frames.ended("done");
    let user = format!("user_message {script}");
    assert_eq!(server.items(&thread).await, [user.as_str(), EXPLAINED]);
    // The next answer's model is told nothing of it, and a new process neither.
    server.say(&thread, "say ok").await.ended("done");
    let history = server.stage.history.lock().unwrap().join("\n");
    assert!(
        history.contains("Taken back.") && !history.contains("hidden_context_item"),
        "{history}"
    );
    assert!(!history.contains("assistant_message first"), "{history}");
    let another = server.another().await;
    assert_eq!(another.items(&thread).await[..2], [user.as_str(), EXPLAINED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_whole_is_taken_back_before_its_turn_ends() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("screen none back@v; say all of it").await;
    reader.until("thread.item.done").await;
    reader.until("thread.item.done").await;
    assert_eq!(server.items(&thread).await.len(), 2, "it is stored, and not decided yet");
    server.stage.open("v");
    let frames = reader.rest().await;
    assert_eq!(frames.of("thread.item.removed").len(), 1, "{:?}", frames.types());
    frames.ended("done");
    assert_eq!(server.items(&thread).await[1..], [EXPLAINED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_may_stay_stays() {
    let server = Server::start().await;
    server.stage.open("v");
    let (thread, frames) = server.converse("screen none keep@v; say all of it").await;
    frames.ended("done");
    assert_eq!(server.items(&thread).await[1..], ["assistant_message all of it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_stop_is_judged_as_well() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("screen none back@v; half partial@never").await;
    reader.until_text("partial").await;
    let stopping = {
        let (chatkit, thread) = (server.as_user("ada"), thread.clone());
        tokio::spawn(
            async move { chatkit.json("threads.stop", json!({"thread_id": thread})).await },
        )
    };
    server.stage.open("v");
    stopping.await.unwrap();
    reader.rest().await.ended("stopped");
    assert_eq!(server.items(&thread).await[1..], [EXPLAINED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_failure_is_judged_as_well() {
    let server = Server::start().await;
    server.stage.open("v");
    server.stage.open("g");
    let (thread, frames) = server.converse("screen none back@v; half partial@g; fail").await;
    frames.ended("done");
    assert_eq!(server.items(&thread).await[1..], [EXPLAINED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_come_later_are_left_with_the_same() {
    let server = Server::start().await;
    let message = message("screen none back@v; half good|unsaid@g");
    let begun = server.send("threads.create", message).await.unwrap();
    let Response::Stream { turn_id, events } = begun else { panic!("no stream") };
    let mut reader = Reader::new(events);
    let thread = reader.until("thread.created").await["thread"]["id"].clone();
    reader.until_text("unsaid").await;
    let follow = json!({"thread_id": thread, "after": 0, "turn_id": turn_id});
    let second = Reader::new(server.stream("threads.resume", follow.clone()).await);
    server.stage.open("g");
    server.stage.open("v");
    let (first, second) = (reader.rest().await, second.rest().await);
    let late = Reader::new(server.stream("threads.resume", follow).await).rest().await;
    // What was taken back is not sent again.
    assert!(!serde_json::to_string(&late.events[2..]).unwrap().contains("unsaid"));
    assert_eq!(late.events.len(), first.events.len(), "the numbers are the same");
    for frames in [&first, &second, &late] {
        assert_eq!(left(frames).len(), 1, "{:?}", frames.types());
        frames.ended("done");
    }
    assert_eq!(left(&first), left(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_stays_and_no_model_is_told_of_it() {
    let server = Server::start().await;
    server.stage.open("v");
    server.stage.open("g");
    let (thread, frames) =
        server.converse("hold! g; screen none refuse@v; titled Bad@v; say unsaid").await;
    frames.ended("done");
    assert!(!serde_json::to_string(&frames.events[2..]).unwrap().contains("unsaid"));
    let items = server.items(&thread).await;
    assert_eq!((items.len(), items[1].as_str()), (2, "assistant_message Refused."));
    assert_eq!(server.stage.count(&server.stage.titles), 0, "a title would tell a model");
    server.say(&thread, "say ok").await.ended("done");
    let history = server.stage.history.lock().unwrap().clone();
    assert_eq!(history, ["user_message say ok"]);
    assert_eq!(server.items(&thread).await.len(), 4, "the user keeps everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_or_sent_before_the_gate_is_open() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("hold g; say behind it").await;
    server.until(|stage| stage.count(&stage.asked) == 1).await;
    reader.until("stream_options").await;
    assert_eq!(server.items(&thread).await.len(), 1);
    server.stage.open("g");
    let frames = reader.rest().await;
    frames.ended("done");
    assert_eq!(server.items(&thread).await[1..], ["assistant_message behind it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_a_refused_message_is_asked_with_it() {
    let server = Server::start().await;
    server.stage.open("v");
    let (thread, _) = server.converse("screen none refuse@v; say one").await;
    let message = server.item(&thread, "user_message").await["id"].clone();
    server.stage.open("v");
    let retry = json!({"thread_id": thread, "item_id": message});
    Reader::new(server.stream("threads.retry_after_item", retry).await).rest().await.ended("done");
    let history = server.stage.history.lock().unwrap().clone();
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!(server.items(&thread).await[1..], ["assistant_message Refused."]);
}
