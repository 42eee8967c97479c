//! The desk, asked through the SDK. That it says what its Python twin says is tested by
//! `compare.py`.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use example_from_python::Desk;
use parlor_chatkit::{
    ChatKit, TurnState,
    protocol::{
        Action, FeedbackKind, StructuredInputAnswerSubmission, StructuredInputSubmission,
        ThreadItem, ThreadStreamEvent,
    },
    testing::TestUser,
};
use parlor_store::SqliteStore;
use serde_json::{Value, json};

#[tokio::test]
async fn every_hook_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let mut ada = TestUser::new(&ChatKit::new(store, Desk), "ada");

    let reply = ada.say("Hello").await.unwrap();
    assert_eq!(reply.text(), "You said: Hello");
    assert_eq!(reply.end, Some(TurnState::Done));
    let may_stop = reply.events.iter().find_map(|event| match event {
        ThreadStreamEvent::StreamOptions(event) => Some(event.stream_options.allow_cancel),
        _ => None,
    });
    assert_eq!(may_stop, Some(false));
    let answer = ada.items().await.unwrap().pop().unwrap().id().unwrap();

    let reply = ada.say("ask").await.unwrap();
    let asked = reply.items().next().unwrap().id().unwrap();
    let size = StructuredInputAnswerSubmission { values: vec!["L".to_owned()], skipped: false };
    let submission = StructuredInputSubmission {
        answers: [("size".to_owned(), size)].into(),
        ..StructuredInputSubmission::default()
    };
    assert_eq!(ada.answer(&asked, &submission).await.unwrap().text(), "Size L, then.");

    ada.say("tool").await.unwrap();
    let reply = ada.tool_output(json!({"name": "Ada"})).await.unwrap();
    assert_eq!(reply.text(), "The page says: Ada");

    let reply = ada.say("widget").await.unwrap();
    let widget = reply.items().next().unwrap().id().unwrap();
    let action = Action { r#type: "order.send".to_owned(), payload: Some(json!({"order": 1042})) };
    let reply = ada.act(Some(&widget), &action).await.unwrap();
    assert_eq!(reply.text(), "It is on its way.");
    let updated = ada.act_sync(&widget, &action).await.unwrap();
    let Some(ThreadItem::Widget(updated)) = updated else { panic!("the widget") };
    assert!(serde_json::to_string(&updated.widget).unwrap().contains("Noted."));

    let params = json!({
        "thread_id": ada.thread_id(), "item_ids": [answer], "kind": FeedbackKind::Positive,
    });
    ada.json("items.feedback", params).await.unwrap();
    let params = json!({"audio_base64": STANDARD.encode("sound"), "mime_type": "audio/webm"});
    let heard: Value =
        serde_json::from_slice(&ada.json("input.transcribe", params).await.unwrap()).unwrap();
    assert_eq!(heard["text"], "5 bytes of audio/webm");
}
