//! Servers of tools that users sign in to.

pub(crate) mod fake;

use std::{collections::BTreeMap, sync::Arc};

use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::{AuthMode, Config, Jwt, ModelApi};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    app::{Stream, TestApp, User, with_model},
    session::{self, database},
    tokens::now,
};
use fake::Crm;

const SAID: &str = "It is done.";

/// A server with a model and a server of tools.
struct Served {
    app: TestApp,
    model: FakeModel,
    crm: Crm,
}

impl Served {
    async fn start() -> Self {
        Self::with(json!({}), |_| {}).await
    }

    async fn with(sign_in: Value, change: impl FnOnce(&mut Config)) -> Self {
        let (crm, model) = (Crm::start().await, FakeModel::start().await);
        let app = TestApp::with(|config| {
            settings(config, &model, &crm, sign_in);
            change(config);
        });
        Self { app: app.await, model, crm }
    }

    /// Stops the server, and starts one on its database.
    async fn restarted(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { app, model, crm } = self;
        let folder: Arc<TempDir> = app.stop().await;
        let app = TestApp::at(folder, |config| {
            settings(config, &model, &crm, json!({}));
            change(config);
        });
        Self { app: app.await, model, crm }
    }

    /// What the model does next: calls a tool, and says that it is done.
    fn calls(&self, tool: &str) {
        self.model.reset();
        self.model.push(Behaviour::new().tool_call(tool, json!({})));
        self.model.push(Behaviour::new().text(SAID));
    }

    fn told(&self) -> Vec<String> {
        let requests = self.model.requests();
        let items = requests.last().unwrap().body["input"].as_array().unwrap().clone();
        items.iter().filter_map(|item| Some(item["output"].as_str()?.to_owned())).collect()
    }

    fn offered(&self) -> Vec<String> {
        let body = &self.model.requests()[0].body;
        let tools = body["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Has the model show the card to a user.
    async fn card(&self, user: &str) -> Card {
        self.calls("crm_connect");
        Card::of(&self.app.user(user).ask("Who am I there?").await)
    }

    /// The whole way: the card, the sign-in, the call.
    async fn connect(&self, user: &str) -> (Card, Stream) {
        let card = self.card(user).await;
        let mut browser = Browser::of(user);
        let asked = browser.leaves(&card.link).await;
        let back = browser.get(self.crm.sign_in(&asked, user).as_str()).await;
        assert_eq!(back.status(), 200, "{}", back.text().await.unwrap());
        let stream = self.go_on(user, &card).await;
        (card, stream)
    }

    /// The button on the card; then the model uses the server.
    async fn go_on(&self, user: &str, card: &Card) -> Stream {
        self.calls("crm_whoami");
        self.app.user(user).presses(card, "parlor.approval", json!({"approve": true})).await
    }

    /// Uses the server in a new conversation; what the model was told.
    async fn uses(&self, user: &str) -> Vec<String> {
        self.calls("crm_whoami");
        let stream = self.app.user(user).ask("Who am I there?").await;
        assert_eq!(stream.text(), SAID);
        self.told()
    }

    fn due(&self) {
        assert!(database(&self.app).execute("UPDATE grants SET refresh_at = 1", []).unwrap() > 0);
    }

    fn count(&self, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        database(&self.app).query_row(&query, [], |row| row.get(0)).unwrap()
    }
}

fn settings(config: &mut Config, model: &FakeModel, crm: &Crm, sign_in: Value) {
    with_model(config, model, ModelApi::Responses);
    config.tools = vec![serde_json::from_value(crm.entry(sign_in)).unwrap()];
    config.titles.enabled = false;
    config.search.enabled = false;
}

/// A card that asks to sign in.
#[derive(Debug)]
pub(crate) struct Card {
    thread_id: String,
    item_id: String,
    pub(crate) link: String,
}

impl Card {
    pub(crate) fn of(stream: &Stream) -> Self {
        let items = stream.events.iter().filter(|event| event["type"] == "thread.item.done");
        let item = items.map(|event| &event["item"]).find(|item| item["type"] == "widget");
        let item = item.unwrap_or_else(|| panic!("no card in {:#?}", stream.events));
        let card = item["widget"].to_string();
        assert!(card.contains("Connect crm") && card.contains("Continue"), "{card}");
        let link = card.split("](").nth(1).and_then(|rest| rest.split(')').next());
        Self {
            thread_id: item["thread_id"].as_str().unwrap().to_owned(),
            item_id: item["id"].as_str().unwrap().to_owned(),
            link: link.unwrap_or_else(|| panic!("no link on {card}")).to_owned(),
        }
    }

    /// As it is shown to those who open the conversation.
    async fn now(&self, user: &User) -> String {
        let items = user.items(&self.thread_id).await;
        let item = items.iter().find(|item| item["id"] == *self.item_id).unwrap();
        item["widget"].to_string()
    }
}

impl User {
    async fn presses(&self, card: &Card, action: &str, payload: Value) -> Stream {
        let params = json!({
            "thread_id": card.thread_id, "item_id": card.item_id,
            "action": {"type": action, "payload": payload},
        });
        self.stream("threads.custom_action", params, json!({})).await
    }
}

/// A browser behind the proxy that says whose it is.
pub(crate) struct Browser {
    client: Client,
    user: Option<String>,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn of(user: &str) -> Self {
        Self { user: Some(user.to_owned()), ..Self::unknown() }
    }

    fn unknown() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, user: None, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, v)| format!("{name}={v}")).collect();
        let mut request = request.header("cookie", cookies.join("; "));
        if let Some(user) = &self.user {
            request = request.header("x-user-id", user);
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match cookie.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        response
    }

