//! Nobody gets at what is somebody else's: every operation and every address of files, tried with
//! ids that exist, by another user and by the same user of another tenant. They are answered as
//! ids that nobody has ever had are, on both databases, and also when the only wall that is left
//! is the database's own.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{EncodingKey, Header, encode};
use parlor_chatkit::protocol::Operation;
use parlor_server::config::{AuthMode, Config, Jwt, JwtAlgorithm};
use parlor_test_postgres::{Place, Server as Postgres};
use reqwest::{
    Client, Method, RequestBuilder, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::app::{Follower, Stream, TestApp, input};

const SECRET: &str = "known to the tests and to nobody else";

fn tokens(config: &mut Config) {
    let mut settings = Jwt {
        secret: Some(SECRET.into()),
        algorithms: Some(vec![JwtAlgorithm::HS256]),
        audience: vec!["parlor".to_owned()],
        ..Jwt::default()
    };
    settings.claims.tenant = Some("tenant".to_owned());
    config.auth.mode = Some(AuthMode::Jwt);
    config.auth.jwt = Some(settings);
}

/// Somebody of some tenant.
struct Member {
    client: Client,
    url: String,
    token: String,
}

impl Member {
    fn new(app: &TestApp, tenant: &str, user: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({"sub": user, "tenant": tenant, "aud": "parlor", "exp": now + 3600});
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = encode(&Header::default(), &claims, &key).unwrap();
        Self { client: Client::new(), url: app.url.clone(), token }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    async fn call(&self, operation: &str, params: &Value) -> Response {
        let body = json!({"type": operation, "params": params}).to_string();
        let request = self.request(Method::POST, "/chatkit");
        request.header("content-type", "application/json").body(body).send().await.unwrap()
    }

    async fn json(&self, operation: &str, params: Value) -> Value {
        let response = self.call(operation, &params).await;
        assert_eq!(response.status(), 200, "{operation}");
        response.json().await.unwrap()
    }

    async fn ask(&self, attachments: &[&Value]) -> Stream {
        let mut input = input("Mine");
        input["attachments"] = json!(attachments);
        let response = self.call("threads.create", &json!({"input": input})).await;
        Follower::new(response).finish().await
    }

    async fn upload(&self, text: &str) -> Value {
        let part = Part::bytes(text.as_bytes().to_vec()).file_name("hers.txt");
        let form = Form::new().part("file", part.mime_str("text/plain").unwrap());
        let request = self.request(Method::POST, "/files").multipart(form);
        request.send().await.unwrap().json().await.unwrap()
    }
}

/// The ids that a request can name.
#[derive(Clone)]
struct Ids {
    thread: Value,
    item: Value,
    attachment: Value,
}

impl Ids {
    /// Nobody has ever had these.
    fn unknown() -> Self {
        Self {
            thread: json!("thr_00000000000000000000000000000000"),
            item: json!("msg_00000000000000000000000000000000"),
            attachment: json!("file_00000000000000000000000000000000"),
        }
    }
}

/// Parameters of an operation for each place that takes an id of somebody's; none for operations
/// without such a place.
fn places(operation: &str, ids: &Ids) -> Vec<Value> {
    let Ids { thread, item, attachment } = ids;
    let mut with_file = input("look");
    with_file["attachments"] = json!([attachment]);
    match operation {
        "threads.create" => vec![json!({"input": with_file})],
        "threads.add_user_message" => vec![json!({"thread_id": thread, "input": input("hi")})],
        "threads.add_client_tool_output" => vec![json!({"thread_id": thread, "result": {}})],
        "threads.add_structured_input" => {
            vec![json!({"thread_id": thread, "item_id": item, "input": {"answers": {}}})]
        }
        "threads.custom_action" | "threads.sync_custom_action" => {
            vec![json!({"thread_id": thread, "item_id": item, "action": {"type": "x"}})]
        }
        "threads.retry_after_item" => vec![json!({"thread_id": thread, "item_id": item})],
        "threads.update" => vec![json!({"thread_id": thread, "title": "stolen"})],
        "threads.resume" | "threads.get_by_id" | "threads.delete" | "threads.stop" => {
            vec![json!({"thread_id": thread})]
        }
        "threads.list" => vec![json!({"after": thread})],
        "items.list" => {
            vec![json!({"thread_id": thread}), json!({"thread_id": thread, "after": item})]
        }
        "items.feedback" => {
            vec![json!({"thread_id": thread, "item_ids": [item], "kind": "positive"})]
        }
        "attachments.delete" => vec![json!({"attachment_id": attachment})],
        "attachments.create" | "input.transcribe" => vec![],
        new => panic!("{new} is new: say here where it takes ids"),
    }
}

/// What an answer says, but for the id of its request.
async fn said(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let mut body: Value = response.json().await.unwrap_or_default();
    if body["error"].is_object() {
        body["error"]["request_id"].take();
    }
    (status, body)
}

/// Ada has a conversation with a file, a file that she has not sent, and one whose bytes are still
/// to come. `before` does something to the wall when all of that is there.
async fn nobody_else_gets_at_anything(app: &TestApp, before: impl FnOnce()) {
    let ada = Member::new(app, "one", "ada");
    let sent = ada.upload("secret").await;
    let stream = ada.ask(&[&sent["id"]]).await;
    let thread = stream.thread_id();
    let unsent = ada.upload("also secret").await;
    let announced = json!({"name": "later.txt", "size": 5, "mime_type": "text/plain"});
    let waiting = ada.json("attachments.create", announced).await;
    let all = json!({"thread_id": thread, "order": "asc"});
    let items = ada.json("items.list", all.clone()).await;
    before();

    let unknown = Ids::unknown();
    for (tenant, user) in [("one", "bob"), ("two", "ada")] {
        let intruder = Member::new(app, tenant, user);
        // With a thread of their own they could take her items, or files, for its.
        let own = intruder.ask(&[]).await.thread_id();
        let who = format!("{user} of {tenant}");
        for file in [&sent, &unsent, &waiting] {
            let hers = Ids {
                thread: json!(thread),
                item: stream.answer()["id"].clone(),
                attachment: file["id"].clone(),
            };
            let in_own = |ids: &Ids| Ids { thread: json!(own), ..ids.clone() };
            for operation in Operation::NAMES {
                let tries = places(operation, &hers).into_iter().zip(places(operation, &unknown));
                for (theirs, random) in tries {
                    let found = said(intruder.call(operation, &theirs).await).await;
                    let nothing = said(intruder.call(operation, &random).await).await;
                    assert_eq!(nothing.0, 404, "{who}: {operation} {random}: {nothing:?}");
                    assert_eq!(found, nothing, "{who}: {operation} {theirs}");
                }
            }
            for operation in ["threads.retry_after_item", "threads.custom_action", "items.feedback"]
            {
                let (theirs, random) = (in_own(&hers), in_own(&unknown));
                let (theirs, random) = (places(operation, &theirs), places(operation, &random));
                let found = said(intruder.call(operation, &theirs[0]).await).await;
                let nothing = said(intruder.call(operation, &random[0]).await).await;
                assert_eq!(nothing.0, 404, "{who}: {operation} in a thread of their own");
                assert_eq!(found, nothing, "{who}: {operation} in a thread of their own");
            }
            let after = json!({"thread_id": own, "after": hers.item});
            assert_eq!(intruder.call("items.list", &after).await.status(), 404, "{who}");
            for (method, path) in [(Method::GET, ""), (Method::GET, "/preview"), (Method::PUT, "")]
            {
                let ask = async |id: &Value| {
                    let address = format!("/files/{}{path}", id.as_str().unwrap());
                    let request = intruder.request(method.clone(), &address);
                    said(request.body("hello").send().await.unwrap()).await
                };
                let (found, nothing) = (ask(&file["id"]).await, ask(&unknown.attachment).await);
                assert_eq!(nothing.0, 404, "{who}: {method} {path}");
                assert_eq!(found, nothing, "{who}: {method} {path}");
            }
        }
        let threads = intruder.json("threads.list", json!({})).await;
        assert_eq!(threads["data"].as_array().unwrap().len(), 1, "{who}: {threads}");
        assert_eq!(threads["data"][0]["id"], own, "{who}");
    }

    // Nothing has happened to what is hers. Links to her file are made anew each time.
    let text_of = |page: &Value| {
        let items = page["data"].as_array().unwrap().iter();
        items.map(|item| (item["id"].clone(), item["content"].clone())).collect::<Vec<_>>()
    };
    let now = ada.json("items.list", all).await;
    assert_eq!(text_of(&now), text_of(&items));
    assert!(now["data"].as_array().unwrap().iter().all(|item| item["feedback"].is_null()));
    let threads = ada.json("threads.list", json!({})).await;
    assert_eq!(threads["data"].as_array().unwrap().len(), 1);
    for (file, text) in [(&sent, "secret"), (&unsent, "also secret")] {
        let path = format!("/files/{}", file["id"].as_str().unwrap());
        let response = ada.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), text);
    }
    let path = format!("/files/{}", waiting["id"].as_str().unwrap());
    let upload = ada.request(Method::PUT, &path).header("content-type", "text/plain");
    assert_eq!(upload.body("hello").send().await.unwrap().status(), 200);
}

