//! What answers took is recorded, for whoever asked.

use parlor_agent::usage::Price;
use parlor_chatkit::{TenantId, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::config::ModelApi;
use parlor_store::{SqliteStore, UsageQuery, UsageStore as _};

use crate::app::{TestApp, with_model};

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
}