    pub(crate) async fn get(&mut self, url: &str) -> Response {
        let request = self.client.get(url);
        self.send(request).await
    }

    /// Follows the link on a card, up to the authorization server.
    pub(crate) async fn leaves(&mut self, link: &str) -> Url {
        let response = self.get(link).await;
        assert_eq!(response.status(), 303, "{}", response.text().await.unwrap());
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        response.headers()["location"].to_str().unwrap().parse().unwrap()
    }
}

/// A page that says this, and nothing of what strangers said.
async fn says(response: Response, status: u16, words: &str) -> String {
    assert_eq!(response.headers()["cache-control"], "no-store");
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    let got = response.status();
    let page = response.text().await.unwrap();
    assert_eq!(got, status, "{page}");
    assert!(page.contains(words), "{page}");
    assert!(!page.contains("alert(1)") && !page.contains("secret-"), "{page}");
    page
}

#[tokio::test]
async fn a_user_signs_in_on_a_card_and_every_call_carries_their_token_alone() {
    let served = Served::start().await;
    let card = served.card("ada").await;
    assert_eq!(served.offered(), ["crm_connect"], "before the sign-in");
    let mut browser = Browser::of("ada");
    let asked = browser.leaves(&card.link).await;
    assert!(asked.query_pairs().any(|(name, scope)| name == "scope" && scope == "people"));
    // Who is not back yet has nothing to go on with.
    let early = served.go_on("ada", &card).await;
    assert!(early.events.iter().any(|event| event.to_string().contains("not signed in yet")));
    assert!(served.model.requests().is_empty());

    let back = browser.get(served.crm.sign_in(&asked, "ada-at-crm").as_str()).await;
    says(back, 200, "You are connected to crm").await;
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    let ada = served.app.user("ada");
    assert!(card.now(&ada).await.contains("Connected"), "for those who open it again");
    let stream = served.go_on("ada", &card).await;
    assert_eq!(stream.text(), SAID);
    assert_eq!(served.offered(), ["crm_whoami"]);
    let told = served.told();
    assert!(told.iter().any(|told| told.contains("is connected to crm now")), "{told:?}");
    assert!(told.last().unwrap().contains("the account of ada-at-crm"), "{told:?}");
    assert!(card.now(&ada).await.contains("Disconnect"));

    // Another one has nothing of it, and signs in to an account of their own.
    let (_, stream) = served.connect("bob").await;
    assert_eq!(stream.text(), SAID);
    assert!(served.told().last().unwrap().contains("the account of bob"));
    assert!(served.uses("ada").await.last().unwrap().contains("the account of ada-at-crm"));
    assert!(served.uses("bob").await.last().unwrap().contains("the account of bob"));
    let calls = served.crm.set(|crm| crm.calls.clone());
    let whose: Vec<&str> = calls.iter().map(|token| token.rsplit("-").next().unwrap()).collect();
    assert_eq!(whose, ["crm", "bob", "crm", "bob"], "{calls:?}");

    let registered = served.crm.set(|crm| crm.registered.clone());
    assert_eq!(registered.len(), 1, "once, and not for each user");
    let callback = format!("{}/connect/callback", served.app.url);
    assert_eq!(registered[0]["redirect_uris"], json!([callback]));
    assert_eq!(registered[0]["client_name"], "Parlor");

    // None of it is anywhere that somebody reads.
    let link = card.link.split("link=").nth(1).unwrap();
    for request in served.model.requests() {
        assert!(!request.body.to_string().contains(link), "{}", request.body);
        assert!(!request.body.to_string().contains("secret-"), "{}", request.body);
    }
    let kept = served.restarted(|_| {}).await;
    let log = kept.app.folder.path();
    for file in std::fs::read_dir(log).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(7).any(|bytes| bytes == b"secret-");
            assert!(!found, "a token is in {}", path.display());
        }
    }
    assert!(kept.uses("ada").await.last().unwrap().contains("the account of ada-at-crm"));
    // Under another key nobody can read them any more.
    let key = "another key, of thirty-two bytes or more";
    let changed = kept.restarted(|config| config.server.encryption_key = Some(key.into())).await;
    changed.card("ada").await;
    assert_eq!(changed.offered(), ["crm_connect"]);
}

