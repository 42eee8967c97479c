//! Titles that are made beside the first answer.

use serde_json::{Value, json};

use crate::support::{Frames, Reader, Server};

async fn title(server: &Server, thread: &str) -> Value {
    server.json("threads.get_by_id", json!({"thread_id": thread})).await["title"].clone()
}

fn announced(frames: &Frames) -> Vec<Value> {
    frames.of("thread.updated").iter().map(|event| event["thread"]["title"].clone()).collect()
}

/// Waits until the thread has this title: nobody is told when a late one is saved.
async fn until_titled(server: &Server, thread: &str, expected: &str) {
    for _ in 0..3_000 {
        if title(server, thread).await == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the title is {}", title(server, thread).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_is_made_beside_the_first_answer_and_announced_with_its_end() {
    let server = Server::start().await;
    let script = "titled  The \n\u{202e}kettle @title; title_at_end For now; half one@more";
    let (thread, mut reader) = server.begin(script).await;
    reader.until_text("one").await;
    server.until(|stage| stage.count(&stage.titles) == 1).await;
    server.stage.open("title");
    server.until(|stage| stage.count(&stage.gone) == 1).await;
    server.stage.open("more");
    let frames = reader.rest().await;
    frames.ended("done");
    assert_eq!(announced(&frames), ["The kettle"], "told once, on one line");
    assert_eq!(title(&server, &thread).await, "The kettle");
    let again = server.say(&thread, "titled Another@title; say more").await;
    assert_eq!(announced(&again), [] as [Value; 0]);
    assert_eq!(server.stage.count(&server.stage.titles), 1, "it has one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_is_not_ready_delays_nothing_and_is_saved_when_it_comes() {
    let server = Server::start().await;
    let script = "titled The kettle@title; title_at_end For now; say one";
    let (thread, frames) = server.converse(script).await;
    frames.ended("done");
    assert_eq!(announced(&frames), ["For now"]);
    // The thread takes messages meanwhile, and a turn that runs then leaves the title.
    let params = crate::support::message_to(&thread, "meta seen; half two@more; meta more; say x");
    let mut reader = Reader::new(server.stream("threads.add_user_message", params).await);
    reader.until_text("two").await;
    server.stage.open("title");
    let event = reader.until("thread.updated").await;
    let event = match &event["thread"]["title"] {
        Value::String(title) if title == "For now" => reader.until("thread.updated").await,
        _ => event,
    };
    assert_eq!(event["thread"]["title"], "The kettle", "those who follow are told");
    server.stage.open("more");
    reader.rest().await.ended("done");
    assert_eq!(title(&server, &thread).await, "The kettle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_title_is_in_the_list_when_nobody_follows() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("titled The kettle@title; say one").await;
    assert_eq!(announced(&frames), [] as [Value; 0], "there was none for the time being");
    server.stage.open("title");
    until_titled(&server, &thread, "The kettle").await;
    let list = server.json("threads.list", json!({})).await;
    assert_eq!(list["data"][0]["title"], "The kettle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_the_user_gives_meanwhile_stays() {
    for rename_after_the_end in [false, true] {
        let server = Server::start().await;
        let script = "titled Automatic@title; title_at_end For now; half one@more";
        let (thread, mut reader) = server.begin(script).await;
        reader.until_text("one").await;
        let rename = json!({"thread_id": thread, "title": "Mine"});
        if !rename_after_the_end {
            server.json("threads.update", rename.clone()).await;
        }
        server.stage.open("more");
        reader.rest().await.ended("done");
        if rename_after_the_end {
            server.json("threads.update", rename).await;
        }
        server.stage.open("title");
        // The answer's future and the title's.
        server.until(|stage| stage.count(&stage.gone) == 2).await;
        // A turn that writes the thread comes after the title was saved, or not.
        server.say(&thread, "meta seen; say two").await.ended("done");
        assert_eq!(title(&server, &thread).await, "Mine");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_stopped_or_fails_drops_the_title_and_keeps_the_one_for_now() {
    let server = Server::start().await;
    let script = "titled Automatic@title; title_at_end For now; half one@never";
    let (thread, mut reader) = server.begin(script).await;
    reader.until_text("one").await;
    server.until(|stage| stage.count(&stage.titles) == 1).await;
    server.json("threads.stop", json!({"thread_id": thread})).await;
    let frames = reader.rest().await;
    frames.ended("stopped");
    assert_eq!(announced(&frames), ["For now"]);
    server.until(|stage| stage.count(&stage.gone) == 2).await;
    assert_eq!(title(&server, &thread).await, "For now");

    let script = "titled Automatic@title; title_at_end For now; say one; fail";
    let (thread, frames) = server.converse(script).await;
    frames.ended("failed");
    server.until(|stage| stage.count(&stage.gone) == 4).await;
    assert_eq!(title(&server, &thread).await, "For now");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_title_is_asked_for_before_the_answer_begins_or_without_a_message() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("titled Automatic@title; fail").await;
    frames.ended("failed");
    let params = json!({"thread_id": thread, "action": {"type": "pick"}});
    let stream = server.stream("threads.custom_action", params).await;
    Reader::new(stream).rest().await.ended("done");
    assert_eq!(server.stage.count(&server.stage.titles), 0);
    assert_eq!(title(&server, &thread).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_that_panics_over_a_title_harms_nothing_else() {
    let server = Server::start().await;
    server.stage.open("title");
    let script = "titled panic@title; title_at_end For now; say one";
    let (thread, frames) = server.converse(script).await;
    frames.ended("done");
    assert_eq!(title(&server, &thread).await, "For now");
}
