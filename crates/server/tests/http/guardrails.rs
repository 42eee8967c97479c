//! Guardrails of the configuration: everybody's, and those of one tenant.

use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::{GuardrailEntry, ModelApi};

use crate::app::{TestApp, with_model};

fn guardrails(toml: &str) -> Vec<GuardrailEntry> {
    #[derive(serde::Deserialize)]
    struct File {
        guardrails: Vec<GuardrailEntry>,
    }
    toml::from_str::<File>(toml).unwrap().guardrails
}

#[tokio::test]
async fn messages_and_answers_are_checked_as_the_configuration_says() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| {
        with_model(config, &model, ModelApi::Responses);
        config.titles.enabled = false;
        config.guardrails = guardrails(
            r#"
            [[guardrails]]
            name = "words"
            kind = "rules"
            words = ["heron"]
            message = "Not that."
            [[guardrails]]
            name = "moderation"
            kind = "moderation"
            "#,
        );
    })
    .await;
    let user = app.user("ada");
    assert_eq!(user.ask("What is a heron?").await.text(), "Not that.");
    assert!(!model.requests().iter().any(|request| request.path.ends_with("/responses")));
    model.push(Behaviour::new().text("It is /bad."));
    let answer = user.ask("What is it?").await;
    assert_eq!(answer.text(), "The answer was taken back: it broke a rule of this site.");
    let items = user.items(&answer.thread_id()).await;
    assert_eq!(items.len(), 2, "{items:?}");
    let figures = reqwest::get(format!("{}/metrics", app.url)).await.unwrap().text().await.unwrap();
    let line = r#"parlor_guardrail_checks_total{guardrail="words",on="input",outcome="tripped"}"#;
    assert!(figures.contains(line), "{figures}");
}
