//! The stories that every store must pass.
//!
//! Each story is an `async fn` that is given an empty store and panics when the store does not
//! do what [`Store`] promises. [`store_stories!`](crate::store_stories) makes a test of each:
//!
//! ```ignore
//! parlor_store::store_stories!(async || MyStore::connect_to_an_empty_database().await);
//! ```
//!
//! The closure is called once a story. What must live as long as the store, such as the temporary
//! folder it is in, comes with it as [`Kept`].

#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

mod attachments;
mod grants;
mod limits;
mod logins;
mod operator;
mod usage;

pub use attachments::*;
pub use grants::*;
pub use limits::*;
pub use logins::*;
pub use operator::*;
pub use usage::*;

use parlor_chatkit::{
    BeginOutcome, BeginTurn, FeedbackCursor, FeedbackQuery, ItemState, ItemWrite, Owner, PageQuery,
    ReplaceOutcome, Store, StoreError, TenantId, ThreadTitle, TurnKey, TurnState, TurnThread,
    UserId, Visibility,
    protocol::{
        AssistantMessageContent, AssistantMessageItem, CallId, ClientToolCallItem,
        ClientToolCallStatus, FeedbackKind, HiddenContextItem, InferenceOptions, ItemFeedback,
        ItemId, JsonMap, Order, ThreadId, ThreadItem, ThreadMetadata, ThreadStatus, Timestamp,
        TurnId, UserMessageContent, UserMessageItem, UserMessageTextContent,
    },
};

/// Makes a `#[tokio::test]` of every story in [`contract`](crate::contract).
///
/// Takes an async closure or function that gives an empty store, alone or as
/// [`Kept`](crate::contract::Kept). Stories run on a runtime with two threads.
#[macro_export]
macro_rules! store_stories {
    ($make:expr) => {
        $crate::store_stories!(@each $make;
            nothing_of_anybody_else_exists
            threads_are_paged_in_both_directions
            items_are_paged_in_both_directions
            a_cursor_of_elsewhere_is_none
            order_is_by_sequence_and_not_by_clock
            hidden_items_are_filtered_before_the_page_is_cut
            what_is_pending_is_in_no_list
            a_checkpoint_that_is_done_keeps_its_place
            an_item_id_is_used_once
            a_thread_that_is_busy_is_left_as_it_was
            a_turn_that_cannot_begin_writes_nothing
            a_key_makes_one_turn_an_owner
            one_of_many_that_begin_at_once_does
            a_turn_that_has_ended_writes_nothing_more
            a_turn_of_a_deleted_thread_writes_nothing_more
            orphans_are_closed_with_their_partial_items
            deleting_a_thread_deletes_all_of_it
            a_title_of_the_users_wins
            a_late_title_takes_the_place_of_the_one_it_knew_only
            a_thread_comes_back_as_it_was_written
            feedback_is_kept_for_all_items_or_none
            feedback_comes_back_with_its_item
            feedback_is_exported_page_by_page
            the_items_of_a_turn_are_its_own
            items_are_replaced_and_removed
            an_item_is_replaced_outside_of_a_turn
            a_new_message_settles_a_pending_tool_call
            a_thread_that_is_not_active_takes_no_turn
            writes_are_all_made_or_none
            any_text_comes_back_as_it_was
            a_file_is_announced_and_then_uploaded_once
            files_are_looked_up_together
            no_file_of_anybody_else_exists
            a_message_takes_its_files_along
            a_file_that_cannot_be_sent_keeps_the_message_back
            one_of_many_messages_gets_a_file
            deleting_a_thread_dooms_its_files
            a_made_file_goes_with_its_item_or_its_thread
            unsent_files_expire
            doomed_files_are_listed_page_by_page
            unsent_files_are_limited_for_each_owner
        );
    };
    (@each $make:expr; $($story:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let made = ($make)().await;
                $crate::contract::$story($crate::contract::Made::store(&made)).await;
            }
        )+
    };
}

/// What a test of a story makes: a store, alone or with what must live as long.
pub trait Made {
    /// The store.
    type Store: Store + Clone;
    /// The store.
    fn store(&self) -> &Self::Store;
}

impl<S: Store + Clone> Made for S {
    type Store = S;
    fn store(&self) -> &S {
        self
    }
}

/// A store and what must live as long as it: the folder it is in, say.
pub struct Kept<S, K>(pub S, pub K);

impl<S: Store + Clone, K> Made for Kept<S, K> {
    type Store = S;
    fn store(&self) -> &S {
        &self.0
    }
}

// The cast.

fn ada() -> Owner {
    Owner::authenticated(TenantId::new("t1"), UserId::new("ada"))
}