#[tokio::test]
async fn a_link_and_a_way_back_are_their_owners_in_one_browser_and_once() {
    let served = Served::start().await;
    let card = served.card("ada").await;
    let mut bob = Browser::of("bob");
    says(bob.get(&card.link).await, 403, "somebody else").await;
    says(Browser::unknown().get(&card.link).await, 403, "Sign in first").await;
    let made_up = format!("{}x", &card.link[..card.link.len() - 1]);
    let mut ada = Browser::of("ada");
    for link in [made_up, format!("{}/connect", served.app.url)] {
        says(ada.get(&link).await, 400, "does not work any more").await;
    }

    let asked = ada.leaves(&card.link).await;
    let back = served.crm.sign_in(&asked, "ada");
    // Another browser of the same user, the same browser of another user.
    let mut elsewhere = Browser::of("ada");
    says(elsewhere.get(back.as_str()).await, 400, "does not work any more").await;
    elsewhere.cookies = ada.cookies.clone();
    for value in elsewhere.cookies.values_mut() {
        value.replace_range(..1, if value.starts_with('A') { "B" } else { "A" });
    }
    says(elsewhere.get(back.as_str()).await, 400, "does not work any more").await;
    bob.cookies = ada.cookies.clone();
    says(bob.get(back.as_str()).await, 403, "somebody else").await;
    assert_eq!(served.count("grants"), 0);

    let cookies = ada.cookies.clone();
    says(ada.get(back.as_str()).await, 200, "You are connected").await;
    assert_eq!(served.count("grants"), 1);
    ada.cookies = cookies;
    says(ada.get(back.as_str()).await, 400, "does not work any more").await;
    let no_state = format!("{}/connect/callback?code=x", served.app.url);
    says(ada.get(&no_state).await, 400, "does not work any more").await;
}

#[tokio::test]
async fn a_sign_in_that_takes_too_long_or_is_refused_changes_nothing() {
    let served = Served::start().await;
    let card = served.card("ada").await;
    let mut ada = Browser::of("ada");
    let asked = ada.leaves(&card.link).await;
    let cookies = ada.cookies.clone();
    says(ada.get(served.crm.say_no(&asked).as_str()).await, 403, "You are not connected").await;
    ada.cookies = cookies;
    let after = served.crm.sign_in(&asked, "ada");
    says(ada.get(after.as_str()).await, 400, "does not work any more").await;

    let asked = ada.leaves(&card.link).await;
    let back = served.crm.sign_in(&asked, "ada");
    database(&served.app).execute("UPDATE grant_attempts SET good_until = 1", []).unwrap();
    says(ada.get(back.as_str()).await, 400, "does not work any more").await;
    says(ada.get(&card.link).await, 400, "does not work any more").await;
    assert_eq!(served.count("grants"), 0);

    // Not now, then.
    served.model.reset();
    served.model.push(Behaviour::new().text(SAID));
    let user = served.app.user("ada");
    let stream = user.presses(&card, "parlor.approval", json!({"approve": false})).await;
    assert_eq!(stream.text(), SAID);
    assert!(served.told().last().unwrap().contains("does not want to connect crm"));
}

