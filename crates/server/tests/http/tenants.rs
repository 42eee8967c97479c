//! Tenants: each is answered by its own settings, and never by those of another.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parlor_fake_model::{FakeModel, RecordedRequest};
use parlor_server::config::{
    Assistant, AuthMode, Config, Jwt, JwtClaims, ModelApi, Tenant, TenantDictation, TenantModel,
    TenantSearch, TenantTitles, TrustedHeader,
};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    app::{Stream, TestApp, input, with_model},
    tokens::now,
};

const SECRET: &str = "a secret that is longer than 32 bytes";
const AUDIENCE: &str = "parlor";

/// How a test says of which tenant somebody is.
#[derive(Clone, Copy, Debug)]
enum By {
    Token,
    Header,
}

impl By {
    fn configure(self, config: &mut Config) {
        match self {
            Self::Token => {
                config.auth.mode = Some(AuthMode::Jwt);
                config.auth.jwt = Some(Jwt {
                    audience: vec![AUDIENCE.to_owned()],
                    secret: Some(SECRET.into()),
                    claims: JwtClaims { tenant: Some("org".to_owned()), ..JwtClaims::default() },
                    ..Jwt::default()
                });
            }
            Self::Header => {
                config.auth.mode = Some(AuthMode::TrustedHeader);
                config.auth.trusted_header = Some(TrustedHeader {
                    tenant: Some("X-Tenant-ID".to_owned()),
                    ..TrustedHeader::default()
                });
            }
        }
    }

    /// Always the same user: only the tenants differ.
    fn sign(self, request: RequestBuilder, tenant: &str) -> RequestBuilder {
        match self {
            Self::Token => {
                let claims =
                    json!({"sub": "ada", "org": tenant, "aud": AUDIENCE, "exp": now() + 300});
                let key = EncodingKey::from_secret(SECRET.as_bytes());
                request.bearer_auth(encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap())
            }
            Self::Header => request.header("x-user-id", "ada").header("x-tenant-id", tenant),
        }
    }
}

async fn call(
    app: &TestApp,
    by: By,
    tenant: &str,
    operation: &str,
    params: Value,
) -> reqwest::Response {
    let request = Client::new()
        .post(format!("{}/chatkit", app.url))
        .json(&json!({"type": operation, "params": params}));
    by.sign(request, tenant).send().await.unwrap()
}

async fn ask(app: &TestApp, by: By, tenant: &str, text: &str) -> Stream {
    let response = call(app, by, tenant, "threads.create", json!({"input": input(text)})).await;
    assert_eq!(response.status(), 200);
    Stream::read(response).await
}

fn prompt(text: &str) -> Option<Assistant> {
    Some(Assistant { system_prompt: Some(text.to_owned()) })
}

