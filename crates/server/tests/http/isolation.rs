//! Every user sees only their own.

use serde_json::{Value, json};

use crate::app::{TestApp, input};

#[tokio::test]
async fn somebody_elses_thread_and_an_unknown_one_are_the_same_404() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let eve = app.user("eve");
    let stream = ada.ask("Mine").await;
    let (theirs, random) = (stream.thread_id(), "thr_00000000000000000000000000000000");
    let item = stream.answer()["id"].clone();
    let operations = |thread: &str, item: &Value| {
        [
            ("threads.get_by_id", json!({"thread_id": thread})),
            ("threads.update", json!({"thread_id": thread, "title": "stolen"})),
            ("threads.delete", json!({"thread_id": thread})),
            ("threads.stop", json!({"thread_id": thread})),
            ("threads.resume", json!({"thread_id": thread})),
            ("threads.add_user_message", json!({"thread_id": thread, "input": input("hi")})),
            ("threads.add_client_tool_output", json!({"thread_id": thread, "result": {}})),
            (
                "threads.add_structured_input",
                json!({"thread_id": thread, "item_id": item, "input": {"answers": {}}}),
            ),
            ("threads.retry_after_item", json!({"thread_id": thread, "item_id": item})),
            (
                "threads.custom_action",
                json!({"thread_id": thread, "item_id": item, "action": {"type": "x"}}),
            ),
            (
                "threads.sync_custom_action",
                json!({"thread_id": thread, "item_id": item, "action": {"type": "x"}}),
            ),
            ("items.list", json!({"thread_id": thread})),
            (
                "items.feedback",
                json!({"thread_id": thread, "item_ids": [item], "kind": "positive"}),
            ),
            ("threads.list", json!({"after": thread})),
        ]
    };
    let unknown_item = json!("msg_00000000000000000000000000000000");
    for ((name, theirs), (_, random)) in
        operations(&theirs, &item).into_iter().zip(operations(random, &unknown_item))
    {
        let (status, mut theirs) = eve.json(name, theirs).await;
        let (random_status, mut random) = eve.json(name, random).await;
        assert_eq!(status, 404, "{name}: {theirs}");
        assert_eq!(random_status, 404, "{name}");
        theirs["error"]["request_id"].take();
        random["error"]["request_id"].take();
        assert_eq!(theirs, random, "{name}");
    }
    let (_, threads) = eve.json("threads.list", json!({})).await;
    assert_eq!(threads["data"], json!([]));
    assert_eq!(ada.items(&theirs).await.len(), 2, "nothing happened to it");
}

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