#[tokio::test]
async fn an_answer_of_another_authorization_server_is_not_taken() {
    let served = Served::start().await;
    let card = served.card("ada").await;
    let mut ada = Browser::of("ada");
    let asked = ada.leaves(&card.link).await;
    let mut back = served.crm.sign_in(&asked, "ada");
    let other: Vec<_> = back.query_pairs().into_owned().filter(|(name, _)| name != "iss").collect();
    back.query_pairs_mut().clear().extend_pairs(other).append_pair("iss", "https://evil.example");
    says(ada.get(back.as_str()).await, 502, "not possible at the moment").await;

    // The server names another one after the user has left.
    let asked = ada.leaves(&card.link).await;
    let back = served.crm.sign_in(&asked, "ada");
    let issuer = format!("{}/other", served.crm.url);
    served.crm.set(|crm| crm.issuer = issuer);
    says(ada.get(back.as_str()).await, 502, "not possible at the moment").await;
    assert_eq!(served.count("grants"), 0);
}

#[tokio::test]
async fn servers_that_strangers_name_are_not_asked_on_a_network_of_ones_own() {
    let served = Served::start().await;
    let card = served.card("ada").await;
    let mut ada = Browser::of("ada");
    served.crm.set(|crm| crm.server = Some("https://10.0.0.1".to_owned()));
    says(ada.get(&card.link).await, 502, "not possible at the moment").await;
    served.crm.set(|crm| crm.server = None);
    for endpoint in ["https://10.0.0.1/register", "http://crm.example.com/register"] {
        served.crm.set(|crm| crm.metadata = json!({"registration_endpoint": endpoint}));
        says(ada.get(&card.link).await, 502, "not possible at the moment").await;
    }
    served.crm.set(|crm| crm.metadata = json!({"authorization_endpoint": "javascript:alert(1)"}));
    says(ada.get(&card.link).await, 502, "not possible at the moment").await;
    served.crm.set(|crm| crm.metadata = json!({}));
    ada.leaves(&card.link).await;
}

#[tokio::test]
async fn tokens_are_made_new_when_they_are_over_or_refused() {
    let served = Served::start().await;
    served.connect("ada").await;
    let is_ada = |told: Vec<String>| assert!(told.last().unwrap().contains("the account of ada"));
    is_ada(served.uses("ada").await);
    assert_eq!(served.crm.set(|crm| crm.refreshed), 0);
    served.due();
    is_ada(served.uses("ada").await);
    assert_eq!(served.crm.set(|crm| crm.refreshed), 1);
    // The server does not want them any more, without a word before.
    served.crm.set(|crm| crm.access.clear());
    is_ada(served.uses("ada").await);
    assert_eq!(served.crm.set(|crm| crm.refreshed), 2);
    // While a call is being made.
    served.model.reset();
    served.model.push(Behaviour::new().hold("now").tool_call("crm_whoami", json!({})));
    served.model.push(Behaviour::new().text(SAID));
    let user = served.app.user("ada");
    let asking = tokio::spawn(async move { user.ask("Who am I there?").await });
    while served.model.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    served.crm.set(|crm| crm.access.clear());
    served.model.release("now");
    assert_eq!(asking.await.unwrap().text(), SAID);
    is_ada(served.told());
    assert_eq!(served.crm.set(|crm| crm.refreshed), 3);
    // As whom Parlor is known does not change with that.
    assert_eq!(served.crm.set(|crm| crm.registered.len()), 1);
}

#[tokio::test]
async fn who_has_lost_access_is_asked_to_sign_in_again() {
    let served = Served::start().await;
    served.connect("ada").await;
    served.crm.set(|crm| {
        crm.access.clear();
        crm.refresh.clear();
    });
    served.due();
    served.card("ada").await;
    assert_eq!(served.offered(), ["crm_connect"]);
    assert_eq!(served.count("grants"), 0);

    // Also where that comes out in the middle of an answer.
    served.connect("ada").await;
    served.model.reset();
    served.model.push(Behaviour::new().hold("now").tool_call("crm_whoami", json!({})));
    served.model.push(Behaviour::new().tool_call("crm_connect", json!({})));
    let user = served.app.user("ada");
    let asking = tokio::spawn(async move { user.ask("Who am I there?").await });
    while served.model.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    served.crm.set(|crm| {
        crm.access.clear();
        crm.refresh.clear();
    });
    served.model.release("now");
    Card::of(&asking.await.unwrap());
    assert!(served.told().last().unwrap().contains("Call crm_connect"), "{:?}", served.told());
}

