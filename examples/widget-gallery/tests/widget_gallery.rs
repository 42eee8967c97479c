//! The gallery, asked through the SDK.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use example_widget_gallery::{Gallery, chapters};
use parlor_chatkit::{
    ChatKit, TurnState,
    protocol::{
        Action, ItemId, ThreadItem, ThreadItemUpdate, ThreadStreamEvent, WidgetItem,
        widgets::{WidgetComponent, WidgetRoot},
    },
    testing::{Reply, TestUser},
};
use parlor_store::SqliteStore;
use serde_json::{Value, json};

async fn visitor() -> (TestUser, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let chatkit = ChatKit::new(store, Gallery::new().unwrap());
    (TestUser::new(&chatkit, "ada"), folder)
}

fn widgets(items: &[ThreadItem]) -> Vec<WidgetItem> {
    let widgets = items.iter().filter_map(|item| match item {
        ThreadItem::Widget(widget) => Some(widget.clone()),
        _ => None,
    });
    widgets.collect()
}

fn kinds(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            // Actions and series have a type as well, and it is a component's nowhere.
            found.extend(object.get("type").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| kinds(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| kinds(value, found)),
        _ => {}
    }
}

/// The payload of the first action of this name in a widget.
fn payload(widget: &Value, action: &str) -> Option<Value> {
    match widget {
        Value::Object(object) if object.get("type").is_some_and(|name| name == action) => {
            Some(object.get("payload").cloned().unwrap_or_default())
        }
        Value::Object(object) => object.values().find_map(|value| payload(value, action)),
        Value::Array(values) => values.iter().find_map(|value| payload(value, action)),
        _ => None,
    }
}

fn press(widget: &WidgetItem, action: &str) -> Action {
    let json = serde_json::to_value(&widget.widget).unwrap();
    Action { r#type: action.to_owned(), payload: payload(&json, action) }
}

async fn only_widget(user: &mut TestUser, chapter: &str, action: &str) -> WidgetItem {
    user.say(chapter).await.unwrap();
    let shown = widgets(&user.items().await.unwrap());
    let holds = |widget: &&WidgetItem| {
        payload(&serde_json::to_value(&widget.widget).unwrap(), action).is_some()
    };
    shown.iter().find(holds).unwrap().clone()
}

async fn widget_as_stored(user: &TestUser, id: &ItemId) -> String {
    let shown = widgets(&user.items().await.unwrap());
    let widget = shown.iter().find(|widget| widget.id == *id).unwrap();
    serde_json::to_string(&widget.widget).unwrap()
}

fn done(reply: &Reply) {
    assert_eq!(reply.end, Some(TurnState::Done), "{:?}", reply.error());
}

#[tokio::test]
async fn every_component_of_both_lists_is_shown() {
    let (mut ada, _folder) = visitor().await;
    done(&ada.say("Everything").await.unwrap());
    let shown = widgets(&ada.items().await.unwrap());
    let mut found = BTreeSet::new();
    for widget in &shown {
        widget.widget.check().unwrap();
        assert!(!matches!(widget.widget, WidgetRoot::Other(_)));
        kinds(&serde_json::to_value(&widget.widget).unwrap(), &mut found);
    }
    let all = WidgetRoot::KINDS.iter().chain(WidgetComponent::KINDS);
    let missing: Vec<_> = all.filter(|kind| !found.contains(**kind)).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[tokio::test]
async fn a_chapter_is_found_by_its_name_and_what_is_unknown_lists_them() {
    let (mut ada, _folder) = visitor().await;
    for chapter in chapters::ALL {
        let reply = ada.say(chapter).await.unwrap();
        done(&reply);
        assert!(reply.items().any(|item| item.tag() == "widget"), "{chapter}");
    }
    let reply = ada.say("The moon").await.unwrap();
    assert!(reply.text().contains("- charts and tables"), "{}", reply.text());
}

#[tokio::test]
async fn a_sent_form_is_replaced_by_its_answer() {
    let (mut ada, _folder) = visitor().await;
    let form = only_widget(&mut ada, "a form", chapters::form::BOOK).await;
    let sent = |guests: &str| Action {
        r#type: chapters::form::BOOK.to_owned(),
        payload: Some(json!({"name": "Ada", "day": "2030-05-17", "guests": guests})),
    };
    let full = ada.act(Some(&form.id), &sent("8")).await.unwrap();
    assert_eq!(full.error().unwrap().reason.as_deref(), Some("booking.full"));
    assert!(widget_as_stored(&ada, &form.id).await.contains("Book a table"), "the form stays");

    let reply = ada.act(Some(&form.id), &sent("2")).await.unwrap();
    done(&reply);
    assert_eq!(reply.text(), "See you on 2030-05-17, Ada.");
    let stored = widget_as_stored(&ada, &form.id).await;
    assert!(stored.contains("A table for 2 on 2030-05-17, for Ada"), "{stored}");
}

#[tokio::test]
async fn an_action_without_its_fields_is_refused() {
    let (mut ada, _folder) = visitor().await;
    let form = only_widget(&mut ada, "a form", chapters::form::BOOK).await;
    let reply = ada.act(Some(&form.id), &press(&form, chapters::form::BOOK)).await.unwrap();
    assert_eq!(reply.error().unwrap().reason.as_deref(), Some("action.payload"));
}

#[tokio::test]
async fn a_widget_changes_in_its_place_and_stays_changed() {
    let (mut ada, _folder) = visitor().await;
    let list = only_widget(&mut ada, "in place", chapters::live::PACK).await;
    done(&ada.act(Some(&list.id), &press(&list, chapters::live::PACK)).await.unwrap());
    assert!(widget_as_stored(&ada, &list.id).await.contains("1 of 3 packed"));

    let poll = only_widget(&mut ada, "in place", chapters::live::VOTE).await;
    let updated = ada.act_sync(&poll.id, &press(&poll, chapters::live::VOTE)).await.unwrap();
    let Some(ThreadItem::Widget(updated)) = updated else { panic!("the changed widget") };
    assert_eq!(updated.id, poll.id);
    assert!(widget_as_stored(&ada, &poll.id).await.contains("1 vote"));
}

#[tokio::test]
async fn a_streamed_widget_grows_by_deltas() {
    let (mut ada, _folder) = visitor().await;
    let reply = ada.say("streaming").await.unwrap();
    done(&reply);
    let mut deltas = 0;
    let mut grown = String::new();
    for event in &reply.events {
        let ThreadStreamEvent::ItemUpdated(event) = event else { continue };
        if let ThreadItemUpdate::WidgetTextDelta(update) = &event.update {
            deltas += 1;
            grown.push_str(&update.delta);
        }
    }
    assert!(deltas > 30, "{deltas}");
    assert_eq!(grown, chapters::streaming::LETTER);
    let [shown] = &widgets(&ada.items().await.unwrap())[..] else { panic!("one widget") };
    let json = serde_json::to_string(&shown.widget).unwrap();
    assert!(json.contains("three questions about compilers") && json.contains("Finished"));
}