/// Everybody who is not Ada, one of them with her name in another tenant.
fn others() -> [Owner; 3] {
    [("t1", "bob"), ("t2", "ada"), ("t1 ada", "")]
        .map(|(tenant, user)| Owner::authenticated(TenantId::new(tenant), UserId::new(user)))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

/// Timestamps that go backwards: order must not come from them.
fn backwards(n: usize) -> Timestamp {
    at(1_000_000 - i64::try_from(n).unwrap())
}

fn new_thread(id: &str) -> ThreadMetadata {
    ThreadMetadata {
        title: None,
        id: id.into(),
        created_at: at(1_000),
        status: ThreadStatus::Active,
        allowed_image_domains: None,
        metadata: JsonMap::new(),
    }
}

fn user_message(thread: &str, id: &str, text: &str) -> ThreadItem {
    UserMessageItem {
        id: id.into(),
        thread_id: thread.into(),
        created_at: at(1_000),
        content: vec![UserMessageContent::Text(UserMessageTextContent { text: text.to_owned() })],
        attachments: Vec::new(),
        quoted_text: None,
        inference_options: InferenceOptions::default(),
    }
    .into()
}

fn answer(thread: &str, id: &str, text: &str) -> ThreadItem {
    AssistantMessageItem {
        id: id.into(),
        thread_id: thread.into(),
        created_at: at(1_000),
        content: vec![AssistantMessageContent {
            text: text.to_owned(),
            ..AssistantMessageContent::default()
        }],
        feedback: None,
    }
    .into()
}

fn hidden(thread: &str, id: &str) -> ThreadItem {
    HiddenContextItem {
        id: id.into(),
        thread_id: thread.into(),
        created_at: at(1_000),
        content: "for the model".into(),
    }
    .into()
}

fn tool_call(thread: &str, id: &str, status: ClientToolCallStatus) -> ThreadItem {
    ClientToolCallItem {
        id: id.into(),
        thread_id: thread.into(),
        created_at: at(1_000),
        status,
        call_id: CallId::new("call_1"),
        name: "look".to_owned(),
        arguments: JsonMap::new(),
        output: None,
    }
    .into()
}

fn put(seq: i64, item: ThreadItem) -> ItemWrite {
    ItemWrite::Put { seq, item, state: ItemState::Done }
}

fn pending(seq: i64, item: ThreadItem) -> ItemWrite {
    ItemWrite::Put { seq, item, state: ItemState::Pending }
}

fn key(thread: &str, turn: &str) -> TurnKey {
    TurnKey { turn_id: turn.into(), thread_id: thread.into() }
}

async fn begin_with(
    store: &impl Store,
    owner: &Owner,
    thread: TurnThread,
    turn: &str,
    opening: &[ThreadItem],
    idempotency_key: Option<&str>,
) -> Result<BeginOutcome, StoreError> {
    let begin = BeginTurn {
        turn_id: turn.into(),
        thread,
        opening,
        changed: &[],
        idempotency_key,
        holder: "process 1",
        now: at(1_000),
    };
    store.begin_turn(owner, begin).await
}

/// Begins a turn in a new thread; gives the next sequence number.
async fn begin_new(store: &impl Store, owner: &Owner, thread: &str, turn: &str) -> i64 {
    let opening = [user_message(thread, &format!("{thread}-{turn}-q"), "question")];
    let made = TurnThread::New(new_thread(thread));
    match begin_with(store, owner, made, turn, &opening, None).await.unwrap() {
        BeginOutcome::Begun { next_seq, .. } => next_seq,
        other => panic!("a new thread takes a turn, not {other:?}"),
    }
}

/// Begins a turn in a thread that exists; gives the next sequence number.
async fn begin_again(store: &impl Store, owner: &Owner, thread: &str, turn: &str) -> i64 {
    let opening = [user_message(thread, &format!("{thread}-{turn}-q"), "question")];
    let existing = TurnThread::Existing(thread.into());
    match begin_with(store, owner, existing, turn, &opening, None).await.unwrap() {
        BeginOutcome::Begun { next_seq, .. } => next_seq,
        other => panic!("an idle thread takes a turn, not {other:?}"),
    }
}

async fn end(store: &impl Store, owner: &Owner, thread: &str, turn: &str, writes: &[ItemWrite]) {
    store.end_turn(owner, &key(thread, turn), TurnState::Done, writes, at(2_000)).await.unwrap();
}

/// A thread with a question and an answer.
async fn conversation(store: &impl Store, owner: &Owner, thread: &str) {
    let turn = format!("{thread}-turn");
    let seq = begin_new(store, owner, thread, &turn).await;
    let said = put(seq, answer(thread, &format!("{thread}-a"), "answer"));
    end(store, owner, thread, &turn, &[said]).await;
}

fn query(limit: u32, order: Order, after: Option<&str>) -> PageQuery {
    PageQuery { limit, order, after: after.map(str::to_owned) }
}

async fn item_ids(store: &impl Store, owner: &Owner, thread: &str, all: Visibility) -> Vec<String> {
    let page = store.items(owner, &thread.into(), &query(1_000, Order::Asc, None), all).await;
    ids(&page.unwrap().unwrap().data)
}

fn ids(items: &[ThreadItem]) -> Vec<String> {
    items.iter().map(|item| item.id().unwrap().to_string()).collect()
}

// The stories.

/// Another user, the same user of another tenant, and anybody with an id that does not exist get
/// the same answer from every method.
pub async fn nothing_of_anybody_else_exists(store: &impl Store) {
    conversation(store, &ada(), "thr").await;
    begin_again(store, &ada(), "thr", "running").await;
    let strangers = others().map(|owner| (owner, "thr", "thr-a", "running"));
    let guess = [(ada(), "no-thread", "no-item", "no-turn")];
    for (owner, thread, item, turn) in strangers.into_iter().chain(guess) {
        let (thread_id, item_id) = (ThreadId::from(thread), ItemId::from(item));
        let turn_key = key(thread, turn);
        let who = format!("{owner:?} asking for {thread}");
        assert_eq!(store.thread(&owner, &thread_id).await.unwrap(), None, "{who}");
        let renamed = store.rename_thread(&owner, &thread_id, "Mine now").await.unwrap();
        assert_eq!(renamed, None, "{who}");
        assert!(!store.delete_thread(&owner, &thread_id).await.unwrap(), "{who}");
        assert_eq!(store.item(&owner, &thread_id, &item_id).await.unwrap(), None, "{who}");
        for after in [None, Some(item)] {
            let items = query(10, Order::Asc, after);
            let page = store.items(&owner, &thread_id, &items, Visibility::All).await.unwrap();
            assert_eq!(page, None, "{who}");
        }
        let of_turn = key(thread, "thr-turn");
        assert_eq!(store.turn_items(&owner, &of_turn).await.unwrap(), [], "{who}");
        for judged in [vec![], vec![item_id.clone()]] {
            let kind = FeedbackKind::Negative;
            let kept = store.set_feedback(&owner, &thread_id, &judged, kind, at(1)).await.unwrap();
            assert!(!kept, "{who}");
        }
        let existing = TurnThread::Existing(thread_id.clone());
        let begun = begin_with(store, &owner, existing, "stolen", &[], None).await.unwrap();
        assert_eq!(begun, BeginOutcome::NotFound, "{who}");
        let writes = [put(90, answer(thread, "stolen", "stolen"))];
        let written = store.write(&owner, &turn_key, &writes).await;
        assert!(matches!(written, Err(StoreError::TurnLost(_))), "{who}: {written:?}");
        let ended = store.end_turn(&owner, &turn_key, TurnState::Done, &writes, at(1)).await;
        assert!(matches!(ended, Err(StoreError::TurnLost(_))), "{who}: {ended:?}");
        if owner != ada() {
            let cursor = query(10, Order::Asc, Some("thr"));
            assert_eq!(store.threads(&owner, &cursor).await.unwrap(), None, "{who}");
            let page = store.threads(&owner, &query(10, Order::Asc, None)).await.unwrap().unwrap();
            assert_eq!(page.data, [], "{who}");
        }
    }
    // Nothing of it left a trace.
    let thread = store.thread(&ada(), &"thr".into()).await.unwrap().unwrap();
    assert_eq!(thread.title, None);
    let found = item_ids(store, &ada(), "thr", Visibility::All).await;
    assert_eq!(found, ["thr-thr-turn-q", "thr-a", "thr-running-q"]);
    end(store, &ada(), "thr", "running", &[]).await;
}

/// Threads come in the order of their creation or against it, page by page.
pub async fn threads_are_paged_in_both_directions(store: &impl Store) {
    let all: Vec<String> = (0..7).map(|n| format!("thr-{n}")).collect();
    for thread in &all {
        conversation(store, &ada(), thread).await;
        conversation(store, &others()[0], &format!("bob-{thread}")).await;
    }
    for order in [Order::Asc, Order::Desc] {
        let mut expected = all.clone();
        if order == Order::Desc {
            expected.reverse();
        }
        for limit in [1, 2, 3, 6, 7, 8, 100] {
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let asked = query(limit, order, after.as_deref());
                let page = store.threads(&ada(), &asked).await.unwrap().unwrap();
                found.extend(page.data.iter().map(|thread| thread.id.to_string()));
                pages += 1;
                assert_eq!(page.has_more, found.len() < 7, "{limit} {order:?}");
                assert_eq!(page.after.is_some(), page.has_more, "a cursor when there is more");
                match page.after {
                    Some(cursor) => after = Some(cursor),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{limit} {order:?}");
            assert_eq!(pages, 7_usize.div_ceil(limit as usize), "pages are full");
        }
    }
}

/// Items come in their order or against it, page by page.
pub async fn items_are_paged_in_both_directions(store: &impl Store) {
    let first = begin_new(store, &ada(), "thr", "turn").await;
    let writes: Vec<_> =
        (0..6).map(|n| put(first + n, answer("thr", &format!("a{n}"), "text"))).collect();
    end(store, &ada(), "thr", "turn", &writes).await;
    let all = ["thr-turn-q", "a0", "a1", "a2", "a3", "a4", "a5"];
    for order in [Order::Asc, Order::Desc] {
        let mut expected = all.to_vec();
        if order == Order::Desc {
            expected.reverse();
        }
        for limit in [1, 2, 3, 6, 7, 8, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let asked = query(limit, order, after.as_deref());
                let page = store.items(&ada(), &"thr".into(), &asked, Visibility::Visible).await;
                let page = page.unwrap().unwrap();
                assert!(page.data.len() <= limit as usize);
                found.extend(ids(&page.data));
                assert_eq!(page.has_more, found.len() < 7, "{limit} {order:?}");
                match page.after {
                    Some(cursor) => after = Some(cursor),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{limit} {order:?}");
        }
        let last = *expected.last().unwrap();
        let asked = query(3, order, Some(last));
        let page = store.items(&ada(), &"thr".into(), &asked, Visibility::Visible).await;
        let page = page.unwrap().unwrap();
        assert!(page.data.is_empty() && !page.has_more && page.after.is_none(), "{page:?}");
    }
}

/// A cursor that is unknown, of another thread or of another user is no place to go on from.
pub async fn a_cursor_of_elsewhere_is_none(store: &impl Store) {
    conversation(store, &ada(), "one").await;
    conversation(store, &ada(), "two").await;
    conversation(store, &others()[0], "bobs").await;
    for order in [Order::Asc, Order::Desc] {
        for cursor in ["nobody", "", "two-a", "bobs-a", "one"] {
            let asked = query(10, order, Some(cursor));
            let page = store.items(&ada(), &"one".into(), &asked, Visibility::All).await.unwrap();
            assert_eq!(page, None, "items after `{cursor}`");
        }
        for cursor in ["nobody", "", "bobs", "one-a"] {
            let page = store.threads(&ada(), &query(10, order, Some(cursor))).await.unwrap();
            assert_eq!(page, None, "threads after `{cursor}`");
        }
    }
}

/// Equal and decreasing times change no order.
pub async fn order_is_by_sequence_and_not_by_clock(store: &impl Store) {
    for n in 0..5 {
        let mut thread = new_thread(&format!("thr-{n}"));
        thread.created_at = if n < 2 { at(5) } else { backwards(n) };
        let turn = format!("turn-{n}");
        let made = TurnThread::New(thread);
        begin_with(store, &ada(), made, &turn, &[], None).await.unwrap();
    }
    let page = store.threads(&ada(), &query(10, Order::Desc, None)).await.unwrap().unwrap();
    let found: Vec<_> = page.data.iter().map(|thread| thread.id.as_str()).collect();
    assert_eq!(found, ["thr-4", "thr-3", "thr-2", "thr-1", "thr-0"]);

    let items: Vec<_> = (0..5)
        .map(|n| {
            let ThreadItem::AssistantMessage(mut item) = answer("thr-0", &format!("a{n}"), "x")
            else {
                panic!("an answer is an assistant message");
            };
            item.created_at = if n < 2 { at(5) } else { backwards(n) };
            put(1 + i64::try_from(n).unwrap(), item.into())
        })
        .collect();
    // Written last to first, too: neither clock nor order of insertion counts.
    let reversed: Vec<_> = items.into_iter().rev().collect();
    store.write(&ada(), &key("thr-0", "turn-0"), &reversed).await.unwrap();
    let found = item_ids(store, &ada(), "thr-0", Visibility::Visible).await;
    assert_eq!(found, ["a0", "a1", "a2", "a3", "a4"]);
}

/// A page of visible items is full when there are enough of them, however many hidden ones stand
/// between.
pub async fn hidden_items_are_filtered_before_the_page_is_cut(store: &impl Store) {
    let first = begin_new(store, &ada(), "thr", "turn").await;
    let mut writes = Vec::new();
    for n in 0..20 {
        let id = format!("i{n}");
        let item = if n % 4 == 0 { answer("thr", &id, "text") } else { hidden("thr", &id) };
        writes.push(put(first + n, item));
    }
    end(store, &ada(), "thr", "turn", &writes).await;
    let asked = query(3, Order::Asc, Some("thr-turn-q"));
    let page = store.items(&ada(), &"thr".into(), &asked, Visibility::Visible).await;
    let page = page.unwrap().unwrap();
    assert_eq!(ids(&page.data), ["i0", "i4", "i8"]);
    assert!(page.has_more);
    let asked = query(5, Order::Desc, None);
    let page = store.items(&ada(), &"thr".into(), &asked, Visibility::Visible).await;
    let page = page.unwrap().unwrap();
    assert_eq!(ids(&page.data), ["i16", "i12", "i8", "i4", "i0"]);
    let asked = query(2, Order::Desc, Some("i4"));
    let page = store.items(&ada(), &"thr".into(), &asked, Visibility::Visible).await;
    let page = page.unwrap().unwrap();
    assert!(!page.has_more, "only hidden items are left after these: {page:?}");
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await.len(), 21);
}

/// A checkpoint is neither listed nor read nor judged, until its turn has ended.
pub async fn what_is_pending_is_in_no_list(store: &impl Store) {
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    let turn = key("thr", "turn");
    store.write(&ada(), &turn, &[pending(seq, answer("thr", "half", "Hal"))]).await.unwrap();
    for all in [Visibility::Visible, Visibility::All] {
        assert_eq!(item_ids(store, &ada(), "thr", all).await, ["thr-turn-q"]);
    }
    let (thread, half) = (ThreadId::from("thr"), ItemId::from("half"));
    assert_eq!(store.item(&ada(), &thread, &half).await.unwrap(), None);
    assert_eq!(ids(&store.turn_items(&ada(), &turn).await.unwrap()), ["thr-turn-q"]);
    let judged = [half.clone()];
    let kind = FeedbackKind::Positive;
    assert!(!store.set_feedback(&ada(), &thread, &judged, kind, at(1)).await.unwrap());
    let cursor = query(10, Order::Asc, Some("half"));
    assert_eq!(store.items(&ada(), &thread, &cursor, Visibility::All).await.unwrap(), None);

    end(store, &ada(), "thr", "turn", &[]).await;
    assert_eq!(
        store.item(&ada(), &thread, &half).await.unwrap(),
        Some(answer("thr", "half", "Hal")),
        "what is still pending when its turn ends becomes whole"
    );
}

/// Writing the same place again replaces what is there.
pub async fn a_checkpoint_that_is_done_keeps_its_place(store: &impl Store) {
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    let turn = key("thr", "turn");
    for text in ["Hal", "Halfway"] {
        let half = pending(seq, answer("thr", "first", text));
        store.write(&ada(), &turn, &[half]).await.unwrap();
    }
    let second = put(seq + 1, answer("thr", "second", "later"));
    store.write(&ada(), &turn, &[second]).await.unwrap();
    let whole = answer("thr", "first", "Halfway there");
    store.write(&ada(), &turn, &[put(seq, whole.clone())]).await.unwrap();
    assert_eq!(
        item_ids(store, &ada(), "thr", Visibility::Visible).await,
        ["thr-turn-q", "first", "second"]
    );
    let found = store.item(&ada(), &"thr".into(), &"first".into()).await.unwrap();
    assert_eq!(found, Some(whole));
    end(store, &ada(), "thr", "turn", &[]).await;
}

/// An id that exists, in this thread or anywhere else, cannot be used for another item.
pub async fn an_item_id_is_used_once(store: &impl Store) {
    conversation(store, &others()[0], "bobs").await;
    conversation(store, &ada(), "mine").await;
    let seq = begin_again(store, &ada(), "mine", "turn").await;
    let turn = key("mine", "turn");
    for taken in ["mine-a", "bobs-a", "mine-turn-q"] {
        let fine = put(seq, answer("mine", "fine", "x"));
        let writes = [fine, put(seq + 1, answer("mine", taken, "overwritten"))];
        let written = store.write(&ada(), &turn, &writes).await;
        assert!(
            matches!(&written, Err(StoreError::DuplicateItem(id)) if id.as_str() == taken),
            "{written:?}"
        );
    }
    // A place that another turn has filled is taken as well.
    let written = store.write(&ada(), &turn, &[put(1, answer("mine", "new", "x"))]).await;
    assert!(matches!(written, Err(StoreError::DuplicateItem(_))), "{written:?}");
    end(store, &ada(), "mine", "turn", &[]).await;

    let opening = [user_message("third", "bobs-a", "x")];
    let made = TurnThread::New(new_thread("third"));
    let begun = begin_with(store, &ada(), made, "third-turn", &opening, None).await;
    assert!(matches!(begun, Err(StoreError::DuplicateItem(_))), "{begun:?}");
    assert_eq!(store.thread(&ada(), &"third".into()).await.unwrap(), None, "nothing was written");

    assert_eq!(
        item_ids(store, &ada(), "mine", Visibility::All).await,
        ["mine-mine-turn-q", "mine-a", "mine-turn-q"]
    );
    let bobs = store.item(&others()[0], &"bobs".into(), &"bobs-a".into()).await.unwrap();
    assert_eq!(bobs, Some(answer("bobs", "bobs-a", "answer")));
}

/// A thread has one running turn; who comes second changes nothing.
pub async fn a_thread_that_is_busy_is_left_as_it_was(store: &impl Store) {
    begin_new(store, &ada(), "thr", "first").await;
    let opening = [user_message("thr", "second-q", "me too")];
    let existing = TurnThread::Existing("thr".into());
    let begun = begin_with(store, &ada(), existing, "second", &opening, Some("key")).await;
    let busy = BeginOutcome::Busy { turn_id: "first".into(), holder: "process 1".to_owned() };
    assert_eq!(begun.unwrap(), busy);
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await, ["thr-first-q"]);
    assert_eq!(store.turn_by_key(&ada(), "key").await.unwrap(), None);
    end(store, &ada(), "thr", "first", &[]).await;
    begin_again(store, &ada(), "thr", "second").await;
}

/// When one of its items cannot be stored, nothing of a turn is.
pub async fn a_turn_that_cannot_begin_writes_nothing(store: &impl Store) {
    conversation(store, &ada(), "thr").await;
    let opening = [user_message("thr", "fresh", "x"), user_message("thr", "thr-a", "taken")];
    let existing = TurnThread::Existing("thr".into());
    let begun = begin_with(store, &ada(), existing, "turn", &opening, Some("key")).await;
    assert!(matches!(begun, Err(StoreError::DuplicateItem(_))), "{begun:?}");
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await.len(), 2);
    assert_eq!(store.turn_by_key(&ada(), "key").await.unwrap(), None);
    begin_again(store, &ada(), "thr", "turn").await;
}