fn on(place: &Place) -> impl FnOnce(&mut Config) + use<> {
    let place = place.clone();
    move |config| {
        tokens(config);
        config.database_url = place.url;
        config.database.schema = place.schema;
        config.search.enabled = false;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_at_what_is_somebody_elses_in_sqlite() {
    nobody_else_gets_at_anything(&TestApp::with(tokens).await, || {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_at_what_is_somebody_elses_in_postgres() {
    let place = Postgres::shared().place();
    nobody_else_gets_at_anything(&TestApp::with(on(&place)).await, || {}).await;
}

/// The functions of the schema lose their conditions: what an operation then sees and changes is
/// what row-level security leaves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_alone_keeps_users_and_tenants_apart() {
    let place = Postgres::shared().place();
    let app = TestApp::at(Arc::new(tempfile::tempdir().unwrap()), on(&place)).await;
    let schema = &place.schema;
    let condition = r"\m\w+\.tenant_id = p_tenant\s+AND\s+\w+\.user_id = p_user";
    let count = format!(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace AND prosrc ~ \
         '{condition}'"
    );
    let forget = format!(
        "DO $do$ DECLARE f record; BEGIN FOR f IN SELECT pg_get_functiondef(oid) AS sql FROM \
         pg_proc WHERE pronamespace = '{schema}'::regnamespace AND prosrc ~ '{condition}' LOOP \
         EXECUTE regexp_replace(f.sql, '{condition}', 'true', 'g'); END LOOP; END $do$"
    );
    // What the operator does with the data of users is behind another wall.
    let left = format!(
        "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = \
         '{schema}'::regnamespace AND prosrc ~ '= p_(tenant|user)' AND prosrc !~ 'become_system'"
    );
    nobody_else_gets_at_anything(&app, || {
        let postgres = Postgres::shared();
        let conditional: u32 = postgres.admin(&count).unwrap().parse().unwrap();
        assert!(conditional >= 15, "{conditional} functions with conditions");
        postgres.admin(&forget).unwrap();
        assert_eq!(postgres.admin(&left).unwrap(), "", "functions that still have conditions");
    })
    .await;
}
