//! Speech to text against the fake model server.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use bytes::Bytes;
use parlor_agent::{
    ModelConfigError, ModelError, TranscriptionClient, TranscriptionConfig, TranscriptionError,
};
use parlor_fake_model::{Behaviour, FakeModel, Purpose, Step};

fn config(model: &FakeModel) -> TranscriptionConfig {
    TranscriptionConfig::new(model.base_url().parse().unwrap(), "fake-speech")
}

fn scripted() -> Behaviour {
    Behaviour::new().purpose(Purpose::Transcription)
}

const AUDIO: Bytes = Bytes::from_static(b"not really audio");

async fn transcribe(model: &FakeModel, kind: &str) -> Result<String, TranscriptionError> {
    TranscriptionClient::new(config(model)).unwrap().transcribe(AUDIO, kind).await
}

#[tokio::test]
async fn a_recording_is_sent_as_a_file_whose_name_tells_its_format() {
    let model = FakeModel::start().await;
    let client =
        TranscriptionClient::new(config(&model).with_key("sk-test".to_owned().into())).unwrap();
    for (kind, name, media_type) in [
        ("audio/webm;codecs=opus", "recording.webm", "audio/webm"),
        ("audio/ogg; codecs=opus", "recording.ogg", "audio/ogg"),
        ("audio/mp4", "recording.mp4", "audio/mp4"),
    ] {
        let text = client.transcribe(AUDIO, kind).await.unwrap();
        assert_eq!(text, format!("This is what was said in {name}, 16 bytes of {media_type}."));
        let request = model.requests().pop().unwrap();
        assert_eq!(request.path, "/v1/audio/transcriptions");
        assert_eq!(request.body["model"], "fake-speech");
        assert_eq!(request.headers["authorization"], "Bearer sk-test");
    }
}

#[tokio::test]
async fn what_is_no_recording_is_refused_without_asking() {
    let model = FakeModel::start().await;
    let client = TranscriptionClient::new(config(&model)).unwrap();
    let empty = client.transcribe(Bytes::new(), "audio/webm").await;
    assert_eq!(empty, Err(TranscriptionError::Empty));
    for kind in ["", "text/html", "image/png", "audio/webm\r\nX-Evil: 1", "audio/../../etc"] {
        let error = client.transcribe(AUDIO, kind).await.unwrap_err();
        let TranscriptionError::Format { mime_type } = &error else { panic!("{kind}: {error}") };
        assert!(!mime_type.contains(['\r', '\n']), "{mime_type:?}");
        assert!(error.to_string().contains("audio/webm"), "it says what to send: {error}");
    }
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn failures_are_told_apart_as_those_of_the_language_model_are() {
    let cases = [
        (scripted().status(401), "model.unauthorized"),
        (scripted().rate_limited(30), "model.rate_limited"),
        (scripted().status(400), "model.bad_request"),
        (scripted().status(404), "model.not_found"),
        (scripted().status(413), "model.context_too_long"),
        (scripted().status(500).times(2), "model.server_error"),
        (scripted().cut(), "model.cut"),
        (scripted().step(Step::Raw { text: "{\"no\":\"text\"}".into() }), "model.malformed"),
        (scripted().step(Step::Raw { text: "x".repeat(2_000_000) }), "model.malformed"),
    ];
    for (behaviour, reason) in cases {
        let model = FakeModel::start().await;
        model.push(behaviour);
        match transcribe(&model, "audio/webm").await {
            Err(TranscriptionError::Model(error)) => assert_eq!(error.reason(), reason),
            other => panic!("{reason}: {other:?}"),
        }
        // The next one is not affected.
        assert!(transcribe(&model, "audio/webm").await.is_ok(), "{reason}");
    }
}

#[tokio::test]
async fn a_server_that_failed_is_asked_once_more() {
    let model = FakeModel::start().await;
    model.push(scripted().status(500));
    assert!(transcribe(&model, "audio/webm").await.is_ok());
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_given_up() {
    let model = FakeModel::start().await;
    model.push(scripted().stall());
    let limit = Duration::from_millis(200);
    let client = TranscriptionClient::new(config(&model).with_timeout(limit)).unwrap();
    let error = client.transcribe(AUDIO, "audio/webm").await.unwrap_err();
    assert_eq!(error, TranscriptionError::Model(ModelError::Silent { after: limit }));
    // Giving up closes the connection.
    model.requests_when(|requests| requests[0].aborted_after_events.is_some()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_a_wrong_url_refused() {
    let model = FakeModel::start().await;
    let config = config(&model);
    drop(model);
    let client = TranscriptionClient::new(config).unwrap();
    let error = client.transcribe(AUDIO, "audio/webm").await.unwrap_err();
    assert!(matches!(error, TranscriptionError::Model(ModelError::Unreachable { .. })), "{error}");
    let wrong = TranscriptionConfig::new("mailto:x@example.com".parse().unwrap(), "m");
    assert!(matches!(TranscriptionClient::new(wrong), Err(ModelConfigError::BaseUrl { .. })));
}