/// A key used again by its owner gives the turn it made; another owner's use is their own.
pub async fn a_key_makes_one_turn_an_owner(store: &impl Store) {
    let made = TurnThread::New(new_thread("thr"));
    let begun = begin_with(store, &ada(), made, "turn", &[], Some("key")).await.unwrap();
    assert!(matches!(begun, BeginOutcome::Begun { next_seq: 1, .. }), "{begun:?}");
    for state in [TurnState::Running, TurnState::Stopped] {
        if state != TurnState::Running {
            let turn = key("thr", "turn");
            store.end_turn(&ada(), &turn, state, &[], at(2)).await.unwrap();
        }
        let made = TurnThread::New(new_thread("again"));
        let begun = begin_with(store, &ada(), made, "turn 2", &[], Some("key")).await.unwrap();
        let BeginOutcome::Repeated(recorded) = begun else { panic!("{begun:?}") };
        assert_eq!(recorded.turn_id, TurnId::from("turn"));
        assert_eq!(recorded.thread_id, ThreadId::from("thr"));
        assert_eq!(recorded.state, state);
        assert_eq!(store.turn_by_key(&ada(), "key").await.unwrap(), Some(recorded));
    }
    assert_eq!(store.thread(&ada(), &"again".into()).await.unwrap(), None);
    for (n, owner) in others().iter().enumerate() {
        assert_eq!(store.turn_by_key(owner, "key").await.unwrap(), None);
        let (thread, turn) = (format!("theirs-{n}"), format!("their-turn-{n}"));
        let made = TurnThread::New(new_thread(&thread));
        let begun = begin_with(store, owner, made, &turn, &[], Some("key")).await.unwrap();
        assert!(matches!(begun, BeginOutcome::Begun { .. }), "{begun:?}");
    }
    assert_eq!(store.turn_by_key(&ada(), "other key").await.unwrap(), None);
}

