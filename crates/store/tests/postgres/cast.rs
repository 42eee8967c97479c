//! Who and what the tests play with.

use parlor_chatkit::{
    BeginOutcome, BeginTurn, ItemState, ItemWrite, Owner, PageQuery, Store, StoreError, TenantId,
    TurnKey, TurnThread, UserId, Visibility,
    protocol::{
        AssistantMessageContent, AssistantMessageItem, JsonMap, Order, ThreadItem, ThreadMetadata,
        ThreadStatus, Timestamp,
    },
};
use parlor_store::{PostgresSettings, PostgresStore};
use parlor_test_postgres::{Place, Server};

/// A store in a schema of its own.
pub(crate) async fn store() -> PostgresStore {
    let place = Server::shared().place();
    PostgresStore::open(&place.url, &settings(&place)).await.unwrap()
}

pub(crate) fn settings(place: &Place) -> PostgresSettings {
    PostgresSettings { schema: place.schema.clone(), ..PostgresSettings::default() }
}

pub(crate) fn ada() -> Owner {
    Owner::authenticated(TenantId::new("t1"), UserId::new("ada"))
}

pub(crate) fn bob() -> Owner {
    Owner::authenticated(TenantId::new("t1"), UserId::new("bob"))
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).unwrap()
}

pub(crate) fn answer(thread: &str, id: &str, text: &str) -> ThreadItem {
    let content =
        AssistantMessageContent { text: text.to_owned(), ..AssistantMessageContent::default() };
    AssistantMessageItem {
        id: id.into(),
        thread_id: thread.into(),
        created_at: now(),
        content: vec![content],
        feedback: None,
    }
    .into()
}

pub(crate) fn put(seq: i64, item: ThreadItem, state: ItemState) -> ItemWrite {
    ItemWrite::Put { seq, item, state }
}

pub(crate) fn key(thread: &str, turn: &str) -> TurnKey {
    TurnKey { turn_id: turn.into(), thread_id: thread.into() }
}

/// Begins a turn in a thread, new or not, with one item.
pub(crate) async fn begin(
    store: &impl Store,
    owner: &Owner,
    thread: &str,
    new: bool,
    turn: &str,
    holder: &str,
) -> Result<BeginOutcome, StoreError> {
    let made = ThreadMetadata {
        title: None,
        id: thread.into(),
        created_at: now(),
        status: ThreadStatus::Active,
        allowed_image_domains: None,
        metadata: JsonMap::new(),
    };
    let opening = [answer(thread, &format!("{thread}-{turn}"), "opening")];
    let begin = BeginTurn {
        turn_id: turn.into(),
        thread: if new { TurnThread::New(made) } else { TurnThread::Existing(thread.into()) },
        opening: &opening,
        changed: &[],
        idempotency_key: None,
        holder,
        now: now(),
    };
    store.begin_turn(owner, begin).await
}

pub(crate) async fn item_ids(store: &impl Store, owner: &Owner, thread: &str) -> Vec<String> {
    let query = PageQuery { limit: 100, order: Order::Asc, after: None };
    let page = store.items(owner, &thread.into(), &query, Visibility::All).await.unwrap().unwrap();
    page.data.iter().map(|item| item.id().unwrap().to_string()).collect()
}

/// Asks again until there is an answer, for as long as a slow machine may take.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen within 30 seconds")
}
