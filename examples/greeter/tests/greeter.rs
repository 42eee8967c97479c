//! The example, served and asked.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../src/main.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod greeter;

use std::{net::TcpListener, time::Duration};

use parlor_chatkit::ChatKit;
use parlor_store::SqliteStore;

#[tokio::test]
async fn it_greets_by_name_and_page_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("chat.db").to_str().unwrap()).await.unwrap();
    let chatkit = ChatKit::new(store, greeter::Greeter);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let served = address.clone();
    let server = tokio::spawn(async move { parlor_server::serve(chatkit, &served).await });

    let client = reqwest::Client::builder().build().unwrap();
    let url = format!("http://{address}");
    while client.get(format!("{url}/readyz")).send().await.is_err() {
        assert!(!server.is_finished(), "the server did not start");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let body = r#"{"type": "threads.create", "params": {"input": {"content":
        [{"type": "input_text", "text": "Hi"}], "attachments": [], "inference_options": {}}},
        "metadata": {"userInfo": {"name": "Ada"}, "pageContext": {"title": "the engine notes"}}}"#;
    let post = |body: &'static str, cookie: &str| {
        client
            .post(format!("{url}/chatkit"))
            .header("content-type", "application/json")
            .header("cookie", cookie.to_owned())
            .body(body)
            .send()
    };
    let response = post(body, "").await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let stream = response.text().await.unwrap();
    assert!(stream.contains("Hello Ada, you are reading the engine notes."), "{stream}");
    assert!(stream.ends_with(": end done\n\n"), "{stream}");

    let list = r#"{"type": "threads.list", "params": {}}"#;
    let threads = post(list, cookie).await.unwrap().text().await.unwrap();
    assert!(threads.contains("\"id\":\"thr_"), "{threads}");
    server.abort();
}