/// Of fifty turns that begin at once in one thread, one does.
pub async fn one_of_many_that_begin_at_once_does<S: Store + Clone>(store: &S) {
    conversation(store, &ada(), "thr").await;
    let begins = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let opening = [user_message("thr", &format!("q{n}"), "me")];
            let existing = TurnThread::Existing("thr".into());
            begin_with(&store, &ada(), existing, &format!("turn-{n}"), &opening, None).await
        })
    });
    let begins: Vec<_> = begins.collect();
    let (mut begun, mut busy) = (0, 0);
    for outcome in begins {
        match outcome.await.unwrap().unwrap() {
            BeginOutcome::Begun { .. } => begun += 1,
            BeginOutcome::Busy { .. } => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((begun, busy), (1, 49));
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await.len(), 3);
}

/// Once a turn has ended it holds nothing: it can neither write nor end again.
pub async fn a_turn_that_has_ended_writes_nothing_more(store: &impl Store) {
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    end(store, &ada(), "thr", "turn", &[]).await;
    let turn = key("thr", "turn");
    let writes = [put(seq, answer("thr", "late", "x"))];
    let written = store.write(&ada(), &turn, &writes).await;
    assert!(matches!(written, Err(StoreError::TurnLost(_))), "{written:?}");
    let ended = store.end_turn(&ada(), &turn, TurnState::Failed, &writes, at(3)).await;
    assert!(matches!(ended, Err(StoreError::TurnLost(_))), "{ended:?}");
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await, ["thr-turn-q"]);
    // Nor can it in the name of the turn that came after.
    begin_again(store, &ada(), "thr", "next").await;
    let written = store.write(&ada(), &turn, &writes).await;
    assert!(matches!(written, Err(StoreError::TurnLost(_))), "{written:?}");
}

