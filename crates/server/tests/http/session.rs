//! Mode `session`: Parlor signs people in itself.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response as AxumResponse},
    routing::{get, post},
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use parlor_server::config::{AuthMode, Config, Session};
use parlor_test_postgres::{Place, Server as Postgres};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use crate::tables::everything_in;
use crate::{
    app::TestApp,
    postgres,
    tokens::{Signer, now},
};

const CLIENT: &str = "parlor client";
const SECRET: &str = "a secret of Parlor's & the provider's";

// ---------------------------------------------------------------- an OpenID provider

/// A provider that can be made difficult. Who has signed in there is what the tests say.
pub(crate) struct Provider {
    url: String,
    state: Arc<Mutex<Granting>>,
}

struct Granting {
    issuer: String,
    signer: Signer,
    /// Codes that can be redeemed, once: the claims of their identity tokens, the PKCE challenge,
    /// where the user was sent back to.
    codes: HashMap<String, (Value, String, String)>,
    /// The refresh token that is good, once, and whom it is of.
    refresh: Option<(String, Value)>,
    tokens: usize,
    expires_in: u64,
    refreshed: usize,
    /// Refresh tokens that were given back.
    revoked: Vec<String>,
    away: bool,
}

type Shared = Arc<Mutex<Granting>>;

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Granting {
            issuer: url.clone(),
            signer: Signer::ed("a"),
            codes: HashMap::new(),
            refresh: None,
            tokens: 0,
            expires_in: 3_600,
            refreshed: 0,
            revoked: Vec::new(),
            away: false,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    pub(crate) async fn server(&self, change: impl FnOnce(&mut Config, &mut Session)) -> TestApp {
        let mut session = Session {
            issuer: self.url.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Some(SECRET.into()),
            ..Session::default()
        };
        TestApp::with(|config| {
            config.auth.mode = Some(AuthMode::Session);
            change(config, &mut session);
            config.auth.session = Some(session);
        })
        .await
    }

    /// The same on each database.
    async fn servers(&self) -> [(TestApp, Logins); 2] {
        let sqlite = self.server(|_, _| {}).await;
        let folder = Arc::clone(&sqlite.folder);
        let place = Postgres::shared().place();
        let postgres = self.server(|config, _| postgres::on(&place)(config)).await;
        [(sqlite, Logins::Sqlite(folder)), (postgres, Logins::Postgres(place))]
    }

    fn set(&self, change: impl FnOnce(&mut Granting)) {
        change(&mut self.state.lock().unwrap());
    }

    fn refreshed(&self) -> usize {
        self.state.lock().unwrap().refreshed
    }

    fn claims(&self, user: &str, nonce: &str) -> Value {
        json!({
            "iss": self.url, "aud": CLIENT, "sub": user, "exp": now() + 300, "iat": now(),
            "nonce": nonce, "name": "Ada Lovelace", "roles": ["editor"],
        })
    }

    /// What the user does there: signs in, and is sent back with a code.
    pub(crate) fn sign_in(
        &self,
        asked: &Url,
        user: &str,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let query: HashMap<_, _> = asked.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        let mut claims = self.claims(user, &query["nonce"]);
        change(&mut claims);
        let mut state = self.state.lock().unwrap();
        state.tokens += 1;
        let code = format!("code-{}", state.tokens);
        let grant = (claims, query["code_challenge"].clone(), query["redirect_uri"].clone());
        state.codes.insert(code.clone(), grant);
        let mut back = Url::parse(&query["redirect_uri"]).unwrap();
        back.query_pairs_mut().extend_pairs([("state", &query["state"]), ("code", &code)]);
        back.into()
    }
}

async fn discovery(State(state): State<Shared>) -> AxumResponse {
    let state = state.lock().unwrap();
    if state.away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let at = |path: &str| format!("{}/{path}", state.issuer);
    Json(json!({
        "issuer": state.issuer,
        "jwks_uri": at("keys"),
        "authorization_endpoint": at("authorise?tenant=1"),
        "token_endpoint": at("token"),
        "end_session_endpoint": at("end"),
        "revocation_endpoint": at("revoke"),
    }))
    .into_response()
}

