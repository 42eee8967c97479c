//! What answers took is recorded, for whoever asked, and printed for the operator.

use std::{path::Path, process::Command};

use parlor_agent::usage::Price;
use parlor_chatkit::{TenantId, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::ModelApi;
use parlor_store::{SqliteStore, UsageQuery, UsageStore as _};
use serde_json::{Value, json};

use crate::app::{TestApp, with_model};

/// What `parlor usage` prints in a folder.
fn printed(folder: &Path, options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    let output = command.current_dir(folder).env_clear().arg("usage").args(options).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn what_answers_took_is_recorded_by_user_and_model_with_its_cost() {
    let model = FakeModel::start().await;
    let app = TestApp::with(|config| {
        with_model(config, &model, ModelApi::Responses);
        config.model.price = Some(Price { input: 1.0, cached: None, output: 2.0 });
        config.titles.enabled = false;
    })
    .await;
    for (user, question) in [("ada", "One?"), ("ada", "Two?"), ("grace", "Three?")] {
        model.push(Behaviour::new().text("An answer."));
        app.user(user).ask(question).await;
    }
    // What was used last is written as the server ends.
    let folder = app.stop().await;
    let path = folder.path().join("parlor.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let query = UsageQuery { limit: 10, ..UsageQuery::default() };
    let sums = store.usage(&query).await.unwrap();
    let users: Vec<(&str, &str, u64)> =
        sums.iter().map(|sum| (sum.owner.user().as_str(), sum.model.as_str(), sum.turns)).collect();
    assert_eq!(users, [("ada", "fake", 2), ("grace", "fake", 1)]);
    for sum in &sums {
        let used = sum.used;
        assert!(used.input_tokens > 0 && used.output_tokens > 0, "{sum:?}");
        let cost = used.input_tokens * 1_000 + used.output_tokens * 2_000;
        assert_eq!((used.cost, sum.unpriced), (Some(cost), 0));
    }
    let somebody = UsageQuery {
        tenant: Some(TenantId::new("default")),
        user: Some(UserId::new("mallory")),
        ..query
    };
    assert_eq!(store.usage(&somebody).await.unwrap(), []);
    store.close().await;

    let folder = folder.path();
    let lines = printed(folder, &["--json"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let used = sums[1].used;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let cost = used.cost.unwrap() as f64 / 1e9;
    let grace = json!({
        "tenant": "default", "user": "grace", "model": "fake", "turns": 1, "requests": 1,
        "input_tokens": used.input_tokens, "cached_tokens": used.cached_tokens,
        "output_tokens": used.output_tokens, "cost": cost, "unpriced": 0,
    });
    assert_eq!((lines.len(), &lines[0]["user"], &lines[1]), (2, &json!("ada"), &grace));
    let table =
        printed(folder, &["--user", "grace", "--tenant", "default", "--since", "2020-01-01"]);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows.len(), &rows[0][..3]), (2, &["TENANT", "USER", "MODEL"][..]), "{table}");
    assert_eq!(&rows[1][..5], ["default", "grace", "fake", "1", "1"], "{table}");
    assert_eq!(rows[1][8], format!("{cost:.6}"), "{table}");
    for nobodys in [["--user", "mallory"], ["--tenant", "elsewhere"], ["--since", "2999-01-01"]] {
        assert_eq!(printed(folder, &[&nobodys[..], &["--json"]].concat()), "", "{nobodys:?}");
    }
}
