//! The clerk, asked through the SDK; the test plays the page.
#![expect(clippy::unwrap_used, reason = "tests")]

use example_client_tools::{Clerk, FILL_FORM, GO_TO, READ_FORM};
use parlor_chatkit::{
    ChatKit,
    protocol::{
        ClientToolCallItem, ClientToolCallStatus, ItemId, StructuredInputAnswerSubmission,
        StructuredInputSubmission, SubmissionStatus, ThreadItem,
    },
    testing::{Reply, TestUser},
};
use parlor_store::SqliteStore;
use serde_json::json;

async fn visitor() -> (TestUser, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    (TestUser::new(&ChatKit::new(store, Clerk), "ada"), folder)
}

fn called(reply: &Reply) -> &ClientToolCallItem {
    let call = reply.items().find_map(|item| match item {
        ThreadItem::ClientToolCall(call) => Some(call),
        _ => None,
    });
    call.unwrap()
}

fn asked(reply: &Reply) -> ItemId {
    reply.items().find(|item| item.tag() == "structured_input").unwrap().id().unwrap()
}

#[tokio::test]
async fn what_the_page_reads_is_reported() {
    let (mut ada, _folder) = visitor().await;
    let reply = ada.say("Please check the form").await.unwrap();
    assert_eq!(called(&reply).name, READ_FORM);
    assert_eq!(called(&reply).status, ClientToolCallStatus::Pending);
    let fields = json!({"fields": {"name": "Ada", "street": " ", "speed": "Express"}});
    assert_eq!(ada.tool_output(fields).await.unwrap().text(), "Only **street** is missing.");
}

#[tokio::test]
async fn answers_become_a_call_that_fills_the_form() {
    let (mut ada, _folder) = visitor().await;
    let reply = ada.say("Fill in the form").await.unwrap();
    let answer = |value: &str| StructuredInputAnswerSubmission {
        values: vec![value.to_owned()],
        skipped: false,
    };
    let submission = StructuredInputSubmission {
        answers: [("name".to_owned(), answer("Ada")), ("speed".to_owned(), answer("Express"))]
            .into(),
        ..StructuredInputSubmission::default()
    };
    let reply = ada.answer(&asked(&reply), &submission).await.unwrap();
    assert_eq!(called(&reply).name, FILL_FORM);
    let arguments = serde_json::to_value(&called(&reply).arguments).unwrap();
    assert_eq!(arguments, json!({"values": {"name": "Ada", "speed": "Express"}}));
    let reply = ada.tool_output(json!({"filled": ["name", "speed"]})).await.unwrap();
    assert!(reply.text().starts_with("I have filled in name, speed."), "{}", reply.text());
}

#[tokio::test]
async fn questions_can_be_passed_over() {
    let (mut ada, _folder) = visitor().await;
    let reply = ada.say("Fill in the form").await.unwrap();
    let submission = StructuredInputSubmission {
        status: SubmissionStatus::Skipped,
        ..StructuredInputSubmission::default()
    };
    let reply = ada.answer(&asked(&reply), &submission).await.unwrap();
    assert_eq!(reply.text(), "Then I leave the form as it is.");
}

#[tokio::test]
async fn a_tool_that_fails_and_one_that_answers_nonsense_are_told_apart() {
    let (mut ada, _folder) = visitor().await;
    let reply = ada.say("How do returns work?").await.unwrap();
    assert_eq!(called(&reply).name, GO_TO);
    let reply = ada.tool_output(json!({"error": "no such section"})).await.unwrap();
    assert_eq!(reply.text(), "The page could not do that: no such section");
    ada.say("check").await.unwrap();
    let reply = ada.tool_output(json!([1, 2, 3])).await.unwrap();
    assert_eq!(reply.text(), "The page gave an answer that I do not understand.");
}

#[tokio::test]
async fn a_new_message_settles_a_call_that_nobody_answered() {
    let (mut ada, _folder) = visitor().await;
    ada.say("check").await.unwrap();
    ada.say("Hello?").await.unwrap();
    let items = ada.items().await.unwrap();
    let pending = items.iter().any(|item| {
        matches!(item, ThreadItem::ClientToolCall(call) if call.status == ClientToolCallStatus::Pending)
    });
    assert!(!pending);
    ada.tool_output(json!({"fields": {}})).await.unwrap_err();
}
