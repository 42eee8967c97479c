//! Widgets: shown, changed, and answered.

use std::time::{Duration, Instant};

use parlor_chatkit::{
    protocol::{
        ItemId, ThreadItemAddedEvent, ThreadItemUpdatedEvent, Timestamp, WidgetItem,
        WidgetStreamingTextValueDelta,
        widgets::{Card, Text, WidgetRoot},
    },
    turn::apply::TurnItems,
};
use serde_json::{Value, json};

use crate::support::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_widget_is_streamed_by_what_changes() {
    let server = Server::start().await;
    let (thread, reader) = server.begin("draft one |two |three@go").await;
    server.stage.open("go");
    let frames = reader.rest().await;
    frames.ended("done");
    let added = frames.of("thread.item.added");
    assert_eq!(added.len(), 1);
    assert_eq!(added[0]["item"]["widget"]["children"][0]["value"], "");
    let updates: Vec<Value> =
        frames.of("thread.item.updated").iter().map(|event| event["update"].clone()).collect();
    let delta = |text: &str| {
        json!({
            "type": "widget.streaming_text.value_delta",
            "component_id": "t", "delta": text, "done": false,
        })
    };
    assert_eq!(updates[..3], [delta("one "), delta("two "), delta("three")]);
    assert_eq!(updates.len(), 4);
    assert_eq!(updates[3]["type"], "widget.root.updated");

    let stored = server.item(&thread, "widget").await;
    assert_eq!(
        stored["widget"],
        json!({"type": "Card", "children": [
            {"type": "Text", "id": "t", "value": "one two three"},
            {"type": "Badge", "label": "done"},
        ]})
    );
    assert_eq!(stored["copy_text"], "copy");
    let done = frames.of("thread.item.done");
    assert_eq!(done.last().unwrap()["item"], stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_widget_that_is_stopped_keeps_what_it_showed() {
    let server = Server::start().await;
    let (thread, mut reader) = server.begin("draft half|way@never").await;
    while reader.until("thread.item.updated").await["update"]["delta"] != "way" {}
    let stopped = server.json("threads.stop", json!({"thread_id": thread})).await;
    assert_eq!(stopped, json!({"stopped": true}));
    let frames = reader.rest().await;
    frames.ended("stopped");
    let stored = server.item(&thread, "widget").await;
    assert_eq!(stored["widget"]["children"][0]["value"], "halfway");
    assert_eq!(frames.of("thread.item.done").last().unwrap()["item"], stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_action_changes_the_stored_widget() {
    let server = Server::start().await;
    let (thread, _) = server.converse("say first; widget Pick one; say last").await;
    let before = server.items(&thread).await;
    let widget = server.item(&thread, "widget").await;
    let action = |name: &str| json!({"thread_id": thread, "item_id": widget["id"], "action": {"type": name}});

    assert_eq!(server.json("threads.sync_custom_action", action("look")).await, json!({}));
    assert_eq!(server.item(&thread, "widget").await, widget);

    let answer = server.json("threads.sync_custom_action", action("rewrite Picked")).await;
    let stored = server.item(&thread, "widget").await;
    assert_eq!(answer["updated_item"], stored);
    assert_eq!(stored["widget"]["children"][0]["value"], "Picked");
    assert_eq!((&stored["id"], &stored["created_at"]), (&widget["id"], &widget["created_at"]));
    assert_eq!(server.items(&thread).await, before, "it keeps its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_action_changes_nothing_but_the_widget_that_was_used() {
    let server = Server::start().await;
    let (thread, _) = server.converse("widget Pick one").await;
    let widget = server.item(&thread, "widget").await;
    let action = |name: &str| json!({"thread_id": thread, "item_id": widget["id"], "action": {"type": name}});
    let refused = server.refused("threads.sync_custom_action", action("mistake x")).await;
    assert_eq!(refused.status_and_code(), (500, "internal"));

    let mut elsewhere = action("rewrite stolen");
    elsewhere["thread_id"] = server.converse("say hello").await.0.into();
    let refused = server.refused("threads.sync_custom_action", elsewhere).await;
    assert_eq!(refused.status_and_code(), (404, "not_found"));
    let refused =
        server.as_user("eve").refused("threads.sync_custom_action", action("rewrite stolen")).await;
    assert_eq!(refused.status_and_code(), (404, "not_found"));
    assert_eq!(server.item(&thread, "widget").await, widget);
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_and_closed_threads_take_no_sync_action() {
    let server = Server::start().await;
    for (command, code) in [("lock later", "thread_locked"), ("close", "thread_closed")] {
        let (thread, _) = server.converse(&format!("{command}; widget Pick one")).await;
        let widget = server.item(&thread, "widget").await;
        let asked = server.stage.count(&server.stage.asked);
        let action = json!({
            "thread_id": thread, "item_id": widget["id"], "action": {"type": "rewrite x"},
        });
        let refused = server.refused("threads.sync_custom_action", action).await;
        assert_eq!(refused.status_and_code(), (409, code));
        assert_eq!(server.stage.count(&server.stage.asked), asked, "nothing was done");
        assert_eq!(server.item(&thread, "widget").await, widget);
    }
}

/// How long it takes to let a text of `length` bytes grow by a thousand letters.
fn growing(length: usize) -> Duration {
    let id = ItemId::new("wdg");
    let item = WidgetItem {
        id: id.clone(),
        thread_id: "thr".into(),
        created_at: Timestamp::from_micros(0).unwrap(),
        widget: WidgetRoot::from(Card::new([Text::new("x".repeat(length)).id("t").into()])),
        copy_text: None,
    };
    let mut items = TurnItems::new(0);
    items.apply(&ThreadItemAddedEvent { item: item.into() }.into()).unwrap();
    let delta =
        WidgetStreamingTextValueDelta { component_id: "t".into(), delta: "x".into(), done: false };
    let event = ThreadItemUpdatedEvent { item_id: id, update: delta.into() }.into();
    let start = Instant::now();
    for _ in 0..1_000 {
        items.apply(&event).unwrap();
    }
    start.elapsed()
}

#[test]
fn a_delta_costs_no_more_in_a_long_text() {
    // A copy of ten megabytes a delta would be a thousand times as much; the machine may be busy.
    let short = (0..5).map(|_| growing(100)).min().unwrap();
    let long = (0..5).map(|_| growing(10_000_000)).min().unwrap();
    assert!(long < short * 100 + Duration::from_millis(50), "{short:?} and {long:?}");
}