/// A turn whose thread was deleted finds out when it writes.
pub async fn a_turn_of_a_deleted_thread_writes_nothing_more(store: &impl Store) {
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    assert!(store.delete_thread(&ada(), &"thr".into()).await.unwrap());
    let turn = key("thr", "turn");
    let writes = [put(seq, answer("thr", "late", "x"))];
    let written = store.write(&ada(), &turn, &writes).await;
    assert!(matches!(written, Err(StoreError::TurnLost(_))), "{written:?}");
    let ended = store.end_turn(&ada(), &turn, TurnState::Done, &writes, at(3)).await;
    assert!(matches!(ended, Err(StoreError::TurnLost(_))), "{ended:?}");
}

/// Turns of processes that are gone are closed, and what they had said so far is kept.
pub async fn orphans_are_closed_with_their_partial_items(store: &impl Store) {
    let seq = begin_new(store, &ada(), "thr", "orphan").await;
    let half = pending(seq, answer("thr", "half", "Hal"));
    store.write(&ada(), &key("thr", "orphan"), &[half]).await.unwrap();
    begin_new(store, &others()[0], "bobs", "bobs-orphan").await;
    conversation(store, &ada(), "ended").await;

    assert_eq!(store.interrupt_orphans("process 1", at(2)).await.unwrap(), 0, "its own turns run");
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await, ["thr-orphan-q"]);
    assert_eq!(store.interrupt_orphans("process 2", at(2)).await.unwrap(), 2);
    assert_eq!(store.interrupt_orphans("process 2", at(2)).await.unwrap(), 0, "all are closed");
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await, ["thr-orphan-q", "half"]);
    let written = store.write(&ada(), &key("thr", "orphan"), &[]).await;
    assert!(matches!(written, Err(StoreError::TurnLost(_))), "{written:?}");
    begin_again(store, &ada(), "thr", "next").await;
}

/// Items, turns, keys and feedback go with their thread, and their ids are free again.
pub async fn deleting_a_thread_deletes_all_of_it(store: &impl Store) {
    conversation(store, &ada(), "other").await;
    for round in 0..2 {
        let made = TurnThread::New(new_thread("thr"));
        let opening = [user_message("thr", "q", "x")];
        let begun = begin_with(store, &ada(), made, "turn", &opening, Some("key")).await.unwrap();
        assert!(matches!(begun, BeginOutcome::Begun { next_seq: 2, .. }), "{round}: {begun:?}");
        end(store, &ada(), "thr", "turn", &[put(2, answer("thr", "a", "x"))]).await;
        let kind = FeedbackKind::Positive;
        let judged = ["a".into()];
        assert!(store.set_feedback(&ada(), &"thr".into(), &judged, kind, at(1)).await.unwrap());
        assert!(store.delete_thread(&ada(), &"thr".into()).await.unwrap());
        assert!(!store.delete_thread(&ada(), &"thr".into()).await.unwrap());
        assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), None);
        assert_eq!(store.turn_by_key(&ada(), "key").await.unwrap(), None);
        assert_eq!(store.item(&ada(), &"thr".into(), &"a".into()).await.unwrap(), None);
    }
    assert_eq!(item_ids(store, &ada(), "other", Visibility::All).await.len(), 2);
}

