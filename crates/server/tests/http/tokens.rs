//! Mode `jwt`: whom the server believes, and whom not.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::{AuthMode, Jwt, JwtAlgorithm, ModelApi};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::{Follower, TestApp, input, with_model};

const AUDIENCE: &str = "parlor";

// ---------------------------------------------------------------- an identity provider

/// A provider whose keys can be changed and which can be away.
struct Provider {
    url: String,
    state: Arc<Mutex<Published>>,
}

#[derive(Default)]
struct Published {
    issuer: String,
    keys: Vec<Value>,
    away: bool,
    asked: usize,
}

impl Provider {
    async fn start(keys: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Published { issuer: url.clone(), ..Published::default() }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(published))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let provider = Self { url, state };
        provider.publish(keys);
        provider
    }

    fn publish(&self, keys: &[&Signer]) {
        self.state.lock().unwrap().keys = keys.iter().map(|key| key.public.clone()).collect();
    }

    fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    fn claims(&self, user: &str) -> Value {
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": user, "exp": now() + 300, "iat": now(),
            "name": "Ada Lovelace", "email": "ada@example.com",
            "realm_access": {"roles": ["editor", "admin"]},
        })
    }

    async fn server(&self, change: impl FnOnce(&mut Jwt)) -> TestApp {
        let mut settings = Jwt {
            issuer: Some(self.url.clone()),
            audience: vec![AUDIENCE.to_owned()],
            ..Jwt::default()
        };
        change(&mut settings);
        settings.keys().unwrap();
        server(settings).await
    }
}

async fn discovery(State(state): State<Arc<Mutex<Published>>>) -> impl IntoResponse {
    let state = state.lock().unwrap();
    if state.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(Json(json!({"issuer": state.issuer, "jwks_uri": format!("{}/keys", state.issuer)})))
}

async fn published(State(state): State<Arc<Mutex<Published>>>) -> impl IntoResponse {
    let mut state = state.lock().unwrap();
    state.asked += 1;
    if state.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    // One of a kind that nobody knows: providers publish such.
    let mut keys = vec![json!({"kty": "new-kind", "kid": "future"})];
    keys.extend(state.keys.iter().cloned());
    Ok(Json(json!({"keys": keys})))
}

async fn server(settings: Jwt) -> TestApp {
    TestApp::with(|config| {
        config.auth.mode = Some(AuthMode::Jwt);
        config.auth.jwt = Some(settings);
    })
    .await
}

// ---------------------------------------------------------------- keys and tokens

/// A key that signs tokens.
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
    pub(crate) public: Value,
    /// The private key, PEM.
    pub(crate) pem: String,
}

