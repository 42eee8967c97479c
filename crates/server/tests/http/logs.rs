//! The log of the real program: what happens is in it, what people say is not.

use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parlor_fake_model::{Behaviour, FakeModel};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Stream, input},
    tokens::now,
    traces::{MARKER, Parlor, documents},
};

/// A number that no other request has.
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Somebody about whom everything holds the marker.
struct Caller {
    url: String,
    token: String,
}

impl Caller {
    async fn send(&self, body: String) -> Response {
        let request = Client::new()
            .post(format!("{}/chatkit", self.url))
            .header("content-type", "application/json")
            .header("x-user-id", format!("id-{MARKER}"))
            .header("user-agent", MARKER)
            .header("referer", format!("https://example.com/{MARKER}"))
            .header("cookie", format!("{MARKER}={MARKER}"))
            .header("idempotency-key", format!("{MARKER}-{}", number()))
            .bearer_auth(&self.token);
        request.body(body).send().await.unwrap()
    }

    async fn call(&self, operation: &str, params: Value) -> Response {
        let metadata = json!({
            "userInfo": {"name": MARKER, "email": format!("{MARKER}@example.com")},
            "pageContext": {"title": MARKER, "url": format!("https://example.com/{MARKER}")},
            MARKER: MARKER,
        });
        let body = json!({"type": operation, "params": params, "metadata": metadata});
        self.send(body.to_string()).await
    }

    async fn ask(&self, text: &str) -> Stream {
        let params = json!({"input": input(text)});
        let response = self.call("threads.create", params).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream::read(response).await
    }
}

/// A day in the life of a server: answers, titles, files, searches, failures, refusals. Nothing that
/// people or models said, nothing about people, and no key is in the log as it is by default.
#[tokio::test]
async fn no_text_no_person_and_no_secret_is_in_the_log() {
    for format in ["text", "json"] {
        let model = FakeModel::start().await;
        let secret = format!("{MARKER}-a-secret-of-enough-length-for-signing");
        let folder = tempfile::tempdir().unwrap();
        documents(folder.path(), "");
        let variables = [
            ("PARLOR_LOG__FORMAT", format),
            ("OPENAI_API_KEY", MARKER),
            ("PARLOR_AUTH", "jwt"),
            ("PARLOR_AUTH__JWT__SECRET", &secret),
            ("PARLOR_AUTH__JWT__AUDIENCE", "parlor"),
            ("PARLOR_AUTH__JWT__CLAIMS__TENANT", "org"),
            ("PARLOR_ASSISTANT__SYSTEM_PROMPT", MARKER),
            ("PARLOR_METRICS__TOKEN", MARKER),
            ("PARLOR_DICTATION__ENABLED", "true"),
        ];
        let parlor = Parlor::with(folder, &model, &variables).await;
        let claims = json!({
            "sub": format!("id-{MARKER}"), "org": format!("org-{MARKER}"), "aud": "parlor",
            "exp": now() + 600, "name": MARKER, "email": format!("{MARKER}@example.com"),
        });
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        let ada = Caller { url: parlor.url.clone(), token };

        let stream = ada.ask(&format!("Where does the {MARKER} sing?")).await;
        assert_eq!(stream.end.as_deref(), Some("done"));
        assert!(stream.text().contains(MARKER), "the search was of use");
        let thread = stream.thread_id();
        let item = stream.answer()["id"].clone();
        for (operation, params) in [
            ("threads.update", json!({"thread_id": thread, "title": MARKER})),
            (
                "items.feedback",
                json!({"thread_id": thread, "item_ids": [item], "kind": "positive"}),
            ),
            ("threads.get_by_id", json!({"thread_id": thread})),
            ("threads.get_by_id", json!({"thread_id": MARKER})),
            ("threads.list", json!({"after": MARKER})),
            ("threads.update", json!({"thread_id": thread, "title": 7, MARKER: MARKER})),
            (
                "threads.custom_action",
                json!({"thread_id": thread, "action": {"type": MARKER, "payload": MARKER}}),
            ),
            ("input.transcribe", json!({"audio_base64": MARKER, "mime_type": MARKER})),
            (MARKER, json!({})),
        ] {
            let _ = ada.call(operation, params).await.text().await.unwrap();
        }
        for body in [MARKER.to_owned(), format!("{{\"type\": \"{MARKER}\"")] {
            assert_ne!(ada.send(body).await.status(), 200);
        }
        let form = reqwest::multipart::Part::text(format!("The {MARKER}"));
        let form = form.file_name(format!("{MARKER}.txt")).mime_str("text/plain").unwrap();
        let upload = Client::new()
            .post(format!("{}/files", parlor.url))
            .bearer_auth(&ada.token)
            .multipart(reqwest::multipart::Form::new().part("file", form))
            .send()
            .await
            .unwrap();
        assert_eq!(upload.status(), 200);

        // What goes wrong is said, and not with whose words.
        model.push(Behaviour::new().text(format!("The {MARKER} is")).cut());
        assert_eq!(ada.ask(&format!("Is {MARKER} cut?")).await.end.as_deref(), Some("failed"));
        model.push(Behaviour::new().status(400));
        assert_eq!(ada.ask(&format!("Is {MARKER} bad?")).await.end.as_deref(), Some("failed"));
        model.push(Behaviour::new().status(500));
        assert_eq!(ada.ask(&format!("Is {MARKER} tried?")).await.end.as_deref(), Some("done"));
        model.push(Behaviour::new().tool_call("search_documents", json!(MARKER)));
        assert_eq!(ada.ask(&format!("Is {MARKER} found?")).await.end.as_deref(), Some("done"));
        let stranger = Caller { url: parlor.url.clone(), token: format!("{MARKER}.{MARKER}.x") };
        assert_eq!(stranger.call("threads.list", json!({})).await.status(), 401);
        let path = format!("{}/files/{MARKER}?{MARKER}", parlor.url);
        assert_eq!(Client::new().get(path).bearer_auth(MARKER).send().await.unwrap().status(), 401);

        let log = parlor.log();
        // It is no empty log that holds nothing.
        assert!(log.contains("ready") && log.contains("turn failed"), "{log}");
        for line in log.lines() {
            // Addresses are in the log, and what somebody puts there.
            let line = line.replace(&format!("/files/{MARKER}"), "");
            assert!(!line.contains(MARKER), "{line}");
            assert!(!line.contains(&ada.token), "{line}");
        }
        assert!(!log.contains('\u{1b}'), "colours are for terminals");
        if format == "json" {
            let failed = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let failed = failed.filter(|line| line["fields"]["message"] == "turn failed");
            for line in failed {
                assert!(
                    line["fields"]["request_id"].as_str().unwrap().starts_with("req_"),
                    "{line}"
                );
            }
        }
        parlor.stop().await;
    }
}