/// A title that the user gave is not overwritten by an automatic one.
pub async fn a_title_of_the_users_wins(store: &impl Store) {
    begin_new(store, &ada(), "thr", "turn").await;
    let turn = key("thr", "turn");
    let mut automatic = new_thread("thr");
    automatic.title = Some("Automatic".to_owned());
    let titled = [ItemWrite::Thread(automatic.clone())];
    store.write(&ada(), &turn, &titled).await.unwrap();
    let thread = store.thread(&ada(), &"thr".into()).await.unwrap().unwrap();
    assert_eq!(thread.title.as_deref(), Some("Automatic"));

    let renamed = store.rename_thread(&ada(), &"thr".into(), "Mine").await.unwrap().unwrap();
    assert_eq!(renamed.title.as_deref(), Some("Mine"));
    automatic.metadata.insert("seen".to_owned(), 1.into());
    end(store, &ada(), "thr", "turn", &[ItemWrite::Thread(automatic)]).await;
    let thread = store.thread(&ada(), &"thr".into()).await.unwrap().unwrap();
    assert_eq!(thread.title.as_deref(), Some("Mine"));
    assert_eq!(thread.metadata["seen"], 1, "the rest of the thread is written");
}

/// An automatic title that comes late takes the place of the automatic title that was there when
/// it was begun, and of no other.
pub async fn a_late_title_takes_the_place_of_the_one_it_knew_only(store: &impl Store) {
    let thread_id = ThreadId::from("thr");
    let late = |title: &'static str, instead_of: Option<&'static str>| {
        let (thread_id, title) = (thread_id.clone(), ThreadTitle { title, instead_of });
        async move {
            let thread = store.title_thread(&ada(), &thread_id, title).await.unwrap();
            thread.and_then(|thread| thread.title)
        }
    };
    assert_eq!(late("Too early", None).await, None, "there is no thread");
    begin_new(store, &ada(), "thr", "turn").await;
    assert_eq!(late("Wrong", Some("Never there")).await, None);
    assert_eq!(late("First", None).await.as_deref(), Some("First"));
    assert_eq!(late("Again", None).await, None, "it has one by now");
    assert_eq!(late("Second", Some("First")).await.as_deref(), Some("Second"));
    let title = ThreadTitle { title: "Bob's", instead_of: Some("Second") };
    for stranger in others() {
        assert_eq!(store.title_thread(&stranger, &thread_id, title).await.unwrap(), None);
    }

    // A turn that read the thread before and writes its other properties leaves the title.
    let mut other = new_thread("thr");
    other.metadata.insert("seen".to_owned(), 1.into());
    end(store, &ada(), "thr", "turn", &[ItemWrite::Thread(other)]).await;
    let thread = store.thread(&ada(), &thread_id).await.unwrap().unwrap();
    assert_eq!(thread.title.as_deref(), Some("Second"));
    assert_eq!(thread.metadata["seen"], 1);

    store.rename_thread(&ada(), &thread_id, "Second").await.unwrap().unwrap();
    assert_eq!(late("Third", Some("Second")).await, None, "the user has chosen the same words");
    let thread = store.thread(&ada(), &thread_id).await.unwrap().unwrap();
    assert_eq!(thread.title.as_deref(), Some("Second"));
}

/// Every property of a thread survives.
pub async fn a_thread_comes_back_as_it_was_written(store: &impl Store) {
    let mut thread = new_thread("thr");
    thread.title = Some("Ein Titel – عنوان 🎉".to_owned());
    thread.created_at = Timestamp::from_micros(1_700_000_000_123_456).unwrap();
    thread.allowed_image_domains = Some(vec!["img.example".to_owned()]);
    thread.metadata.insert("deep".to_owned(), serde_json::json!({"list": [1, null, "x"]}));
    let made = TurnThread::New(thread.clone());
    let begun = begin_with(store, &ada(), made, "turn", &[], None).await.unwrap();
    let BeginOutcome::Begun { thread: given, .. } = begun else { panic!("{begun:?}") };
    assert_eq!(given, thread);
    assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), Some(thread.clone()));

    thread.status = ThreadStatus::Locked { reason: Some("for a while".to_owned()) };
    thread.allowed_image_domains = None;
    end(store, &ada(), "thr", "turn", &[ItemWrite::Thread(thread.clone())]).await;
    assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), Some(thread.clone()));
    let page = store.threads(&ada(), &query(1, Order::Asc, None)).await.unwrap().unwrap();
    assert_eq!(page.data, [thread]);
}

/// A judgement of several items is kept for all of them or, when one is not there, for none; it
/// can be changed.
pub async fn feedback_is_kept_for_all_items_or_none(store: &impl Store) {
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    let writes = [put(seq, answer("thr", "a", "x")), put(seq + 1, hidden("thr", "h"))];
    end(store, &ada(), "thr", "turn", &writes).await;
    conversation(store, &ada(), "other").await;
    let judge = async |ids: &[&str], kind| {
        let ids: Vec<ItemId> = ids.iter().map(|id| ItemId::from(*id)).collect();
        store.set_feedback(&ada(), &"thr".into(), &ids, kind, at(1)).await.unwrap()
    };
    assert!(judge(&["a", "thr-turn-q"], FeedbackKind::Positive).await);
    assert!(judge(&["a"], FeedbackKind::Negative).await, "a mind may be changed");
    assert!(judge(&["a", "a"], FeedbackKind::Negative).await, "said twice is said");
    assert!(!judge(&["a", "nothing"], FeedbackKind::Positive).await);
    assert!(!judge(&["h"], FeedbackKind::Positive).await, "nobody was shown hidden context");
    assert!(!judge(&["other-a"], FeedbackKind::Positive).await, "it is of another thread");
}