impl Signer {
    fn rsa(id: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = pem("PRIVATE KEY", der.as_ref());
        Self::new(id, Algorithm::RS256, EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), pem)
    }

    fn ec(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let pem = pem("PRIVATE KEY", der.as_ref());
        Self::new(id, Algorithm::ES256, EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(), pem)
    }

    pub(crate) fn ed(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let pem = pem("PRIVATE KEY", der.as_ref());
        Self::new(id, Algorithm::EdDSA, EncodingKey::from_ed_der(der.as_ref()), pem)
    }

    fn new(id: &'static str, algorithm: Algorithm, key: EncodingKey, pem: String) -> Self {
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        Self { id, algorithm, key, public: serde_json::to_value(jwk).unwrap(), pem }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(claims, |_| {})
    }

    fn sign_with(&self, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        change(&mut header);
        encode(&header, claims, &self.key).unwrap()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[name] = value.into();
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

// ---------------------------------------------------------------- asking

async fn call(app: &TestApp, token: Option<&str>, operation: &str, params: Value) -> Response {
    let mut request = Client::new().post(format!("{}/chatkit", app.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.json(&json!({"type": operation, "params": params})).send().await.unwrap()
}

async fn list(app: &TestApp, token: &str) -> Response {
    call(app, Some(token), "threads.list", json!({})).await
}

async fn ask(app: &TestApp, token: &str) -> String {
    let params = json!({"input": input("What is here?")});
    let response = call(app, Some(token), "threads.create", params).await;
    assert_eq!(response.status(), 200);
    crate::app::Stream::read(response).await.thread_id().to_owned()
}

async fn refused(app: &TestApp, token: &str, why: &str) {
    let response = list(app, token).await;
    assert_eq!(response.status(), 401, "{why}");
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{why}");
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error"]["code"], "unauthorized", "{why}");
    // Always the same words: nothing to learn from.
    assert_eq!(
        error["error"]["message"],
        "the access token is not valid here, or no longer; sign in again",
        "{why}"
    );
}

// ---------------------------------------------------------------- tests

#[tokio::test]
async fn tokens_of_every_usual_kind_say_who_asks() {
    let signers = [Signer::rsa("rsa"), Signer::ec("ec"), Signer::ed("ed")];
    let provider = Provider::start(&signers.each_ref()).await;
    let app = provider.server(|_| {}).await;
    let ada = provider.claims("ada");
    let thread = ask(&app, &signers[0].sign(&ada)).await;
    for signer in &signers {
        let token = signer.sign(&ada);
        let page: Value = list(&app, &token).await.json().await.unwrap();
        assert_eq!(page["data"][0]["id"], thread.as_str(), "{:?}", signer.algorithm);
        let eve = signer.sign(&provider.claims("eve"));
        let page: Value = list(&app, &eve).await.json().await.unwrap();
        assert_eq!(page["data"], json!([]), "{:?}", signer.algorithm);
        let theirs =
            call(&app, Some(&eve), "threads.get_by_id", json!({"thread_id": thread})).await;
        assert_eq!(theirs.status(), 404);
    }
    assert_eq!(provider.asked(), 1, "the keys are fetched once");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_not_told() {
    let signer = Signer::rsa("a");
    let provider = Provider::start(&[&signer]).await;
    let app = provider.server(|_| {}).await;
    let good = provider.claims("ada");
    assert_eq!(list(&app, &signer.sign(&good)).await.status(), 200);

    let cases = [
        ("expired", with(&good, "exp", now() - 120)),
        ("never expiring", without(&good, "exp")),
        ("not yet valid", with(&good, "nbf", now() + 120)),
        ("of another issuer", with(&good, "iss", "https://evil.example")),
        ("of no issuer", without(&good, "iss")),
        ("for another application", with(&good, "aud", "billing")),
        ("for none", without(&good, "aud")),
        ("for no user", without(&good, "sub")),
        ("for an empty user", with(&good, "sub", " ")),
        ("for a user of control characters", with(&good, "sub", "a\nb")),
        ("for a user with a huge name", with(&good, "sub", "x".repeat(300))),
        ("for a list of users", with(&good, "sub", json!(["ada"]))),
        ("larger than 16 KiB", with(&good, "filler", "x".repeat(20_000))),
        ("larger than 1 MB", with(&good, "filler", "x".repeat(800_000))),
    ];
    for (why, claims) in cases {
        refused(&app, &signer.sign(&claims), why).await;
    }

    let other = Signer::rsa("a");
    refused(&app, &other.sign(&good), "signed with another key of the same id").await;
    let critical = signer.sign_with(&good, |header| header.crit = Some(vec!["b64".to_owned()]));
    refused(&app, &critical, "with a critical extension").await;

    let token = signer.sign(&good);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let forged = with(&good, "sub", "root").to_string();
    let forged = BASE64_URL_SAFE_NO_PAD.encode(forged);
    refused(&app, &format!("{header}.{forged}.{signature}"), "with other claims").await;
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for unsigned in [format!("{none}.{claims}."), format!("{none}.{claims}.{signature}")] {
        refused(&app, &unsigned, "alg none").await;
    }
    for odd in ["", "a", "a.b", "a.b.c", "a.b.c.d", "…", "{}.{}.{}", "null.null.null"] {
        let response = list(&app, odd).await;
        assert!([400, 401].contains(&response.status().as_u16()), "{odd:?}: {}", response.status());
    }
}

/// The classic confusion: the public key, which everybody knows, taken as an HMAC secret.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let signer = Signer::rsa("a");
    let provider = Provider::start(&[&signer]).await;
    let key = aws_lc_rs::rsa::KeyPair::from_pkcs8(
        &BASE64_STANDARD.decode(signer.pem.lines().nth(1).unwrap()).unwrap(),
    )
    .unwrap();
    let public = {
        use aws_lc_rs::{encoding::PublicKeyX509Der, signature::KeyPair as _};
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        pem("PUBLIC KEY", der.as_ref())
    };
    let published = provider
        .server(|settings| {
            // Even where an operator allows both kinds.
            settings.algorithms = Some(vec![JwtAlgorithm::RS256, JwtAlgorithm::HS256]);
        })
        .await;
    let settings = Jwt {
        public_key: Some(public.clone()),
        algorithms: Some(vec![JwtAlgorithm::RS256, JwtAlgorithm::HS256]),
        audience: vec![AUDIENCE.to_owned()],
        ..Jwt::default()
    };
    let fixed = server(settings).await;
    let claims = provider.claims("ada");
    for app in [&published, &fixed] {
        assert_eq!(list(app, &signer.sign(&claims)).await.status(), 200);
        let modulus = signer.public["n"].as_str().unwrap();
        for secret in [public.as_bytes(), modulus.as_bytes(), b""] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("a".to_owned());
            let token = encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
            refused(app, &token, "HS256 with the public key").await;
        }
    }
}

#[tokio::test]
async fn a_shared_secret_signs_tokens_too() {
    let secret = "0123456789abcdef0123456789abcdef";
    let settings =
        Jwt { secret: Some(secret.into()), audience: vec![AUDIENCE.to_owned()], ..Jwt::default() };
    let app = server(settings).await;
    let claims = json!({"sub": "ada", "aud": [AUDIENCE, "other"], "exp": now() + 60});
    let sign = |secret: &str, algorithm| {
        encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes()))
            .unwrap()
    };
    assert_eq!(list(&app, &sign(secret, Algorithm::HS256)).await.status(), 200);
    refused(&app, &sign("another-secret", Algorithm::HS256), "another secret").await;
    refused(&app, &sign(secret, Algorithm::HS512), "an algorithm that is not allowed").await;
    refused(&app, &Signer::rsa("a").sign(&claims), "another kind of key").await;
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_it_is_met() {
    let (old, new) = (Signer::rsa("old"), Signer::ec("new"));
    let provider = Provider::start(&[&old]).await;
    let app = provider.server(|_| {}).await;
    let claims = provider.claims("ada");
    assert_eq!(list(&app, &old.sign(&claims)).await.status(), 200);
    provider.publish(&[&new, &old]);
    assert_eq!(list(&app, &new.sign(&claims)).await.status(), 200);
    provider.publish(&[&new]);
    // Invented ids don't make the server ask the provider each time.
    let asked = provider.asked();
    for id in ["x", "y", "z"] {
        let token = new.sign_with(&claims, |header| header.kid = Some(id.to_owned()));
        refused(&app, &token, "an unknown key").await;
    }
    assert_eq!(provider.asked(), asked + 1);
    refused(&app, &old.sign(&claims), "withdrawn").await;
    assert_eq!(list(&app, &new.sign(&claims)).await.status(), 200);
}

#[tokio::test]
async fn a_provider_that_is_away_stops_nobody_who_is_known_and_is_met_again() {
    let signer = Signer::rsa("a");
    let provider = Provider::start(&[&signer]).await;
    let token = signer.sign(&provider.claims("ada"));
    let before = provider.server(|_| {}).await;
    assert_eq!(list(&before, &token).await.status(), 200);

    provider.state.lock().unwrap().away = true;
    let after = provider.server(|_| {}).await;
    assert_eq!(list(&before, &token).await.status(), 200, "its keys are known");
    let response = list(&after, &token).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));

    provider.state.lock().unwrap().away = false;
    // As often as clients may ask again; the server tries again after a second.
    for attempt in 0.. {
        let status = list(&after, &token).await.status();
        if status == 200 {
            break;
        }
        assert_eq!(status, 503);
        assert!(attempt < 600, "the provider is back, and the server does not notice");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_header_with_a_user_id_must_be_the_tokens() {
    let signer = Signer::ed("a");
    let provider = Provider::start(&[&signer]).await;
    let app = provider.server(|_| {}).await;
    let token = signer.sign(&provider.claims("ada"));
    for (claimed, status) in [("ada", 200), ("eve", 403), ("", 403)] {
        let response = Client::new()
            .post(format!("{}/chatkit", app.url))
            .bearer_auth(&token)
            .header("x-user-id", claimed)
            .json(&json!({"type": "threads.list", "params": {}}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{claimed:?}");
    }
    let response = app.user("ada").call("threads.list", json!({})).await;
    assert_eq!(response.status(), 401, "the header alone is nobody");
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_tenant_is_a_wall_and_a_token_without_one_is_nobodys() {
    let signer = Signer::ed("a");
    let provider = Provider::start(&[&signer]).await;
    let app = provider.server(|settings| settings.claims.tenant = Some("org.id".to_owned())).await;
    let claims = provider.claims("ada");
    let of = |tenant: &str| signer.sign(&with(&claims, "org", json!({"id": tenant})));
    let thread = ask(&app, &of("acme")).await;
    for (tenant, status) in [("acme", 200), ("other", 404)] {
        let params = json!({"thread_id": thread});
        let response = call(&app, Some(&of(tenant)), "threads.get_by_id", params).await;
        assert_eq!(response.status(), status, "the same user id, of the tenant {tenant}");
    }
    refused(&app, &signer.sign(&claims), "of no tenant").await;
}

#[tokio::test]
async fn the_model_is_told_who_asks_and_the_page_cannot_say_otherwise() {
    let signer = Signer::ed("a");
    let provider = Provider::start(&[&signer]).await;
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| {
        with_model(config, &model, ModelApi::Responses);
        config.auth.mode = Some(AuthMode::Jwt);
        config.auth.jwt = Some(Jwt {
            issuer: Some(provider.url.clone()),
            audience: vec![AUDIENCE.to_owned()],
            ..Jwt::default()
        });
    })
    .await;
    let response = Client::new()
        .post(format!("{}/chatkit", app.url))
        .bearer_auth(signer.sign(&provider.claims("ada")))
        .json(&json!({
            "type": "threads.create",
            "params": {"input": input("Who am I?")},
            "metadata": {"userInfo": {"name": "Mallory", "email": "m@example.com"}},
        }))
        .send()
        .await
        .unwrap();
    crate::app::Stream::read(response).await;
    let asked = format!("{:?}", model.requests());
    assert!(asked.contains("Ada Lovelace"), "{asked}");
    assert!(!asked.contains("Mallory"), "{asked}");
}

/// A token is looked at when a request comes, not while its answer is under way.
#[tokio::test]
async fn a_token_that_expires_does_not_cut_the_answer() {
    let signer = Signer::ed("a");
    let provider = Provider::start(&[&signer]).await;
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("First half, ").hold("rest").text("second half."));
    let app = TestApp::with(|config| {
        with_model(config, &model, ModelApi::Responses);
        config.auth.mode = Some(AuthMode::Jwt);
        config.auth.jwt = Some(Jwt {
            issuer: Some(provider.url.clone()),
            audience: vec![AUDIENCE.to_owned()],
            leeway_seconds: 0,
            ..Jwt::default()
        });
    })
    .await;
    let token = signer.sign(&with(&provider.claims("ada"), "exp", now() + 2));
    let params = json!({"input": input("Long?")});
    let response = call(&app, Some(&token), "threads.create", params).await;
    let mut follower = Follower::new(response);
    follower.until("half").await;
    while list(&app, &token).await.status() == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    model.release("rest");
    assert_eq!(follower.finish().await.end.as_deref(), Some("done"));
}
