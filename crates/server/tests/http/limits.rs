//! How much somebody may use, over several servers, restarts and races.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::{AuthMode, Config, ModelApi, Quotas, TenantModel};
use parlor_test_postgres::{Place, Server as Postgres, Stop};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{Follower, Stream, TestApp, User, input, with_model};

fn on(place: &Place) -> impl Fn(&mut Config) {
    let place = place.clone();
    move |config| {
        config.database_url = place.url.clone();
        config.database.schema = place.schema.clone();
        config.search.enabled = false;
    }
}

fn messages_a_day(limit: u32) -> Quotas {
    Quotas { messages_per_day: Some(limit), ..Quotas::default() }
}

async fn create(user: &User) -> Response {
    user.call("threads.create", json!({"input": input("Hello")})).await
}

/// The error of a request that is one too many.
async fn refusal(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let body: Value = response.json().await.unwrap();
    let error = body["error"].clone();
    assert_eq!(error["code"], "rate_limited");
    assert_eq!(error["retry_after"], after);
    assert!(error["request_id"].is_string());
    error
}

/// Asks until it is refused; how often it was not.
async fn until_refused(user: &User) -> (usize, Value) {
    for answered in 0..100 {
        let response = create(user).await;
        if response.status() != 200 {
            return (answered, refusal(response).await);
        }
        assert_eq!(Stream::read(response).await.end.as_deref(), Some("done"));
    }
    panic!("never refused");
}