async fn keys(State(state): State<Shared>) -> AxumResponse {
    Json(json!({"keys": [state.lock().unwrap().signer.public.clone()]})).into_response()
}

async fn token(
    State(state): State<Shared>,
    headers: axum::http::HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> AxumResponse {
    let state = &mut *state.lock().unwrap();
    if state.away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    assert_client(&headers);
    let refuse =
        || (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    let claims = match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some((claims, challenge, redirect_uri)) = state.codes.remove(&form["code"]) else {
                return refuse();
            };
            let verifier = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
            assert_eq!(verifier, challenge, "PKCE");
            assert_eq!(form["redirect_uri"], redirect_uri);
            claims
        }
        "refresh_token" => {
            state.refreshed += 1;
            match state.refresh.take() {
                Some((good, claims)) if good == form["refresh_token"] => claims,
                _ => return refuse(),
            }
        }
        other => panic!("{other}"),
    };
    state.tokens += 1;
    let refresh_token = format!("refresh-token-{}", state.tokens);
    state.refresh = Some((refresh_token.clone(), claims.clone()));
    let id_token = state.signer.sign(&claims);
    Json(json!({
        "access_token": "opaque", "token_type": "Bearer", "expires_in": state.expires_in,
        "id_token": id_token, "refresh_token": refresh_token,
    }))
    .into_response()
}

/// Of our client, by its name and secret.
fn assert_client(headers: &axum::http::HeaderMap) {
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = format!("{}:{}", encode(CLIENT), encode(SECRET));
    let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
    assert_eq!(headers["authorization"], basic);
}

/// RFC 7009: yes to whatever token it is.
async fn revoke(
    State(state): State<Shared>,
    headers: axum::http::HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> StatusCode {
    assert_client(&headers);
    assert_eq!(form["token_type_hint"], "refresh_token");
    let mut state = state.lock().unwrap();
    state.revoked.push(form["token"].clone());
    if state.away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

// ---------------------------------------------------------------- where logins are kept

/// The tests that say so run on both databases.
enum Logins {
    Sqlite(Arc<TempDir>),
    Postgres(Place),
}

impl Logins {
    fn run(&self, sqlite: &str, postgres: impl Fn(&str) -> String) -> String {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("parlor.db");
                let database = rusqlite::Connection::open(path).unwrap();
                let found = database.query_row(sqlite, [], |row| row.get::<_, i64>(0));
                found.unwrap().to_string()
            }
            Self::Postgres(place) => {
                let table = format!("{}.logins", place.schema);
                Postgres::shared().admin(&postgres(&table)).unwrap().trim().to_owned()
            }
        }
    }

    /// Has the provider asked again with the next request.
    fn due(&self) {
        let changed = self.run("UPDATE logins SET refresh_at = 1 RETURNING refresh_at", |table| {
            format!(
                "WITH changed AS (UPDATE {table} SET refresh_at = 'epoch' RETURNING 1) SELECT count(*) FROM changed"
            )
        });
        assert_eq!(changed, "1");
    }

    fn count(&self) -> String {
        self.run("SELECT count(*) FROM logins", |table| format!("SELECT count(*) FROM {table}"))
    }
}

// ---------------------------------------------------------------- a browser

