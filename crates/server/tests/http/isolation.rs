//! Who somebody is. That nobody sees what is somebody else's: see `wall.rs`.

use serde_json::{Value, json};

use crate::app::{TestApp, input};

#[tokio::test]
async fn without_a_user_there_is_no_answer() {
    let app = TestApp::start().await;
    let response = reqwest::Client::new()
        .post(format!("{}/chatkit", app.url))
        .header("content-type", "application/json")
        .body(r#"{"type": "threads.list", "params": {}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "unauthorized");
}

#[tokio::test]
async fn an_anonymous_visitor_is_known_by_the_cookie_also_after_a_restart() {
    let anonymous = |config: &mut parlor_server::config::Config| config.auth.mode = None;
    let app = TestApp::with(anonymous).await;
    let list = r#"{"type": "threads.list", "params": {}}"#;
    let send = |url: String, cookie: Option<String>, body: String| async move {
        let mut request = reqwest::Client::new()
            .post(format!("{url}/chatkit"))
            .header("content-type", "application/json");
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.body(body).send().await.unwrap();
        let cookie = response
            .headers()
            .get("set-cookie")
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        (cookie, response.text().await.unwrap())
    };
    let create = json!({"type": "threads.create", "params": {"input": input("Hi")}}).to_string();
    let (cookie, _) = send(app.url.clone(), None, create).await;
    let cookie = cookie.expect("a first visit sets the cookie");
    let folder = app.stop().await;

    let app = TestApp::at(folder, anonymous).await;
    let (again, threads) = send(app.url.clone(), Some(cookie), list.to_owned()).await;
    assert_eq!(again, None);
    assert!(threads.contains("thr_"), "{threads}");
    let (_, threads) = send(app.url.clone(), None, list.to_owned()).await;
    assert!(!threads.contains("thr_"), "{threads}");
    let forged = "parlor_visitor=1de7921a1e4c1e9575614c8a11a942aa".to_owned();
    let (_, threads) = send(app.url.clone(), Some(forged), list.to_owned()).await;
    assert!(!threads.contains("thr_"), "{threads}");
}