/// What is read of a thread has its owner's judgement in its answers; nothing that is written
/// changes it, and it goes with its item.
pub async fn feedback_comes_back_with_its_item(store: &impl Store) {
    let (thread_id, item_id) = (ThreadId::from("thr"), ItemId::from("thr-a"));
    conversation(store, &ada(), "thr").await;
    conversation(store, &ada(), "other").await;
    let read = async || {
        let item = store.item(&ada(), &thread_id, &item_id).await.unwrap();
        let page = query(10, Order::Asc, None);
        let page = store.items(&ada(), &thread_id, &page, Visibility::Visible).await.unwrap();
        let mut page = page.unwrap().data;
        let back = query(10, Order::Desc, None);
        let back = store.items(&ada(), &thread_id, &back, Visibility::All).await.unwrap().unwrap();
        page.reverse();
        assert_eq!(page, back.data);
        assert_eq!(page.iter().find(|other| other.id().as_ref() == Some(&item_id)), item.as_ref());
        match item {
            Some(ThreadItem::AssistantMessage(message)) => message.feedback,
            other => panic!("{other:?}"),
        }
    };
    let judge = async |kind, when| {
        let ids = ["thr-thr-turn-q".into(), item_id.clone()];
        assert!(store.set_feedback(&ada(), &thread_id, &ids, kind, at(when)).await.unwrap());
    };
    assert_eq!(read().await, None);
    judge(FeedbackKind::Positive, 1).await;
    let positive = ItemFeedback { kind: FeedbackKind::Positive, created_at: at(1) };
    assert_eq!(read().await, Some(positive.clone()));
    judge(FeedbackKind::Negative, 2).await;
    let negative = ItemFeedback { kind: FeedbackKind::Negative, created_at: at(2) };
    assert_eq!(read().await, Some(negative.clone()), "a mind may be changed");

    // An item that was read before it was judged again is written.
    let mut stale = answer("thr", "thr-a", "better");
    if let ThreadItem::AssistantMessage(message) = &mut stale {
        message.feedback = Some(positive);
    }
    store.replace_item(&ada(), &thread_id, &stale).await.unwrap();
    assert_eq!(read().await, Some(negative));

    begin_again(store, &ada(), "thr", "again").await;
    let writes = [ItemWrite::Remove(item_id.clone()), put(99, answer("thr", "new", "x"))];
    end(store, &ada(), "thr", "again", &writes).await;
    let new = store.item(&ada(), &thread_id, &"new".into()).await.unwrap();
    assert_eq!(new, Some(answer("thr", "new", "x")), "a new answer has not been judged");
}

/// Every judgement is exported once, oldest first, with its question; also those of one moment.
pub async fn feedback_is_exported_page_by_page(store: &impl Store) {
    let owners = [ada(), others()[0].clone()];
    for (n, owner) in owners.iter().cycle().take(7).enumerate() {
        let thread = format!("thr-{n}");
        conversation(store, owner, &thread).await;
        let ids = [ItemId::new(format!("{thread}-a"))];
        let when = at(100 + i64::try_from(n / 3).unwrap());
        let kind = FeedbackKind::Negative;
        let thread_id = ThreadId::new(thread);
        assert!(store.set_feedback(owner, &thread_id, &ids, kind, when).await.unwrap());
    }
    let export = async |since, limit| {
        let mut query = FeedbackQuery { since, after: None, limit };
        let mut found = Vec::new();
        loop {
            let page = store.feedback(&query).await.unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { return found };
            let (given_at, item_id) = (last.given_at, last.item_id.clone());
            query.after = Some(FeedbackCursor { given_at, item_id });
            found.extend(page);
        }
    };
    let all = export(None, 2).await;
    let ids: Vec<_> = all.iter().map(|record| record.item_id.as_str().to_owned()).collect();
    assert_eq!(ids, (0..7).map(|n| format!("thr-{n}-a")).collect::<Vec<_>>());
    assert_eq!(all[1].owner, owners[1]);
    assert_eq!(all[1].thread_id, "thr-1".into());
    assert_eq!((all[1].kind, all[1].given_at), (FeedbackKind::Negative, at(100)));
    assert_eq!(all[1].item.id(), Some("thr-1-a".into()));
    let question = all[1].question.as_ref().map(|question| question.id.as_str());
    assert_eq!(question, Some("thr-1-thr-1-turn-q"));
    assert_eq!(export(None, 100).await, all);
    assert_eq!(export(Some(at(101)), 2).await, all[3..], "from that moment on");
    assert_eq!(export(Some(at(999)), 2).await, []);
}

/// The items of a turn are those it wrote, oldest first, without hidden ones.
pub async fn the_items_of_a_turn_are_its_own(store: &impl Store) {
    conversation(store, &ada(), "thr").await;
    let seq = begin_again(store, &ada(), "thr", "turn").await;
    let writes = [
        put(seq + 2, answer("thr", "third", "x")),
        put(seq + 1, hidden("thr", "second")),
        put(seq, answer("thr", "first", "x")),
    ];
    end(store, &ada(), "thr", "turn", &writes).await;
    let items = store.turn_items(&ada(), &key("thr", "turn")).await.unwrap();
    assert_eq!(ids(&items), ["thr-turn-q", "first", "third"]);
    assert_eq!(store.turn_items(&ada(), &key("other", "turn")).await.unwrap(), []);
}

/// A replaced item keeps its place; a removed one is gone; what is not there is no error.
pub async fn items_are_replaced_and_removed(store: &impl Store) {
    conversation(store, &ada(), "thr").await;
    conversation(store, &ada(), "other").await;
    begin_again(store, &ada(), "thr", "turn").await;
    let replaced = answer("thr", "thr-a", "better");
    let writes = [
        ItemWrite::Replace(replaced.clone()),
        ItemWrite::Remove("thr-turn-q".into()),
        ItemWrite::Remove("nothing".into()),
        ItemWrite::Remove("other-a".into()),
        ItemWrite::Replace(answer("thr", "other-a", "stolen")),
    ];
    store.write(&ada(), &key("thr", "turn"), &writes).await.unwrap();
    let found = item_ids(store, &ada(), "thr", Visibility::All).await;
    assert_eq!(found, ["thr-thr-turn-q", "thr-a"]);
    let item = store.item(&ada(), &"thr".into(), &"thr-a".into()).await.unwrap();
    assert_eq!(item, Some(replaced));
    let item = store.item(&ada(), &"other".into(), &"other-a".into()).await.unwrap();
    assert_eq!(item, Some(answer("other", "other-a", "answer")), "another thread is untouched");
}