/// Keeps cookies, and says where its requests come from.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(app: &TestApp) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, url: app.url.clone(), cookies: BTreeMap::new() }
    }

    pub(crate) fn with_cookies(&self, request: RequestBuilder) -> RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, v)| format!("{name}={v}")).collect();
        request.header("cookie", cookies.join("; "))
    }

    pub(crate) fn keep(&mut self, response: &Response) {
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub(crate) async fn get(&mut self, address: &str) -> Response {
        let address = if address.starts_with('/') {
            format!("{}{address}", self.url)
        } else {
            address.to_owned()
        };
        let response = self.with_cookies(self.client.get(address)).send().await.unwrap();
        self.keep(&response);
        response
    }

    /// Up to the provider.
    pub(crate) async fn leave(&mut self, return_to: &str) -> Url {
        let mut login = Url::parse(&format!("{}/auth/login", self.url)).unwrap();
        login.query_pairs_mut().append_pair("return_to", return_to);
        let response = self.get(login.as_str()).await;
        assert_eq!(response.status(), 303);
        location(&response).parse().unwrap()
    }

    pub(crate) async fn sign_in(&mut self, provider: &Provider, user: &str) {
        let asked = self.leave("/docs/").await;
        let back = self.get(&provider.sign_in(&asked, user, |_| {})).await;
        assert_eq!((back.status().as_u16(), &*location(&back)), (303, "/docs/"));
        assert_eq!(self.cookies.len(), 1, "{:?}", self.cookies.keys());
    }

    fn list_from(&self, headers: &[(&str, &str)]) -> RequestBuilder {
        let request = self
            .with_cookies(self.client.post(format!("{}/chatkit", self.url)))
            .json(&json!({"type": "threads.list", "params": {}}));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    async fn list(&self) -> u16 {
        let own = self.url.clone();
        self.list_from(&[("origin", &own)]).send().await.unwrap().status().as_u16()
    }

    async fn session(&mut self) -> Value {
        let response = self.get("/auth/session").await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        response.json().await.unwrap()
    }

    pub(crate) async fn sign_out(&mut self) -> Response {
        let request = self.client.post(format!("{}/auth/logout", self.url));
        let request = self.with_cookies(request).header("origin", &self.url);
        let response = request.send().await.unwrap();
        self.keep(&response);
        response
    }
}

fn location(response: &Response) -> String {
    response.headers()["location"].to_str().unwrap().to_owned()
}

pub(crate) fn database(app: &TestApp) -> rusqlite::Connection {
    rusqlite::Connection::open(app.folder.path().join("parlor.db")).unwrap()
}

// ---------------------------------------------------------------- tests

#[tokio::test]
async fn who_has_signed_in_is_known_by_a_cookie_until_they_sign_out() {
    let provider = Provider::start().await;
    for (app, _) in provider.servers().await {
        let mut ada = Browser::new(&app);
        assert_eq!(
            ada.session().await,
            json!({
                "authenticated": false, "anonymous": false,
                "login_url": "/auth/login", "logout_url": "/auth/logout",
            })
        );
        let refused = ada.list_from(&[("origin", &app.url)]).send().await.unwrap();
        assert_eq!(refused.status(), 401);
        let error: Value = refused.json().await.unwrap();
        assert_eq!(error["error"]["code"], "login_required");

        ada.sign_in(&provider, "ada").await;
        let session = ada.session().await;
        assert_eq!(session["authenticated"], true);
        assert_eq!(
            session["user"],
            json!({"id": "ada", "name": "Ada Lovelace", "email": null, "roles": ["editor"]})
        );
        assert_eq!(ada.list().await, 200);
        assert_eq!(Browser::new(&app).list().await, 401, "another browser");

        let mut elsewhere = ada.clone();
        let ended: Value = ada.sign_out().await.json().await.unwrap();
        let at_the_provider = Url::parse(ended["provider_logout_url"].as_str().unwrap()).unwrap();
        let query: HashMap<_, _> = at_the_provider.query_pairs().into_owned().collect();
        assert_eq!(query["post_logout_redirect_uri"], format!("{}/", app.url));
        assert_eq!(query["id_token_hint"].split('.').count(), 3);
        assert_eq!(ada.cookies.len(), 0);
        assert_eq!(elsewhere.list().await, 401, "the cookie is worth nothing any more");
        assert_eq!(elsewhere.session().await["authenticated"], false);
    }
}

#[tokio::test]
async fn what_opens_doors_is_not_in_the_database() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    let mut ada = Browser::new(&app);
    ada.sign_in(&provider, "ada").await;
    let token = ada.cookies.values().next().unwrap().clone();
    let raw = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
    let id: Vec<u8> =
        database(&app).query_row("SELECT id FROM logins", [], |row| row.get(0)).unwrap();
    assert_eq!(id, Sha256::digest(&raw)[..]);
    let folder = app.stop().await;
    let bytes = everything_in(&folder.path().join("parlor.db"));
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(&id), "the check looks at the right files");
    for secret in [token.as_bytes(), &raw, b"refresh-token-", SECRET.as_bytes()] {
        assert!(!holds(secret), "{}", String::from_utf8_lossy(secret));
    }
}