#[tokio::test]
async fn a_user_disconnects_and_is_asked_again() {
    let served = Served::start().await;
    let (card, _) = served.connect("ada").await;
    served.connect("bob").await;
    let ada = served.app.user("ada");
    ada.presses(&card, "parlor.disconnect", json!({"server": "crm"})).await;
    assert!(card.now(&ada).await.contains("Disconnected"));
    assert_eq!(served.count("grants"), 1, "the other one's stays");
    served.card("ada").await;
    assert_eq!(served.offered(), ["crm_connect"]);
    assert!(served.uses("bob").await.last().unwrap().contains("the account of bob"));
}

#[tokio::test]
async fn of_many_answers_at_once_one_asks_for_new_tokens() {
    let served = Served::start().await;
    let gate = Arc::new(Semaphore::new(0));
    // What it gives is over at once.
    served.crm.set(|crm| (crm.expires_in, crm.gate) = (0, Some(Arc::clone(&gate))));
    let card = served.card("ada").await;
    let mut browser = Browser::of("ada");
    let asked = browser.leaves(&card.link).await;
    browser.get(served.crm.sign_in(&asked, "ada").as_str()).await;
    served.crm.set(|crm| crm.expires_in = 3_600);
    served.model.reset();
    let mut asking = Vec::new();
    for _ in 0..4 {
        served.model.push(Behaviour::new().text(SAID));
        let user = served.app.user("ada");
        let params = json!({"input": crate::app::input("Who am I there?")});
        let mut stream = crate::app::Follower::new(user.call("threads.create", params).await);
        stream.until("thread.created").await;
        asking.push(stream);
    }
    while served.crm.set(|crm| crm.refreshed) == 0 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(100);
    for stream in asking {
        assert_eq!(stream.finish().await.text(), SAID);
    }
    for request in served.model.requests() {
        assert_eq!(request.body["tools"][0]["name"], "crm_whoami");
    }
    assert_eq!(served.crm.set(|crm| crm.refreshed), 1);
}

#[tokio::test]
async fn a_client_of_the_configuration_is_used_as_it_is() {
    let sign_in = json!({
        "title": "The CRM", "client_id": "parlor", "client_secret": "s3cret{", "scopes": ["a", "b"],
    });
    let served = Served::with(sign_in, |_| {}).await;
    served.crm.set(|crm| crm.secret = Some(("parlor".to_owned(), "s3cret%7B".to_owned())));
    served.calls("crm_connect");
    let stream = served.app.user("ada").ask("Who am I there?").await;
    let card = stream.events.iter().find(|event| event["item"]["type"] == "widget").unwrap();
    let card = card.to_string();
    assert!(card.contains("Connect The CRM") && !card.contains("s3cret"), "{card}");
    let link = card.split("](").nth(1).unwrap().split(')').next().unwrap();
    let mut browser = Browser::of("ada");
    let asked = browser.leaves(link).await;
    let query: BTreeMap<_, _> = asked.query_pairs().into_owned().collect();
    assert_eq!((&*query["client_id"], &*query["scope"]), ("parlor", "a b"));
    let back = browser.get(served.crm.sign_in(&asked, "ada").as_str()).await;
    says(back, 200, "You are connected to The CRM").await;
    assert!(served.crm.set(|crm| crm.registered.is_empty()));
    served.due();
    assert!(served.uses("ada").await.last().unwrap().contains("the account of ada"));
}

