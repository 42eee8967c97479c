//! Bad input: a clear error that names the field, nothing lost, no 500.

use serde_json::{Value, json};

use crate::app::{TestApp, input};

fn create(message: Value) -> String {
    json!({"type": "threads.create", "params": {"input": message}}).to_string()
}

#[tokio::test]
async fn every_kind_of_bad_input_gets_its_status_and_names_its_field() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let text = |text: &str| json!({"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}});
    let cases: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        ("nothing", b"".to_vec(), 400, "malformed_json", ""),
        ("no JSON", b"{\"type\": ".to_vec(), 400, "malformed_json", ""),
        ("no UTF-8", vec![b'{', 0xff, b'}'], 400, "malformed_json", ""),
        ("two values", b"{\"type\":\"threads.list\",\"params\":{}} {}".to_vec(), 400, "malformed_json", ""),
        ("an array", b"[]".to_vec(), 400, "not_a_request", ""),
        ("no type", b"{}".to_vec(), 400, "not_a_request", ""),
        ("a number as type", b"{\"type\": 5}".to_vec(), 400, "not_a_request", ""),
        ("unknown operation", br#"{"type":"threads.explode","params":{}}"#.to_vec(), 422, "unknown_operation", "type"),
        ("no params", br#"{"type":"threads.get_by_id"}"#.to_vec(), 422, "invalid_field", "params"),
        ("wrong type", br#"{"type":"threads.get_by_id","params":{"thread_id":7}}"#.to_vec(), 422, "invalid_field", "params.thread_id"),
        ("metadata", br#"{"type":"threads.list","params":{},"metadata":5}"#.to_vec(), 422, "invalid_field", "metadata"),
        ("negative limit", br#"{"type":"threads.list","params":{"limit":-5}}"#.to_vec(), 422, "invalid_field", "params.limit"),
        ("bad order", br#"{"type":"threads.list","params":{"order":"up"}}"#.to_vec(), 422, "invalid_field", "params.order"),
        ("empty text", create(text("  \n ")).into(), 422, "invalid_field", "params.input.content"),
        ("no content", create(json!({"content": [], "attachments": [], "inference_options": {}})).into(), 422, "invalid_field", "params.input.content"),
        ("NUL", create(text("a\0b")).into(), 422, "invalid_field", "params.input.content[0].text"),
        ("lone surrogate", br#"{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"\ud800"}],"attachments":[],"inference_options":{}}}}"#.to_vec(), 422, "invalid_field", "params.input.content[0]"),
        ("unknown part", create(json!({"content": [{"type": "input_smell"}], "attachments": [], "inference_options": {}})).into(), 422, "invalid_field", "params.input.content[0].type"),
        ("text of a wrong type", create(json!({"content": [{"type": "input_text", "text": 5}], "attachments": [], "inference_options": {}})).into(), 422, "invalid_field", "params.input.content[0]"),
        ("a long message", create(text(&"x".repeat(100_001))).into(), 422, "invalid_field", "params.input.content"),
        ("attachments", create(json!({"content": [{"type": "input_text", "text": "x"}], "attachments": ["atc_1"], "inference_options": {}})).into(), 404, "not_found", ""),
        ("big metadata", json!({"type": "threads.list", "params": {}, "metadata": {"x": "y".repeat(70_000)}}).to_string().into(), 422, "invalid_field", "metadata"),
        ("5 MB", create(text(&"x".repeat(5_000_000))).into(), 413, "too_large", ""),
        ("an array as params", br#"{"type":"threads.list","params":[5]}"#.to_vec(), 422, "invalid_field", "params"),
        ("deep nesting", format!("{{\"type\":\"threads.list\",\"params\":{{}},\"metadata\":{{\"a\":{}{}}}}}", "[".repeat(10_000), "]".repeat(10_000)).into(), 400, "malformed_json", ""),
    ];
    for (name, body, status, code, field) in cases {
        let response = ada.send(body).await;
        assert_eq!(response.headers()["parlor-protocol"], "1", "{name}");
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let got = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        let error = &body["error"];
        assert_eq!((got, error["code"].as_str().unwrap()), (status, code), "{name}: {body}");
        assert_eq!(error["request_id"], request_id.as_str(), "{name}");
        let named = error["field"].as_str().unwrap_or_default();
        assert!(named.starts_with(field) && named.is_empty() == field.is_empty(), "{name}: {body}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{name}: {body}");
    }
    let (_, threads) = ada.json("threads.list", json!({})).await;
    assert_eq!(threads["data"], json!([]), "nothing was stored");
}

#[tokio::test]
async fn any_text_that_is_text_comes_back_as_it_was() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let texts = [
        "שלום עולם, מה שלומך?",
        "مرحبا بالعالم",
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} \u{202e}dlrow",
        "<script>alert(1)</script> & \"quotes\" \\ \u{7f}\u{b}",
        "'; DROP TABLE threads; --",
    ];
    for text in texts {
        let stream = ada.ask(text).await;
        assert_eq!(stream.end.as_deref(), Some("done"), "{text}");
        let items = ada.items(&stream.thread_id()).await;
        assert_eq!(items[0]["content"][0]["text"], text);
    }
}

#[tokio::test]
async fn only_json_is_taken_and_only_by_post() {
    let app = TestApp::start().await;
    let client = reqwest::Client::new();
    let url = format!("{}/chatkit", app.url);
    let form = client
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-user-id", "ada")
        .body("type=threads.list")
        .send()
        .await
        .unwrap();
    assert_eq!(form.status(), 415);
    let get = client.get(&url).send().await.unwrap();
    assert_eq!(get.status(), 405);
    let body: Value = get.json().await.unwrap();
    assert_eq!(body["error"]["code"], "method_not_allowed");
    let nowhere = client.get(format!("{}/nowhere", app.url)).send().await.unwrap();
    assert_eq!(nowhere.status(), 404);
    let body: Value = nowhere.json().await.unwrap();
    assert_eq!(body["error"]["code"], "not_found");
}

#[tokio::test]
async fn a_wish_for_a_huge_page_gets_the_largest_there_is() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    ada.ask("Hi").await;
    let (status, page) = ada.json("threads.list", json!({"limit": 1_000_000_000})).await;
    assert_eq!(status, 200);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn threads_run_is_another_name_for_a_message() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let thread_id = ada.ask("Hi").await.thread_id();
    let params = json!({"thread_id": thread_id, "input": input("Again")});
    let stream = ada.stream("threads.run", params, json!({})).await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    assert_eq!(ada.items(&thread_id).await.len(), 4);
}

/// Not even with a body that says nothing of its type, which browsers send without asking first.
#[tokio::test]
async fn a_page_of_another_site_cannot_ask() {
    let friend = "https://docs.example.com";
    let app = TestApp::with(|config| config.site.cors_origins = vec![friend.to_owned()]).await;
    let cases = [
        (None, None, 200),
        (Some("same-origin"), None, 200),
        (Some("none"), None, 200),
        (Some("cross-site"), Some(friend), 200),
        (Some("cross-site"), Some("https://evil.example"), 403),
        (Some("same-site"), Some("https://evil.example.com"), 403),
        (Some("cross-site"), Some("null"), 403),
        (Some("cross-site"), None, 403),
    ];
    for (site, origin, status) in cases {
        let mut request = reqwest::Client::new()
            .post(format!("{}/chatkit", app.url))
            .header("x-user-id", "ada")
            .body(r#"{"type":"threads.list","params":{}}"#);
        for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{site:?} {origin:?}");
    }
}