#[tokio::test]
async fn whoever_comes_back_without_having_left_is_not_taken_in() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    let refused = async |browser: &mut Browser, address: &str, why: &str| {
        let response = browser.get(address).await;
        assert_eq!(response.status(), 401, "{why}");
        let page = response.text().await.unwrap();
        assert!(page.contains("Signing in did not work"), "{why}: {page}");
        assert_eq!(browser.session().await["authenticated"], false, "{why}");
    };
    let leave = async || {
        let mut browser = Browser::new(&app);
        let asked = browser.leave("/").await;
        (browser, asked)
    };

    // Somebody else's way back: signing a victim in as the attacker.
    let (_, asked) = leave().await;
    let back = provider.sign_in(&asked, "mallory", |_| {});
    refused(&mut Browser::new(&app), &back, "no cookie").await;
    let (mut victim, _) = leave().await;
    refused(&mut victim, &back, "another's state").await;

    // A second time.
    let (mut browser, asked) = leave().await;
    let back = provider.sign_in(&asked, "ada", |_| {});
    let before = browser.cookies.clone();
    assert_eq!(browser.get(&back).await.status(), 303);
    let mut again = Browser { cookies: before, ..browser.clone() };
    refused(&mut again, &back, "a code that was redeemed").await;

    for (why, from, to) in [
        ("another state", "state=", "state=x"),
        ("no state", "state=", "other="),
        ("no code", "code=", "other="),
        ("another code", "code=code", "code=x"),
        ("another issuer", "code=", "iss=https%3A%2F%2Fevil.example&code="),
    ] {
        let (mut browser, asked) = leave().await;
        let back = provider.sign_in(&asked, "ada", |_| {}).replacen(from, to, 1);
        refused(&mut browser, &back, why).await;
    }

    for query in ["", "?state=a&state=b&code=c", "?state=%ff&code=%", "?state=&code="] {
        let (mut browser, _) = leave().await;
        refused(&mut browser, &format!("/auth/callback{query}"), query).await;
    }

    let (mut browser, asked) = leave().await;
    for value in browser.cookies.values_mut() {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&*value).unwrap();
        bytes[20] ^= 1;
        *value = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    }
    let back = provider.sign_in(&asked, "ada", |_| {});
    refused(&mut browser, &back, "a changed cookie").await;
}

