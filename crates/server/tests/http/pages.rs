//! Pages, assets, health, and what other origins may do.

use serde_json::Value;

use crate::app::TestApp;

#[tokio::test]
async fn the_process_says_that_it_is_there_and_ready() {
    let app = TestApp::start().await;
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let response = reqwest::get(format!("{}{path}", app.url)).await.unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], status);
    }
}

#[tokio::test]
async fn the_documentation_is_served_without_anything_inline_or_from_elsewhere() {
    let app = TestApp::start().await;
    for path in ["/", "/docs/", "/docs/getting-started"] {
        let response = reqwest::get(format!("{}{path}", app.url)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = response.text().await.unwrap();
        assert!(html.contains("src=\"/chatkit.js\""), "{path}");
        assert!(!html.contains(" style=") && !html.contains("<style"), "{path}");
        for script in html.match_indices("<script") {
            let tag = &html[script.0..];
            let tag = &tag[..tag.find('>').unwrap()];
            assert!(tag.contains("src=\"/"), "{path}: {tag}");
        }
    }
    let missing = reqwest::get(format!("{}/docs/no-such-page", app.url)).await.unwrap();
    assert_eq!(missing.status(), 404);
    assert!(missing.text().await.unwrap().contains("does not exist"));
    let escape = reqwest::get(format!("{}/docs/..%2f..%2fCargo", app.url)).await.unwrap();
    assert_eq!(escape.status(), 404);
}

#[tokio::test]
async fn the_demo_can_be_turned_off() {
    let app = TestApp::with(|config| config.site.demo = false).await;
    let response = reqwest::get(&app.url).await.unwrap();
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn element_and_widget_are_served_with_an_entity_tag() {
    let app = TestApp::start().await;
    let client = reqwest::Client::new();
    for path in ["/chatkit.js", "/widget.js"] {
        let url = format!("{}{path}", app.url);
        let response = client.get(&url).send().await.unwrap();
        assert_eq!(response.status(), 200, "the web assets must be built: make web");
        let mime = response.headers()["content-type"].to_str().unwrap();
        assert!(mime.starts_with("text/javascript"), "{path}");
        let tag = response.headers()["etag"].clone();
        let again = client.get(&url).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
        let small = client.get(&url).header("accept-encoding", "br").send().await.unwrap();
        assert_eq!(small.headers()["content-encoding"], "br", "{path}");
    }
}

#[tokio::test]
async fn only_named_origins_may_call() {
    let origin = "https://tea.example";
    let app = TestApp::with(|config| config.site.cors_origins = vec![origin.to_owned()]).await;
    let preflight = |origin: &'static str| {
        reqwest::Client::new()
            .request(reqwest::Method::OPTIONS, format!("{}/chatkit", app.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key")
            .send()
    };
    let allowed = preflight(origin).await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], origin);
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    let refused = preflight("https://evil.example").await.unwrap();
    assert!(refused.headers().get("access-control-allow-origin").is_none());
}
