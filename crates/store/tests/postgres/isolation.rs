//! Row-level security, by itself: statements as the application's role that forgot their `WHERE`.

use parlor_chatkit::{
    ItemState, Owner, Store as _, TenantId, TurnState, UserId,
    protocol::{FeedbackKind, ThreadItem},
};
use parlor_store::PostgresStore;
use parlor_test_postgres::{Place, Server};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::cast::{ada, answer, begin, bob, item_ids, key, now, put, settings};

/// The tables that name an owner.
const OWNED: [&str; 5] = ["threads", "turns", "items", "feedback", "attachments"];

/// Ada and Bob have a conversation each, with a judgement and a checkpoint.
async fn conversations(place: &Place) -> PostgresStore {
    let store = PostgresStore::open(&place.url, &settings(place)).await.unwrap();
    for (owner, name) in [(ada(), "ada"), (bob(), "bob")] {
        begin(&store, &owner, name, true, &format!("{name}-1"), "process").await.unwrap();
        let said = [put(2, answer(name, &format!("{name}-a"), "text"), ItemState::Done)];
        let turn = key(name, &format!("{name}-1"));
        store.end_turn(&owner, &turn, TurnState::Done, &said, now()).await.unwrap();
        let judged = [format!("{name}-a").as_str().into()];
        let kind = FeedbackKind::Positive;
        assert!(store.set_feedback(&owner, &name.into(), &judged, kind, now()).await.unwrap());
    }
    store
}

/// A transaction of the application's role in the place's schema, as this owner.
async fn become_owner(connection: &mut PgConnection, place: &Place, owner: Option<&Owner>) {
    run(connection, "BEGIN").await.unwrap();
    run(connection, &format!("SET LOCAL search_path TO {}", place.schema)).await.unwrap();
    if let Some(owner) = owner {
        let sql = format!("SELECT become('{}', '{}')", owner.tenant(), owner.user());
        run(connection, &sql).await.unwrap();
    }
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(done.rows_affected())
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query(sql).fetch_one(connection).await.unwrap().get(0)
}

#[tokio::test]
async fn without_a_where_nothing_of_anybody_else_is_seen_or_changed() {
    let place = Server::shared().place();
    let store = conversations(&place).await;
    let mut connection = PgConnection::connect(&place.url).await.unwrap();

    become_owner(&mut connection, &place, Some(&bob())).await;
    for (table, his) in [("threads", 1), ("turns", 1), ("items", 2), ("feedback", 1)] {
        assert_eq!(count(&mut connection, table).await, his, "{table}");
        let sql = AssertSqlSafe(format!("SELECT DISTINCT tenant_id, user_id FROM {table}"));
        let owners = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        assert_eq!(owners.len(), 1, "{table}");
        assert_eq!(owners[0].get::<String, _>(1), "bob", "{table}");
    }
    assert_eq!(run(&mut connection, "UPDATE items SET body = '{}'").await.unwrap(), 2);
    assert_eq!(run(&mut connection, "UPDATE threads SET title = 'mine'").await.unwrap(), 1);
    assert_eq!(run(&mut connection, "DELETE FROM turns").await.unwrap(), 1);
    assert_eq!(run(&mut connection, "DELETE FROM threads").await.unwrap(), 1);
    run(&mut connection, "COMMIT").await.unwrap();

    assert_eq!(item_ids(&store, &ada(), "ada").await, ["ada-ada-1", "ada-a"]);
    let item = store.item(&ada(), &"ada".into(), &"ada-a".into()).await.unwrap();
    let Some(ThreadItem::AssistantMessage(item)) = item else { panic!("{item:?}") };
    assert_eq!(item.text(), "text");
    assert!(item.feedback.is_some(), "her feedback is hers");
    assert_eq!(store.thread(&ada(), &"ada".into()).await.unwrap().unwrap().title, None);
    assert_eq!(store.thread(&bob(), &"bob".into()).await.unwrap(), None, "his own he may");
}