#[tokio::test]
async fn an_identity_token_that_is_not_for_this_login_is_not_believed() {
    let provider = Provider::start().await;
    let app = provider.server(|_, session| session.anonymous = true).await;
    let set = |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value;
    type Change = Box<dyn FnOnce(&mut Value)>;
    let cases: [(&str, Change); 9] = [
        ("another nonce", Box::new(set("nonce", json!("x")))),
        ("no nonce", Box::new(set("nonce", Value::Null))),
        ("another audience", Box::new(set("aud", json!("other")))),
        ("another party", Box::new(set("azp", json!("other")))),
        ("several audiences and no party", Box::new(set("aud", json!([CLIENT, "other"])))),
        ("another issuer", Box::new(set("iss", json!("https://evil.example")))),
        ("expired", Box::new(set("exp", json!(now() - 120)))),
        ("nobody", Box::new(set("sub", json!(" ")))),
        ("a visitor's name", Box::new(set("sub", json!("visitor:1")))),
    ];
    for (why, change) in cases {
        let mut browser = Browser::new(&app);
        let asked = browser.leave("/").await;
        let back = browser.get(&provider.sign_in(&asked, "ada", change)).await;
        assert_eq!(back.status(), 401, "{why}");
        assert_eq!(browser.session().await["authenticated"], false, "{why}");
    }
    // Signed by somebody else.
    let mut browser = Browser::new(&app);
    let asked = browser.leave("/").await;
    let back = provider.sign_in(&asked, "ada", |_| {});
    provider.set(|state| state.signer = Signer::ed("other"));
    let cut = browser.get(&back).await;
    assert_eq!(cut.status(), 303, "a key that is new is fetched");
    let stranger = Signer::ed("other");
    let published = provider.state.lock().unwrap().signer.public.clone();
    provider.set(|state| state.signer = Signer { public: published, ..stranger });
    let mut browser = Browser::new(&app);
    let asked = browser.leave("/").await;
    let back = browser.get(&provider.sign_in(&asked, "ada", |_| {})).await;
    assert_eq!(back.status(), 401, "another key of the same name");
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_signing_in() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    for (asked, reached) in [
        ("/docs/models/?a=b#c", "/docs/models/?a=b#c"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ] {
        let mut browser = Browser::new(&app);
        let provider_page = browser.leave(asked).await;
        let back = browser.get(&provider.sign_in(&provider_page, "ada", |_| {})).await;
        assert_eq!(location(&back), reached, "{asked:?}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_use_a_login() {
    let provider = Provider::start().await;
    let friend = "https://docs.example.com";
    let app = provider.server(|config, _| config.site.cors_origins = vec![friend.to_owned()]).await;
    let mut ada = Browser::new(&app);
    ada.sign_in(&provider, "ada").await;
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("origin", &app.url)], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("origin", friend), ("sec-fetch-site", "cross-site")], 200),
        (&[], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "https://docs.example.com.evil.example")], 403),
        (&[("origin", "https://docs.example.com:444")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "none")], 403),
    ];
    for (headers, status) in cases {
        let response = ada.list_from(headers).send().await.unwrap();
        assert_eq!(response.status().as_u16(), *status, "{headers:?}");
        let logout = ada.with_cookies(ada.client.post(format!("{}/auth/logout", app.url)));
        if *status == 403 {
            let logout =
                headers.iter().fold(logout, |sent, (name, value)| sent.header(*name, *value));
            assert_eq!(logout.send().await.unwrap().status(), 403, "{headers:?}");
        }
    }
    assert_eq!(ada.list().await, 200, "nobody has signed her out");
}

#[tokio::test]
async fn a_changed_cookie_is_nobodys() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    let mut ada = Browser::new(&app);
    ada.sign_in(&provider, "ada").await;
    let (name, good) = ada.cookies.first_key_value().map(|(n, v)| (n.clone(), v.clone())).unwrap();
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap();
    bytes[0] ^= 1;
    let changed = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
    let long = "A".repeat(4_000);
    let hash = BASE64_URL_SAFE_NO_PAD
        .encode(Sha256::digest(BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap()));
    for value in ["", "x", &changed, &good[1..], &long, &hash, "'; DROP TABLE logins; --"] {
        ada.cookies.insert(name.clone(), value.to_owned());
        assert_eq!(ada.list().await, 401, "{value}");
    }
    ada.cookies.insert(name, good);
    assert_eq!(ada.list().await, 200);
}