/// What a model server was asked by the question that holds this text: name, key and prompt.
fn asked(requests: &[RecordedRequest], question: &str) -> (String, Option<String>, String) {
    let found: Vec<_> = requests
        .iter()
        .filter(|request| request.user_message.as_deref().is_some_and(|m| m.contains(question)))
        .collect();
    let [request] = found[..] else { panic!("{question}: {found:#?}") };
    (
        request.body["model"].as_str().unwrap().to_owned(),
        request.headers.get("authorization").map(|key| key.as_str().unwrap().to_owned()),
        request.body["instructions"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn each_tenant_is_answered_by_its_own_prompt_model_and_key_and_no_other_sees_them() {
    for by in [By::Token, By::Header] {
        let shared = FakeModel::start().await;
        let own = FakeModel::start().await;
        let app = TestApp::with(|config| {
            by.configure(config);
            with_model(config, &shared, ModelApi::Responses);
            config.model.api_key = Some("key-of-all".into());
            config.search.enabled = false;
            config.assistant = prompt("PROMPT-OF-ALL").unwrap();
            config.tenants = BTreeMap::from([
                (
                    "acme".to_owned(),
                    Tenant {
                        assistant: prompt("PROMPT-OF-ACME"),
                        model: Some(TenantModel {
                            name: Some("model-of-acme".to_owned()),
                            api_key: Some("key-of-acme".into()),
                            ..TenantModel::default()
                        }),
                        ..Tenant::default()
                    },
                ),
                (
                    "org: 2".to_owned(),
                    Tenant {
                        assistant: prompt("PROMPT-OF-TWO"),
                        model: Some(TenantModel {
                            base_url: Some(own.base_url().parse().unwrap()),
                            name: Some("model-of-two".to_owned()),
                            ..TenantModel::default()
                        }),
                        ..Tenant::default()
                    },
                ),
                (
                    "Acme".to_owned(),
                    Tenant { assistant: prompt("PROMPT-OF-CASE"), ..Tenant::default() },
                ),
            ]);
        })
        .await;
        let bearer = |key: &str| Some(format!("Bearer {key}"));
        let all = [
            ("acme", "model-of-acme", bearer("key-of-acme"), "PROMPT-OF-ACME"),
            ("org: 2", "model-of-two", None, "PROMPT-OF-TWO"),
            ("Acme", "fake", bearer("key-of-all"), "PROMPT-OF-CASE"),
            ("nobody knows it", "fake", bearer("key-of-all"), "PROMPT-OF-ALL"),
        ];
        // At the same time, and twice: nothing is kept from one to the next.
        for round in 0..2 {
            let asking = all.iter().map(|(tenant, ..)| {
                let question = format!("Question {round} of <{tenant}>?");
                let app = &app;
                async move { ask(app, by, tenant, &question).await }
            });
            for stream in futures::future::join_all(asking).await {
                assert_eq!(stream.end.as_deref(), Some("done"));
            }
        }
        for (tenant, model, key, own_prompt) in &all {
            let server = if *tenant == "org: 2" { &own } else { &shared };
            for round in 0..2 {
                let question = format!("Question {round} of <{tenant}>?");
                let (name, sent, instructions) = asked(&server.requests(), &question);
                assert_eq!((name.as_str(), &sent), (*model, key), "{by:?} {tenant}");
                for (_, _, _, some_prompt) in &all {
                    let is_own = some_prompt == own_prompt;
                    assert_eq!(instructions.contains(some_prompt), is_own, "{by:?} {tenant}");
                }
            }
        }
        assert_eq!(own.requests().len(), 2, "only its own tenant asks it");
        // Titles hold the question, and go where the question goes.
        let titles = own.titles_when(|titles| titles.len() == 2).await;
        for title in titles {
            assert_eq!(title.body["model"], "model-of-two");
            assert!(!title.headers.contains_key("authorization"));
        }
    }
}

#[tokio::test]
async fn threads_of_one_tenant_are_not_there_for_the_same_user_of_another() {
    for by in [By::Token, By::Header] {
        let app = TestApp::with(|config| {
            by.configure(config);
            config.tenants = BTreeMap::from([
                ("acme".to_owned(), Tenant::default()),
                ("other".to_owned(), Tenant::default()),
            ]);
        })
        .await;
        let thread = ask(&app, by, "acme", "What is here?").await.thread_id();
        let params = json!({"thread_id": thread});
        let status = async |tenant| {
            call(&app, by, tenant, "threads.get_by_id", params.clone()).await.status().as_u16()
        };
        assert_eq!(status("acme").await, 200);
        for other in ["other", "ACME", "default", "acme:ada"] {
            assert_eq!(status(other).await, 404, "{other}");
        }
        let unnamed = match by {
            By::Token => "",
            By::Header => " ",
        };
        assert_eq!(status(unnamed).await, 401);
    }
}

#[tokio::test]
async fn titles_dictation_and_search_can_be_a_tenants_own() {
    let by = By::Header;
    let shared = FakeModel::start().await;
    let own = FakeModel::start().await;
    let app = TestApp::with(|config| {
        by.configure(config);
        with_model(config, &shared, ModelApi::Responses);
        config.dictation.name = Some("speech-of-all".to_owned());
        config.dictation.api_key = Some("dictation-key-of-all".into());
        config.tenants = BTreeMap::from([
            (
                "acme".to_owned(),
                Tenant {
                    titles: Some(TenantTitles { enabled: Some(false), model: None }),
                    dictation: Some(TenantDictation {
                        base_url: Some(own.base_url().parse().unwrap()),
                        name: Some("speech-of-acme".to_owned()),
                        ..TenantDictation::default()
                    }),
                    search: Some(TenantSearch { enabled: Some(false), ..TenantSearch::default() }),
                    ..Tenant::default()
                },
            ),
            (
                "quiet".to_owned(),
                Tenant {
                    titles: Some(TenantTitles {
                        model: Some("title-of-quiet".to_owned()),
                        enabled: None,
                    }),
                    dictation: Some(TenantDictation {
                        enabled: Some(false),
                        ..TenantDictation::default()
                    }),
                    ..Tenant::default()
                },
            ),
        ]);
    })
    .await;
    let recording = json!({"audio_base64": STANDARD.encode([7; 20]), "mime_type": "audio/webm"});
    let dictate = async |tenant| {
        let answer = call(&app, by, tenant, "input.transcribe", recording.clone()).await;
        answer.status().as_u16()
    };
    assert_eq!(dictate("acme").await, 200);
    assert_eq!(own.requests()[0].body["model"], "speech-of-acme");
    assert!(!own.requests()[0].headers.contains_key("authorization"), "the key is everybody's");
    assert!(shared.requests().is_empty());
    assert_ne!(dictate("quiet").await, 200);
    assert!(shared.requests().is_empty());
    assert_eq!(dictate("another").await, 200);
    assert_eq!(shared.requests()[0].body["model"], "speech-of-all");
    assert_eq!(shared.requests()[0].headers["authorization"], "Bearer dictation-key-of-all");

    for tenant in ["acme", "quiet"] {
        assert_eq!(
            ask(&app, by, tenant, &format!("From {tenant}?")).await.end.as_deref(),
            Some("done")
        );
    }
    let offered = |tenant: &str| {
        let requests = shared.requests();
        let question = format!("From {tenant}?");
        let of_tenant = requests
            .iter()
            .filter(|request| request.user_message.as_deref() == Some(question.as_str()));
        of_tenant.map(|request| request.body["tools"].to_string()).collect::<String>()
    };
    assert!(offered("quiet").contains("search_documents"));
    assert!(!offered("acme").contains("search_documents"));
    let titles = shared.titles_when(|titles| titles.len() == 1).await;
    assert_eq!(titles[0].body["model"], "title-of-quiet");
}
