//! What a visitor has becomes the account's that they sign in with.

use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::{AuthMode, Jwt, JwtAlgorithm, ModelApi};
use reqwest::{
    RequestBuilder, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    app::{Follower, TestApp, input, with_model},
    session::{Browser, Provider, database},
    tokens::now,
};

const VISITOR: &str = "parlor_visitor";

/// What a browser does here beside signing in. Cookies that are set are kept, as in a browser.
impl Browser {
    async fn chat(&mut self, operation: &str, params: &Value) -> Response {
        let request = self.client.post(format!("{}/chatkit", self.url)).header("origin", &self.url);
        let body = json!({"type": operation, "params": params});
        let response = self.with_cookies(request).json(&body).send().await.unwrap();
        self.keep(&response);
        response
    }

    async fn ask(&mut self, text: &str, files: &[&Value]) -> String {
        let mut input = input(text);
        input["attachments"] = json!(files);
        let response = self.chat("threads.create", &json!({"input": input})).await;
        let stream = Follower::new(response).finish().await;
        assert_eq!(stream.end.as_deref(), Some("done"));
        stream.thread_id()
    }

    async fn upload(&mut self, text: &str) -> Value {
        let part = Part::text(text.to_owned()).file_name("notes.txt").mime_str("text/plain");
        let form = Form::new().part("file", part.unwrap());
        let request = self.client.post(format!("{}/files", self.url)).header("origin", &self.url);
        let response = self.with_cookies(request).multipart(form).send().await.unwrap();
        self.keep(&response);
        response.json::<Value>().await.unwrap()["id"].clone()
    }

