//! Several processes on one database.

use std::collections::HashSet;

use parlor_chatkit::{
    BeginOutcome, BeginTurn, ItemState, Store as _, StoreError, TurnState, TurnThread,
    protocol::{JsonMap, ThreadMetadata, ThreadStatus},
};
use parlor_store::PostgresStore;
use parlor_test_postgres::{Place, Server};

use crate::cast::{ada, answer, begin, bob, item_ids, key, now, put, settings, until};

async fn replica(place: &Place) -> PostgresStore {
    PostgresStore::open(&place.url, &settings(place)).await.unwrap()
}

/// What time does to a process that is gone.
fn falls_silent(place: &Place, holder: &str) {
    let schema = &place.schema;
    let sql = format!("UPDATE {schema}.holders SET alive_until = 'epoch' WHERE name = '{holder}'");
    Server::shared().admin(&sql).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_migrate_once() {
    let place = Server::shared().place();
    let opens: Vec<_> = (0..8)
        .map(|_| {
            let place = place.clone();
            tokio::spawn(async move { replica(&place).await })
        })
        .collect();
    let mut secrets = HashSet::new();
    for (n, open) in opens.into_iter().enumerate() {
        let store = open.await.unwrap();
        let fresh = vec![u8::try_from(n).unwrap(); 8];
        secrets.insert(store.secret("key", fresh).await.unwrap());
        store.close().await;
    }
    assert_eq!(secrets.len(), 1, "all of them use the same key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_turns_that_two_replicas_begin_in_a_thread_does() {
    let place = Server::shared().place();
    let replicas = [replica(&place).await, replica(&place).await];
    for round in 0..5 {
        let thread = format!("thr-{round}");
        begin(&replicas[0], &ada(), &thread, true, &format!("{thread}-first"), "r0").await.unwrap();
        let turn = key(&thread, &format!("{thread}-first"));
        replicas[1].end_turn(&ada(), &turn, TurnState::Done, &[], now()).await.unwrap();
        for (n, replica) in replicas.iter().enumerate() {
            replica.keep_alive(&format!("r{n}")).await.unwrap();
        }
        let begins: Vec<_> = (0..20)
            .map(|n| {
                let (store, thread) = (replicas[n % 2].clone(), thread.clone());
                tokio::spawn(async move {
                    let (turn, holder) = (format!("{thread}-turn-{n}"), format!("r{}", n % 2));
                    begin(&store, &ada(), &thread, false, &turn, &holder).await.unwrap()
                })
            })
            .collect();
        let mut begun = 0;
        for outcome in begins {
            match outcome.await.unwrap() {
                BeginOutcome::Begun { next_seq, .. } => {
                    begun += 1;
                    assert_eq!(next_seq, 3);
                }
                BeginOutcome::Busy { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(begun, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_two_replicas_use_at_once_makes_one_message() {
    let place = Server::shared().place();
    let replicas = [replica(&place).await, replica(&place).await];
    let begins: Vec<_> = (0..20)
        .map(|n| {
            let store = replicas[n % 2].clone();
            tokio::spawn(async move {
                let thread = ThreadMetadata {
                    title: None,
                    id: format!("thr-{n}").as_str().into(),
                    created_at: now(),
                    status: ThreadStatus::Active,
                    allowed_image_domains: None,
                    metadata: JsonMap::new(),
                };
                let begin = BeginTurn {
                    turn_id: format!("turn-{n}").as_str().into(),
                    thread: TurnThread::New(thread),
                    opening: &[],
                    changed: &[],
                    idempotency_key: Some("same"),
                    holder: "r",
                    now: now(),
                };
                store.begin_turn(&ada(), begin).await.unwrap()
            })
        })
        .collect();
    let (mut begun, mut turns) = (0, HashSet::new());
    for outcome in begins {
        match outcome.await.unwrap() {
            BeginOutcome::Begun { .. } => begun += 1,
            BeginOutcome::Repeated(recorded) => drop(turns.insert(recorded.turn_id)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((begun, turns.len()), (1, 1));
    let threads = Server::shared().admin(&format!("SELECT count(*) FROM {}.threads", place.schema));
    assert_eq!(threads.unwrap(), "1", "the others left nothing");
}

#[tokio::test]
async fn a_process_that_says_it_lives_keeps_its_turns_and_a_silent_one_does_not() {
    let place = Server::shared().place();
    let (here, there) = (replica(&place).await, replica(&place).await);
    there.keep_alive("there").await.unwrap();
    begin(&there, &ada(), "thr", true, "turn", "there").await.unwrap();
    let half = put(2, answer("thr", "half", "Hal"), ItemState::Pending);
    there.write(&ada(), &key("thr", "turn"), std::slice::from_ref(&half)).await.unwrap();

    assert_eq!(here.interrupt_orphans("here", now()).await.unwrap(), 0);
    let busy = begin(&here, &ada(), "thr", false, "next", "here").await.unwrap();
    assert_eq!(busy, BeginOutcome::Busy { turn_id: "turn".into(), holder: "there".to_owned() });

    falls_silent(&place, "there");
    // The server of these tests has only just started: nobody could speak before.
    until("the end of an orphan", async || {
        (here.interrupt_orphans("here", now()).await.unwrap() == 1).then_some(())
    })
    .await;
    assert_eq!(item_ids(&here, &ada(), "thr").await, ["thr-turn", "half"]);
    let late = there.write(&ada(), &key("thr", "turn"), &[half]).await;
    assert!(matches!(late, Err(StoreError::TurnLost(_))), "{late:?}");
}

#[tokio::test]
async fn a_message_closes_the_orphan_that_it_meets() {
    let place = Server::shared().place();
    let (here, there) = (replica(&place).await, replica(&place).await);
    there.keep_alive("there").await.unwrap();
    begin(&there, &ada(), "thr", true, "turn", "there").await.unwrap();
    begin(&there, &bob(), "bobs", true, "bobs-turn", "there").await.unwrap();
    let half = put(2, answer("thr", "half", "Hal"), ItemState::Pending);
    there.write(&ada(), &key("thr", "turn"), &[half]).await.unwrap();
    falls_silent(&place, "there");
    let begun = until("a turn after the orphan", async || {
        match begin(&here, &ada(), "thr", false, "next", "here").await.unwrap() {
            BeginOutcome::Begun { next_seq, .. } => Some(next_seq),
            BeginOutcome::Busy { .. } => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(begun, 4);
    assert_eq!(item_ids(&here, &ada(), "thr").await, ["thr-turn", "half", "thr-next"]);
    // Nobody has met Bob's.
    assert_eq!(here.interrupt_orphans("here", now()).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_thread_while_its_turn_writes_is_no_deadlock() {
    let place = Server::shared().place();
    let (here, there) = (replica(&place).await, replica(&place).await);
    for round in 0..20 {
        let thread = format!("thr-{round}");
        begin(&here, &ada(), &thread, true, &format!("{thread}-turn"), "here").await.unwrap();
        let writer = {
            let (here, thread) = (here.clone(), thread.clone());
            tokio::spawn(async move {
                for n in 2.. {
                    let said = answer(&thread, &format!("{thread}-{n}"), "text");
                    let writes = [put(n, said, ItemState::Done)];
                    let turn = key(&thread, &format!("{thread}-turn"));
                    match here.write(&ada(), &turn, &writes).await {
                        Ok(()) => {}
                        Err(StoreError::TurnLost(_)) => return,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        };
        assert!(there.delete_thread(&ada(), &thread.as_str().into()).await.unwrap());
        writer.await.unwrap();
    }
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'parlor'";
    assert_eq!(Server::shared().admin(sql).unwrap(), "0");
    let rows = format!("SELECT count(*) FROM {}.items", place.schema);
    assert_eq!(Server::shared().admin(&rows).unwrap(), "0");
}
