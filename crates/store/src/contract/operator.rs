//! Stories of what the operator does with the data of users.

use parlor_chatkit::{
    AttachmentState, BeginOutcome, Identity, Owner, Store, StoreError, TenantId, TurnState,
    TurnThread, UserId, Visibility,
    protocol::{FeedbackKind, ItemId, Order, ThreadId, Timestamp},
};

use super::{
    ada, announce, answer, at, begin_again, begin_new, begin_with, conversation, end, item_ids,
    key, new_thread, others, pending, put, query, record, send, upload, user_message,
};
use crate::{
    Ages, AuditEntry, AuditQuery, Erased, Expired, GivenFeedback, Holdings, Login, LoginId,
    LoginStore, MovedVisitor, OperatorStore, RecordedAct, UnfinishedMove,
};

/// Makes a `#[tokio::test]` of every story about the operator's work; takes what `store_stories!`
/// takes.
#[macro_export]
macro_rules! operator_stories {
    ($make:expr) => {
        $crate::operator_stories!(@each $make;
            what_a_user_has_is_counted_and_listed
            erasing_a_user_leaves_nothing_of_them_and_everything_of_others
            a_running_turn_does_not_bring_an_erased_user_back
            acts_are_on_record_in_their_order
            old_threads_go_and_those_in_use_stay
            a_thread_that_is_looked_at_once_is_not_looked_at_again
            old_files_go_and_their_messages_stay
            what_is_old_is_counted_and_left
            tenants_are_listed_page_by_page
            a_visitor_becomes_the_account_that_asks_first
            what_a_visitor_is_just_told_moves_afterwards
            keys_that_the_account_has_used_stay_the_accounts
            one_of_many_accounts_gets_a_visitor
            files_that_moved_are_read_where_they_are
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

const SUBJECT: [u8; 32] = [7; 32];

fn visitor() -> Owner {
    Owner::authenticated(TenantId::new("t1"), UserId::new("visitor:1"))
}

fn login(owner: &Owner, n: u8) -> Login {
    Login {
        id: LoginId([n; 32]),
        owner: owner.clone(),
        identity: Identity::default(),
        sealed: None,
        ends_at: at(2_000),
        good_until: at(1_100),
        refresh_at: None,
    }
}

async fn judge(store: &impl Store, owner: &Owner, thread: &str) {
    let item = ItemId::from(format!("{thread}-a"));
    let kind = FeedbackKind::Positive;
    assert!(store.set_feedback(owner, &thread.into(), &[item], kind, at(5)).await.unwrap());
}

async fn threads(store: &impl Store, owner: &Owner) -> Vec<String> {
    let page = store.threads(owner, &query(1_000, Order::Asc, None)).await.unwrap().unwrap();
    page.data.iter().map(|thread| thread.id.to_string()).collect()
}

/// A conversation whose question and answer were at these times.
async fn conversation_at(store: &impl Store, owner: &Owner, thread: &str, asked: i64, ended: i64) {
    let turn = format!("{thread}-turn");
    let mut made = new_thread(thread);
    made.created_at = at(asked);
    let opening = [user_message(thread, &format!("{thread}-q"), "question")];
    let begin = parlor_chatkit::BeginTurn {
        turn_id: turn.as_str().into(),
        thread: TurnThread::New(made),
        opening: &opening,
        changed: &[],
        idempotency_key: None,
        holder: "process 1",
        now: at(asked),
    };
    let begun = store.begin_turn(owner, begin).await.unwrap();
    assert!(matches!(begun, BeginOutcome::Begun { .. }), "{begun:?}");
    let said = [put(2, answer(thread, &format!("{thread}-a"), "answer"))];
    let turn = key(thread, &turn);
    store.end_turn(owner, &turn, TurnState::Done, &said, at(ended)).await.unwrap();
}

/// Its number, pages, and what is somebody else's.
pub async fn what_a_user_has_is_counted_and_listed<S>(store: &S)
where
    S: Store + LoginStore + OperatorStore,
{
    assert!(store.holdings(&ada()).await.unwrap().is_empty());
    for owner in others().iter().chain([&ada()]) {
        let name = format!("{}-{}", owner.tenant(), owner.user());
        conversation(store, owner, &name).await;
        judge(store, owner, &name).await;
    }
    for id in ["f3", "f1", "f2"] {
        upload(store, &ada(), id).await;
    }
    upload(store, &others()[0], "f0").await;
    for (owner, n) in [(&ada(), 3), (&others()[1], 2), (&ada(), 1)] {
        store.begin_login(&login(owner, n), None).await.unwrap();
    }
    let held = store.holdings(&ada()).await.unwrap();
    assert_eq!(held, Holdings { threads: 1, files: 3, logins: 2, doomed: 0 });

    let files = store.files_of(&ada(), None, 2).await.unwrap();
    let ids: Vec<_> = files.iter().map(|file| file.id.as_str()).collect();
    assert_eq!(ids, ["f1", "f2"]);
    assert_eq!(files[0].state, AttachmentState::Uploaded { has_preview: false });
    let files = store.files_of(&ada(), Some(&"f2".into()), 2).await.unwrap();
    assert_eq!(files.iter().map(|file| file.id.as_str()).collect::<Vec<_>>(), ["f3"]);

    let first = store.logins_of(&ada(), None, 1).await.unwrap();
    assert_eq!(first, [login(&ada(), 1)]);
    let next = store.logins_of(&ada(), Some(&first[0].id), 5).await.unwrap();
    assert_eq!(next, [login(&ada(), 3)]);

    let item_id = ItemId::from("t1-ada-a");
    let given = GivenFeedback { item_id, kind: FeedbackKind::Positive, given_at: at(5) };
    assert_eq!(store.feedback_in(&ada(), &"t1-ada".into()).await.unwrap(), [given]);
    for stranger in others() {
        assert_eq!(store.feedback_in(&stranger, &"t1-ada".into()).await.unwrap(), []);
    }
}

/// In several steps, with everything that a user can have.
pub async fn erasing_a_user_leaves_nothing_of_them_and_everything_of_others<S>(store: &S)
where
    S: Store + LoginStore + OperatorStore,
{
    for owner in others().iter().chain([&ada()]) {
        let name = format!("{}-{}", owner.tenant(), owner.user());
        for n in 0..3 {
            conversation(store, owner, &format!("{name}-{n}")).await;
            judge(store, owner, &format!("{name}-{n}")).await;
        }
        upload(store, owner, &format!("{name}-sent")).await;
        send(store, owner, &format!("{name}-files"), &[&format!("{name}-sent")]).await;
        announce(store, owner, &format!("{name}-waiting")).await;
    }
    store.begin_login(&login(&ada(), 1), None).await.unwrap();
    store.begin_login(&login(&others()[0], 2), None).await.unwrap();
    let before: Vec<_> = futures::future::join_all(
        others().map(|owner| async move { store.holdings(&owner).await.unwrap() }),
    )
    .await;

    let first = store.erase(&ada(), 3).await.unwrap();
    let expected =
        Erased { threads: 3, turns: 3, items: 6, feedback: 3, logins: 1, more: true, ..first };
    assert_eq!(first, expected);
    assert_eq!(store.login(&LoginId([1; 32]), at(0)).await.unwrap(), None, "signed out at once");
    let last = store.erase(&ada(), 3).await.unwrap();
    assert_eq!((last.threads, last.files, last.more), (1, 2, false));
    let held = store.holdings(&ada()).await.unwrap();
    assert_eq!(held, Holdings { doomed: 2, ..Holdings::default() });

    let doomed = store.doomed_of(&ada(), None, 1).await.unwrap();
    assert_eq!(doomed[0].id.as_str(), "t1-ada-sent");
    let rest = store.doomed_of(&ada(), Some(&doomed[0].id), 5).await.unwrap();
    assert_eq!(rest.iter().map(|file| file.id.as_str()).collect::<Vec<_>>(), ["t1-ada-waiting"]);
    for file in doomed.iter().chain(&rest) {
        store.forget_attachment(&file.owner, &file.id).await.unwrap();
    }
    assert!(store.holdings(&ada()).await.unwrap().is_empty());
    assert_eq!(store.erase(&ada(), 3).await.unwrap(), Erased::default(), "there is nothing left");

    let after = others().map(|owner| async move { store.holdings(&owner).await.unwrap() });
    assert_eq!(futures::future::join_all(after).await, before);
    assert!(store.login(&LoginId([2; 32]), at(0)).await.unwrap().is_some());
}

/// What it writes afterwards is refused.
pub async fn a_running_turn_does_not_bring_an_erased_user_back<S>(store: &S)
where
    S: Store + OperatorStore,
{
    let seq = begin_new(store, &ada(), "thr", "turn").await;
    let turn = key("thr", "turn");
    let said = [pending(seq, answer("thr", "a", "half"))];
    store.write(&ada(), &turn, &said).await.unwrap();
    assert_eq!(store.erase(&ada(), 10).await.unwrap().items, 2);
    let written = store.write(&ada(), &turn, &said).await;
    assert!(matches!(written, Err(StoreError::TurnLost(_))), "{written:?}");
    let ended = store.end_turn(&ada(), &turn, TurnState::Done, &said, at(2_000)).await;
    assert!(matches!(ended, Err(StoreError::TurnLost(_))), "{ended:?}");
    assert!(store.holdings(&ada()).await.unwrap().is_empty());
}

/// With what they say, by time and by subject, page by page.
pub async fn acts_are_on_record_in_their_order(store: &impl OperatorStore) {
    let entry = |n: u64| AuditEntry {
        at: at(100 + i64::try_from(n).unwrap()),
        act: "users.delete".to_owned(),
        actor: "root".to_owned(),
        subject: n.is_multiple_of(2).then_some(SUBJECT),
        tenant: (!n.is_multiple_of(2)).then(|| TenantId::new("t1")),
        counts: [("threads".to_owned(), n), ("files".to_owned(), u64::from(u32::MAX))].into(),
    };
    for n in 0..5 {
        store.add_audit(&entry(n)).await.unwrap();
    }
    let all = AuditQuery { limit: 10, ..AuditQuery::default() };
    let found = store.audit(&all).await.unwrap();
    let entries: Vec<_> = found.iter().map(|act: &RecordedAct| act.entry.clone()).collect();
    assert_eq!(entries, (0..5).map(entry).collect::<Vec<_>>());
    let page = AuditQuery { after: found[1].id, limit: 2, ..all.clone() };
    assert_eq!(store.audit(&page).await.unwrap(), found[2..4]);
    let late = AuditQuery { since: Some(at(103)), ..all.clone() };
    assert_eq!(store.audit(&late).await.unwrap(), found[3..]);
    let hers = AuditQuery { subject: Some(SUBJECT), ..all };
    assert_eq!(store.audit(&hers).await.unwrap().len(), 3);
}

/// By their last question or answer, of one tenant.
pub async fn old_threads_go_and_those_in_use_stay<S>(store: &S)
where
    S: Store + OperatorStore,
{
    conversation_at(store, &ada(), "old", 100, 110).await;
    conversation_at(store, &others()[0], "bobs", 100, 499).await;
    conversation_at(store, &others()[1], "elsewhere", 100, 110).await;
    conversation_at(store, &ada(), "edge", 100, 500).await;
    conversation_at(store, &ada(), "new", 600, 610).await;
    conversation_at(store, &ada(), "asked again", 100, 110).await;
    begin_again(store, &ada(), "asked again", "again").await;
    end(store, &ada(), "asked again", "again", &[]).await;
    conversation_at(store, &ada(), "running", 100, 110).await;
    begin_again(store, &ada(), "running", "now").await;
    upload(store, &ada(), "sent").await;
    let opening = [super::message_with("old", "old-q2", &["sent"])];
    let begin = parlor_chatkit::BeginTurn {
        turn_id: "old-2".into(),
        thread: TurnThread::Existing("old".into()),
        opening: &opening,
        changed: &[],
        idempotency_key: None,
        holder: "process 1",
        now: at(120),
    };
    store.begin_turn(&ada(), begin).await.unwrap();
    let turn = key("old", "old-2");
    store.end_turn(&ada(), &turn, TurnState::Failed, &[], at(130)).await.unwrap();

    let tenant = TenantId::new("t1");
    let mut all = Expired::default();
    loop {
        let step = store.expire_threads(&tenant, at(500), at(10_000), 2).await.unwrap();
        all.threads += step.threads;
        all.files += step.files;
        if step.looked_at < 2 {
            break;
        }
    }
    assert_eq!((all.threads, all.files), (2, 1));
    assert_eq!(threads(store, &ada()).await, ["edge", "new", "asked again", "running"]);
    assert_eq!(threads(store, &others()[0]).await, Vec::<String>::new());
    assert_eq!(threads(store, &others()[1]).await, ["elsewhere"]);
    let doomed = store.doomed_of(&ada(), None, 5).await.unwrap();
    assert_eq!(doomed.len(), 1, "its file goes with it");
    assert_eq!(item_ids(store, &ada(), "running", Visibility::All).await.len(), 3);
    end(store, &ada(), "running", "now", &[]).await;
}

/// What is remembered of it is no later than what is true.
pub async fn a_thread_that_is_looked_at_once_is_not_looked_at_again<S>(store: &S)
where
    S: Store + OperatorStore,
{
    let tenant = TenantId::new("t1");
    conversation_at(store, &ada(), "thr", 100, 800).await;
    let look = async |before: i64, now: i64| {
        let found = store.expire_threads(&tenant, at(before), at(now), 10).await.unwrap();
        (found.looked_at, found.threads)
    };
    assert_eq!(look(500, 1_000).await, (1, 0));
    assert_eq!(look(500, 1_000).await, (0, 0));
    assert_eq!(look(800, 1_300).await, (0, 0));
    // An answer is under way, since second 1,000 of the story's clock.
    begin_again(store, &ada(), "thr", "again").await;
    assert_eq!(look(900, 1_400).await, (1, 0));
    assert_eq!(look(1_300, 1_800).await, (0, 0), "it is as of now while the answer is under way");
    end(store, &ada(), "thr", "again", &[]).await;
    assert_eq!(look(1_999, 2_500).await, (1, 0), "it ended at second 2,000");
    assert_eq!(look(2_001, 2_501).await, (1, 1));
    assert_eq!(threads(store, &ada()).await, Vec::<String>::new());
}

/// By the last question or answer of their thread.
pub async fn old_files_go_and_their_messages_stay<S>(store: &S)
where
    S: Store + OperatorStore,
{
    for id in ["a", "b", "c"] {
        upload(store, &ada(), id).await;
    }
    upload(store, &others()[1], "elsewhere").await;
    upload(store, &ada(), "unsent").await;
    send(store, &ada(), "one", &["a", "b"]).await;
    send(store, &ada(), "two", &["c"]).await;
    send(store, &others()[1], "three", &["elsewhere"]).await;
    let tenant = TenantId::new("t1");
    let expire = async |before: i64, limit: u32| {
        store.expire_sent_files(&tenant, at(before), limit).await.unwrap()
    };
    assert_eq!(expire(9_000, 10).await, 0, "answers are under way");
    end(store, &ada(), "one", "one-turn", &[]).await;
    end(store, &others()[1], "three", "three-turn", &[]).await;
    assert_eq!(expire(2_000, 10).await, 0, "it ended at second 2,000");
    assert_eq!(expire(2_001, 1).await, 1);
    assert_eq!(expire(2_001, 10).await, 1);
    assert_eq!(expire(2_001, 10).await, 0);
    for (id, is_there) in [("a", false), ("b", false), ("c", true), ("unsent", true)] {
        assert_eq!(record(store, &ada(), id).await.is_some(), is_there, "{id}");
    }
    assert!(record(store, &others()[1], "elsewhere").await.is_some());
    assert_eq!(store.doomed_of(&ada(), None, 5).await.unwrap().len(), 2);
    assert_eq!(item_ids(store, &ada(), "one", Visibility::Visible).await, ["one-q"]);
}

/// As many as would go, and the oldest.
pub async fn what_is_old_is_counted_and_left<S>(store: &S)
where
    S: Store + OperatorStore,
{
    conversation_at(store, &ada(), "oldest", 100, 150).await;
    conversation_at(store, &others()[0], "old", 90, 200).await;
    conversation_at(store, &ada(), "new", 100, 600).await;
    upload(store, &ada(), "sent").await;
    send(store, &ada(), "files", &["sent"]).await;
    end(store, &ada(), "files", "files-turn", &[]).await;
    let tenant = TenantId::new("t1");
    let count = async |threads: Option<i64>, files: Option<i64>| {
        let ages = Ages { threads: threads.map(at), files: files.map(at) };
        store.aged(&tenant, ages).await.unwrap()
    };
    for _ in 0..2 {
        let aged = count(Some(500), Some(3_000)).await;
        assert_eq!((aged.threads, aged.oldest_thread), (2, Some(at(150))));
        assert_eq!((aged.files, aged.oldest_file, aged.bytes), (1, Some(at(1_000)), 7));
    }
    let aged = count(Some(100), None).await;
    assert_eq!((aged.threads, aged.oldest_thread, aged.files), (0, None, 0));
    assert_eq!(count(None, Some(2_000)).await.files, 0);
    assert_eq!(threads(store, &ada()).await.len(), 3);
}

/// Each once.
pub async fn tenants_are_listed_page_by_page<S>(store: &S)
where
    S: Store + OperatorStore,
{
    assert_eq!(store.tenants(None, 10).await.unwrap(), []);
    for owner in others().iter().chain([&ada()]) {
        conversation(store, owner, &format!("{}-{}", owner.tenant(), owner.user())).await;
    }
    let all = store.tenants(None, 10).await.unwrap();
    let names: Vec<_> = all.iter().map(TenantId::as_str).collect();
    assert_eq!(names, ["t1", "t1 ada", "t2"]);
    assert_eq!(store.tenants(None, 2).await.unwrap(), all[..2]);
    assert_eq!(store.tenants(Some(&all[1]), 2).await.unwrap(), all[2..]);
}

async fn move_to(store: &impl OperatorStore, account: &Owner, now: Timestamp) -> MovedVisitor {
    store.move_visitor(&visitor(), account.user(), SUBJECT, now).await.unwrap()
}

/// With all that belongs to it, once.
pub async fn a_visitor_becomes_the_account_that_asks_first<S>(store: &S)
where
    S: Store + OperatorStore,
{
    let elsewhere = Owner::authenticated(TenantId::new("t2"), visitor().user().clone());
    conversation(store, &ada(), "hers").await;
    conversation(store, &visitor(), "one").await;
    judge(store, &visitor(), "one").await;
    conversation(store, &visitor(), "two").await;
    conversation(store, &elsewhere, "elsewhere").await;
    upload(store, &visitor(), "sent").await;
    send(store, &visitor(), "three", &["sent"]).await;
    end(store, &visitor(), "three", "three-turn", &[]).await;
    upload(store, &visitor(), "unsent").await;
    assert!(!store.visitor_has_moved(&visitor()).await.unwrap());

    let moved = move_to(store, &ada(), at(50)).await;
    assert_eq!(moved, MovedVisitor::Moved { threads: 3, files: 2, remaining: 0 });
    assert!(store.visitor_has_moved(&visitor()).await.unwrap());
    assert!(!store.visitor_has_moved(&elsewhere).await.unwrap());
    assert_eq!(threads(store, &ada()).await, ["hers", "one", "two", "three"]);
    assert_eq!(threads(store, &visitor()).await, Vec::<String>::new());
    assert_eq!(threads(store, &elsewhere).await, ["elsewhere"]);
    assert_eq!(item_ids(store, &ada(), "one", Visibility::All).await, ["one-one-turn-q", "one-a"]);
    assert_eq!(store.feedback_in(&ada(), &"one".into()).await.unwrap().len(), 1);
    for id in ["sent", "unsent"] {
        assert_eq!(record(store, &visitor(), id).await, None);
        let file = record(store, &ada(), id).await.unwrap();
        assert_eq!(file.place(&ada()), visitor(), "its bytes are where they were");
    }
    assert!(store.holdings(&visitor()).await.unwrap().is_empty());
    // It goes on: as hers.
    begin_again(store, &ada(), "one", "next").await;
    end(store, &ada(), "one", "next", &[]).await;
    let acts = store.audit(&AuditQuery { limit: 5, ..AuditQuery::default() }).await.unwrap();
    let entry = &acts[0].entry;
    assert_eq!(
        (entry.act.as_str(), entry.subject, entry.at),
        ("visitor.moved", Some(SUBJECT), at(50))
    );
    assert_eq!(entry.counts, [("threads".to_owned(), 3), ("files".to_owned(), 2)].into());

    // Once more, and for somebody else who has the visitor's cookie.
    let again = move_to(store, &ada(), at(60)).await;
    assert_eq!(again, MovedVisitor::Moved { threads: 0, files: 0, remaining: 0 });
    conversation(store, &visitor(), "late").await;
    assert_eq!(move_to(store, &others()[0], at(70)).await, MovedVisitor::Anothers);
    assert_eq!(threads(store, &others()[0]).await, Vec::<String>::new());
    let late = move_to(store, &ada(), at(80)).await;
    assert_eq!(late, MovedVisitor::Moved { threads: 1, files: 0, remaining: 0 });
    let acts = store.audit(&AuditQuery { limit: 5, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(acts.len(), 2, "what moved nothing is no act");
}

/// An answer that is under way is written to its end first.
pub async fn what_a_visitor_is_just_told_moves_afterwards<S>(store: &S)
where
    S: Store + OperatorStore,
{
    conversation(store, &visitor(), "idle").await;
    upload(store, &visitor(), "sent").await;
    send(store, &visitor(), "busy", &["sent"]).await;
    let moved = move_to(store, &ada(), at(50)).await;
    assert_eq!(moved, MovedVisitor::Moved { threads: 1, files: 0, remaining: 1 });
    assert_eq!(threads(store, &ada()).await, ["idle"]);
    let unfinished = store.unfinished_moves(at(50), 5).await.unwrap();
    let expected = UnfinishedMove { visitor: visitor(), account: ada().user().clone() };
    assert_eq!(unfinished, [expected]);
    assert_eq!(store.unfinished_moves(at(51), 5).await.unwrap(), []);

    let said = [put(2, answer("busy", "busy-a", "answer"))];
    end(store, &visitor(), "busy", "busy-turn", &said).await;
    let moved = move_to(store, &ada(), at(60)).await;
    assert_eq!(moved, MovedVisitor::Moved { threads: 1, files: 1, remaining: 0 });
    assert_eq!(item_ids(store, &ada(), "busy", Visibility::All).await, ["busy-q", "busy-a"]);
    assert!(record(store, &ada(), "sent").await.is_some());
    assert_eq!(store.unfinished_moves(at(0), 5).await.unwrap(), []);
}

/// The visitor's threads come along all the same.
pub async fn keys_that_the_account_has_used_stay_the_accounts<S>(store: &S)
where
    S: Store + OperatorStore,
{
    for (owner, thread, used) in
        [(ada(), "hers", "same"), (visitor(), "his", "same"), (visitor(), "other", "different")]
    {
        let made = TurnThread::New(new_thread(thread));
        let turn = format!("{thread}-turn");
        begin_with(store, &owner, made, &turn, &[], Some(used)).await.unwrap();
        end(store, &owner, thread, &turn, &[]).await;
    }
    let moved = move_to(store, &ada(), at(50)).await;
    assert_eq!(moved, MovedVisitor::Moved { threads: 2, files: 0, remaining: 0 });
    let turn = async |used: &str| {
        let found = store.turn_by_key(&ada(), used).await.unwrap();
        found.map(|turn| turn.thread_id.to_string())
    };
    assert_eq!(turn("same").await.as_deref(), Some("hers"));
    assert_eq!(turn("different").await.as_deref(), Some("other"), "a request is still known");
    assert_eq!(threads(store, &ada()).await, ["hers", "his", "other"]);
}

/// All of it; the others get nothing.
pub async fn one_of_many_accounts_gets_a_visitor<S>(store: &S)
where
    S: Store + OperatorStore + Clone,
{
    for n in 0..5 {
        conversation(store, &visitor(), &format!("thr-{n}")).await;
    }
    let accounts: Vec<Owner> = (0..12)
        .map(|n| Owner::authenticated(TenantId::new("t1"), UserId::new(format!("u{}", n / 2))))
        .collect();
    let moves = accounts.iter().map(|account| {
        let (store, account) = (store.clone(), account.clone());
        tokio::spawn(async move { move_to(&store, &account, at(50)).await })
    });
    let mut moved = 0;
    for done in futures::future::join_all(moves).await {
        if let MovedVisitor::Moved { threads, .. } = done.unwrap() {
            moved += threads;
        }
    }
    assert_eq!(moved, 5, "nothing is moved twice");
    let mut found = Vec::new();
    for account in accounts.iter().step_by(2) {
        found.push(threads(store, account).await.len());
    }
    found.sort_unstable();
    assert_eq!(found, [0, 0, 0, 0, 0, 5]);
}

/// Also when they are to be deleted, and where an account moved twice.
pub async fn files_that_moved_are_read_where_they_are<S>(store: &S)
where
    S: Store + OperatorStore,
{
    upload(store, &visitor(), "atc").await;
    send(store, &visitor(), "thr", &["atc"]).await;
    end(store, &visitor(), "thr", "thr-turn", &[]).await;
    move_to(store, &ada(), at(50)).await;
    assert!(store.delete_thread(&ada(), &ThreadId::from("thr")).await.unwrap());
    for doomed in [
        store.doomed_attachments(None, 5).await.unwrap(),
        store.doomed_of(&ada(), None, 5).await.unwrap(),
    ] {
        assert_eq!(doomed.len(), 1);
        assert_eq!((&doomed[0].owner, doomed[0].place()), (&ada(), visitor()));
    }
    store.forget_attachment(&ada(), &"atc".into()).await.unwrap();
    let erased = store.erase(&ada(), 5).await.unwrap();
    assert_eq!(erased, Erased { others: 1, ..Erased::default() }, "what it became is forgotten");
    assert!(!store.visitor_has_moved(&visitor()).await.unwrap());
}
