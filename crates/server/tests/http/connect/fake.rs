//! A server of tools that users sign in to, and the authorization server that lets them in. They can
//! be made difficult.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::Semaphore};
use url::Url;

/// What a refused or broken sign-in says, and nobody may repeat.
const EVIL: &str = "<script>alert(1)</script>";

pub(crate) struct Crm {
    pub(crate) url: String,
    state: Shared,
}

type Shared = Arc<Mutex<Inner>>;

struct Code {
    user: String,
    challenge: String,
    redirect_uri: String,
    client: String,
}

pub(crate) struct Inner {
    url: String,
    pub(crate) issuer: String,
    /// What is said of the authorization server beside the usual.
    pub(crate) metadata: Value,
    /// Where it is said to be.
    pub(crate) server: Option<String>,
    codes: HashMap<String, Code>,
    /// Good access tokens, and whose they are.
    pub(crate) access: HashMap<String, String>,
    /// Good refresh tokens, each once.
    pub(crate) refresh: HashMap<String, String>,
    tokens: usize,
    pub(crate) expires_in: u64,
    pub(crate) registered: Vec<Value>,
    pub(crate) refreshed: usize,
    /// The tokens that tools were called with.
    pub(crate) calls: Vec<String>,
    /// The secret that clients must have.
    pub(crate) secret: Option<(String, String)>,
    /// Refreshes wait for permits of this.
    pub(crate) gate: Option<Arc<Semaphore>>,
}

impl Crm {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Inner {
            url: url.clone(),
            issuer: url.clone(),
            metadata: json!({}),
            server: None,
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            tokens: 0,
            expires_in: 3_600,
            registered: Vec::new(),
            refreshed: 0,
            calls: Vec::new(),
            secret: None,
            gate: None,
        }));
        let router = Router::new()
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/.well-known/oauth-authorization-server/other", get(metadata))
            .route("/register", post(register))
            .route("/token", post(token))
            .route("/mcp", post(mcp).get(probe))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    /// As an entry of `[[tools]]`.
    pub(crate) fn entry(&self, sign_in: Value) -> Value {
        let url = format!("{}/mcp", self.url);
        json!({"kind": "mcp", "name": "crm", "url": url, "connect_seconds": 60, "sign_in": sign_in})
    }

    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// What a user does at the authorization server: signs in, and is sent back.
    pub(crate) fn sign_in(&self, asked: &Url, user: &str) -> Url {
        let query: HashMap<_, _> = asked.query_pairs().into_owned().collect();
        assert_eq!(asked.path(), "/authorize");
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["resource"], format!("{}/mcp", self.url), "RFC 8707");
        let mut state = self.state.lock().unwrap();
        state.tokens += 1;
        let code = format!("code-{}", state.tokens);
        let issued = Code {
            user: user.to_owned(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            client: query["client_id"].clone(),
        };
        state.codes.insert(code.clone(), issued);
        let mut back = Url::parse(&query["redirect_uri"]).unwrap();
        let answer = [("state", &query["state"]), ("code", &code), ("iss", &state.issuer)];
        back.query_pairs_mut().extend_pairs(answer);
        back
    }

    /// The user says no there.
    pub(crate) fn say_no(&self, asked: &Url) -> Url {
        let query: HashMap<_, _> = asked.query_pairs().into_owned().collect();
        let mut back = Url::parse(&query["redirect_uri"]).unwrap();
        let answer = [("state", &*query["state"]), ("error", EVIL), ("error_description", EVIL)];
        back.query_pairs_mut().extend_pairs(answer);
        back
    }
}

async fn resource(State(state): State<Shared>) -> Response {
    let state = state.lock().unwrap();
    let server = state.server.clone().unwrap_or_else(|| state.issuer.clone());
    Json(json!({
        "resource": format!("{}/mcp", state.url), "authorization_servers": [server],
        "scopes_supported": ["people"],
    }))
    .into_response()
}

async fn metadata(State(state): State<Shared>) -> Response {
    let state = state.lock().unwrap();
    let at = |path: &str| format!("{}/{path}", state.url);
    let mut metadata = json!({
        "issuer": state.issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "registration_endpoint": at("register"),
        "code_challenge_methods_supported": ["S256"],
        "response_types_supported": ["code"],
    });
    for (name, value) in state.metadata.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    Json(metadata).into_response()
}

async fn register(State(state): State<Shared>, Json(asked): Json<Value>) -> Response {
    let mut state = state.lock().unwrap();
    state.registered.push(asked.clone());
    let id = format!("client-{}", state.registered.len());
    let answer = json!({"client_id": id, "redirect_uris": asked["redirect_uris"]});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn token(
    State(state): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let refuse =
        || (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    let gate = {
        let mut state = state.lock().unwrap();
        assert_eq!(form["resource"], format!("{}/mcp", state.url), "RFC 8707");
        if let Some((id, secret)) = &state.secret {
            let pair = BASE64_STANDARD.encode(format!("{id}:{secret}"));
            assert_eq!(headers["authorization"], format!("Basic {pair}"));
        }
        let refreshes = form["grant_type"] == "refresh_token";
        state.refreshed += usize::from(refreshes);
        state.gate.clone().filter(|_| refreshes)
    };
    if let Some(gate) = gate {
        gate.acquire().await.unwrap().forget();
    }
    let mut state = state.lock().unwrap();
    let user = match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some(code) = state.codes.remove(&form["code"]) else { return refuse() };
            let verifier = Sha256::digest(&form["code_verifier"]);
            assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(verifier), code.challenge, "PKCE");
            assert_eq!(form["redirect_uri"], code.redirect_uri);
            if let Some(client) = form.get("client_id") {
                assert_eq!(*client, code.client);
            }
            code.user
        }
        "refresh_token" => match state.refresh.remove(&form["refresh_token"]) {
            Some(user) => user,
            None => return refuse(),
        },
        other => panic!("{other}"),
    };
    state.tokens += 1;
    let number = state.tokens;
    let (access, refresh) =
        (format!("secret-access-{number}-{user}"), format!("secret-refresh-{number}-{user}"));
    state.access.insert(access.clone(), user.clone());
    state.refresh.insert(refresh.clone(), user);
    Json(json!({
        "access_token": access, "token_type": "Bearer", "expires_in": state.expires_in,
        "refresh_token": refresh,
    }))
    .into_response()
}

fn unauthorized(state: &Inner) -> Response {
    let place = format!("{}/.well-known/oauth-protected-resource/mcp", state.url);
    let challenge = format!("Bearer resource_metadata=\"{place}\"");
    (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response()
}

async fn probe(State(state): State<Shared>) -> Response {
    unauthorized(&state.lock().unwrap())
}

/// MCP, as far as tools need it.
async fn mcp(
    State(state): State<Shared>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let mut state = state.lock().unwrap();
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token =
        token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let Some(user) = state.access.get(&token).cloned() else { return unauthorized(&state) };
    let Some(id) = asked.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let result = match asked["method"].as_str().unwrap() {
        "initialize" => json!({
            "protocolVersion": asked["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "crm", "version": "1"},
        }),
        "tools/list" => json!({"tools": [{
            "name": "whoami", "description": "Says whose account it is.",
            "inputSchema": {"type": "object", "properties": {}},
        }]}),
        "tools/call" => {
            state.calls.push(token);
            json!({"content": [{"type": "text", "text": format!("the account of {user}")}]})
        }
        _ => {
            let error = json!({"code": -32601, "message": "there is no such method"});
            return Json(json!({"jsonrpc": "2.0", "id": id, "error": error})).into_response();
        }
    };
    Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}
