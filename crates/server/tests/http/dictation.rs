//! Dictation: a recording in, its text out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parlor_fake_model::{Behaviour, FakeModel, Purpose};
use parlor_server::config::{Config, ModelApi};
use serde_json::{Value, json};

use crate::app::{TestApp, User, with_model};

fn with_dictation(config: &mut Config, model: &FakeModel) {
    with_model(config, model, ModelApi::Responses);
    config.dictation.name = Some("fake-speech".to_owned());
}

fn recording(bytes: usize) -> Value {
    json!({"audio_base64": STANDARD.encode(vec![7; bytes]), "mime_type": "audio/webm;codecs=opus"})
}

/// Status, code and reason of a refusal, and how long it says to wait.
async fn refused(user: &User, params: Value) -> (u16, String, Option<String>, Option<u64>) {
    let response = user.call("input.transcribe", params).await;
    let status = response.status().as_u16();
    let wait =
        response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let body: Value = response.json().await.unwrap();
    let error = &body["error"];
    assert!(error["request_id"].as_str().unwrap().starts_with("req_"));
    assert!(error["message"].as_str().unwrap().len() > 10, "{body}");
    assert!(!body.to_string().contains("127.0.0.1"), "nothing internal: {body}");
    let text = |field: &str| error[field].as_str().map(ToOwned::to_owned);
    (status, text("code").unwrap(), text("reason"), wait.map(|wait| wait.parse().unwrap()))
}

#[tokio::test]
async fn a_recording_becomes_text_also_where_it_is_larger_than_other_requests_may_be() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| with_dictation(config, &model)).await;
    let ada = app.user("ada");
    for bytes in [20, 1_000_000, 10 * 1024 * 1024] {
        let (status, said) = ada.json("input.transcribe", recording(bytes)).await;
        let text = format!("This is what was said in recording.webm, {bytes} bytes of audio/webm.");
        assert_eq!((status.as_u16(), &said), (200, &json!({"text": text})));
    }
    assert_eq!(model.requests()[0].body["model"], "fake-speech");
}

#[tokio::test]
async fn what_is_no_recording_is_refused_clearly_and_the_model_is_not_asked() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| with_dictation(config, &model)).await;
    let ada = app.user("ada");
    let with = |audio: &str, kind: &str| json!({"audio_base64": audio, "mime_type": kind});
    let over = 10 * 1024 * 1024 + 1;
    let cases = [
        ("garbage", with("?!%", "audio/webm"), 422, "invalid_field"),
        ("cut base64", with("AAA", "audio/webm"), 422, "invalid_field"),
        ("not text", json!({"audio_base64": 7, "mime_type": "audio/webm"}), 422, "invalid_field"),
        ("nothing", json!({"mime_type": "audio/webm"}), 422, "invalid_field"),
        ("empty", with("", "audio/webm"), 422, "refused"),
        ("a page", with("AAAA", "text/html"), 422, "refused"),
        ("a header", with("AAAA", "audio/webm\r\nX-Evil: 1"), 422, "refused"),
        ("a byte too much", recording(over), 413, "too_large"),
        ("far too much", recording(3 * over), 413, "too_large"),
        ("much garbage", with(&"?".repeat(5_000_000), "audio/webm"), 422, "invalid_field"),
    ];
    for (name, params, status, code) in cases {
        let got = refused(&ada, params).await;
        assert_eq!((got.0, got.1.as_str()), (status, code), "{name}");
    }
    let page = json!({"thread_id": "x", "title": "x".repeat(2_000_000)});
    let (status, _) = ada.json("threads.update", page).await;
    assert_eq!(status, 413, "no other operation may be that large");
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn failures_of_the_speech_model_are_named() {
    let script = || Behaviour::new().purpose(Purpose::Transcription);
    let cases = [
        (script().status(401), 500, "internal", "model.unauthorized", None),
        (script().rate_limited(30), 503, "unavailable", "model.rate_limited", Some(30)),
        (script().status(500).times(2), 503, "unavailable", "model.server_error", Some(2)),
        (script().status(400), 422, "refused", "model.bad_request", None),
        (script().stall(), 503, "unavailable", "model.silent", Some(2)),
    ];
    for (behaviour, status, code, reason, wait) in cases {
        let model = FakeModel::start().await;
        model.push(behaviour);
        let app = TestApp::with(|config| {
            with_dictation(config, &model);
            config.dictation.timeout_seconds = 1;
        })
        .await;
        let got = refused(&app.user("ada"), recording(20)).await;
        let expected = (status, code.to_owned(), Some(reason.to_owned()), wait);
        assert_eq!(got, expected, "{reason}");
    }
}

#[tokio::test]
async fn without_a_speech_model_it_is_said_that_dictation_is_off() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| with_model(config, &model, ModelApi::Responses)).await;
    for bytes in [20, 2_000_000] {
        let (status, code, ..) = refused(&app.user("ada"), recording(bytes)).await;
        assert_eq!((status, code.as_str()), (422, "not_enabled"));
    }
    assert!(model.requests().is_empty());
}
