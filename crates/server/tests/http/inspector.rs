//! The inspector: who may look, and what there is to see.

use parlor_fake_model::FakeModel;
use parlor_server::config::ModelApi;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, with_model};

const ADDRESSES: [&str; 6] = [
    "/inspector",
    "/inspector/inspector.css",
    "/inspector/inspector.js",
    "/inspector/turns",
    "/inspector/turns/x",
    "/inspector/news",
];

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn it_is_not_there_unless_it_is_turned_on() {
    let app = TestApp::start().await;
    for address in ADDRESSES {
        let asked = status(Client::new().get(format!("{}{address}", app.url))).await;
        assert_eq!(asked, StatusCode::NOT_FOUND, "{address}");
    }
}

#[tokio::test]
async fn without_a_token_it_is_for_this_machine() {
    let app = TestApp::with(|config| config.inspector.enabled = true).await;
    let client = Client::new();
    let url = format!("{}/inspector/turns", app.url);
    let page = client.get(format!("{}/inspector", app.url)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(status(client.get(&url)).await, StatusCode::OK);
    for (header, value) in [
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1"),
        // A name that somebody made to point here, and a page of somebody's.
        ("Host", "evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        for address in ADDRESSES {
            let asked = client.get(format!("{}{address}", app.url)).header(header, value);
            assert_eq!(status(asked).await, StatusCode::NOT_FOUND, "{header} {address}");
        }
    }
    let turn = status(client.get(format!("{url}/trn_of_nobody"))).await;
    assert_eq!(turn, StatusCode::NOT_FOUND);
    // No other origin may read it, whatever may call the API.
    let other = TestApp::with(|config| {
        config.inspector.enabled = true;
        config.site.cors_origins = vec!["*".into()];
    })
    .await;
    let asked = client.get(format!("{}/inspector/turns", other.url));
    let answer = asked.header("Origin", "https://evil.example").send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn with_a_token_it_is_for_who_has_that() {
    let token = "a-token-of-the-operator";
    let app = TestApp::with(|config| {
        config.inspector.enabled = true;
        config.inspector.token = Some(token.into());
    })
    .await;
    let client = Client::new();
    for address in ["/inspector/turns", "/inspector/turns/x", "/inspector/news"] {
        let url = format!("{}{address}", app.url);
        assert_eq!(status(client.get(&url)).await, StatusCode::UNAUTHORIZED);
        let wrong = client.get(&url).bearer_auth("a-token-of-nobody-here-");
        assert_eq!(status(wrong).await, StatusCode::UNAUTHORIZED);
    }
    let right = client.get(format!("{}/inspector/turns", app.url)).bearer_auth(token);
    assert_eq!(status(right).await, StatusCode::OK);
}

#[tokio::test]
async fn a_turn_is_shown_from_the_request_to_its_end_and_no_key_is() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| {
        with_model(config, &model, ModelApi::Responses);
        config.model.api_key = Some("sk-of-the-operator".into());
        config.inspector.enabled = true;
        config.titles.enabled = false;
    })
    .await;
    let answer = app.user("ada").ask("Hello there?").await;
    let json = async |path: &str| -> Value {
        reqwest::get(format!("{}/inspector/{path}", app.url)).await.unwrap().json().await.unwrap()
    };
    // The end is noted just after the stream's.
    let turn = loop {
        let turns = json("turns").await;
        let turn = turns["turns"][0].clone();
        if turn["state"] != "running" {
            break turn;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&turn["text"], &turn["state"]), (&json!("Hello there?"), &json!("done")));
    assert_eq!(turn["thread_id"], answer.thread_id());
    let whole = json(&format!("turns/{}", turn["id"].as_str().unwrap())).await;
    let notes = whole["notes"].as_array().unwrap();
    let kinds: Vec<&str> = notes.iter().map(|note| note["kind"].as_str().unwrap()).collect();
    for kind in ["turn.began", "model.request", "model.text", "model.done", "event", "turn.ended"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("turn.began", "turn.ended"));
    let request = notes.iter().find(|note| note["kind"] == "model.request").unwrap();
    let asked = &model.requests()[0].body;
    // To the letter what the model was told.
    assert_eq!(request["data"]["instructions"], asked["instructions"]);
    assert!(request["data"]["input"].to_string().contains("Hello there?"));
    let numbers: Vec<u64> = notes
        .iter()
        .filter(|note| note["kind"] == "event")
        .map(|note| note["data"]["number"].as_u64().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(!whole.to_string().contains("sk-of-the-operator"));
    let rest = json(&format!("turns/{}?from=3", turn["id"].as_str().unwrap())).await;
    assert_eq!(rest["notes"].as_array().unwrap().len(), notes.len() - 3);
}

#[tokio::test]
async fn news_come_while_a_turn_runs() {
    use futures::StreamExt as _;
    let app = TestApp::with(|config| config.inspector.enabled = true).await;
    let news = reqwest::get(format!("{}/inspector/news", app.url)).await.unwrap();
    assert_eq!(news.headers()["content-type"], "text/event-stream");
    let mut news = news.bytes_stream();
    assert!(news.next().await.unwrap().unwrap().starts_with(b"data: 0"));
    app.user("ada").ask("Hello?").await;
    let told = news.next().await.unwrap().unwrap();
    assert!(told.starts_with(b"data: ") && !told.starts_with(b"data: 0"), "{told:?}");
}