#[tokio::test]
async fn a_quota_holds_over_a_restart_and_is_nobody_elses() {
    let with = |config: &mut Config| config.limits.user = messages_a_day(5);
    let app = TestApp::with(with).await;
    for _ in 0..3 {
        assert_eq!(app.user("ada").ask("Hello").await.end.as_deref(), Some("done"));
    }
    let app = TestApp::at(app.stop().await, with).await;
    let (answered, error) = until_refused(&app.user("ada")).await;
    assert_eq!(answered, 2);
    assert_eq!((&error["limit"], &error["scope"]), (&json!("messages_per_day"), &json!("user")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("in a day") && message.contains("UTC"), "{message}");
    let reset: chrono::DateTime<chrono::Utc> = error["reset_at"].as_str().unwrap().parse().unwrap();
    let wait = (reset - chrono::Utc::now()).num_seconds();
    assert!((23 * 3_600..=25 * 3_600).contains(&wait), "{wait}");
    assert!((wait - error["retry_after"].as_i64().unwrap()).abs() < 60);

    assert_eq!(app.user("bob").ask("Hello").await.end.as_deref(), Some("done"));
    let (status, _) = app.user("ada").json("threads.list", json!({})).await;
    assert_eq!(status, StatusCode::OK, "reading is no message");
}

#[tokio::test]
async fn a_quota_holds_over_two_servers_and_a_restart() {
    let place = Postgres::shared().place();
    let with = |config: &mut Config| {
        on(&place)(config);
        config.limits.user = messages_a_day(6);
    };
    let (one, other) = (TestApp::with(with).await, TestApp::with(with).await);
    for app in [&one, &other, &one, &other] {
        assert_eq!(app.user("ada").ask("Hello").await.end.as_deref(), Some("done"));
    }
    let one = TestApp::at(one.stop().await, with).await;
    assert_eq!(until_refused(&one.user("ada")).await.0, 2);
    assert_eq!(refusal(create(&other.user("ada")).await).await["scope"], "user");
    assert_eq!(other.user("bob").ask("Hello").await.end.as_deref(), Some("done"));
    let named = "SELECT count(*) FROM {}.counters c WHERE c::text LIKE '%ada%'"
        .replace("{}", &place.schema);
    assert_eq!(Postgres::shared().admin(&named).unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_at_once_as_many_as_allowed_go_through() {
    let place = Postgres::shared().place();
    let limit = |config: &mut Config| config.limits.user = messages_a_day(10);
    let replicas = [
        TestApp::with(|config| {
            on(&place)(config);
            limit(config);
        })
        .await,
        TestApp::with(|config| {
            on(&place)(config);
            limit(config);
        })
        .await,
    ];
    let file = TestApp::with(limit).await;
    for apps in [[&replicas[0], &replicas[1]], [&file, &file]] {
        let users: Vec<_> = apps.map(|app| app.user("ada")).into();
        let asked = (0..50).map(|n| {
            let user = users[n % 2].clone();
            async move { create(&user).await.status().as_u16() }
        });
        let statuses = join_all(asked).await;
        let count = |status| statuses.iter().filter(|other| **other == status).count();
        assert_eq!((count(200), count(429)), (10, 40), "{statuses:?}");
    }
}

#[tokio::test]
async fn what_is_repeated_or_refused_for_another_reason_does_not_count() {
    let app = TestApp::with(|config| config.limits.user = messages_a_day(2)).await;
    let ada = app.user("ada");
    let body = json!({"type": "threads.create", "params": {"input": input("Once")}}).to_string();
    for _ in 0..4 {
        let response = Client::new()
            .post(format!("{}/chatkit", app.url))
            .header("content-type", "application/json")
            .header("x-user-id", "ada")
            .header("idempotency-key", "the-same")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(Stream::read(response).await.end.as_deref(), Some("done"));
    }
    for _ in 0..3 {
        let params = json!({"thread_id": "thr_unknown", "input": input("Hello?")});
        let (status, _) = ada.json("threads.add_user_message", params).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    assert_eq!(until_refused(&ada).await.0, 1);
}

#[tokio::test]
async fn a_tenant_shares_its_quota_and_may_have_one_of_its_own() {
    let app = TestApp::with(|config| {
        config.auth.trusted_header = Some(parlor_server::config::TrustedHeader {
            tenant: Some("X-Tenant".to_owned()),
            ..Default::default()
        });
        config.limits.tenant = messages_a_day(2);
        let own = parlor_server::config::Tenant {
            model: None::<TenantModel>,
            limits: Some(parlor_server::config::ScopedQuotas {
                tenant: messages_a_day(4),
                ..Default::default()
            }),
            ..Default::default()
        };
        config.tenants.insert("large".to_owned(), own);
    })
    .await;
    let ask = async |tenant: &str, user: &str| {
        let body = json!({"type": "threads.create", "params": {"input": input("Hello")}});
        Client::new()
            .post(format!("{}/chatkit", app.url))
            .header("content-type", "application/json")
            .header("x-user-id", user)
            .header("x-tenant", tenant)
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    };
    for (tenant, limit) in [("small", 2), ("other", 2), ("large", 4)] {
        for n in 0..limit {
            let status = ask(tenant, &format!("user-{n}")).await.status();
            assert_eq!(status, StatusCode::OK, "{tenant} {n}");
        }
        let error = refusal(ask(tenant, "somebody new").await).await;
        assert_eq!(error["scope"], "tenant");
    }
}

/// Somebody without a cookie, whose request comes through these proxies.
async fn visit(app: &TestApp, forwarded: &str) -> Response {
    let body = json!({"type": "threads.create", "params": {"input": input("Hello")}});
    Client::new()
        .post(format!("{}/chatkit", app.url))
        .header("content-type", "application/json")
        .header("x-forwarded-for", forwarded)
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_visitor_who_throws_the_cookie_away_is_known_by_the_address() {
    let app = TestApp::with(|config| {
        config.auth.mode = Some(AuthMode::Anonymous);
        config.limits.address = messages_a_day(2);
    })
    .await;
    for (address, forged) in [("203.0.113.9", "6.6.6.6"), ("2001:db8::1", "6.6.6.6")] {
        for n in 0..2 {
            let response = visit(&app, &format!("{forged}{n}, {address}")).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(response.headers().contains_key("set-cookie"), "somebody new each time");
        }
        let error = refusal(visit(&app, &format!("{forged}7, {address}")).await).await;
        assert_eq!(error["scope"], "address");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("your network") && !message.contains(address), "{message}");
    }
    let error = refusal(visit(&app, "2001:db8::2:3:4:5").await).await;
    assert_eq!(error["scope"], "address", "of the same network");
    assert_eq!(visit(&app, "203.0.113.10").await.status(), StatusCode::OK);

    let strict = TestApp::with(|config| {
        config.auth.mode = Some(AuthMode::Anonymous);
        config.limits.address = messages_a_day(2);
        config.server.trusted_proxies = Vec::new();
    })
    .await;
    for address in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(visit(&strict, address).await.status(), StatusCode::OK);
    }
    refusal(visit(&strict, "203.0.113.3").await).await;
}

#[tokio::test]
async fn too_many_requests_are_refused_whatever_they_ask_for() {
    let quotas = |limit| Quotas { requests_per_minute: Some(limit), ..Quotas::default() };
    let app = TestApp::with(|config| {
        config.limits.user = quotas(3);
        config.limits.address = quotas(8);
    })
    .await;
    let ada = app.user("ada");
    for _ in 0..3 {
        assert_eq!(ada.json("threads.list", json!({})).await.0, StatusCode::OK);
    }
    let error = refusal(ada.call("threads.list", json!({})).await).await;
    assert_eq!((&error["limit"], &error["scope"]), (&json!("requests_per_minute"), &json!("user")));
    assert!((1..=65).contains(&error["retry_after"].as_i64().unwrap()));
    for n in 0..4 {
        let user = app.user(&format!("user-{n}"));
        assert_eq!(user.json("threads.list", json!({})).await.0, StatusCode::OK);
    }
    let response = app.user("new").call("threads.list", json!({})).await;
    assert_eq!(response.headers()["parlor-protocol"], "1");
    assert_eq!(refusal(response).await["scope"], "address");
    let file = reqwest::get(format!("{}/files/file_x", app.url)).await.unwrap();
    assert_eq!(refusal(file).await["scope"], "address");
    for free in ["/healthz", "/chatkit.js"] {
        let response = reqwest::get(format!("{}{free}", app.url)).await.unwrap();
        assert_ne!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{free}");
    }
}

#[tokio::test]
async fn tokens_are_counted_when_they_are_known_and_also_of_a_stopped_answer() {
    for api in [ModelApi::Responses, ModelApi::ChatCompletions] {
        let model = FakeModel::start().await;
        model.push(Behaviour::new().text("An answer."));
        let app = TestApp::with(|config| {
            with_model(config, &model, api);
            config.titles.enabled = false;
            config.limits.user = Quotas { tokens_per_day: Some(10), ..Quotas::default() };
        })
        .await;
        let (answered, error) = until_refused(&app.user("ada")).await;
        assert_eq!((answered, &error["limit"]), (1, &json!("tokens_per_day")), "{api:?}");

        model.push(Behaviour::new().text("Half of it").hold("never"));
        let bob = app.user("bob");
        let mut follower = Follower::new(create(&bob).await);
        follower.until(" it").await;
        let (_, page) = bob.json("threads.list", json!({})).await;
        let thread_id = &page["data"][0]["id"];
        let (status, _) = bob.json("threads.stop", json!({"thread_id": thread_id})).await;
        assert_eq!(status, StatusCode::OK);
        follower.finish().await;
        assert_eq!(refusal(create(&bob).await).await["limit"], "tokens_per_day");
    }
}

#[tokio::test]
async fn a_user_is_told_once_that_the_limit_is_near() {
    let app = TestApp::with(|config| config.limits.user = messages_a_day(8)).await;
    let ada = app.user("ada");
    let mut notices = Vec::new();
    for n in 0..8 {
        for event in ada.ask("Hello").await.events {
            if event["type"] == "notice" {
                notices.push((n, event));
            }
        }
    }
    assert_eq!(notices.len(), 1, "{notices:?}");
    let (n, notice) = &notices[0];
    assert_eq!((*n, &notice["level"]), (4, &json!("warning")));
    let message = notice["message"].as_str().unwrap();
    assert!(message.starts_with("You can send 3 more messages for now."), "{message}");
}

#[tokio::test]
async fn answers_at_once_are_limited_and_those_of_a_killed_server_are_over() {
    let model = FakeModel::start().await;
    for _ in 0..3 {
        model.push(Behaviour::new().text("Going").hold("end").text(" on."));
    }
    let place = Postgres::shared().place();
    let streams = |limit| Quotas { open_streams: Some(limit), ..Quotas::default() };
    let with = |config: &mut Config| {
        on(&place)(config);
        with_model(config, &model, ModelApi::Responses);
        config.titles.enabled = false;
        config.limits.user = streams(2);
    };
    let (here, there) = (TestApp::with(with).await, TestApp::with(with).await);
    let (ada, ada_there) = (here.user("ada"), there.user("ada"));
    let mut first = Follower::new(create(&ada).await);
    first.until("Going").await;
    let mut second = Follower::new(create(&ada_there).await);
    second.until("Going").await;
    for user in [&ada, &ada_there] {
        let error = refusal(create(user).await).await;
        assert_eq!(error["limit"], "open_streams");
        assert!(error.get("reset_at").is_none(), "nobody knows when");
    }
    // A second window on the same conversation is one more; the first reader is the turn's own.
    let (_, page) = ada.json("threads.list", json!({"limit": 10})).await;
    let mut resumed = 0;
    for thread in page["data"].as_array().unwrap() {
        let params = json!({"thread_id": thread["id"]});
        let response = ada.call("threads.resume", params).await;
        // Running here; the other one is not known here.
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            resumed += 1;
        }
    }
    assert_eq!(resumed, 1);

    // What a kill does, as the other sees it: the process has never been heard of since.
    let killed = format!(
        "UPDATE {0}.open_now SET holder = 'killed' WHERE id = (SELECT max(id::text)::bytea FROM \
         {0}.open_now)",
        place.schema
    );
    Postgres::shared().admin(&killed).unwrap();
    let mut third = Follower::new(create(&ada).await);
    third.until("Going").await;
    refusal(create(&ada).await).await;

    model.release("end");
    for follower in [first, second, third] {
        assert_eq!(follower.finish().await.end.as_deref(), Some("done"));
    }
    // Whoever has heard the end can go on at once.
    for _ in 0..5 {
        model.push(Behaviour::new().text("Quick."));
        let response = create(&ada).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream::read(response).await;
    }
    let left = format!("SELECT count(*) FROM {}.open_now", place.schema);
    for _ in 0..600 {
        if Postgres::shared().admin(&left).unwrap() == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("something is open for ever");
}

#[tokio::test]
async fn answers_of_a_killed_server_on_a_file_are_over_after_its_restart() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Going").hold("never"));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let with = |config: &mut Config| {
        with_model(config, &model, ModelApi::Responses);
        config.search.enabled = false;
        config.limits.user = Quotas { open_streams: Some(1), ..Quotas::default() };
    };
    let killed = TestApp::at(Arc::clone(&folder), with).await;
    let mut follower = Follower::new(create(&killed.user("ada")).await);
    follower.until("Going").await;
    refusal(create(&killed.user("ada")).await).await;
    // Not stopped: it goes on as somebody whom the next one has never heard of.
    let app = TestApp::at(folder, with).await;
    model.push(Behaviour::new().text("Quick."));
    assert_eq!(app.user("ada").ask("Hello").await.end.as_deref(), Some("done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_add_no_outage_of_their_own() {
    let postgres = Postgres::start().unwrap();
    let place = postgres.place();
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half, ").hold("middle").text("half."));
    let app = TestApp::with(|config| {
        on(&place)(config);
        with_model(config, &model, ModelApi::Responses);
        config.titles.enabled = false;
        config.limits.user = Quotas {
            messages_per_day: Some(100),
            tokens_per_day: Some(1_000_000),
            open_streams: Some(1),
            ..Quotas::default()
        };
    })
    .await;
    let ada = app.user("ada");
    let mut follower = Follower::new(create(&ada).await);
    follower.until("Half,").await;
    postgres.stop(Stop::Crash).unwrap();
    let (status, body) = ada.json("threads.create", json!({"input": input("Hello")})).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (503, &json!("storage_unavailable")));
    postgres.start_again().unwrap();
    model.release("middle");
    assert_eq!(follower.finish().await.end.as_deref(), Some("done"));
    // What was open before is over, though the database was away when it began to end.
    for _ in 0..600 {
        model.push(Behaviour::new().text("Again."));
        let response = create(&ada).await;
        if response.status() == 200 {
            assert_eq!(Stream::read(response).await.end.as_deref(), Some("done"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came back");
}
