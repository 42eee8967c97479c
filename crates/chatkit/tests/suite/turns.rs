//! Turns, from the message to the end of the stream.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::replicas::Bus;
use crate::support::{Reader, Server, body, message, message_to, text_of};
use async_trait::async_trait;
use futures::future::join_all;
use parlor_chatkit::{
    AttachmentRecord, BeginOutcome, BeginTurn, ChatKitError, DeleteAttachmentOutcome,
    DoomedAttachment, FeedbackQuery, FeedbackRecord, HeldTurn, ItemWrite, Limits, Owner, PageQuery,
    Peers, RecordedTurn, ReplaceOutcome, Response, SignedLink, Store, StoreError, ThreadTitle,
    TurnKey, TurnState, UnsentQuota, UploadedFile, Visibility,
    protocol::{
        AttachmentId, FeedbackKind, ItemId, Page, ThreadId, ThreadItem, ThreadMetadata, Timestamp,
        TurnId,
    },
};
use parlor_store::SqliteStore;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_message_is_stored_before_the_first_event() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("wait go; say hello").await;
    // Nothing but `thread.created` has been read, and the responder is held.
    assert_eq!(server.items(&thread).await, ["user_message wait go; say hello"]);
    server.stage.open("go");
    reader.until("thread.item.done").await;
    reader.rest().await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_the_order_of_the_protocol() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("say Hel|lo; title Greeting").await;
    assert_eq!(
        frames.types(),
        [
            "thread.created",
            "thread.item.done",
            "stream_options",
            "thread.item.added",
            "thread.item.updated",
            "thread.item.updated",
            "thread.item.updated",
            "thread.item.updated",
            "thread.item.done",
            "thread.updated",
        ]
    );
    frames.ended("done");
    assert_eq!(frames.events[1]["item"]["type"], "user_message");
    assert_eq!(frames.events[9]["thread"]["title"], "Greeting");
    let folded: String =
        frames.events.iter().filter_map(|event| event["update"]["delta"].as_str()).collect();
    assert_eq!(folded, text_of(&frames.events[8]["item"]));
    assert_eq!(server.items(&thread).await[1], "assistant_message Hello");
    let found = server.json("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(found["title"], "Greeting");

    let again = server.say(&thread, "say more").await;
    assert_eq!(again.types()[..2], ["thread.item.done", "stream_options"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_goes_on_when_its_reader_leaves() {
    let server = Server::start().await;
    let Ok(Response::Stream { turn_id, events }) =
        server.send("threads.create", message("half one@go")).await
    else {
        panic!("a new thread streams");
    };
    let mut reader = Reader::new(events);
    let created = reader.until("thread.created").await;
    let thread = created["thread"]["id"].as_str().unwrap();
    reader.until_text("one").await;
    drop(reader);
    server.stage.open("go");
    server.until(|stage| stage.count(&stage.gone) == 1).await;
    let params = json!({"thread_id": thread, "turn_id": turn_id.as_str()});
    let resumed = Reader::new(server.stream("threads.resume", params).await);
    resumed.rest().await.ended("done");
    assert_eq!(server.items(thread).await[1], "assistant_message one rest");
    assert_eq!(server.stage.count(&server.stage.cancelled), 0, "leaving is not stopping");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_ends_with_its_last_reader_where_the_server_says_so() {
    let server = Server::that_cancels().await;
    let (thread, mut reader) = server.begin("half one@never").await;
    reader.until_text("one").await;
    let resume = json!({"thread_id": thread, "after": 0});
    let mut resumed = Reader::new(server.stream("threads.resume", resume.clone()).await);
    resumed.until_text("one").await;
    drop(reader);
    // A third that comes and goes: the one that is left counts.
    drop(server.stream("threads.resume", resume.clone()).await);
    let mut third = Reader::new(server.stream("threads.resume", resume).await);
    third.until_text("one").await;
    assert_eq!(server.stage.count(&server.stage.gone), 0, "the turn is still followed");
    drop(resumed);
    drop(third);
    server.until(|stage| stage.count(&stage.cancelled) == 1).await;
    assert_eq!(server.stage.count(&server.stage.gone), 1, "the responder's future is dropped");
    assert_eq!(
        server.items(&thread).await,
        ["user_message half one@never", "assistant_message one"],
        "what was said is kept"
    );
    server.say(&thread, "say two").await.ended("done");
    assert_eq!(server.stage.count(&server.stage.cancelled), 1, "one that ends is not cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_sender_left_before_it_began_is_cancelled_too_and_its_message_kept() {
    let server = Server::that_cancels().await;
    let events = server.stream("threads.create", message("half one@never")).await;
    drop(events);
    server.until(|stage| stage.count(&stage.cancelled) == 1).await;
    let threads = server.json("threads.list", json!({})).await;
    let thread = threads["data"][0]["id"].as_str().unwrap();
    assert_eq!(server.items(thread).await[0], "user_message half one@never");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_keeps_the_partial_text_and_drops_the_responder() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half one|two@never").await;
    reader.until_text("two").await;
    let answer = server.json("threads.stop", json!({"thread_id": thread})).await;
    assert_eq!(answer, json!({"stopped": true}));
    assert_eq!(server.items(&thread).await[1], "assistant_message onetwo");
    let frames = reader.rest().await;
    frames.ended("stopped");
    let last = frames.events.last().unwrap();
    assert_eq!(last["type"], "thread.item.done");
    assert_eq!(text_of(&last["item"]), "onetwo");
    assert!(frames.of("error").is_empty());
    assert_eq!(server.stage.count(&server.stage.gone), 1, "the responder's future is dropped");
    server.until(|stage| stage.count(&stage.cancelled) == 1).await;

    let answer = server.json("threads.stop", json!({"thread_id": thread})).await;
    assert_eq!(answer, json!({"stopped": false}), "nothing runs any more");
    server.say(&thread, "say next").await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_before_anything_was_said_leaves_no_empty_message() {
    let server = Server::start().await;
    let (thread, reader) = server.begin("wait never").await;
    server.json("threads.stop", json!({"thread_id": thread})).await;
    reader.rest().await.ended("stopped");
    assert_eq!(server.items(&thread).await, ["user_message wait never"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_from_any_event_gives_what_an_uncut_reader_got() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("say a|b|c; half d|e@go").await;
    reader.until_text("e").await;
    let so_far = reader.frames.events.len() as u64;
    let mut resumed = Vec::new();
    for after in 0..=so_far {
        let params = json!({"thread_id": thread, "after": after});
        resumed.push(Reader::new(server.stream("threads.resume", params).await));
    }
    server.stage.open("go");
    let whole = reader.rest().await;
    whole.ended("done");
    for (after, reader) in resumed.into_iter().enumerate() {
        let rest = reader.rest().await;
        rest.ended("done");
        assert_eq!(rest.events, whole.events[after..], "after {after}");
        assert!(whole.raw.ends_with(&rest.raw), "byte for byte, after {after}");
    }
    assert_eq!(server.stage.count(&server.stage.asked), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_has_just_ended_can_be_resumed_by_its_id() {
    let server = Server::start().await;
    let Ok(Response::Stream { turn_id, events }) =
        server.send("threads.create", message("say hello")).await
    else {
        panic!("a new thread streams");
    };
    let whole = Reader::new(events).rest().await;
    let thread = whole.events[0]["thread"]["id"].as_str().unwrap();
    let params = json!({"thread_id": thread, "turn_id": turn_id.as_str(), "after": 3});
    let rest = Reader::new(server.stream("threads.resume", params).await).rest().await;
    assert_eq!(rest.events, whole.events[3..]);
    for params in [json!({"thread_id": thread}), json!({"thread_id": thread, "turn_id": "trn_x"})] {
        let refused = server.refused("threads.resume", params).await;
        assert_eq!(refused.status_and_code(), (404, "no_running_turn"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_another_turn_than_the_running_one_starts_from_its_beginning() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half x@go").await;
    reader.until_text("x").await;
    let params = json!({"thread_id": thread, "turn_id": "trn_old", "after": 4});
    let mut resumed = Reader::new(server.stream("threads.resume", params).await);
    assert_eq!(resumed.next().await.unwrap()["type"], "thread.created");
    server.stage.open("go");
    assert_eq!(resumed.rest().await.events, reader.rest().await.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_busy_while_somebody_follows_its_turn() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half x@go").await;
    reader.until_text("x").await;
    let refused = server.refused("threads.add_user_message", message_to(&thread, "say no")).await;
    assert_eq!(refused.status_and_code(), (409, "thread_busy"));
    server.stage.open("go");
    reader.rest().await.ended("done");
    assert_eq!(server.items(&thread).await.len(), 2, "the refused message left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_message_takes_the_place_of_a_turn_that_nobody_follows() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half partial@never").await;
    reader.until_text("partial").await;
    drop(reader);
    server.say(&thread, "say second").await.ended("done");
    assert_eq!(
        server.items(&thread).await,
        [
            "user_message half partial@never",
            "assistant_message partial",
            "user_message say second",
            "assistant_message second",
        ]
    );
    assert_eq!(server.stage.count(&server.stage.gone), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_replaces_the_old_answer_once_the_new_one_has_begun() {
    let server = Server::start().await;
    let (thread, _) = server.converse("say first").await;
    let question = server.item(&thread, "user_message").await;
    let old = server.item(&thread, "assistant_message").await;
    server.say(&thread, "say later").await;
    let params = json!({"thread_id": thread, "item_id": question["id"]});
    let frames = Reader::new(server.stream("threads.retry_after_item", params).await).rest().await;
    frames.ended("done");
    let removed: Vec<_> =
        frames.of("thread.item.removed").iter().map(|event| event["item_id"].clone()).collect();
    assert_eq!(removed.len(), 3, "everything behind the message goes");
    assert_eq!(removed[0], old["id"]);
    let added = frames.types().iter().position(|kind| *kind == "thread.item.added").unwrap();
    assert_eq!(frames.types()[added - 1], "thread.item.removed", "out before in, without a gap");
    assert_eq!(server.items(&thread).await, ["user_message say first", "assistant_message first"]);
    assert_ne!(server.item(&thread, "assistant_message").await["id"], old["id"]);
    let history = server.stage.history.lock().unwrap().clone();
    assert_eq!(history, ["user_message say first"], "the old answer is not read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_far_back_still_reads_the_message_it_answers() {
    let server = Server::start().await;
    let (thread, _) = server.converse("say first").await;
    let question = server.item(&thread, "user_message").await;
    for _ in 0..12 {
        server.say(&thread, "say more").await;
    }
    let params = json!({"thread_id": thread, "item_id": question["id"]});
    Reader::new(server.stream("threads.retry_after_item", params).await).rest().await;
    assert_eq!(*server.stage.history.lock().unwrap(), ["user_message say first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_replaces_what_an_orphaned_turn_left_behind() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half partial@go").await;
    reader.until_text("partial").await;
    let question = server.item(&thread, "user_message").await;
    drop(reader);
    let params = json!({"thread_id": thread, "item_id": question["id"]});
    let retry = Reader::new(server.stream("threads.retry_after_item", params).await);
    server.stage.open("go");
    let frames = retry.rest().await;
    frames.ended("done");
    assert_eq!(frames.of("thread.item.removed").len(), 1, "the orphan's partial answer goes");
    assert_eq!(server.items(&thread).await[1..], ["assistant_message partial rest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_fails_leaves_the_old_answer() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("wait first; half old@second; fail").await;
    // The same script fails before it says anything the second time: its gate opens once.
    server.stage.open("first");
    reader.until_text("old").await;
    server.json("threads.stop", json!({"thread_id": thread})).await;
    let question = server.item(&thread, "user_message").await;
    let before = server.items(&thread).await;
    let params = json!({"thread_id": thread, "item_id": question["id"]});
    let reader = Reader::new(server.stream("threads.retry_after_item", params).await);
    server.json("threads.stop", json!({"thread_id": thread})).await;
    let frames = reader.rest().await;
    frames.ended("stopped");
    assert!(frames.of("thread.item.removed").is_empty());
    assert_eq!(server.items(&thread).await, before);
    assert_eq!(before[1], "assistant_message old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_that_fails_tells_it_once_and_keeps_what_it_said() {
    let server = Server::start().await;
    for (script, reason) in
        [("half so far@go;fail", "model.rate_limited"), ("half so far@go;panic", "internal")]
    {
        let (thread, reader) = server.begin(script).await;
        server.stage.open("go");
        let frames = reader.rest().await;
        frames.ended("failed");
        let error = frames.error();
        assert_eq!(error["reason"], reason);
        assert_eq!(error["code"], "custom");
        assert_eq!(error["allow_retry"], true);
        assert!(error["request_id"].as_str().unwrap().starts_with("req_"));
        assert!(!frames.raw.contains("on purpose"), "a panic's message is for the log");
        assert_eq!(frames.types().last(), Some(&"error"));
        assert_eq!(server.items(&thread).await[1], "assistant_message so far");
        server.say(&thread, "say next").await.ended("done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_takes_too_long_is_cut_off() {
    let limits = Limits { turn_duration: Duration::from_millis(1500), ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let (thread, reader) = server.begin("half so far@never").await;
    let frames = reader.rest().await;
    frames.ended("failed");
    assert_eq!(frames.error()["reason"], "turn.timeout");
    assert_eq!(server.items(&thread).await[1], "assistant_message so far");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_says_too_much_is_cut_off() {
    let limits = Limits { turn_bytes: 50_000, ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let (thread, frames) = server.converse("flood").await;
    frames.ended("failed");
    assert_eq!(frames.error()["reason"], "turn.too_large");
    assert!(frames.raw.len() < 52_000);
    let kept = server.items(&thread).await;
    assert!(kept[1].len() > 20_000, "what was said is kept");
    server.say(&thread, "say next").await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_id_that_exists_fails_the_turn_and_not_the_thread() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("twice").await;
    frames.ended("failed");
    assert_eq!(frames.error()["reason"], "internal");
    assert_eq!(server.items(&thread).await, ["user_message twice"]);
    server.say(&thread, "say next").await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_with_its_key_is_one_message() {
    let server = Server::start().await;
    let body = body("threads.create", &message("half x@go"));
    let Ok(Response::Stream { events, turn_id }) =
        server.handle(body.as_bytes(), Some("key")).await
    else {
        panic!("a new thread streams");
    };
    let mut first = Reader::new(events);
    first.until_text("x").await;
    let Ok(Response::Stream { events, turn_id: same }) =
        server.handle(body.as_bytes(), Some("key")).await
    else {
        panic!("a repeated request streams");
    };
    assert_eq!(turn_id, same);
    server.stage.open("go");
    let (first, second) = (first.rest().await, Reader::new(events).rest().await);
    assert_eq!(first, second, "while it runs");
    assert_eq!(server.stage.count(&server.stage.asked), 1);
    let thread = first.events[0]["thread"]["id"].as_str().unwrap();
    assert_eq!(server.items(thread).await.len(), 2);

    // In a process that knows nothing of the turn's log.
    let later = server.another().await;
    let Ok(Response::Stream { events, .. }) = later.handle(body.as_bytes(), Some("key")).await
    else {
        panic!("a repeated request streams");
    };
    let replay = Reader::new(events).rest().await;
    replay.ended("done");
    assert_eq!(replay.types(), ["thread.created", "thread.item.done", "thread.item.done"]);
    assert_eq!(later.stage.count(&later.stage.asked), 0);

    // Somebody else's key is their own.
    let bob = server.as_user("bob");
    server.stage.open("go");
    let Ok(Response::Stream { events, .. }) = bob.handle(body.as_bytes(), Some("key")).await else {
        panic!("a new thread streams");
    };
    let theirs = Reader::new(events).rest().await;
    assert_ne!(theirs.events[0]["thread"]["id"], first.events[0]["thread"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_that_is_repeated_says_again_that_it_failed() {
    let server = Server::start().await;
    let body = body("threads.create", &message("fail"));
    let Ok(Response::Stream { events, .. }) = server.handle(body.as_bytes(), Some("key")).await
    else {
        panic!("a new thread streams");
    };
    Reader::new(events).rest().await.ended("failed");
    let later = server.another().await;
    let Ok(Response::Stream { events, .. }) = later.handle(body.as_bytes(), Some("key")).await
    else {
        panic!("a repeated request streams");
    };
    let replay = Reader::new(events).rest().await;
    replay.ended("failed");
    assert_eq!(replay.error()["reason"], "turn.failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_sent_many_times_at_once_is_one_message() {
    let server = Arc::new(Server::start().await);
    let (thread, _) = server.converse("say hello").await;
    let create = body("threads.create", &message("say hi"));
    let add = body("threads.add_user_message", &message_to(&thread, "say hi"));
    for (key, body) in [("create", create), ("add", add)] {
        let asked = server.stage.count(&server.stage.asked);
        let posts = (0..8).map(|_| {
            let (server, body) = (Arc::clone(&server), body.clone());
            tokio::spawn(async move {
                match server.handle(body.as_bytes(), Some(key)).await {
                    Ok(Response::Stream { events, .. }) => Reader::new(events).rest().await,
                    Ok(Response::Json(_)) => panic!("a message streams"),
                    Err(error) => panic!("{key}: {error:?}"),
                }
            })
        });
        let all = join_all(posts).await;
        let first = all[0].as_ref().unwrap();
        first.ended("done");
        for other in &all {
            assert_eq!(other.as_ref().unwrap(), first, "{key}");
        }
        assert_eq!(server.stage.count(&server.stage.asked), asked + 1, "{key}");
    }
    assert_eq!(server.items(&thread).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_keeps_what_was_said() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half one@more; say two").await;
    reader.until_text("one").await;
    // Text is stored while it grows, about once a second: here the moment is made by hand.
    let running = match server.send("threads.get_by_id", json!({"thread_id": thread})).await {
        Ok(Response::Json(json)) => json.running_turn.unwrap(),
        _ => panic!("a thread is JSON"),
    };
    let added = reader.frames.of("thread.item.added")[0]["item"].clone();
    let mut item = added;
    item["content"] = json!([{"type": "output_text", "text": "one", "annotations": []}]);
    let checkpoint = ItemWrite::Put {
        seq: 2,
        item: serde_json::from_value(item).unwrap(),
        state: parlor_chatkit::ItemState::Pending,
    };
    let key = TurnKey { turn_id: running, thread_id: thread.as_str().into() };
    server.chatkit.store().write(&server.owner, &key, &[checkpoint]).await.unwrap();

    let next = server.another().await;
    assert_eq!(next.items(&thread).await.len(), 1, "nothing that is still being made is listed");
    let refused = next.refused("threads.add_user_message", message_to(&thread, "say no")).await;
    assert_eq!(refused.status_and_code(), (409, "thread_busy"), "another process holds it");
    assert_eq!(next.chatkit.recover().await.unwrap(), 1);
    assert_eq!(next.chatkit.recover().await.unwrap(), 0);
    assert_eq!(next.items(&thread).await[1], "assistant_message one");
    next.say(&thread, "say again").await.ended("done");

    // The old process finds out that it has lost the thread, and writes nothing more.
    server.stage.open("more");
    reader.rest().await.ended("interrupted");
    assert_eq!(
        next.items(&thread).await,
        [
            "user_message half one@more; say two",
            "assistant_message one",
            "user_message say again",
            "assistant_message again",
        ]
    );
}

/// Waits until the text of an item that is still being made is stored, looking into the file.
async fn until_checkpointed(server: &Server, text: &str) {
    let path = server.folder.path().join("chat.db");
    for _ in 0..3_000 {
        let found = rusqlite::Connection::open(&path).unwrap().query_row(
            "SELECT COUNT(*) FROM items WHERE pending = 1 AND instr(body, ?1) > 0",
            [text],
            |row| row.get::<_, i64>(0),
        );
        if found.unwrap() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("`{text}` was never stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_comes_before_a_long_silence_survives_a_crash() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half one|two@more; half three@never").await;
    reader.until_text("two").await;
    // Nothing more comes, and still it is stored.
    until_checkpointed(&server, "onetwo").await;
    server.stage.open("more");
    reader.until_text("three").await;
    // One message is whole by now, and the next one grows and falls silent.
    until_checkpointed(&server, "three").await;
    let later = server.another().await;
    assert_eq!(later.chatkit.recover().await.unwrap(), 1);
    assert_eq!(
        later.items(&thread).await[1..],
        ["assistant_message onetwo rest", "assistant_message three"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_tools_output_goes_to_the_call_that_waits() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("tool look").await;
    frames.ended("done");
    let output = json!({"thread_id": thread, "result": {"seen": 42}});
    let stream = server.stream("threads.add_client_tool_output", output.clone()).await;
    let frames = Reader::new(stream).rest().await;
    frames.ended("done");
    let replaced = &frames.of("thread.item.replaced")[0]["item"];
    assert_eq!(replaced["status"], "completed");
    assert_eq!(replaced["output"], json!({"seen": 42}));
    assert!(server.items(&thread).await[2].contains("\"seen\":42"), "the responder reads it");
    let refused = server.refused("threads.add_client_tool_output", output).await;
    assert_eq!(refused.status_and_code(), (422, "invalid_field"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_message_settles_a_call_left_pending() {
    let server = Server::start().await;
    let (thread, _) = server.converse("tool look").await;
    let frames = server.say(&thread, "say never mind").await;
    frames.ended("done");
    assert_eq!(frames.types()[..3], ["thread.item.done", "thread.item.replaced", "stream_options"]);
    let call = server.item(&thread, "client_tool_call").await;
    assert_eq!(call["status"], "completed");
    assert_eq!(call.get("output"), None);
    let output = json!({"thread_id": thread, "result": "too late"});
    let refused = server.refused("threads.add_client_tool_output", output).await;
    assert_eq!(refused.field(), Some("params.thread_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_questions_come_back() {
    let server = Server::start().await;
    let (thread, _) = server.converse("ask How many?").await;
    let question = server.item(&thread, "structured_input").await;
    let params = json!({
        "thread_id": thread,
        "item_id": question["id"],
        "input": {"status": "answered", "answers": {"q1": {"values": ["three"]}}},
    });
    let stream = server.stream("threads.add_structured_input", params.clone()).await;
    Reader::new(stream).rest().await.ended("done");
    let question = server.item(&thread, "structured_input").await;
    assert_eq!(question["status"], "answered");
    assert_eq!(question["inputs"][0]["answer"]["values"], json!(["three"]));
    let refused = server.refused("threads.add_structured_input", params).await;
    assert_eq!(refused.field(), Some("params.item_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_answers_to_one_question_at_once_are_one() {
    let server = Arc::new(Server::start().await);
    let (thread, _) = server.converse("ask How many?").await;
    let question = server.item(&thread, "structured_input").await;
    let posts = (0..6).map(|n| {
        let params = json!({
            "thread_id": thread,
            "item_id": question["id"],
            "input": {"answers": {"q1": {"values": [n.to_string()]}}},
        });
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            match server.send("threads.add_structured_input", params).await {
                Ok(Response::Stream { events, .. }) => {
                    Reader::new(events).rest().await.ended("done");
                    true
                }
                _ => false,
            }
        })
    });
    let taken = join_all(posts).await.into_iter().filter(|taken| *taken.as_ref().unwrap()).count();
    assert_eq!(taken, 1);
    assert_eq!(server.items(&thread).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_and_closed_threads_take_no_messages() {
    let server = Server::start().await;
    for (script, code) in [("lock for lunch", "thread_locked"), ("close", "thread_closed")] {
        let (thread, frames) = server.converse(script).await;
        assert_eq!(frames.types().last(), Some(&"thread.updated"));
        let question = server.item(&thread, "user_message").await;
        for (operation, params) in [
            ("threads.add_user_message", message_to(&thread, "say no")),
            ("threads.retry_after_item", json!({"thread_id": thread, "item_id": question["id"]})),
            ("threads.custom_action", json!({"thread_id": thread, "action": {"type": "x"}})),
        ] {
            let refused = server.refused(operation, params).await;
            assert_eq!(refused.status_and_code(), (409, code), "{operation}");
        }
        assert_eq!(server.items(&thread).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_messages_alternate_with_their_answers_and_none_is_lost() {
    let server = Arc::new(Server::start().await);
    let (thread, _) = server.converse("say 0").await;
    let posts = (1..=50).map(|n| {
        let (server, thread) = (Arc::clone(&server), thread.clone());
        tokio::spawn(async move {
            match server
                .send("threads.add_user_message", message_to(&thread, &format!("say {n}")))
                .await
            {
                Ok(Response::Stream { events, .. }) => {
                    Reader::new(events).rest().await.ended("done");
                    Some(n)
                }
                Ok(Response::Json(_)) => panic!("a message streams"),
                Err(ChatKitError::ThreadBusy) => None,
                Err(error) => panic!("{error:?}"),
            }
        })
    });
    let accepted: Vec<_> =
        join_all(posts).await.into_iter().filter_map(|posted| posted.unwrap()).collect();
    assert!(!accepted.is_empty());
    let items = server.items(&thread).await;
    assert_eq!(items.len(), 2 + 2 * accepted.len());
    for pair in items.chunks(2) {
        let n = pair[0].strip_prefix("user_message say ").unwrap();
        assert_eq!(pair[1], format!("assistant_message {n}"));
    }
    for n in accepted {
        assert!(items.contains(&format!("user_message say {n}")), "{n} was accepted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_thread_ends_its_turn() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half x@never").await;
    reader.until_text("x").await;
    server.json("threads.delete", json!({"thread_id": thread})).await;
    reader.rest().await.ended("interrupted");
    server.until(|stage| stage.count(&stage.gone) == 1).await;
    let refused = server.refused("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(refused.status_and_code(), (404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_keeps_the_partial_text_and_takes_no_more() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("half x@never").await;
    reader.until_text("x").await;
    server.chatkit.shut_down().await;
    reader.rest().await.ended("interrupted");
    assert_eq!(server.items(&thread).await[1], "assistant_message x");
    let refused = server.refused("threads.create", message("say no")).await;
    assert_eq!(refused.status_and_code(), (503, "shutting_down"));
    assert_eq!(server.chatkit.recover().await.unwrap(), 0, "every turn was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_title_wins_over_an_automatic_one_that_comes_later() {
    let server = Server::start().await;
    let (thread, reader) = server.begin("wait go; title Automatic; say x").await;
    let params = json!({"thread_id": thread, "title": " Mine "});
    assert_eq!(server.json("threads.update", params).await["title"], "Mine");
    server.stage.open("go");
    let frames = reader.rest().await;
    assert_eq!(frames.of("thread.updated")[0]["thread"]["title"], "Mine");
    let found = server.json("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(found["title"], "Mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_context_reaches_the_responder_and_nobody_else() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("secret xyzzy; say hello").await;
    let mut seen = frames.raw.replace("secret xyzzy; say hello", "");
    assert!(!server.items(&thread).await.iter().any(|item| item.starts_with("hidden")));
    seen += &server.json("threads.get_by_id", json!({"thread_id": thread})).await.to_string();
    let seen = seen.replace("secret xyzzy; say hello", "");
    assert!(!seen.contains("xyzzy") && !seen.contains("hidden_context"), "{seen}");
    server.say(&thread, "say more").await;
    let history = server.stage.history.lock().unwrap().clone();
    assert!(history.contains(&"hidden_context_item xyzzy".to_owned()), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_says_nothing_of_hidden_context_that_goes() {
    let server = Server::start().await;
    let (thread, _) = server.converse("secret xyzzy; say hello").await;
    let question = server.item(&thread, "user_message").await;
    let old = server.item(&thread, "assistant_message").await;
    let params = json!({"thread_id": thread, "item_id": question["id"]});
    let frames = Reader::new(server.stream("threads.retry_after_item", params).await).rest().await;
    frames.ended("done");
    let removed: Vec<_> =
        frames.of("thread.item.removed").iter().map(|event| event["item_id"].clone()).collect();
    assert_eq!(removed, [old["id"].clone()]);
    server.say(&thread, "say more").await;
    let history = server.stage.history.lock().unwrap().clone();
    let hidden = history.iter().filter(|item| item.starts_with("hidden")).count();
    assert_eq!(hidden, 2, "what the new answer hid, and not the old: {history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_widgets_begin_a_turn() {
    let server = Server::start().await;
    let (thread, frames) = server.converse("widget Pick one").await;
    frames.ended("done");
    let widget = server.item(&thread, "widget").await;
    let params = json!({"thread_id": thread, "item_id": widget["id"], "action": {"type": "pick"}});
    let stream = server.stream("threads.custom_action", params.clone()).await;
    Reader::new(stream).rest().await.ended("done");
    assert_eq!(server.items(&thread).await[2], "assistant_message action pick");
    assert_eq!(server.json("threads.sync_custom_action", params).await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn citations_stand_behind_the_cited_words() {
    let server = Server::start().await;
    let (thread, _) = server.converse("cite é👍x").await;
    let answer = server.item(&thread, "assistant_message").await;
    assert_eq!(answer["content"][0]["annotations"][0]["index"], 3, "code points are counted");
}

/// A store that fails when it is told to, and that several processes may share.
#[derive(Clone)]
pub(crate) struct Failing {
    pub(crate) store: SqliteStore,
    pub(crate) away: Arc<AtomicBool>,
    /// Only this method is away.
    pub(crate) only: Option<&'static str>,
    pub(crate) bus: Option<Arc<Bus>>,
}

impl Failing {
    fn check(&self, method: &str) -> Result<(), StoreError> {
        let concerned = self.only.is_none_or(|only| only == method);
        if concerned && self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("away".into()));
        }
        Ok(())
    }
}

macro_rules! delegate {
    ($( async fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty; )+) => {
        #[async_trait]
        impl Store for Failing {
            $(
                async fn $name(&self $(, $arg: $type)*) -> Result<$out, StoreError> {
                    Failing::check(self, stringify!($name))?;
                    self.store.$name($($arg),*).await
                }
            )+

            fn peers(&self) -> Option<Arc<dyn Peers>> {
                self.bus.clone().map(|bus| bus as _)
            }

            async fn held_turn(
                &self,
                owner: &Owner,
                thread_id: &ThreadId,
                turn_id: Option<&TurnId>,
            ) -> Result<Option<HeldTurn>, StoreError> {
                Ok(self.bus.as_ref().and_then(|bus| bus.held_turn(owner, thread_id, turn_id)))
            }
        }
    };
}

delegate! {
    async fn thread(&self, owner: &Owner, id: &ThreadId) -> Option<ThreadMetadata>;
    async fn threads(&self, owner: &Owner, query: &PageQuery) -> Option<Page<ThreadMetadata>>;
    async fn rename_thread(&self, owner: &Owner, id: &ThreadId, title: &str) -> Option<ThreadMetadata>;
    async fn title_thread(&self, owner: &Owner, id: &ThreadId, title: ThreadTitle<'_>) -> Option<ThreadMetadata>;
    async fn delete_thread(&self, owner: &Owner, id: &ThreadId) -> bool;
    async fn item(&self, owner: &Owner, id: &ThreadId, item: &ItemId) -> Option<ThreadItem>;
    async fn items(&self, owner: &Owner, id: &ThreadId, query: &PageQuery, all: Visibility) -> Option<Page<ThreadItem>>;
    async fn turn_items(&self, owner: &Owner, turn: &TurnKey) -> Vec<ThreadItem>;
    async fn set_feedback(&self, owner: &Owner, id: &ThreadId, items: &[ItemId], kind: FeedbackKind, now: Timestamp) -> bool;
    async fn feedback(&self, query: &FeedbackQuery) -> Vec<FeedbackRecord>;
    async fn replace_item(&self, owner: &Owner, id: &ThreadId, item: &ThreadItem) -> ReplaceOutcome;
    async fn turn_by_key(&self, owner: &Owner, key: &str) -> Option<RecordedTurn>;
    async fn begin_turn(&self, owner: &Owner, begin: BeginTurn<'_>) -> BeginOutcome;
    async fn write(&self, owner: &Owner, turn: &TurnKey, writes: &[ItemWrite]) -> ();
    async fn end_turn(&self, owner: &Owner, turn: &TurnKey, state: TurnState, writes: &[ItemWrite], now: Timestamp) -> ();
    async fn interrupt_orphans(&self, holder: &str, now: Timestamp) -> u64;
    async fn create_attachment(&self, owner: &Owner, record: &AttachmentRecord, quota: UnsentQuota) -> bool;
    async fn attachments(&self, owner: &Owner, ids: &[AttachmentId]) -> Vec<AttachmentRecord>;
    async fn complete_attachment(&self, owner: &Owner, id: &AttachmentId, uploaded: &UploadedFile) -> Option<AttachmentRecord>;
    async fn keep_attachment(&self, owner: &Owner, thread: &ThreadId, id: &AttachmentId) -> bool;
    async fn delete_attachment(&self, owner: &Owner, id: &AttachmentId) -> DeleteAttachmentOutcome;
    async fn attachment_owner(&self, link: &SignedLink) -> Option<Owner>;
    async fn expire_attachments(&self, before: Timestamp) -> u64;
    async fn doomed_attachments(&self, after: Option<&AttachmentId>, limit: u32) -> Vec<DoomedAttachment>;
    async fn forget_attachment(&self, owner: &Owner, id: &AttachmentId) -> ();
    async fn check(&self) -> ();
    async fn secret(&self, name: &str, fresh: Vec<u8>) -> Vec<u8>;
}

async fn server_over_a_failing_store(patience: Duration) -> (Server, Arc<AtomicBool>) {
    server_over_a_store_that_fails(patience, None).await
}

async fn server_over_a_store_that_fails(
    patience: Duration,
    only: Option<&'static str>,
) -> (Server, Arc<AtomicBool>) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let away = Arc::new(AtomicBool::new(false));
    let failing = Failing { store, away: Arc::clone(&away), only, bus: None };
    let limits = Limits { store_patience: patience, ..Limits::default() };
    (Server::over(failing, limits, folder), away)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_away_ends_the_turn_in_a_clear_error() {
    let (server, away) = server_over_a_failing_store(Duration::from_millis(200)).await;
    let (thread, mut reader) = server.begin("half text@go").await;
    reader.until_text("text").await;
    away.store(true, Ordering::SeqCst);
    server.stage.open("go");
    let frames = reader.rest().await;
    frames.ended("failed");
    assert_eq!(frames.error()["reason"], "storage_unavailable");
    assert_eq!(frames.error()["allow_retry"], true);
    let refused = server.refused("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(refused.status_and_code(), (503, "storage_unavailable"));
    assert_eq!(refused.retry_after(), Some(2));

    away.store(false, Ordering::SeqCst);
    // The store may not have heard of the end yet: the next message makes up for it.
    server.say(&thread, "say next").await.ended("done");
    let items = server.items(&thread).await;
    assert_eq!((items[1].as_str(), items.len()), ("assistant_message text rest", 4), "{items:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_the_store_stayed_away_is_stored_when_it_is_back() {
    let (server, away) = server_over_a_failing_store(Duration::from_millis(50)).await;
    let (thread, mut reader) = server.begin("half text@go").await;
    reader.until_text("text").await;
    away.store(true, Ordering::SeqCst);
    server.stage.open("go");
    reader.rest().await.ended("failed");
    away.store(false, Ordering::SeqCst);
    // Nobody does anything about it.
    while server.items(&thread).await.last().unwrap() != "assistant_message text rest" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_waits_for_a_store_that_comes_back() {
    let (server, away) = server_over_a_failing_store(Duration::from_secs(60)).await;
    let (thread, mut reader) = server.begin("half text@go; say more").await;
    reader.until_text("text").await;
    away.store(true, Ordering::SeqCst);
    server.stage.open("go");
    reader.until_text(" rest").await;
    away.store(false, Ordering::SeqCst);
    let frames = reader.rest().await;
    frames.ended("done");
    assert!(frames.of("error").is_empty());
    assert_eq!(
        server.items(&thread).await[1..],
        ["assistant_message text rest", "assistant_message more"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_finished_when_the_user_stopped_is_kept() {
    let (server, away) = server_over_a_failing_store(Duration::from_secs(60)).await;
    let (thread, mut reader) = server.begin("half text@go; wait never").await;
    reader.until_text("text").await;
    away.store(true, Ordering::SeqCst);
    server.stage.open("go");
    // The message is finished and waits for the store when the user stops the turn.
    while reader.next().await.unwrap()["update"]["type"] != "assistant_message.content_part.done" {}
    let back = async {
        server.until(|stage| stage.count(&stage.gone) == 1).await;
        away.store(false, Ordering::SeqCst);
    };
    let (stopped, ()) =
        tokio::join!(server.json("threads.stop", json!({"thread_id": thread})), back);
    assert_eq!(stopped, json!({"stopped": true}));
    let frames = reader.rest().await;
    frames.ended("stopped");
    assert_eq!(text_of(&frames.events.last().unwrap()["item"]), "text rest");
    assert_eq!(server.items(&thread).await[1..], ["assistant_message text rest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_written_at_once_is_written_when_the_turn_ends() {
    let patience = Duration::from_millis(100);
    let (server, away) = server_over_a_store_that_fails(patience, Some("write")).await;
    let (thread, mut reader) = server.begin("half text@go; say more").await;
    reader.until_text("text").await;
    away.store(true, Ordering::SeqCst);
    server.stage.open("go");
    let frames = reader.rest().await;
    frames.ended("failed");
    assert_eq!(frames.error()["reason"], "storage_unavailable");
    assert_eq!(frames.of("thread.item.done").len(), 2, "the message, and the whole answer");
    assert_eq!(server.items(&thread).await[1..], ["assistant_message text rest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_sender_goes_away_at_once_is_answered() {
    let server = Server::start().await;
    let (thread, _) = server.converse("say hello").await;
    for n in 0..20_u32 {
        let body = body("threads.add_user_message", &message_to(&thread, &format!("say {n}")));
        let mut request = std::pin::pin!(server.handle(body.as_bytes(), None));
        // The request is dropped at its n-th pause.
        for _ in 0..n % 4 {
            let polled = futures::poll!(&mut request);
            if polled.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let last = loop {
        let last = server.send("threads.add_user_message", message_to(&thread, "say last")).await;
        match last {
            Ok(Response::Stream { events, .. }) => break Reader::new(events).rest().await,
            Err(ChatKitError::ThreadBusy) => tokio::task::yield_now().await,
            _ => panic!("a message streams"),
        }
    };
    last.ended("done");
    let items = server.items(&thread).await;
    assert_eq!(items.last().unwrap(), "assistant_message last");
    let found: Value = server.json("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(found["items"]["data"][0]["type"], "user_message");
}
