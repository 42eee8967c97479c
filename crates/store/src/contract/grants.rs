//! Stories of those who sign in at other servers.

use parlor_chatkit::{Owner, protocol::Timestamp};

use super::{ada, at, others};
use crate::{
    AttemptId, ClientId, Grant, GrantAttempt, GrantServer, GrantStore, OperatorStore,
    RefreshedGrant, Revision,
};

/// Makes a `#[tokio::test]` of every story about grants; takes what `store_stories!` takes.
#[macro_export]
macro_rules! grant_stories {
    ($make:expr) => {
        $crate::grant_stories!(@each $make;
            a_grant_is_its_owners_and_of_one_server
            a_new_grant_takes_the_place_of_the_old_one
            one_of_many_gets_new_tokens
            tokens_that_are_others_by_now_stay
            a_sign_in_is_found_until_it_is_over_and_taken_once
            sign_ins_that_are_over_are_swept_in_batches
            a_registration_is_good_for_its_time
            grants_go_with_their_owner
            grants_of_a_visitor_end_with_the_visitor
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

fn server(n: u8) -> GrantServer {
    GrantServer([n; 32])
}

fn revision(n: u8) -> Revision {
    Revision([n; 16])
}

fn grant(owner: &Owner, n: u8) -> Grant {
    Grant {
        owner: owner.clone(),
        server: server(n),
        name: format!("server-{n}"),
        sealed: vec![0, 255, n],
        revision: revision(n),
        granted_at: at(1_000),
        refresh_at: Some(at(1_050)),
    }
}

fn refreshed(n: u8) -> RefreshedGrant {
    RefreshedGrant { sealed: vec![n], revision: revision(n), refresh_at: None }
}

fn attempt(owner: &Owner, n: u8, until: Timestamp) -> GrantAttempt {
    GrantAttempt {
        id: AttemptId([n; 32]),
        owner: owner.clone(),
        sealed: vec![n, 0],
        good_until: until,
    }
}

async fn claimed(store: &impl GrantStore, owner: &Owner, n: u8, now: i64, until: i64) -> bool {
    store.claim_grant(owner, &server(1), revision(n), at(now), at(until)).await.unwrap()
}

/// Nobody else reads, changes or ends it.
pub async fn a_grant_is_its_owners_and_of_one_server(store: &impl GrantStore) {
    for n in [2, 1] {
        store.keep_grant(&grant(&ada(), n)).await.unwrap();
    }
    assert_eq!(store.grant(&ada(), &server(1)).await.unwrap(), Some(grant(&ada(), 1)));
    assert_eq!(store.grant(&ada(), &server(3)).await.unwrap(), None);
    let all = store.grants_of(&ada()).await.unwrap();
    assert_eq!(all, [grant(&ada(), 1), grant(&ada(), 2)]);
    for other in others() {
        assert_eq!(store.grant(&other, &server(1)).await.unwrap(), None);
        assert!(store.grants_of(&other).await.unwrap().is_empty());
        let (server, revision) = (server(1), revision(1));
        assert!(!claimed(store, &other, 1, 1_000, 1_010).await);
        assert!(!store.refresh_grant(&other, &server, revision, &refreshed(9)).await.unwrap());
        assert!(!store.end_grant(&other, &server, revision).await.unwrap());
        store.keep_grant(&Grant { sealed: vec![7], ..grant(&other, 1) }).await.unwrap();
    }
    assert_eq!(store.grant(&ada(), &server(1)).await.unwrap(), Some(grant(&ada(), 1)));
    assert!(store.end_grant(&ada(), &server(1), revision(1)).await.unwrap());
    assert_eq!(store.grants_of(&ada()).await.unwrap(), [grant(&ada(), 2)]);
}

/// And nobody is getting tokens for it any more.
pub async fn a_new_grant_takes_the_place_of_the_old_one(store: &impl GrantStore) {
    store.keep_grant(&grant(&ada(), 1)).await.unwrap();
    assert!(claimed(store, &ada(), 1, 1_000, 1_010).await);
    let new = Grant { revision: revision(5), refresh_at: None, ..grant(&ada(), 1) };
    store.keep_grant(&new).await.unwrap();
    assert_eq!(store.grants_of(&ada()).await.unwrap(), [new]);
    assert!(!store.refresh_grant(&ada(), &server(1), revision(1), &refreshed(9)).await.unwrap());
    assert!(claimed(store, &ada(), 5, 1_000, 1_010).await);
}

/// Refresh tokens are good once. Who took it on and was never heard of again is not waited for.
pub async fn one_of_many_gets_new_tokens<S: GrantStore + Clone>(store: &S) {
    store.keep_grant(&grant(&ada(), 1)).await.unwrap();
    let claim = |now: i64, until: i64| {
        let store = store.clone();
        async move { claimed(&store, &ada(), 1, now, until).await }
    };
    let claims: Vec<_> = (0..10).map(|_| tokio::spawn(claim(1_000, 1_010))).collect();
    let mut claimed = 0;
    for claim in claims {
        claimed += usize::from(claim.await.unwrap());
    }
    assert_eq!(claimed, 1);
    assert!(!claim(1_009, 1_020).await);
    assert!(claim(1_010, 1_020).await, "the first has had its time");
    assert!(store.refresh_grant(&ada(), &server(1), revision(1), &refreshed(2)).await.unwrap());
    let kept = store.grant(&ada(), &server(1)).await.unwrap().unwrap();
    let expected =
        Grant { sealed: vec![2], revision: revision(2), refresh_at: None, ..grant(&ada(), 1) };
    assert_eq!(kept, expected);
    assert!(!claim(1_011, 1_020).await, "not for tokens that are gone");
}

/// Whoever was slow changes nothing.
pub async fn tokens_that_are_others_by_now_stay(store: &impl GrantStore) {
    store.keep_grant(&grant(&ada(), 1)).await.unwrap();
    assert!(store.refresh_grant(&ada(), &server(1), revision(1), &refreshed(2)).await.unwrap());
    assert!(!store.refresh_grant(&ada(), &server(1), revision(1), &refreshed(3)).await.unwrap());
    assert!(!store.end_grant(&ada(), &server(1), revision(1)).await.unwrap());
    let kept = store.grant(&ada(), &server(1)).await.unwrap().unwrap();
    assert_eq!(kept.revision, revision(2));
    assert!(store.end_grant(&ada(), &server(1), revision(2)).await.unwrap());
    assert!(!store.refresh_grant(&ada(), &server(1), revision(2), &refreshed(3)).await.unwrap());
    assert_eq!(store.grant(&ada(), &server(1)).await.unwrap(), None, "it does not come back");
}

/// By one of many who ask at once.
pub async fn a_sign_in_is_found_until_it_is_over_and_taken_once<S: GrantStore + Clone>(store: &S) {
    let kept = attempt(&ada(), 1, at(1_100));
    store.begin_attempt(&kept).await.unwrap();
    assert!(store.begin_attempt(&kept).await.is_err(), "an id is used once");
    assert_eq!(store.attempt(&kept.id, at(1_099)).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.attempt(&kept.id, at(1_100)).await.unwrap(), None);
    assert_eq!(store.attempt(&AttemptId([2; 32]), at(1_000)).await.unwrap(), None);
    let takes: Vec<_> = (0..8)
        .map(|_| {
            let (store, id) = (store.clone(), kept.id);
            tokio::spawn(async move { store.take_attempt(&id).await.unwrap() })
        })
        .collect();
    let mut taken = Vec::new();
    for take in takes {
        taken.extend(take.await.unwrap());
    }
    assert_eq!(taken, std::slice::from_ref(&kept));
    assert_eq!(store.attempt(&kept.id, at(1_000)).await.unwrap(), None);
}

/// So many at a time that nobody waits long.
pub async fn sign_ins_that_are_over_are_swept_in_batches(store: &impl GrantStore) {
    for n in 1..=5 {
        store.begin_attempt(&attempt(&ada(), n, at(1_100))).await.unwrap();
    }
    store.begin_attempt(&attempt(&ada(), 6, at(1_900))).await.unwrap();
    assert_eq!(store.sweep_attempts(at(1_099), 10).await.unwrap(), 0);
    for swept in [3, 2, 0] {
        assert_eq!(store.sweep_attempts(at(1_100), 3).await.unwrap(), swept);
    }
    assert!(store.attempt(&AttemptId([6; 32]), at(1_100)).await.unwrap().is_some());
}

/// And a new one takes its place.
pub async fn a_registration_is_good_for_its_time(store: &impl GrantStore) {
    let id = ClientId([1; 32]);
    assert_eq!(store.client(&id, at(1)).await.unwrap(), None);
    store.keep_client(&id, &[1, 0, 255], at(1_100)).await.unwrap();
    assert_eq!(store.client(&id, at(1_099)).await.unwrap(), Some(vec![1, 0, 255]));
    assert_eq!(store.client(&id, at(1_100)).await.unwrap(), None);
    store.keep_client(&id, &[2], at(1_200)).await.unwrap();
    assert_eq!(store.client(&id, at(1_100)).await.unwrap(), Some(vec![2]));
    assert_eq!(store.client(&ClientId([2; 32]), at(1)).await.unwrap(), None);
}

/// And what others have stays.
pub async fn grants_go_with_their_owner<S: GrantStore + OperatorStore>(store: &S) {
    let bob = others()[0].clone();
    for (owner, n) in [(&ada(), 1), (&bob, 2)] {
        store.keep_grant(&grant(owner, n)).await.unwrap();
        store.begin_attempt(&attempt(owner, n, at(1_100))).await.unwrap();
    }
    let erased = store.erase(&ada(), 10).await.unwrap();
    assert_eq!((erased.others, erased.more), (2, false));
    assert!(store.grants_of(&ada()).await.unwrap().is_empty());
    assert_eq!(store.attempt(&AttemptId([1; 32]), at(1_000)).await.unwrap(), None);
    assert_eq!(store.grants_of(&bob).await.unwrap().len(), 1);
    assert!(store.attempt(&AttemptId([2; 32]), at(1_000)).await.unwrap().is_some());
}

/// The account that the visitor becomes signs in itself.
pub async fn grants_of_a_visitor_end_with_the_visitor<S: GrantStore + OperatorStore>(store: &S) {
    let visitor = others()[0].clone();
    store.keep_grant(&grant(&ada(), 1)).await.unwrap();
    store.keep_grant(&grant(&visitor, 1)).await.unwrap();
    store.begin_attempt(&attempt(&visitor, 1, at(1_100))).await.unwrap();
    let account = ada().user().clone();
    store.move_visitor(&visitor, &account, [0; 32], at(1_000)).await.unwrap();
    assert!(store.grants_of(&visitor).await.unwrap().is_empty());
    assert_eq!(store.attempt(&AttemptId([1; 32]), at(1_000)).await.unwrap(), None);
    assert_eq!(store.grants_of(&ada()).await.unwrap(), [grant(&ada(), 1)]);
}