    async fn file(&mut self, id: &Value) -> (u16, String) {
        let response = self.get(&format!("/files/{}", id.as_str().unwrap())).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn threads(&mut self) -> Vec<String> {
        let page = self.chat("threads.list", &json!({"order": "asc"})).await;
        let page: Value = page.json().await.unwrap();
        let id = |thread: &Value| thread["id"].as_str().unwrap().to_owned();
        page["data"].as_array().unwrap().iter().map(id).collect()
    }

    /// Signs in, whatever cookies there are afterwards.
    async fn come_in(&mut self, provider: &Provider, user: &str) {
        let asked = self.leave("/").await;
        let back = self.get(&provider.sign_in(&asked, user, |_| {})).await;
        assert_eq!(back.status(), 303);
    }
}

#[tokio::test]
async fn what_a_visitor_has_is_the_accounts_that_they_sign_in_with() {
    let provider = Provider::start().await;
    let app = provider.server(|_, session| session.anonymous = true).await;
    let mut browser = Browser::new(&app);
    let file = browser.upload("the visitor's notes").await;
    let unsent = browser.upload("not sent yet").await;
    let asked = [browser.ask("first", &[&file]).await, browser.ask("second", &[]).await];
    let before = browser.clone();

    browser.sign_in(&provider, "ada").await;
    assert!(!browser.cookies.contains_key(VISITOR), "the visitor is no more");
    assert_eq!(browser.threads().await, asked);
    let items = browser.chat("items.list", &json!({"thread_id": asked[0]})).await;
    let items: Value = items.json().await.unwrap();
    assert_eq!(items["data"].as_array().unwrap().len(), 2);
    for (id, text) in [(&file, "the visitor's notes"), (&unsent, "not sent yet")] {
        assert_eq!(browser.file(id).await, (200, text.to_owned()));
    }
    let third = browser.ask("third", &[&unsent]).await;
    let response = browser.chat("threads.delete", &json!({"thread_id": asked[0]})).await;
    assert_eq!(response.status(), 200);
    assert_eq!(browser.file(&file).await.0, 404);
    assert_eq!(browser.threads().await, [asked[1].clone(), third.clone()]);

    // An old copy of the cookie is somebody new, who has nothing and brings nothing.
    let mut copy = before.clone();
    assert_eq!(copy.threads().await, Vec::<String>::new());
    assert_ne!(copy.cookies[VISITOR], before.cookies[VISITOR]);
    assert_eq!(copy.file(&unsent).await.0, 404);
    for mut copy in [before.clone(), before] {
        copy.sign_in(&provider, "bob").await;
        assert_eq!(copy.threads().await, Vec::<String>::new());
    }

    // The next one at the same browser.
    browser.sign_out().await;
    assert_eq!(browser.threads().await, Vec::<String>::new());
    browser.sign_in(&provider, "bob").await;
    assert_eq!(browser.threads().await, Vec::<String>::new());
    browser.sign_out().await;
    browser.sign_in(&provider, "ada").await;
    assert_eq!(browser.threads().await, [asked[1].clone(), third]);
    let acts: Vec<String> = database(&app)
        .prepare("SELECT act || counts FROM audit")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(acts, ["visitor.moved{\"files\":2,\"threads\":2}"]);
}

#[tokio::test]
async fn a_cookie_that_is_not_ours_moves_nothing() {
    let provider = Provider::start().await;
    let app = provider.server(|_, session| session.anonymous = true).await;
    let mut visitor = Browser::new(&app);
    let thread = visitor.ask("mine", &[]).await;
    let signed = visitor.cookies[VISITOR].clone();
    let other = if signed.ends_with('a') { "b" } else { "a" };
    for forged in [format!("{}{other}", &signed[..signed.len() - 1]), signed[44..].to_owned()] {
        let mut thief = Browser::new(&app);
        thief.cookies.insert(VISITOR.to_owned(), forged);
        thief.come_in(&provider, "mallory").await;
        assert_eq!(thief.threads().await, Vec::<String>::new());
    }
    assert_eq!(visitor.threads().await, [thread]);
}

#[tokio::test]
async fn an_answer_under_way_is_written_to_its_end_and_moves_then() {
    let model = FakeModel::start().await;
    let provider = Provider::start().await;
    let app = provider
        .server(|config, session| {
            with_model(config, &model, ModelApi::Responses);
            config.titles.enabled = false;
            session.anonymous = true;
        })
        .await;
    let mut browser = Browser::new(&app);
    let idle = browser.ask("idle", &[]).await;
    model.push(Behaviour::new().when("slow").text("half ").hold("middle").text("whole"));
    let response = browser.chat("threads.create", &json!({"input": input("slow")})).await;
    let mut following = Follower::new(response);
    following.until("half").await;
    let before = browser.clone();

    browser.come_in(&provider, "ada").await;
    assert!(browser.cookies.contains_key(VISITOR), "something is left");
    assert_eq!(browser.threads().await, std::slice::from_ref(&idle));
    // Whoever has the cookie meanwhile gets nothing: not as the visitor, nor as somebody else.
    let mut copy = before.clone();
    assert_eq!(copy.threads().await, Vec::<String>::new());
    let mut copy = before;
    copy.sign_in(&provider, "bob").await;
    assert_eq!(copy.threads().await, Vec::<String>::new());

    model.release("middle");
    let stream = following.finish().await;
    assert_eq!((stream.end.as_deref(), stream.text().as_str()), (Some("done"), "half whole"));
    assert_eq!(browser.threads().await, [idle, stream.thread_id()]);
    assert!(!browser.cookies.contains_key(VISITOR));
    let params = json!({"thread_id": stream.thread_id(), "input": input("and then?")});
    let response = browser.chat("threads.add_user_message", &params).await;
    assert_eq!(Follower::new(response).finish().await.end.as_deref(), Some("done"));
}

#[tokio::test]
async fn what_visitors_have_stays_in_their_tenant() {
    let provider = Provider::start().await;
    let app = provider
        .server(|_, session| {
            session.anonymous = true;
            session.claims.tenant = Some("org".to_owned());
        })
        .await;
    let mut browser = Browser::new(&app);
    let thread = browser.ask("mine", &[]).await;
    let visitor = browser.clone();
    let asked = browser.leave("/").await;
    let back = provider.sign_in(&asked, "ada", |claims| claims["org"] = json!("acme"));
    assert_eq!(browser.get(&back).await.status(), 303);
    assert_eq!(browser.threads().await, Vec::<String>::new());
    assert_eq!(visitor.clone().threads().await, std::slice::from_ref(&thread));
    let mut other = visitor;
    let asked = other.leave("/").await;
    let back = provider.sign_in(&asked, "eve", |claims| claims["org"] = json!("default"));
    assert_eq!(other.get(&back).await.status(), 303);
    assert_eq!(other.threads().await, [thread]);
}

#[tokio::test]
async fn a_token_with_a_visitors_cookie_takes_the_visitors_along() {
    const SECRET: &str = "known to the tests and to nobody else";
    let app = TestApp::with(|config| {
        config.auth.mode = Some(AuthMode::Jwt);
        config.auth.jwt = Some(Jwt {
            secret: Some(SECRET.into()),
            algorithms: Some(vec![JwtAlgorithm::HS256]),
            audience: vec!["parlor".to_owned()],
            anonymous: true,
            ..Jwt::default()
        });
    })
    .await;
    let token = |user: &str| {
        let claims = json!({"sub": user, "aud": "parlor", "exp": now() + 300});
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let list = async |browser: &mut Browser, change: &dyn Fn(RequestBuilder) -> RequestBuilder| {
        let request = browser.client.post(format!("{}/chatkit", browser.url));
        let request = change(browser.with_cookies(request));
        let body = json!({"type": "threads.list", "params": {}});
        let response = request.json(&body).send().await.unwrap();
        browser.keep(&response);
        let status = response.status().as_u16();
        let page: Value = response.json().await.unwrap();
        (status, page["data"].as_array().map_or(0, Vec::len))
    };
    let mut browser = Browser::new(&app);
    browser.ask("as a visitor", &[]).await;
    let before = browser.clone();
    let (ada, bob, visitor) = (token("ada"), token("bob"), token("visitor:1"));
    for (why, status) in [
        (list(&mut browser, &|request| request.bearer_auth("no token")).await, 401),
        (list(&mut browser, &|request| request.header("x-user-id", "ada")).await, 401),
        (list(&mut browser, &|request| request.bearer_auth(&visitor)).await, 401),
    ] {
        assert_eq!(why.0, status);
        assert_eq!(browser.cookies, before.cookies, "whoever is refused changes nothing");
    }
    assert_eq!(list(&mut browser, &|request| request.bearer_auth(&ada)).await, (200, 1));
    assert!(!browser.cookies.contains_key(VISITOR));
    assert_eq!(list(&mut browser, &|request| request.bearer_auth(&ada)).await, (200, 1));
    let mut copy = before.clone();
    assert_eq!(list(&mut copy, &|request| request.bearer_auth(&bob)).await, (200, 0));
    let mut copy = before;
    assert_eq!(list(&mut copy, &|request| request).await, (200, 0));
    assert_eq!(Browser::new(&app).threads().await.len(), 0);
}