#[tokio::test]
async fn rows_cannot_be_written_in_another_owners_name_or_thread() {
    let place = Server::shared().place();
    conversations(&place).await;
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    let item = |thread: &str, user: &str| {
        format!(
            "INSERT INTO items (thread_id, seq, id, tenant_id, user_id, turn_id, hidden, pending, \
             waiting, body) VALUES ('{thread}', 90, 'new', 't1', '{user}', 'x', false, false, \
             false, '{{}}')"
        )
    };
    for (sql, code) in [
        // Row-level security.
        (item("ada", "ada"), "42501"),
        ("UPDATE threads SET user_id = 'ada'".to_owned(), "42501"),
        // The reference to the thread with its owner.
        (item("ada", "bob"), "23503"),
    ] {
        become_owner(&mut connection, &place, Some(&bob())).await;
        let error = run(&mut connection, &sql).await.unwrap_err();
        assert_eq!(self::code(&error), code, "{sql}: {error}");
        run(&mut connection, "ROLLBACK").await.unwrap();
    }
    become_owner(&mut connection, &place, Some(&bob())).await;
    assert_eq!(run(&mut connection, &item("bob", "bob")).await.unwrap(), 1, "his own he may");
}

#[tokio::test]
async fn who_is_nobody_sees_nothing() {
    let place = Server::shared().place();
    conversations(&place).await;
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    // Never anybody, then somebody in an earlier transaction, then half an owner.
    become_owner(&mut connection, &place, None).await;
    for table in OWNED.into_iter().chain(["secrets", "logins", "visitor_moves", "audit"]) {
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
    }
    run(&mut connection, "COMMIT").await.unwrap();
    become_owner(&mut connection, &place, Some(&ada())).await;
    assert_eq!(count(&mut connection, "threads").await, 1);
    run(&mut connection, "COMMIT").await.unwrap();
    become_owner(&mut connection, &place, None).await;
    for table in OWNED {
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
    }
    run(&mut connection, "SELECT set_config('parlor.tenant', 't1', true)").await.unwrap();
    assert_eq!(count(&mut connection, "threads").await, 0);
    run(&mut connection, "COMMIT").await.unwrap();
    // The operator's path is another one, and says so.
    become_owner(&mut connection, &place, None).await;
    run(&mut connection, "SELECT become_system()").await.unwrap();
    assert_eq!(count(&mut connection, "threads").await, 2);
    run(&mut connection, "COMMIT").await.unwrap();
    become_owner(&mut connection, &place, None).await;
    assert_eq!(count(&mut connection, "threads").await, 0, "it ends with its transaction");
}

/// Tables without anything of users, which any transaction may use.
const OPEN: [&str; 2] = ["_migrations", "holders"];

