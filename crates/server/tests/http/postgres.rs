//! Chat on PostgreSQL: the same as ever, and what becomes of it while the database is away.

use std::sync::Arc;

use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::{AuthMode, Config, ModelApi};
use parlor_test_postgres::{Place, Server as Postgres, Stop};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{Follower, TestApp, input, with_model};

pub(crate) fn on(place: &Place) -> impl Fn(&mut Config) {
    let place = place.clone();
    move |config| {
        config.database_url = place.url.clone();
        config.database.schema = place.schema.clone();
        config.search.enabled = false;
    }
}

async fn status(app: &TestApp, path: &str) -> u16 {
    reqwest::get(format!("{}{path}", app.url)).await.unwrap().status().as_u16()
}

/// Asks again until the answer is this one, for as long as a slow machine may take.
async fn until_ready(app: &TestApp, expected: u16) {
    for _ in 0..600 {
        if status(app, "/readyz").await == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("/readyz did not say {expected} within 30 seconds");
}

#[tokio::test]
async fn a_conversation_is_kept_over_replicas_and_is_nobody_elses() {
    let place = Postgres::shared().place();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let app = TestApp::at(Arc::clone(&folder), on(&place)).await;
    let ada = app.user("ada");
    let stream = ada.ask("Remember this").await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    let thread_id = stream.thread_id();

    let other = TestApp::at(folder, on(&place)).await;
    let ada = other.user("ada");
    assert_eq!(ada.items(&thread_id).await.len(), 2);
    assert_eq!(ada.ask_in(&thread_id, "And this").await.end.as_deref(), Some("done"));
    app.stop().await;
    let (status, page) = ada.json("threads.list", json!({})).await;
    assert_eq!((status, page["data"].as_array().unwrap().len()), (StatusCode::OK, 1));

    let bob = other.user("bob");
    for (operation, params) in [
        ("threads.get_by_id", json!({"thread_id": thread_id})),
        ("items.list", json!({"thread_id": thread_id})),
        ("threads.update", json!({"thread_id": thread_id, "title": "Mine"})),
        ("threads.delete", json!({"thread_id": thread_id})),
        ("threads.add_user_message", json!({"thread_id": thread_id, "input": input("Hi")})),
        ("threads.stop", json!({"thread_id": thread_id})),
    ] {
        let (status, theirs) = bob.json(operation, params.clone()).await;
        let mut guess = params;
        guess["thread_id"] = "thr_00000000000000000000000000000000".into();
        let (guessed, unknown) = bob.json(operation, guess).await;
        assert_eq!(
            (status, guessed),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
            "{operation}"
        );
        let message = |body: &Value| body["error"]["message"].clone();
        assert_eq!(message(&theirs), message(&unknown), "{operation}");
    }
    assert_eq!(ada.items(&thread_id).await.len(), 4);
}

#[tokio::test]
async fn a_thread_that_another_replica_answers_in_is_busy() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half ").hold("middle").text("and half"));
    let place = Postgres::shared().place();
    let with = |config: &mut Config| {
        on(&place)(config);
        with_model(config, &model, ModelApi::Responses);
    };
    let (here, there) = (TestApp::with(with).await, TestApp::with(with).await);
    let response = there.user("ada").call("threads.create", json!({"input": input("Go")})).await;
    let mut follower = Follower::new(response);
    follower.until("Half").await;
    let (_, page) = here.user("ada").json("threads.list", json!({})).await;
    let thread_id = page["data"][0]["id"].as_str().unwrap().to_owned();
    let params = json!({"thread_id": thread_id, "input": input("And?")});
    let (status, body) = here.user("ada").json("threads.add_user_message", params).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    model.release("middle");
    assert_eq!(follower.finish().await.end.as_deref(), Some("done"));
    let items = here.user("ada").items(&thread_id).await;
    assert_eq!(items[1]["content"][0]["text"], "Half and half");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_everything_but_chat_works_and_chat_comes_by_itself() {
    let postgres = Postgres::start().unwrap();
    let place = postgres.place();
    postgres.stop(Stop::Fast).unwrap();
    for mode in [AuthMode::TrustedHeader, AuthMode::Anonymous] {
        let app = TestApp::with(|config| {
            on(&place)(config);
            config.auth.mode = Some(mode);
        })
        .await;
        assert_eq!(status(&app, "/healthz").await, 200);
        assert_eq!(status(&app, "/").await, 200);
        assert_eq!(status(&app, "/readyz").await, 503);
        for operation in ["threads.create", "threads.list"] {
            let params = json!({"input": input("Hello?")});
            let response = app.user("ada").call(operation, params).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{operation}");
            let after: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(after >= 1);
            let body: Value = response.json().await.unwrap();
            let text = body.to_string();
            assert!(body["error"]["request_id"].is_string(), "{text}");
            assert!(!text.contains("postgres") && !text.contains("127.0.0.1"), "{text}");
        }
        postgres.start_again().unwrap();
        until_ready(&app, 200).await;
        assert_eq!(app.user("ada").ask("Hello").await.end.as_deref(), Some("done"));
        postgres.stop(Stop::Crash).unwrap();
        assert_eq!(status(&app, "/readyz").await, 503);
        assert_eq!(status(&app, "/healthz").await, 200);
        let response = app.user("ada").call("threads.list", json!({})).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_survives_a_restart_of_the_database() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("First half, ").hold("middle").text("second half."));
    let postgres = Postgres::start().unwrap();
    let place = postgres.place();
    let app = TestApp::with(|config| {
        on(&place)(config);
        with_model(config, &model, ModelApi::Responses);
    })
    .await;
    let response = app.user("ada").call("threads.create", json!({"input": input("Go on")})).await;
    let mut follower = Follower::new(response);
    follower.until("half,").await;
    postgres.stop(Stop::Crash).unwrap();
    assert_eq!(status(&app, "/readyz").await, 503);
    postgres.start_again().unwrap();
    model.release("middle");
    let stream = follower.finish().await;
    assert_eq!(stream.end.as_deref(), Some("done"), "{stream:?}");
    let items = app.user("ada").items(&stream.thread_id()).await;
    assert_eq!(items[1]["content"][0]["text"], "First half, second half.");
}

#[tokio::test]
async fn what_a_killed_server_was_saying_is_kept_and_its_thread_is_free() {
    let model = FakeModel::start().await;
    model.push(Behaviour::new().text("Half of it").hold("never"));
    model.push(Behaviour::new().text("Another answer."));
    let place = Postgres::shared().place();
    let with = |config: &mut Config| {
        on(&place)(config);
        with_model(config, &model, ModelApi::Responses);
    };
    let (killed, here) = (TestApp::with(with).await, TestApp::with(with).await);
    let response = killed.user("ada").call("threads.create", json!({"input": input("Go")})).await;
    let mut follower = Follower::new(response);
    follower.until(" it").await;
    let (_, page) = here.user("ada").json("threads.list", json!({})).await;
    let thread_id = page["data"][0]["id"].as_str().unwrap().to_owned();
    // A checkpoint holds what was said, about a second later.
    let schema = &place.schema;
    let checkpoint = format!("SELECT count(*) FROM {schema}.items WHERE body LIKE '%Half of it%'");
    while Postgres::shared().admin(&checkpoint).unwrap() != "1" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // What a kill does, as the other sees it: the process has never been heard of since.
    let silent = format!("UPDATE {schema}.turns SET holder = 'killed' WHERE state = 'running'");
    Postgres::shared().admin(&silent).unwrap();
    let stream = here.user("ada").ask_in(&thread_id, "What now?").await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    let items = here.user("ada").items(&thread_id).await;
    let text = |n: usize| items[n]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!((items.len(), text(1), text(3)), (4, "Half of it".into(), "Another answer.".into()));
}
