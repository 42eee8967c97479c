//! The schema: made, brought up to date, used by a role that may not change it.

use parlor_chatkit::{ItemState, Store as _, StoreError, TurnState};
use parlor_store::{PostgresError, PostgresSettings, PostgresStore};
use parlor_test_postgres::Server;

use crate::cast::{ada, answer, begin, item_ids, key, now, put, settings};

async fn refused(url: &str, settings: &PostgresSettings) -> (PostgresError, String) {
    let error = PostgresStore::open(url, settings).await.unwrap_err();
    let message = error.to_string();
    assert!(!message.contains('\n'), "one line: {message}");
    (error, message)
}

#[tokio::test]
async fn a_database_that_is_opened_again_has_kept_everything() {
    let place = Server::shared().place();
    for round in 0..3 {
        let store = PostgresStore::open(&place.url, &settings(&place)).await.unwrap();
        let thread = format!("thr-{round}");
        begin(&store, &ada(), &thread, true, &thread, "process").await.unwrap();
        let said = [put(2, answer(&thread, &format!("{thread}-a"), "text"), ItemState::Done)];
        let turn = key(&thread, &thread);
        store.end_turn(&ada(), &turn, TurnState::Done, &said, now()).await.unwrap();
        for earlier in 0..=round {
            let thread = format!("thr-{earlier}");
            assert_eq!(item_ids(&store, &ada(), &thread).await.len(), 2, "{thread}");
        }
        store.close().await;
        let closed = store.check().await;
        assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_change_the_schema_can_use_it_when_it_is_granted() {
    let place = Server::shared().place();
    let (schema, role) = (&place.schema, format!("app_{}", place.schema));
    let server = Server::shared();
    server.admin(&format!("CREATE ROLE {role} LOGIN")).unwrap();
    let url = server.url(&role);

    // The first start, before anybody has migrated.
    let (error, said) = refused(&url, &settings(&place)).await;
    assert!(matches!(error, PostgresError::MayNotMigrate { .. }), "{said}");
    assert!(said.contains("parlor migrate"), "{said}");
    let off = PostgresSettings { auto_migrate: false, ..settings(&place) };
    let (error, said) = refused(&url, &off).await;
    assert!(matches!(error, PostgresError::Behind(_)), "{said}");

    PostgresStore::migrate(&place.url, &off).await.unwrap();
    let (error, said) = refused(&url, &settings(&place)).await;
    assert!(matches!(error, PostgresError::NotGranted { .. }), "{said}");

    // As docs/databases.md has it.
    server
        .admin(&format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
             REVOKE INSERT, UPDATE, DELETE ON {schema}._migrations FROM {role}"
        ))
        .unwrap();
    for settings in [&off, &settings(&place)] {
        let store = PostgresStore::open(&url, settings).await.unwrap();
        assert!(!store.rights().await.unwrap().bypasses_row_security);
        assert_eq!(store.secret("key", vec![1]).await.unwrap(), [1]);
        store.keep_alive("process").await.unwrap();
        begin(&store, &ada(), "thr", true, "turn", "process").await.unwrap();
        let said = [put(2, answer("thr", "a", "text"), ItemState::Done)];
        store.write(&ada(), &key("thr", "turn"), &said).await.unwrap();
        assert_eq!(store.interrupt_orphans("process", now()).await.unwrap(), 0);
        store.end_turn(&ada(), &key("thr", "turn"), TurnState::Done, &[], now()).await.unwrap();
        assert_eq!(item_ids(&store, &ada(), "thr").await.len(), 2);
        assert!(store.delete_thread(&ada(), &"thr".into()).await.unwrap());
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_left_alone() {
    let place = Server::shared().place();
    PostgresStore::migrate(&place.url, &settings(&place)).await.unwrap();
    let newer =
        "version, description, success, checksum, execution_time) VALUES (999, 'x', true, ''";
    let sql = format!("INSERT INTO {}._migrations ({newer}, 0)", place.schema);
    Server::shared().admin(&sql).unwrap();
    let (_, said) = refused(&place.url, &settings(&place)).await;
    assert!(said.contains("newer version (migration 999)"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_shows_no_password() {
    let place = Server::shared().place();
    let (_, said) = refused("postgres://u:hunter2@[::/x", &settings(&place)).await;
    assert!(said.contains("postgres://USER:PASSWORD@HOST"), "{said}");
    let elsewhere = place.url.replace("/parlor", "/nothing").replace("@", ":hunter2@");
    let (error, said) = refused(&elsewhere, &settings(&place)).await;
    assert!(matches!(error, PostgresError::Refused { .. }), "{said}");
    assert!(said.contains("/nothing refuses") && !format!("{said}{error:?}").contains("hunter2"));
    let nobody = place.url.replace("parlor@", "nobody_knows@");
    let (error, said) = refused(&nobody, &settings(&place)).await;
    assert!(matches!(error, PostgresError::Refused { .. }), "{said}");
    let odd = PostgresSettings { schema: "Robert'); DROP".to_owned(), ..settings(&place) };
    let (error, _) = refused(&place.url, &odd).await;
    assert!(matches!(error, PostgresError::Schema(_)));
}

#[tokio::test]
async fn schemas_in_one_database_know_nothing_of_each_other() {
    let (one, other) = (Server::shared().place(), Server::shared().place());
    let one = PostgresStore::open(&one.url, &settings(&one)).await.unwrap();
    let other = PostgresStore::open(&other.url, &settings(&other)).await.unwrap();
    begin(&one, &ada(), "thr", true, "turn", "process").await.unwrap();
    assert_eq!(other.thread(&ada(), &"thr".into()).await.unwrap(), None);
    begin(&other, &ada(), "thr", true, "turn", "process").await.unwrap();
}
