//! Connections that are as fast at their first request as at their tenth.
//!
//! A new connection has planned nothing. PostgreSQL plans a statement anew for its first five runs,
//! and the statements inside a function only once they are reached: a message needs some thirty of
//! them, and the first would wait for all. So a connection plays a conversation through before it is
//! lent for the first time, and takes it back.

use std::sync::Arc;

use chrono::DateTime;
use parlor_chatkit::{
    BeginTurn, ItemState, ItemWrite, Owner, PageQuery, StoreError, TenantId, TurnKey, TurnState,
    TurnThread, UserId, Visibility,
    protocol::{
        AssistantMessageItem, InferenceOptions, ItemId, Order, ThreadId, ThreadItem,
        ThreadMetadata, ThreadStatus, Timestamp, TurnId, UserMessageItem,
    },
};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    postgres::{PgArguments, PgRow},
};
use uuid::Uuid;

use super::{
    Statements, begin_arguments, get_thread_arguments, limits::charge_arguments,
    list_items_arguments, list_threads_arguments, one, rows, rows::column,
    thread_and_turn_arguments, turn_by_key_arguments, write_arguments,
};

/// How often the conversation is played through: once more than PostgreSQL makes plans for just one
/// run (`plan_cache_mode = auto`).
const REHEARSALS: usize = 6;

/// Has a connection prepare and plan what chat needs. Nothing of it stays in the database.
///
/// # Errors
///
/// The connection is broken, or may not even read. One that may not write at the moment, as in a
/// database that is full or read-only, is as good as can be.
pub(super) async fn warm_up(
    statements: &Statements,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(rows::failed)?;
    let nobody = Owner::authenticated(TenantId::new(""), UserId::new(""));
    look(statements, &nobody, &mut transaction).await?;
    for _ in 0..REHEARSALS {
        if let Err(error) = talk(statements, &nobody, &mut transaction).await {
            tracing::debug!(%error, "a new connection to the database could not be rehearsed with");
            break;
        }
    }
    transaction.rollback().await.map_err(rows::failed)
}

/// Asks for what is not there.
async fn look(
    statements: &Statements,
    nobody: &Owner,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let thread_id = ThreadId::new("");
    let query = page();
    let all = Visibility::All;
    for (statement, arguments) in [
        (&statements.get_thread, get_thread_arguments(nobody, &thread_id)),
        (&statements.get_thread_and_turn, thread_and_turn_arguments(nobody, &thread_id)),
        (&statements.list_threads, list_threads_arguments(nobody, &query)),
        (&statements.list_items, list_items_arguments(nobody, &thread_id, &query, all)),
        (&statements.turn_by_key, turn_by_key_arguments(nobody, "")),
    ] {
        run(connection, statement, arguments).await?;
    }
    Ok(())
}

/// A question with its answer in a new thread, and one more.
async fn talk(
    statements: &Statements,
    nobody: &Owner,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let now: Timestamp = DateTime::UNIX_EPOCH.into();
    // Of its own, as other servers may be at the same.
    let thread_id = ThreadId::new(id());
    let thread = ThreadMetadata {
        id: thread_id.clone(),
        title: Some(String::new()),
        created_at: now,
        status: ThreadStatus::Active,
        allowed_image_domains: None,
        metadata: serde_json::Map::new(),
    };
    let query = page();
    for thread in [TurnThread::New(thread), TurnThread::Existing(thread_id.clone())] {
        let question = ThreadItem::UserMessage(UserMessageItem {
            id: ItemId::new(id()),
            thread_id: thread_id.clone(),
            created_at: now,
            content: Vec::new(),
            attachments: Vec::new(),
            quoted_text: None,
            inference_options: InferenceOptions::default(),
        });
        let answer = ThreadItem::AssistantMessage(AssistantMessageItem {
            id: ItemId::new(id()),
            thread_id: thread_id.clone(),
            created_at: now,
            content: Vec::new(),
            feedback: None,
        });
        let turn = TurnKey { turn_id: TurnId::new(id()), thread_id: thread_id.clone() };
        let begin = BeginTurn {
            turn_id: turn.turn_id.clone(),
            thread,
            opening: &[question],
            changed: &[],
            idempotency_key: Some(turn.turn_id.as_str()),
            holder: "",
            now,
        };
        let all = Visibility::All;
        for (statement, arguments) in [
            (&statements.charge, charge_arguments(&[], None, now)),
            (&statements.turn_by_key, turn_by_key_arguments(nobody, turn.turn_id.as_str())),
            (&statements.get_thread, get_thread_arguments(nobody, &thread_id)),
        ] {
            run(connection, statement, arguments).await?;
        }
        let begun = begin_arguments(nobody, &begin, &[]);
        let begun = run(connection, &statements.begin_turn, begun).await?;
        let seq = column(one(&begun)?, "next_seq")?;
        let put = |state| [ItemWrite::Put { seq, item: answer.clone(), state }];
        let end = Some((TurnState::Done, now));
        for (statement, arguments) in [
            (&statements.list_items, list_items_arguments(nobody, &thread_id, &query, all)),
            (
                &statements.write_turn,
                write_arguments(nobody, &turn, None, &put(ItemState::Pending)),
            ),
            (&statements.get_thread_and_turn, thread_and_turn_arguments(nobody, &thread_id)),
            (&statements.write_turn, write_arguments(nobody, &turn, end, &put(ItemState::Done))),
            (&statements.list_threads, list_threads_arguments(nobody, &query)),
        ] {
            run(connection, statement, arguments).await?;
        }
    }
    Ok(())
}

