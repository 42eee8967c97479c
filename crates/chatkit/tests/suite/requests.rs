//! Requests: whose they are, and what is wrong with them.
use std::collections::BTreeSet;

use crate::support::{Frames, Reader, Server, body, input, message, message_to, text_of};
use parlor_chatkit::{
    ChatKitError, Limits, Response,
    protocol::{Operation, RequestError},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every operation on something that exists, or that a page would make up.
fn every_operation(
    thread: &str,
    message: &Value,
    widget: &Value,
    question: &Value,
) -> Vec<(&'static str, Value)> {
    let on = |fields: Value| {
        let mut params = fields;
        params["thread_id"] = json!(thread);
        params
    };
    let action = json!({"type": "pick"});
    vec![
        ("threads.get_by_id", on(json!({}))),
        ("threads.create", json!({"input": input("say hello")})),
        ("threads.list", json!({"after": thread})),
        ("threads.add_user_message", on(json!({"input": input("say hello")}))),
        ("threads.add_client_tool_output", on(json!({"result": 1}))),
        (
            "threads.add_structured_input",
            on(json!({"item_id": question, "input": {"answers": {}}})),
        ),
        ("threads.retry_after_item", on(json!({"item_id": message}))),
        ("threads.custom_action", on(json!({"item_id": widget, "action": action}))),
        ("threads.sync_custom_action", on(json!({"item_id": widget, "action": action}))),
        ("threads.update", on(json!({"title": "Mine now"}))),
        ("threads.delete", on(json!({}))),
        ("items.list", on(json!({}))),
        ("items.feedback", on(json!({"item_ids": [message], "kind": "positive"}))),
        ("attachments.create", json!({"name": "a.txt", "size": 1, "mime_type": "text/plain"})),
        ("attachments.delete", json!({"attachment_id": "atc_1"})),
        ("input.transcribe", json!({"audio_base64": "AAAA", "mime_type": "audio/webm"})),
        ("threads.stop", on(json!({}))),
        ("threads.resume", on(json!({}))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_ids_and_made_up_ones_get_the_same_404() {
    let server = Server::start().await;
    let (thread, _) = server.converse("widget Pick; ask Why?; tool look").await;
    let message = server.item(&thread, "user_message").await["id"].clone();
    let widget = server.item(&thread, "widget").await["id"].clone();
    let question = server.item(&thread, "structured_input").await["id"].clone();
    let before = server.json("threads.get_by_id", json!({"thread_id": thread})).await;
    // One turn runs there: neither may be noticed by a stranger.
    let (busy, mut running) = server.begin("half x@go").await;
    running.until_text("x").await;

    let made_up = json!("nothing_1");
    let bob = server.as_user("bob");
    let mut tried = BTreeSet::new();
    for ((operation, theirs), (_, unknown)) in every_operation(
        &thread, &message, &widget, &question,
    )
    .into_iter()
    .zip(every_operation("thr_unknown", &made_up, &made_up, &made_up))
    {
        tried.insert(operation);
        match operation {
            // These name nothing that could be another's.
            "threads.create" | "attachments.create" | "attachments.delete" | "input.transcribe" => {
                continue;
            }
            _ => {}
        }
        let mut on_busy = theirs.clone();
        on_busy["thread_id"] = json!(busy);
        if operation == "threads.list" {
            on_busy = json!({"after": busy});
        }
        let refused = bob.refused(operation, unknown).await;
        assert_eq!(refused.status_and_code(), (404, "not_found"), "{operation}: {refused}");
        for params in [theirs, on_busy] {
            let same = bob.refused(operation, params).await;
            assert_eq!(same.status_and_code(), (404, "not_found"), "{operation}: {same}");
            assert_eq!(same.to_string(), refused.to_string(), "{operation}");
            assert_eq!(same.field(), refused.field(), "{operation}");
        }
    }
    let all: BTreeSet<_> = Operation::NAMES.iter().copied().collect();
    assert_eq!(tried, all, "every operation was tried");
    for (operation, params) in [
        ("items.feedback", json!({"thread_id": thread, "item_ids": [], "kind": "negative"})),
        ("items.list", json!({"thread_id": thread, "after": message})),
    ] {
        assert_eq!(bob.refused(operation, params).await.status_and_code().0, 404);
    }
    server.stage.open("go");
    running.rest().await.ended("done");
    assert_eq!(server.json("threads.get_by_id", json!({"thread_id": thread})).await, before);
    assert_eq!(bob.json("threads.list", json!({})).await["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_names_its_field() {
    let limits =
        Limits { message_chars: 50, title_chars: 10, message_parts: 3, ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let (thread, _) = server.converse("say hello").await;
    let answer = server.item(&thread, "assistant_message").await;
    let with = |content: Value| {
        let mut params = message_to(&thread, "x");
        params["input"]["content"] = content;
        params
    };
    let text = |text: &str| json!({"type": "input_text", "text": text});
    let add = "threads.add_user_message";
    let cases = [
        (add, with(json!([])), "params.input.content"),
        (add, with(json!([text(" \n\t ")])), "params.input.content"),
        (add, with(json!([text("a\0b")])), "params.input.content[0].text"),
        (add, with(json!([text("x"), text("y\0")])), "params.input.content[1].text"),
        (add, with(json!([{"type": "input_video"}])), "params.input.content[0].type"),
        (add, with(json!([{"type": "input_text"}])), "params.input.content[0].text"),
        (add, with(json!([text(&"é".repeat(51))])), "params.input.content"),
        (add, with(json!([text("a"), text("b"), text("c"), text("d")])), "params.input.content"),
        (add, with(json!("text")), "params.input.content"),
        (add, json!({"input": input("x")}), "params.thread_id"),
        (add, json!({"thread_id": 5, "input": input("x")}), "params.thread_id"),
        ("threads.list", json!({"limit": -1}), "params.limit"),
        ("threads.list", json!({"limit": "many"}), "params.limit"),
        ("threads.list", json!({"order": "sideways"}), "params.order"),
        ("items.list", json!({"thread_id": thread, "limit": -5}), "params.limit"),
        ("threads.update", json!({"thread_id": thread, "title": "  "}), "params.title"),
        ("threads.update", json!({"thread_id": thread, "title": "a\0"}), "params.title"),
        ("threads.update", json!({"thread_id": thread, "title": "x".repeat(11)}), "params.title"),
        ("threads.update", json!({"thread_id": thread}), "params.title"),
        (
            "threads.retry_after_item",
            json!({"thread_id": thread, "item_id": answer["id"]}),
            "params.item_id",
        ),
        (
            "items.feedback",
            json!({"thread_id": thread, "item_ids": [answer["id"]], "kind": "meh"}),
            "params.kind",
        ),
        (
            "input.transcribe",
            json!({"audio_base64": "%%%", "mime_type": "audio/webm"}),
            "params.audio_base64",
        ),
        ("threads.custom_action", json!({"thread_id": thread}), "params.action"),
        ("threads.unknown", json!({}), "type"),
    ];
    for (operation, params, field) in cases {
        let refused = server.refused(operation, params.clone()).await;
        assert_eq!(refused.status_and_code().0, 422, "{operation} {params}: {refused}");
        let said = refused.to_string();
        // A field that is missing has no place: its parent is named, and what is missing in it.
        let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
        let is_named = refused.field() == Some(field)
            || refused.field() == Some(parent) && said.contains(&format!("missing field `{name}`"));
        assert!(is_named, "{operation} {params}: {:?} {refused}", refused.field());
        assert!(!refused.to_string().contains('\n'));
    }
    assert_eq!(server.items(&thread).await.len(), 2, "nothing was stored");

    for key in ["", "a\0b", &"k".repeat(256)] {
        let body = body("threads.create", &message("say hello"));
        let Err(refused) = server.handle(body.as_bytes(), Some(key)).await else {
            panic!("`{key}` is no key");
        };
        assert_eq!(refused.field(), Some("Idempotency-Key"));
    }
    let huge = json!({
        "type": "threads.list", "params": {}, "metadata": {"x": "y".repeat(70_000)}
    });
    let Err(refused) = server.handle(huge.to_string().as_bytes(), None).await else {
        panic!("too much metadata");
    };
    assert_eq!(refused.field(), Some("metadata"));
    let long = json!({"audio_base64": "A".repeat(15_000_000), "mime_type": "audio/webm"});
    let refused = server.refused("input.transcribe", long).await;
    assert_eq!(refused.status_and_code(), (413, "too_large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_as_such() {
    let server = Server::start().await;
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ("{}", 400),
        (r#"{"type": 5}"#, 400),
        (r#"{"type": "threads.list"} trailing"#, 400),
        (r#"{"type": "threads.list", "metadata": 5}"#, 422),
    ] {
        let Err(refused) = server.handle(body.as_bytes(), None).await else { panic!("{body}") };
        assert_eq!(refused.status_and_code().0, status, "{body}: {refused}");
    }
    let Err(refused) = server.handle(b"\xff\xfe{}", None).await else { panic!("not UTF-8") };
    assert!(matches!(refused, ChatKitError::Request(RequestError::MalformedJson(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn lone_surrogates_are_refused_and_leave_nothing() {
    let server = Server::start().await;
    let (thread, _) = server.converse("say hello").await;
    for text in [r"\ud800", r"\udc00", r"a\ud83d b", r"\udc00\ud800", r"\ud800\u0041", r"\ud800\n"]
    {
        let body = body("threads.add_user_message", &message_to(&thread, "@@"));
        let body = body.replace("@@", text);
        let Err(refused) = server.handle(body.as_bytes(), None).await else { panic!("{text}") };
        let (status, code) = refused.status_and_code();
        assert!(matches!(status, 400 | 422), "{text}: {status} {code}");
        assert!(refused.to_string().contains("half a character"), "{text}: {refused}");
    }
    assert_eq!(server.items(&thread).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_any_script_survives() {
    let server = Server::start().await;
    for text in [
        "مرحبا بالعالم \u{202e}abc\u{202c}",
        "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467} \u{1F3F3}\u{FE0F}\u{200D}\u{1F308}",
        "e\u{301} \u{feff} \u{10ffff} \u{fffd}",
        "<script>alert(1)</script> \\ \" \u{2028}\u{2029}",
        "tab\tand\r\nlines",
    ] {
        let (thread, frames) = server.converse(&format!("say {text}")).await;
        frames.ended("done");
        let answer = server.item(&thread, "assistant_message").await;
        assert_eq!(text_of(&answer), text.trim());
        let question = server.item(&thread, "user_message").await;
        assert_eq!(text_of(&question), format!("say {text}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_wishes_are_bounded() {
    let server = Server::start().await;
    let mut threads = Vec::new();
    for n in 0..5 {
        threads.push(server.converse(&format!("say {n}")).await.0);
    }
    let page = server.json("threads.list", json!({"limit": 2})).await;
    assert_eq!(page["data"][0]["id"], json!(threads[4]), "newest first");
    assert_eq!(page["has_more"], true);
    let page = server.json("threads.list", json!({"limit": 3, "after": page["after"]})).await;
    assert_eq!(page["data"][2]["id"], json!(threads[0]));
    assert_eq!(page["has_more"], false);
    for wish in [json!(0), json!(null), json!(i64::MAX)] {
        let page = server.json("threads.list", json!({"limit": wish})).await;
        assert_eq!(page["data"].as_array().unwrap().len(), 5);
    }
    let refused = server.refused("threads.list", json!({"after": "thr_nobody"})).await;
    assert_eq!(refused.status_and_code(), (404, "not_found"));
    assert!(refused.to_string().contains("cursor"));
}

/// JSON that is often nearly a request.
fn nearly_a_request(threads: Vec<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(threads).prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 24, 5, |inner| {
        let name = prop::sample::select(vec![
            "type",
            "text",
            "id",
            "content",
            "input",
            "values",
            "answers",
            "data",
            "action",
            "payload",
            "attachments",
            "inference_options",
            "tool_choice",
            "model",
            "status",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5).prop_map(|fields| {
                Value::Object(
                    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
                )
            }),
        ]
    });
    let field = prop::sample::select(vec![
        "thread_id",
        "item_id",
        "input",
        "limit",
        "order",
        "after",
        "action",
        "result",
        "title",
        "item_ids",
        "kind",
        "audio_base64",
        "mime_type",
        "turn_id",
    ]);
    let params = prop::collection::vec((field, value.clone()), 0..6).prop_map(|fields| {
        Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    });
    (prop::sample::select(Operation::NAMES.to_vec()), params, value).prop_map(
        |(operation, params, metadata)| {
            json!({"type": operation, "params": params, "metadata": metadata})
        },
    )
}

async fn is_answered(server: &Server, body: &[u8]) -> Result<(), TestCaseError> {
    match server.handle(body, None).await {
        Ok(Response::Json(json)) => {
            prop_assert!(serde_json::from_slice::<Value>(&json.body).is_ok());
        }
        Ok(Response::Stream { events, .. }) => {
            let frames: Frames = Reader::new(events).rest().await;
            prop_assert!(frames.end.is_some());
        }
        Err(error) => {
            let (status, code) = error.status_and_code();
            prop_assert!((400..500).contains(&status), "{} {}: {}", status, code, error);
        }
    }
    Ok(())
}

#[test]
fn no_body_makes_the_server_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let (thread, _) = runtime.block_on(server.converse("tool look"));
    let threads = vec![thread, "thr_unknown".to_owned(), String::new(), "\0".to_owned()];
    let config =
        ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let garbled = (nearly_a_request(threads.clone()), any::<prop::sample::Index>(), any::<u8>());
    proptest!(config, |(request in nearly_a_request(threads), bytes in bytes, garbled in garbled)| {
        let (request_to_garble, at, byte) = garbled;
        let mut garbled = request_to_garble.to_string().into_bytes();
        let at = at.index(garbled.len());
        garbled[at] = byte;
        runtime.block_on(async {
            is_answered(&server, request.to_string().as_bytes()).await?;
            is_answered(&server, &bytes).await?;
            is_answered(&server, &garbled).await
        })?;
    });
}
