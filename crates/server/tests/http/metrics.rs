//! Figures for Prometheus.
//!
//! They are kept for the whole process, which has many servers here: what is counted is compared
//! by labels that only these tests make, or as a growth.

use parlor_fake_model::FakeModel;
use parlor_server::config::ModelApi;
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::app::{TestApp, with_model};

async fn scrape(app: &TestApp) -> String {
    let response = reqwest::get(format!("{}/metrics", app.url)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    response.text().await.unwrap()
}

/// The value of a figure, 0 before it exists.
fn value(figures: &str, name: &str) -> f64 {
    let mut values = figures.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_turn_shows_in_the_figures_and_nobody_is_named_in_them() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| with_model(config, &model, ModelApi::Responses)).await;
    let before = scrape(&app).await;
    let secret = "a secret that stays out of all figures";
    let stream = app.user("somebody-who-is-not-named").ask(secret).await;
    assert!(!stream.text().is_empty());
    let user = app.user("somebody-who-is-not-named");
    let refused = user.call("threads.get_by_id", serde_json::json!({"thread_id": "thr_0"})).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);

    // A turn counts when it is over, a moment after its stream.
    let done = r#"parlor_turns_total{outcome="done"}"#;
    let mut after = scrape(&app).await;
    while value(&after, done) <= value(&before, done) {
        tokio::task::yield_now().await;
        after = scrape(&app).await;
    }
    for name in [
        r#"parlor_operations_total{operation="threads.create",outcome="ok"}"#,
        r#"parlor_operations_total{operation="threads.get_by_id",outcome="not_found"}"#,
        done,
        "parlor_turn_duration_seconds_count",
        "parlor_turn_first_item_seconds_count",
        r#"parlor_model_requests_total{outcome="ok"}"#,
        "parlor_model_first_event_seconds_count",
        r#"parlor_model_tokens_total{kind="output"}"#,
        r#"parlor_http_requests_total{route="/chatkit",method="POST",status="200"}"#,
        r#"parlor_http_request_duration_seconds_count{route="/chatkit"}"#,
    ] {
        assert!(value(&after, name) > value(&before, name), "{name} did not grow:\n{after}");
    }
    for told in ["somebody", "secret", "thr_", "msg_"] {
        assert!(!after.contains(told), "{told} is in the figures:\n{after}");
    }
    for family in ["parlor_turns_running", "parlor_streams_open", "parlor_turns_total"] {
        assert!(after.contains(&format!("# TYPE {family} ")), "{family}");
        assert!(after.contains(&format!("# HELP {family} ")), "{family} is not explained");
    }
    assert!(after.contains("parlor_turn_duration_seconds_bucket{le=\"0.5\"}"), "{after}");
}

#[tokio::test]
async fn what_clients_make_up_makes_no_figures() {
    let app = TestApp::start().await;
    let client = Client::new();
    let method = reqwest::Method::from_bytes(b"BREW").unwrap();
    for path in ["/made-up-address", "/files/made-up-id", "/chatkit"] {
        client.request(method.clone(), format!("{}{path}", app.url)).send().await.unwrap();
    }
    client
        .post(format!("{}/chatkit", app.url))
        .header("x-user-id", "ada")
        .header("content-type", "application/json")
        .body(r#"{"type":"made-up-operation","params":{}}"#)
        .send()
        .await
        .unwrap();
    let figures = scrape(&app).await;
    assert!(!figures.contains("made-up") && !figures.contains("BREW"), "{figures}");
    let unknown = r#"parlor_operations_total{operation="unknown",outcome="unknown_operation"}"#;
    assert!(value(&figures, unknown) > 0.0, "{figures}");
}

#[tokio::test]
async fn figures_are_for_this_machine_or_for_who_has_the_token() {
    let status = async |request: RequestBuilder| request.send().await.unwrap().status();
    let client = Client::new();

    let open = TestApp::start().await;
    let url = format!("{}/metrics", open.url);
    assert_eq!(status(client.get(&url)).await, StatusCode::OK);
    // A proxy on this machine asks for somebody else.
    for header in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded"] {
        let asked = status(client.get(&url).header(header, "192.0.2.1")).await;
        assert_eq!(asked, StatusCode::NOT_FOUND, "{header}");
    }

    let token = "a-token-for-prometheus";
    let guarded = TestApp::with(|config| config.metrics.token = Some(token.into())).await;
    let url = format!("{}/metrics", guarded.url);
    assert_eq!(status(client.get(&url)).await, StatusCode::NOT_FOUND);
    assert_eq!(status(client.get(&url).bearer_auth("another")).await, StatusCode::NOT_FOUND);
    let forwarded = client.get(&url).bearer_auth(token).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(status(forwarded).await, StatusCode::OK);

    let off = TestApp::with(|config| config.metrics.enabled = false).await;
    assert_eq!(status(client.get(format!("{}/metrics", off.url))).await, StatusCode::NOT_FOUND);
}