#[tokio::test]
async fn signing_in_makes_a_new_cookie_and_ends_the_old_one() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    let mut victim = Browser::new(&app);
    let planted = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    victim.cookies.insert("parlor_session".to_owned(), planted.clone());
    victim.sign_in(&provider, "ada").await;
    assert_ne!(victim.cookies["parlor_session"], planted, "session fixation");
    let mut attacker = Browser::new(&app);
    attacker.cookies.insert("parlor_session".to_owned(), planted);
    assert_eq!(attacker.list().await, 401);

    let before = victim.clone();
    victim.sign_in(&provider, "bob").await;
    assert_eq!(victim.session().await["user"]["id"], "bob");
    assert_eq!(before.list().await, 401, "the login before is over");
}

#[tokio::test]
async fn many_requests_at_once_ask_the_provider_again_once() {
    let provider = Provider::start().await;
    for (app, logins) in provider.servers().await {
        provider.set(|state| (state.expires_in, state.refreshed) = (0, 0));
        let mut ada = Browser::new(&app);
        ada.sign_in(&provider, "ada").await;
        provider.set(|state| {
            state.expires_in = 3_600;
            if let Some((_, claims)) = &mut state.refresh {
                claims["name"] = "Countess of Lovelace".into();
                claims.as_object_mut().unwrap().remove("nonce");
            }
        });
        logins.due();
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let ada = ada.clone();
                tokio::spawn(async move { ada.list().await })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap(), 200);
        }
        assert_eq!(provider.refreshed(), 1, "a refresh token is good once");
        assert_eq!(ada.session().await["user"]["name"], "Countess of Lovelace");
    }
}