fn page() -> PageQuery {
    PageQuery { limit: 1, order: Order::Desc, after: None }
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

async fn run(
    connection: &mut PgConnection,
    statement: &Arc<str>,
    arguments: Result<PgArguments, StoreError>,
) -> Result<Vec<PgRow>, StoreError> {
    sqlx::query_with(AssertSqlSafe(Arc::clone(statement)), arguments?)
        .fetch_all(connection)
        .await
        .map_err(rows::failed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use parlor_test_postgres::{Place, Server};

    use super::*;
    use crate::postgres::{PostgresSettings, PostgresStore, schema::Schema};

    async fn prepared() -> (Place, Statements, PgConnection) {
        let place = Server::shared().place();
        let settings =
            PostgresSettings { schema: place.schema.clone(), ..PostgresSettings::default() };
        PostgresStore::open(&place.url, &settings).await.unwrap().close().await;
        let statements = Statements::new(&Schema::new(&place.schema).unwrap());
        let connection = PgConnection::connect(&place.url).await.unwrap();
        (place, statements, connection)
    }

    async fn number(connection: &mut PgConnection, sql: String) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
    }

    /// What all owners together have in the tables that a conversation fills.
    async fn rows_of(place: &Place, connection: &mut PgConnection) -> [i64; 3] {
        let schema = &place.schema;
        sqlx::raw_sql(AssertSqlSafe(format!("SELECT {schema}.become_system()")))
            .execute(&mut *connection)
            .await
            .unwrap();
        let mut counts = [0; 3];
        for (count, table) in counts.iter_mut().zip(["threads", "items", "turns"]) {
            *count =
                number(&mut *connection, format!("SELECT count(*) FROM {schema}.{table}")).await;
        }
        counts
    }

    #[tokio::test]
    async fn what_a_message_needs_is_planned_and_nothing_stays() {
        let (place, statements, mut connection) = prepared().await;
        warm_up(&statements, &mut connection).await.unwrap();
        // Plans for any arguments are made after those for just one run each.
        let statements = |that: &str| {
            // Without parameters there is nothing to plan anew; so are this test's own.
            let with_parameters = "cardinality(parameter_types) > 0";
            format!(
                "SELECT count(*) FROM pg_prepared_statements WHERE {with_parameters} AND {that}"
            )
        };
        assert_eq!(number(&mut connection, statements("generic_plans > 0")).await, 8);
        assert_eq!(number(&mut connection, statements("generic_plans = 0")).await, 0);
        assert_eq!(rows_of(&place, &mut connection).await, [0; 3]);
    }

    #[tokio::test]
    async fn the_rehearsal_is_a_whole_conversation() {
        let (place, statements, mut connection) = prepared().await;
        let nobody = Owner::authenticated(TenantId::new(""), UserId::new(""));
        let mut transaction = connection.begin().await.unwrap();
        talk(&statements, &nobody, &mut transaction).await.unwrap();
        assert_eq!(rows_of(&place, &mut transaction).await, [1, 4, 2]);
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_written_is_warmed_for_reading() {
        let (place, statements, mut connection) = prepared().await;
        let read_only = "SET default_transaction_read_only = on";
        sqlx::raw_sql(read_only).execute(&mut connection).await.unwrap();
        warm_up(&statements, &mut connection).await.unwrap();
        assert_eq!(rows_of(&place, &mut connection).await, [0; 3]);
    }
}