#[tokio::test]
async fn authorization_servers_read_who_parlor_is_where_they_can() {
    let public = "https://chat.example.com/parlor";
    let served = Served::with(json!({}), |config| {
        config.server.public_url = Some(public.parse().unwrap());
    })
    .await;
    served.crm.set(|crm| crm.metadata = json!({"client_id_metadata_document_supported": true}));
    let card = served.card("ada").await;
    let link = card.link.replace(public, &served.app.url);
    let mut browser = Browser::of("ada");
    let asked = browser.leaves(&link).await;
    assert!(browser.cookies.keys().all(|name| name.starts_with("__Host-parlor_connect_")));
    let query: BTreeMap<_, _> = asked.query_pairs().into_owned().collect();
    assert_eq!(query["client_id"], format!("{public}/connect/client.json"));
    let place = query["client_id"].replace(public, &served.app.url);
    let document: Value = Client::new().get(place).send().await.unwrap().json().await.unwrap();
    assert_eq!(document["client_id"], query["client_id"]);
    assert_eq!(document["redirect_uris"], json!([query["redirect_uri"]]));
    let back = served.crm.sign_in(&asked, "ada");
    let back = back.as_str().replace(public, &served.app.url);
    says(browser.get(&back).await, 200, "You are connected").await;
    assert!(served.crm.set(|crm| crm.registered.is_empty()));

    let local = Served::start().await;
    let place = format!("{}/connect/client.json", local.app.url);
    assert_eq!(Client::new().get(place).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn who_has_not_signed_in_with_parlor_does_that_first() {
    let (crm, model) = (Crm::start().await, FakeModel::start().await);
    let provider = session::Provider::start().await;
    let app = provider.server(|config, _| settings(config, &model, &crm, json!({}))).await;
    let mut ada = session::Browser::new(&app);
    ada.sign_in(&provider, "ada").await;
    model.push(Behaviour::new().tool_call("crm_connect", json!({})));
    let body = json!({"type": "threads.create", "params": {"input": crate::app::input("Hello")}});
    let request = ada.with_cookies(ada.client.post(format!("{}/chatkit", app.url)));
    let answer = request.header("origin", &app.url).json(&body).send().await.unwrap();
    let card = Card::of(&Stream::read(answer).await);

    // Nobody, who then turns out to be Bob.
    let mut bob = session::Browser::new(&app);
    let to_login = bob.get(&card.link).await;
    assert_eq!(to_login.status(), 303);
    let place: Url = card.link.parse().unwrap();
    let login = place.join(to_login.headers()["location"].to_str().unwrap()).unwrap();
    let asked = bob.get(login.as_str()).await.headers()["location"].to_str().unwrap().to_owned();
    let back = bob.get(&provider.sign_in(&asked.parse().unwrap(), "bob", |_| {})).await;
    let here = place.join(back.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(here.as_str(), card.link, "back at the link");
    says(bob.get(here.as_str()).await, 403, "somebody else").await;

    let leaving = ada.get(&card.link).await;
    let asked: Url = leaving.headers()["location"].to_str().unwrap().parse().unwrap();
    let back = crm.sign_in(&asked, "ada");
    let mut signed_out = ada.clone();
    signed_out.cookies.retain(|name, _| name.contains("connect"));
    says(signed_out.get(back.as_str()).await, 403, "Sign in first").await;
    says(ada.get(back.as_str()).await, 200, "You are connected").await;
}

#[tokio::test]
async fn where_browsers_do_not_say_whose_they_are_a_page_asks() {
    let served = Served::with(json!({}), |config| {
        config.auth.mode = Some(AuthMode::Jwt);
        config.auth.jwt = Some(Jwt {
            audience: vec!["parlor".to_owned()],
            secret: Some("a secret of thirty-two bytes or more".into()),
            ..Jwt::default()
        });
    })
    .await;
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &json!({"aud": "parlor", "sub": "ada", "exp": now() + 300, "name": "Ada <b>", "email": "ada@example.com"}),
        &jsonwebtoken::EncodingKey::from_secret(b"a secret of thirty-two bytes or more"),
    )
    .unwrap();
    served.calls("crm_connect");
    let body = json!({
        "type": "threads.create", "params": {"input": crate::app::input("Hello")},
        // What a page says is not who somebody is.
        "metadata": {"userInfo": {"name": "Somebody else", "email": "else@example.com"}},
    });
    let request = Client::new().post(format!("{}/chatkit", served.app.url)).bearer_auth(&token);
    let card = Card::of(&Stream::read(request.json(&body).send().await.unwrap()).await);

    let mut browser = Browser::unknown();
    let page = says(browser.get(&card.link).await, 200, "That is me").await;
    assert!(page.contains("Ada &lt;b&gt; · ada@example.com · ada"), "{page}");
    assert!(browser.cookies.is_empty(), "nothing has begun");
    let form = |name: &'static str, value: &str| {
        Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap()
            .post(&card.link)
            .header(name, value)
    };
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("x-none", "")]
    {
        let refused = browser.send(form(name, value)).await;
        says(refused, 400, "does not work any more").await;
    }
    let leaving = browser.send(form("sec-fetch-site", "same-origin")).await;
    assert_eq!(leaving.status(), 303);
    let asked: Url = leaving.headers()["location"].to_str().unwrap().parse().unwrap();
    let back = served.crm.sign_in(&asked, "ada");
    says(Browser::unknown().get(back.as_str()).await, 400, "does not work any more").await;
    says(browser.get(back.as_str()).await, 200, "You are connected").await;
}