/// A schema where two people have rows in every table.
async fn filled() -> (Place, Vec<String>) {
    let place = Server::shared().place();
    PostgresStore::migrate(&place.url, &settings(&place)).await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/filling/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    for (file, name) in files.iter().flat_map(|file| [(file, "ada"), (file, "bob")]) {
        let sql = std::fs::read_to_string(file).unwrap().replace("{name}", name);
        let sql = format!("SET search_path TO {}; SELECT become_system(); {sql}", place.schema);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    let tables = catalogue(
        &place,
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p') \
         AND relnamespace = '{}'::regnamespace",
    );
    (place, tables.split(' ').map(ToOwned::to_owned).collect())
}

/// What the catalogue says of the place's schema, to a superuser.
fn catalogue(place: &Place, sql: &str) -> String {
    Server::shared().admin(&sql.replace("{}", &place.schema)).unwrap()
}

#[tokio::test]
async fn no_table_is_outside_of_the_wall() {
    let (place, tables) = filled().await;
    for table in &tables {
        let rows = catalogue(&place, &format!("SELECT count(*) FROM {{}}.{table}"));
        assert_ne!(rows, "0", "nothing in tests/filling/postgres fills {table}");
    }
    let open = catalogue(
        &place,
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p') \
         AND relnamespace = '{}'::regnamespace AND NOT (relrowsecurity AND relforcerowsecurity)",
    );
    assert_eq!(open, OPEN.join(" "), "tables without forced row-level security");
    // Each policy of a name says the same of every table.
    let policies = catalogue(
        &place,
        "SELECT string_agg(policy, ' ' ORDER BY policy) FROM (SELECT DISTINCT polname || \
         CASE WHEN polpermissive AND polcmd = '*' AND polroles = '{0}' THEN '' ELSE '?' END || \
         CASE WHEN polwithcheck IS NULL THEN '' ELSE '?' END AS policy, \
         pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid IN (SELECT oid FROM pg_class \
         WHERE relnamespace = '{}'::regnamespace)) found",
    );
    assert_eq!(policies, "owner system");
    // What would walk around it.
    let doors = catalogue(
        &place,
        "SELECT (SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace = \
         '{}'::regnamespace) + (SELECT count(*) FROM pg_class WHERE relkind IN ('v', 'm') AND \
         relnamespace = '{}'::regnamespace)",
    );
    assert_eq!(doors, "0", "functions with their owner's rights, and views");
}

#[tokio::test]
async fn without_a_where_no_table_shows_or_gives_away_anything() {
    let (place, tables) = filled().await;
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    let bob_of = |tenant: &str| Owner::authenticated(TenantId::new(tenant), UserId::new("bob"));
    let [bob, other_tenant, half] = ["filled", "other", ""].map(bob_of);
    let owned = catalogue(
        &place,
        "SELECT string_agg(c.relname, ' ') FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid \
         AND p.polname = 'owner' WHERE c.relnamespace = '{}'::regnamespace",
    );
    let owned: Vec<_> = owned.split(' ').collect();
    assert!(owned.len() >= 5, "{owned:?}");
    for table in tables.iter().filter(|table| !OPEN.contains(&table.as_str())) {
        let everybodys = catalogue(&place, &format!("SELECT count(*) FROM {{}}.{table}"));
        let is_owned = owned.contains(&table.as_str());
        for owner in [Some(&bob), Some(&other_tenant), Some(&half), None] {
            become_owner(&mut connection, &place, owner).await;
            let his = if is_owned && owner == Some(&bob) {
                let sql = format!("SELECT count(*) FROM {table} WHERE user_id <> 'bob'");
                let sql = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection);
                assert_eq!(sql.await.unwrap().get::<i64, _>(0), 0, "{table}");
                let his = count(&mut connection, table).await;
                assert!(his > 0, "{table}");
                his
            } else {
                assert_eq!(count(&mut connection, table).await, 0, "{table} as {owner:?}");
                0
            };
            run(&mut connection, "SAVEPOINT before").await.unwrap();
            // Any column will do.
            let column = catalogue(
                &place,
                &format!(
                    "SELECT attname FROM pg_attribute WHERE attrelid = '{{}}.{table}'::regclass AND \
                     attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '' \
                     ORDER BY attnum DESC LIMIT 1"
                ),
            );
            let sql = format!("UPDATE {table} SET {column} = {column}");
            let changed = run(&mut connection, &sql).await.unwrap();
            assert_eq!(changed, u64::try_from(his).unwrap(), "{table} as {owner:?}");
            match run(&mut connection, &format!("DELETE FROM {table}")).await {
                Ok(deleted) => {
                    assert_eq!(deleted, u64::try_from(his).unwrap(), "{table} as {owner:?}");
                }
                // Something refers to it that has to be seen to first.
                Err(error) => assert_eq!(code(&error), "23503", "{table}: {error}"),
            }
            run(&mut connection, "ROLLBACK TO before").await.unwrap();
            if his > 0 {
                let gift = format!("UPDATE {table} SET user_id = 'ada'");
                let error = run(&mut connection, &gift).await.unwrap_err();
                assert_eq!(code(&error), "42501", "{table}: {error}");
            }
            run(&mut connection, "ROLLBACK").await.unwrap();
        }
        let left = catalogue(&place, &format!("SELECT count(*) FROM {{}}.{table}"));
        assert_eq!(left, everybodys, "{table}");
    }
}

fn code(error: &sqlx::Error) -> String {
    let error = error.as_database_error().unwrap_or_else(|| panic!("{error}"));
    error.code().unwrap().into_owned()
}

#[tokio::test]
async fn a_role_that_walks_through_the_wall_is_told_of() {
    let place = Server::shared().place();
    let store = PostgresStore::open(&place.url, &settings(&place)).await.unwrap();
    let rights = store.rights().await.unwrap();
    assert_eq!((rights.role.as_str(), rights.bypasses_row_security), ("parlor", false));
    let url = Server::shared().url("postgres");
    let store = PostgresStore::open(&url, &settings(&place)).await.unwrap();
    assert!(store.rights().await.unwrap().bypasses_row_security);
}

#[tokio::test]
async fn acts_on_record_are_not_changed_or_deleted_not_even_by_the_operators_path() {
    let (place, _) = filled().await;
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    for sql in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"] {
        become_owner(&mut connection, &place, None).await;
        run(&mut connection, "SELECT become_system()").await.unwrap();
        let error = run(&mut connection, sql).await.unwrap_err();
        assert!(error.to_string().contains("neither changed nor deleted"), "{sql}: {error}");
        run(&mut connection, "ROLLBACK").await.unwrap();
    }
}