/// Has the provider asked again with the next request.
fn due(app: &TestApp) {
    let changed = database(app).execute("UPDATE logins SET refresh_at = 1", []).unwrap();
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn a_provider_that_is_away_ends_nothing_and_one_that_refuses_does() {
    let provider = Provider::start().await;
    for (app, logins) in provider.servers().await {
        provider.set(|state| state.refreshed = 0);
        let mut ada = Browser::new(&app);
        ada.sign_in(&provider, "ada").await;

        provider.set(|state| state.away = true);
        logins.due();
        assert_eq!(ada.list().await, 200, "she stays who she was");
        assert_eq!(ada.session().await["authenticated"], true);
        provider.set(|state| state.away = false);
        logins.due();
        assert_eq!(ada.list().await, 200);
        assert_eq!(provider.refreshed(), 1);

        provider.set(|state| state.refresh = None);
        logins.due();
        assert_eq!(ada.list().await, 401);
        assert_eq!(provider.refreshed(), 2);
        assert_eq!(ada.session().await["authenticated"], false);
        assert_eq!(logins.count(), "0");
    }
}

/// Waits until the provider has been given back so many refresh tokens.
async fn revoked(provider: &Provider, count: usize) -> Vec<String> {
    for _ in 0..600 {
        let revoked = provider.state.lock().unwrap().revoked.clone();
        if revoked.len() >= count {
            return revoked;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no {count} refresh tokens were given back within 30 seconds");
}

#[tokio::test]
async fn signing_out_gives_the_refresh_token_back_whatever_the_provider_says_to_it() {
    let provider = Provider::start().await;
    for (at, (app, logins)) in provider.servers().await.into_iter().enumerate() {
        let mut ada = Browser::new(&app);
        ada.sign_in(&provider, "ada").await;
        let good = provider.state.lock().unwrap().refresh.clone().unwrap().0;
        // The second one has forgotten what it is for.
        provider.set(|state| state.away = at == 1);
        assert_eq!(ada.sign_out().await.status(), 200);
        provider.set(|state| state.away = false);
        assert_eq!(logins.count(), "0");
        assert_eq!(revoked(&provider, at + 1).await[at], good);
        assert_eq!(ada.sign_out().await.status(), 200, "there is nothing more to give back");
    }
    assert_eq!(revoked(&provider, 2).await.len(), 2);
}

#[tokio::test]
async fn a_refresh_that_is_of_somebody_else_ends_the_login() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    let mut ada = Browser::new(&app);
    ada.sign_in(&provider, "ada").await;
    provider.set(|state| state.refresh.as_mut().unwrap().1["sub"] = "mallory".into());
    due(&app);
    assert_eq!(ada.list().await, 401);
}

#[tokio::test]
async fn a_login_ends_when_it_is_not_used_and_is_good_for_longer_when_it_is() {
    let provider = Provider::start().await;
    let app = provider.server(|_, _| {}).await;
    let mut ada = Browser::new(&app);
    ada.sign_in(&provider, "ada").await;
    let good_until = || -> i64 {
        database(&app).query_row("SELECT good_until FROM logins", [], |row| row.get(0)).unwrap()
    };
    let set = |when: i64| {
        database(&app).execute("UPDATE logins SET good_until = ?1", [when]).unwrap();
    };
    let second = 1_000_000;
    let micros = i64::try_from(now()).unwrap() * second;
    set(micros + 60 * second);
    assert_eq!(ada.list().await, 200);
    assert!(good_until() > micros + 71 * 3_600 * second, "72 hours from its last use");
    set(micros - second);
    assert_eq!(ada.list().await, 401);
}

#[tokio::test]
async fn a_provider_that_is_away_lets_nobody_in_and_says_so() {
    let provider = Provider::start().await;
    provider.set(|state| state.away = true);
    let app = provider.server(|_, _| {}).await;
    let mut ada = Browser::new(&app);
    let response = ada.get("/auth/login").await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert!(response.text().await.unwrap().contains("not possible at the moment"));

    provider.set(|state| state.away = false);
    let asked = ada.leave("/").await;
    let back = provider.sign_in(&asked, "ada", |_| {});
    provider.set(|state| state.away = true);
    assert_eq!(ada.get(&back).await.status(), 503);
    let mut refusal = Url::parse(&back).unwrap();
    let state = refusal.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    refusal
        .query_pairs_mut()
        .clear()
        .extend_pairs([("state", &*state), ("error", "access_denied")]);
    let cancelled = ada.get(refusal.as_str()).await;
    assert_eq!(cancelled.status(), 401);
    assert!(cancelled.text().await.unwrap().contains("You are not signed in"));
}

#[tokio::test]
async fn visitors_may_ask_where_they_are_allowed_to() {
    let provider = Provider::start().await;
    let app = provider.server(|_, session| session.anonymous = true).await;
    let mut somebody = Browser::new(&app);
    let response = somebody.list_from(&[("origin", &app.url)]).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("parlor_visitor="), "{cookie}");
    assert_eq!(somebody.session().await["anonymous"], true);
    assert_eq!(somebody.session().await["authenticated"], false);
    somebody.sign_in(&provider, "ada").await;
    assert_eq!(somebody.session().await["user"]["id"], "ada");
}

#[tokio::test]
async fn behind_https_cookies_are_for_this_host_only() {
    let provider = Provider::start().await;
    let app = provider
        .server(|config, _| {
            config.server.public_url = Some("https://chat.example.com".parse().unwrap())
        })
        .await;
    let mut ada = Browser::new(&app);
    let asked = ada.leave("/").await;
    let back = provider.sign_in(&asked, "ada", |_| {});
    assert!(back.starts_with("https://chat.example.com/auth/callback?"), "{back}");
    let response = ada.get(&back.replace("https://chat.example.com", &app.url)).await;
    assert_eq!(response.status(), 303);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-parlor_"), "{cookie}");
        assert!(cookie.contains("Secure") && cookie.contains("Path=/;"), "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    let origin = [("origin", "https://chat.example.com")];
    assert_eq!(ada.list_from(&origin).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn other_modes_sign_nobody_in() {
    let app = TestApp::start().await;
    let mut somebody = Browser::new(&app);
    for address in ["/auth/session", "/auth/login", "/auth/callback?state=a&code=b"] {
        assert_eq!(somebody.get(address).await.status(), 404, "{address}");
    }
    assert_eq!(somebody.sign_out().await.status(), 404);
}