/// A whole item gets new content without a turn, of its owner in an active thread.
pub async fn an_item_is_replaced_outside_of_a_turn(store: &impl Store) {
    use ReplaceOutcome::{NotActive, NotFound, Replaced};
    conversation(store, &ada(), "thr").await;
    conversation(store, &ada(), "other").await;
    let better = answer("thr", "thr-a", "better");
    let thr = || "thr".into();
    let before = item_ids(store, &ada(), "thr", Visibility::All).await;
    assert_eq!(store.replace_item(&ada(), &thr(), &better).await.unwrap(), Replaced);
    let found = store.item(&ada(), &thr(), &"thr-a".into()).await.unwrap();
    assert_eq!(found, Some(better.clone()));
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await, before, "it keeps its place");

    for (owner, thread, item) in [
        (&others()[0], "thr", better.clone()),
        (&ada(), "thr", answer("thr", "other-a", "stolen")),
        (&ada(), "thr", answer("thr", "nothing", "x")),
        (&ada(), "nothing", better.clone()),
    ] {
        let outcome = store.replace_item(owner, &thread.into(), &item).await.unwrap();
        assert_eq!(outcome, NotFound, "{item:?} in {thread}");
    }
    let other = store.item(&ada(), &"other".into(), &"other-a".into()).await.unwrap();
    assert_eq!(other, Some(answer("other", "other-a", "answer")), "another thread is untouched");

    let seq = begin_again(store, &ada(), "thr", "turn").await;
    let half = answer("thr", "half", "h");
    let pending = ItemWrite::Put { seq, item: half.clone(), state: ItemState::Pending };
    store.write(&ada(), &key("thr", "turn"), &[pending]).await.unwrap();
    assert_eq!(store.replace_item(&ada(), &thr(), &half).await.unwrap(), NotFound);
    assert_eq!(store.replace_item(&ada(), &thr(), &better).await.unwrap(), Replaced);

    let mut thread = new_thread("thr");
    thread.status = ThreadStatus::Closed { reason: None };
    end(store, &ada(), "thr", "turn", &[ItemWrite::Thread(thread.clone())]).await;
    let outcome = store.replace_item(&ada(), &thr(), &answer("thr", "thr-a", "late")).await;
    assert_eq!(outcome.unwrap(), NotActive(thread.status));
    let found = store.item(&ada(), &thr(), &"thr-a".into()).await.unwrap();
    assert_eq!(found, Some(better));
}

/// A client tool call that waits is settled by the next message, and only by a message.
pub async fn a_new_message_settles_a_pending_tool_call(store: &impl Store) {
    use ClientToolCallStatus::{Completed, Pending};
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    let call = tool_call("thr", "call", Pending);
    end(store, &ada(), "thr", "turn", &[put(seq, call.clone())]).await;
    conversation(store, &ada(), "other").await;
    let seq = begin_again(store, &ada(), "other", "other-2").await;
    let elsewhere = tool_call("other", "elsewhere", Pending);
    end(store, &ada(), "other", "other-2", &[put(seq, elsewhere.clone())]).await;

    let existing = || TurnThread::Existing("thr".into());
    let begun = begin_with(store, &ada(), existing(), "silent", &[], None).await.unwrap();
    assert!(matches!(&begun, BeginOutcome::Begun { settled, .. } if settled.is_empty()));
    end(store, &ada(), "thr", "silent", &[]).await;
    assert_eq!(store.item(&ada(), &"thr".into(), &"call".into()).await.unwrap(), Some(call));

    let opening = [user_message("thr", "q2", "never mind")];
    let begun = begin_with(store, &ada(), existing(), "next", &opening, None).await.unwrap();
    let BeginOutcome::Begun { settled, .. } = begun else { panic!("{begun:?}") };
    let expected = tool_call("thr", "call", Completed);
    assert_eq!(settled, std::slice::from_ref(&expected));
    assert_eq!(store.item(&ada(), &"thr".into(), &"call".into()).await.unwrap(), Some(expected));
    let item = store.item(&ada(), &"other".into(), &"elsewhere".into()).await.unwrap();
    assert_eq!(item, Some(elsewhere), "another thread's call still waits");
    end(store, &ada(), "thr", "next", &[]).await;

    let opening = [user_message("thr", "q3", "and again")];
    let begun = begin_with(store, &ada(), existing(), "last", &opening, None).await.unwrap();
    assert!(matches!(&begun, BeginOutcome::Begun { settled, .. } if settled.is_empty()));
}

/// A locked or closed thread takes no turn.
pub async fn a_thread_that_is_not_active_takes_no_turn(store: &impl Store) {
    let states = [
        ThreadStatus::Locked { reason: Some("wait".to_owned()) },
        ThreadStatus::Closed { reason: None },
    ];
    for (n, status) in states.into_iter().enumerate() {
        let id = format!("thr-{n}");
        begin_new(store, &ada(), &id, &id).await;
        let mut thread = new_thread(&id);
        thread.status = status.clone();
        end(store, &ada(), &id, &id, &[ItemWrite::Thread(thread)]).await;
        let opening = [user_message(&id, &format!("late-{n}"), "x")];
        let existing = TurnThread::Existing(id.as_str().into());
        let begun = begin_with(store, &ada(), existing, "late", &opening, None).await.unwrap();
        assert_eq!(begun, BeginOutcome::NotActive(status));
        assert_eq!(item_ids(store, &ada(), &id, Visibility::All).await.len(), 1);
    }
}

/// When one write of several cannot be made, none is.
pub async fn writes_are_all_made_or_none(store: &impl Store) {
    conversation(store, &ada(), "thr").await;
    let seq = begin_again(store, &ada(), "thr", "turn").await;
    let turn = key("thr", "turn");
    let writes = [
        ItemWrite::Remove("thr-a".into()),
        put(seq, answer("thr", "new", "x")),
        put(seq + 1, answer("thr", "thr-turn-q", "taken")),
    ];
    assert!(store.write(&ada(), &turn, &writes).await.is_err());
    assert!(store.end_turn(&ada(), &turn, TurnState::Done, &writes, at(2)).await.is_err());
    assert_eq!(item_ids(store, &ada(), "thr", Visibility::All).await.len(), 3);
    // The turn still holds its thread: it may end in another way.
    end(store, &ada(), "thr", "turn", &[]).await;
}

/// Text of every kind, in ids too, comes back as it was.
pub async fn any_text_comes_back_as_it_was(store: &impl Store) {
    let texts = [
        "",
        "\0",
        "'; DROP TABLE threads; --",
        "مرحبا \u{202e}abc",
        "\u{1F469}\u{200D}\u{1F4BB} \u{1F3F3}\u{FE0F}",
        "\u{10FFFF}\u{FEFF}\r\n\t",
    ];
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    let mut writes = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let item = answer("thr", &format!("{n}-{}", text.replace('\0', "")), text);
        writes.push(put(seq + i64::try_from(n).unwrap(), item));
    }
    end(store, &ada(), "thr", "turn", &writes).await;
    for write in writes {
        let ItemWrite::Put { item, .. } = write else { panic!("only items were written") };
        let id = item.id().unwrap();
        assert_eq!(store.item(&ada(), &"thr".into(), &id).await.unwrap(), Some(item));
    }
}
