//! Embedding and reranking against the fake model server.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use parlor_agent::{
    EmbeddingsClient, EmbeddingsConfig, ModelConfigError, ModelError, RerankClient, RerankConfig,
};
use parlor_fake_model::{Behaviour, FakeModel, Purpose, Step};
use parlor_search::{EmbedError, Embedder as _, EmbeddingOf};
use serde_json::json;

fn config(model: &FakeModel) -> EmbeddingsConfig {
    let mut config = EmbeddingsConfig::new(model.base_url().parse().unwrap(), "fake-embedding");
    config.pause = Duration::from_millis(1);
    config
}

fn scripted(step: Step) -> Behaviour {
    let mut behaviour = Behaviour::new().purpose(Purpose::Embedding);
    behaviour.steps.push(step);
    behaviour
}

fn status(status: u16) -> Behaviour {
    scripted(Step::Status { status, retry_after: None, code: None, message: None })
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn nearness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[tokio::test]
async fn texts_are_embedded_in_one_request_with_what_the_model_wants_to_be_told() {
    let model = FakeModel::start().await;
    let mut config = config(&model).with_key("sk-test".to_owned().into());
    config.dimensions = Some(256);
    config.query_prefix = "query: ".into();
    config.passage_prefix = "passage: ".into();
    let client = EmbeddingsClient::new(config).unwrap();
    let passages = texts(&["the boat leaves at noon", "salmon and trout"]);
    let vectors = client.embed(passages, EmbeddingOf::Passages).await.unwrap();
    let query = client.embed(texts(&["when does the boat leave"]), EmbeddingOf::Query).await;
    let query = &query.unwrap()[0];
    assert_eq!(query.len(), 256);
    assert!(nearness(query, &vectors[0]) > nearness(query, &vectors[1]));
    let requests = model.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].path, "/v1/embeddings");
    assert_eq!(requests[0].headers["authorization"], "Bearer sk-test");
    assert_eq!(
        requests[0].body,
        json!({
            "model": "fake-embedding",
            "input": ["passage: the boat leaves at noon", "passage: salmon and trout"],
            "encoding_format": "float",
            "dimensions": 256,
        })
    );
    assert_eq!(requests[1].body["input"], json!(["query: when does the boat leave"]));
    for part in ["fake-embedding", "256", "passage: "] {
        assert!(client.identity().contains(part), "{part}");
    }
}

#[tokio::test]
async fn passages_are_tried_again_and_questions_are_not() {
    let model = FakeModel::start().await;
    let client = EmbeddingsClient::new(config(&model)).unwrap();
    for behaviour in [status(429), status(503), scripted(Step::Cut)] {
        model.push(behaviour);
    }
    let vectors = client.embed(texts(&["a b"]), EmbeddingOf::Passages).await.unwrap();
    assert_eq!(vectors.len(), 1);
    assert_eq!(model.requests().len(), 4);
    model.push(status(503));
    let error = client.embed(texts(&["a b"]), EmbeddingOf::Query).await.unwrap_err();
    assert!(matches!(&error, EmbedError::Failed(why) if why.contains("503")), "{error}");
    assert_eq!(model.requests().len(), 5);
    model.push(status(500).times(0));
    assert!(client.embed(texts(&["a b"]), EmbeddingOf::Passages).await.is_err());
    assert_eq!(model.requests().len(), 11, "the first try and five more");
}

#[tokio::test]
async fn what_will_not_get_better_is_not_tried_again() {
    let model = FakeModel::start().await;
    let client = EmbeddingsClient::new(config(&model)).unwrap();
    for (code, rejected) in [(400, true), (413, true), (401, false), (404, false)] {
        model.reset();
        model.push(status(code));
        let error = client.embed(texts(&["a b"]), EmbeddingOf::Passages).await.unwrap_err();
        assert_eq!(matches!(error, EmbedError::Rejected(_)), rejected, "{code}: {error}");
        assert_eq!(model.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let model = FakeModel::start().await;
    let mut config = config(&model);
    config.retries = 0;
    let client = EmbeddingsClient::new(config).unwrap();
    for raw in ["", "null", "{\"data\": []}", "{\"data\": [{\"embedding\": \"AAAA\"}]}", "<html>"] {
        model.push(scripted(Step::Raw { text: raw.into() }));
        let error = client.embed_once(&texts(&["x"]), EmbeddingOf::Query).await.unwrap_err();
        assert!(matches!(error, ModelError::Malformed { .. }), "{raw}: {error}");
    }
}

#[tokio::test]
async fn a_model_that_gives_another_length_than_was_asked_for_is_told_on() {
    let model = FakeModel::start().await;
    let mut config = config(&model);
    config.dimensions = Some(8);
    let client = EmbeddingsClient::new(config).unwrap();
    let body = json!({"data": [{"index": 0, "embedding": [1.0, 0.5]}]}).to_string();
    model.push(scripted(Step::Raw { text: body }));
    let error = client.embed_once(&texts(&["x"]), EmbeddingOf::Query).await.unwrap_err();
    assert!(error.to_string().contains("2 numbers, and 8 were asked for"), "{error}");
}

#[tokio::test]
async fn documents_are_ranked_by_the_reranker() {
    let model = FakeModel::start().await;
    let config = RerankConfig::new(model.base_url().parse().unwrap(), "fake-rerank")
        .with_key("sk-test".to_owned().into());
    let client = RerankClient::new(config).unwrap();
    let documents = texts(&["a fish", "the red boat", "a boat"]);
    let ranking = client.ranking("red boat", &documents, 2).await.unwrap();
    assert_eq!(ranking.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 2]);
    let request = model.requests().pop().unwrap();
    assert_eq!(request.path, "/v1/rerank");
    assert_eq!(request.headers["authorization"], "Bearer sk-test");
    assert_eq!(
        request.body,
        json!({
            "model": "fake-rerank",
            "query": "red boat",
            "documents": ["a fish", "the red boat", "a boat"],
            "top_n": 2,
            "return_documents": false,
        })
    );
    let mut broken = Behaviour::new().purpose(Purpose::Rerank);
    broken.steps.push(Step::Status { status: 500, retry_after: None, code: None, message: None });
    model.push(broken);
    assert!(client.ranking("boat", &documents, 2).await.is_err());
}

#[test]
fn addresses_that_cannot_be_asked_are_refused() {
    for url in ["ftp://example.com/v1", "data:,x"] {
        let embeddings = EmbeddingsClient::new(EmbeddingsConfig::new(url.parse().unwrap(), "m"));
        assert!(matches!(embeddings, Err(ModelConfigError::BaseUrl { .. })), "{url}");
        let rerank = RerankClient::new(RerankConfig::new(url.parse().unwrap(), "m"));
        assert!(matches!(rerank, Err(ModelConfigError::BaseUrl { .. })), "{url}");
    }
}
