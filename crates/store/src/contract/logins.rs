//! Stories of those who sign in.

use parlor_chatkit::{Identity, protocol::Timestamp};

use super::{ada, at, others};
use crate::{Login, LoginId, LoginStore, RefreshedLogin};

/// Makes a `#[tokio::test]` of every story about logins; takes what `store_stories!` takes.
#[macro_export]
macro_rules! login_stories {
    ($make:expr) => {
        $crate::login_stories!(@each $make;
            a_login_comes_back_as_it_was_kept
            a_login_ends_and_takes_nobody_along
            a_login_that_is_used_is_good_for_longer
            a_new_login_takes_the_place_of_the_browsers_old_one
            one_of_many_asks_the_provider_again
            what_the_provider_says_is_kept
            logins_that_have_ended_are_swept_in_batches
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

fn id(n: u8) -> LoginId {
    LoginId([n; 32])
}

/// A login of Ada's from second 1,000 on, good until 1,100 and at most until 2,000.
fn adas(n: u8) -> Login {
    Login {
        id: id(n),
        owner: ada(),
        identity: Identity {
            name: Some("Ada \u{0} Lovelace \"é\"".to_owned()),
            email: None,
            roles: vec!["editor".to_owned(), "a b".to_owned()],
        },
        sealed: Some(vec![0, 255, n]),
        ends_at: at(2_000),
        good_until: at(1_100),
        refresh_at: Some(at(1_050)),
    }
}

async fn there(store: &impl LoginStore, n: u8, now: Timestamp) -> Option<Login> {
    store.login(&id(n), now).await.unwrap()
}

/// Whatever it holds.
pub async fn a_login_comes_back_as_it_was_kept(store: &impl LoginStore) {
    store.begin_login(&adas(1), None).await.unwrap();
    let bare = Login {
        owner: others()[1].clone(),
        identity: Identity::default(),
        sealed: None,
        refresh_at: None,
        ..adas(2)
    };
    store.begin_login(&bare, None).await.unwrap();
    assert_eq!(there(store, 1, at(1_000)).await, Some(adas(1)));
    assert_eq!(there(store, 2, at(1_000)).await, Some(bare));
    assert_eq!(there(store, 3, at(1_000)).await, None);
}

/// By time or by hand; the same person's other browsers go on.
pub async fn a_login_ends_and_takes_nobody_along(store: &impl LoginStore) {
    for n in [1, 2] {
        store.begin_login(&adas(n), None).await.unwrap();
    }
    assert_eq!(store.end_login(&id(1)).await.unwrap(), Some(adas(1)));
    assert_eq!(store.end_login(&id(1)).await.unwrap(), None, "once");
    assert_eq!(there(store, 1, at(1_000)).await, None);
    assert!(there(store, 2, at(1_099)).await.is_some());
    assert_eq!(there(store, 2, at(1_100)).await, None, "swept or not");
}

/// Never shorter, and never beyond its end.
pub async fn a_login_that_is_used_is_good_for_longer(store: &impl LoginStore) {
    let beyond = Login { good_until: at(9_000), ..adas(2) };
    store.begin_login(&adas(1), None).await.unwrap();
    store.begin_login(&beyond, None).await.unwrap();
    assert_eq!(there(store, 2, at(1_000)).await.unwrap().good_until, at(2_000));
    for (asked, then) in [(1_500, 1_500), (1_200, 1_500), (9_000, 2_000)] {
        store.extend_login(&id(1), at(asked)).await.unwrap();
        assert_eq!(there(store, 1, at(1_000)).await.unwrap().good_until, at(then), "{asked}");
    }
    store.extend_login(&id(7), at(1_500)).await.unwrap();
    assert_eq!(there(store, 7, at(1_000)).await, None, "nobody comes in by being used");
}

/// An id that was there before signing in is worth nothing afterwards.
pub async fn a_new_login_takes_the_place_of_the_browsers_old_one(store: &impl LoginStore) {
    store.begin_login(&adas(1), None).await.unwrap();
    store.begin_login(&adas(2), Some(&id(1))).await.unwrap();
    assert_eq!(there(store, 1, at(1_000)).await, None);
    assert!(there(store, 2, at(1_000)).await.is_some());
    assert!(store.begin_login(&adas(2), None).await.is_err(), "an id is used once");
}

/// Refresh tokens are good once: whoever comes second would end the login.
pub async fn one_of_many_asks_the_provider_again<S: LoginStore + Clone>(store: &S) {
    store.begin_login(&adas(1), None).await.unwrap();
    let claims: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.claim_refresh(&id(1), at(1_050), at(1_080)).await })
        })
        .collect();
    let mut claimed = 0;
    for claim in claims {
        claimed += usize::from(claim.await.unwrap().unwrap());
    }
    assert_eq!(claimed, 1);
    assert_eq!(there(store, 1, at(1_000)).await.unwrap().refresh_at, Some(at(1_080)));
    assert!(!store.claim_refresh(&id(7), at(1_050), at(1_080)).await.unwrap());
}

/// And nothing of a login that was ended in the meantime.
pub async fn what_the_provider_says_is_kept(store: &impl LoginStore) {
    store.begin_login(&adas(1), None).await.unwrap();
    store.begin_login(&adas(2), None).await.unwrap();
    let refreshed = RefreshedLogin {
        identity: Identity { name: Some("Countess".to_owned()), ..Identity::default() },
        sealed: Some(vec![1, 2, 3]),
        refresh_at: Some(at(1_070)),
    };
    assert!(store.refresh_login(&id(1), &refreshed).await.unwrap());
    let expected = Login {
        identity: refreshed.identity.clone(),
        sealed: refreshed.sealed.clone(),
        refresh_at: refreshed.refresh_at,
        ..adas(1)
    };
    assert_eq!(there(store, 1, at(1_000)).await, Some(expected));
    assert_eq!(there(store, 2, at(1_000)).await, Some(adas(2)), "another browser's is its own");
    store.end_login(&id(1)).await.unwrap();
    assert!(!store.refresh_login(&id(1), &refreshed).await.unwrap());
    assert_eq!(there(store, 1, at(1_000)).await, None, "it does not come back");
}

/// So many at a time that nobody waits long.
pub async fn logins_that_have_ended_are_swept_in_batches(store: &impl LoginStore) {
    for n in 1..=5 {
        store.begin_login(&adas(n), None).await.unwrap();
    }
    let good = Login { good_until: at(1_900), ..adas(6) };
    store.begin_login(&good, None).await.unwrap();
    assert_eq!(store.sweep_logins(at(1_099), 10).await.unwrap(), 0);
    for swept in [3, 2, 0] {
        assert_eq!(store.sweep_logins(at(1_100), 3).await.unwrap(), swept);
    }
    assert_eq!(store.end_login(&id(1)).await.unwrap(), None);
    assert!(there(store, 6, at(1_100)).await.is_some());
}
