//! Stories of those who use much.

use parlor_chatkit::{StoreError, protocol::Timestamp};

use super::at;
use crate::{
    Allowance, Charge, Charged, CounterId, LimitStore, OpenId, Opening, Refusal, Slots, Use, Window,
};

/// Makes a `#[tokio::test]` of every story about limits; takes what `store_stories!` takes.
#[macro_export]
macro_rules! limit_stories {
    ($make:expr) => {
        $crate::limit_stories!(@each $make;
            what_is_used_counts_until_its_time_is_over
            all_is_counted_or_nothing
            of_many_at_once_as_many_as_allowed_are_counted
            counters_know_nothing_of_each_other
            that_a_limit_is_near_is_told_once
            what_was_used_counts_afterwards
            what_is_given_back_can_be_used_again
            what_several_servers_have_counted_is_told_to_each
            as_many_are_open_as_may_be
            what_counts_nothing_any_more_is_swept
            counters_count_like_the_model_of_them
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

fn counter(n: u8) -> CounterId {
    CounterId([n; 16])
}

/// One of a counter that allows three a minute.
fn one_of(n: u8) -> Charge {
    Charge { counter: counter(n), window: Window::Minute, limit: 3, cost: 1, near: None }
}

fn opening(n: u8, counters: &[(u8, u64)]) -> Opening {
    Opening {
        id: OpenId([n; 16]),
        holder: "here".to_owned(),
        counters: counters.iter().map(|(n, limit)| (counter(*n), *limit)).collect(),
    }
}

async fn charge(store: &impl LimitStore, charges: &[Charge], now: Timestamp) -> Charged {
    store.charge(charges, None, now).await.unwrap()
}

/// What is left at each counter; panics when something is refused.
async fn left(store: &impl LimitStore, charges: &[Charge], now: Timestamp) -> Vec<u64> {
    match charge(store, charges, now).await {
        Charged::Counted(allowances) => allowances.iter().map(|allowance| allowance.left).collect(),
        Charged::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refused(place: usize, second: i64) -> Charged {
    Charged::Refused(Refusal::Charge { place, free_at: at(second) })
}

/// And it is said to the second when that is.
pub async fn what_is_used_counts_until_its_time_is_over(store: &impl LimitStore) {
    for (second, expected) in [(1_000, 2), (1_004, 1), (1_030, 0)] {
        assert_eq!(left(store, &[one_of(1)], at(second)).await, [expected]);
    }
    // The first two were in the slot that ends at 1,005.
    for second in [1_030, 1_064] {
        assert_eq!(charge(store, &[one_of(1)], at(second)).await, refused(0, 1_065));
    }
    assert_eq!(left(store, &[one_of(1)], at(1_065)).await, [1]);
    let days = Charge { window: Window::Day, ..one_of(2) };
    let Charged::Counted(counted) = charge(store, &[days], at(7_300)).await else { panic!() };
    let more_at = Some(at(2 * 3_600 + 25 * 3_600));
    assert_eq!(counted, [Allowance { left: 2, warn: false, more_at }]);
    let asked = Charge { cost: 0, ..one_of(3) };
    let Charged::Counted(counted) = charge(store, &[asked], at(1_000)).await else { panic!() };
    assert_eq!(counted, [Allowance { left: 3, warn: false, more_at: None }]);
}

/// The one that takes longest is told.
pub async fn all_is_counted_or_nothing(store: &impl LimitStore) {
    let day = Charge { window: Window::Day, limit: 1, ..one_of(2) };
    assert_eq!(left(store, &[one_of(1), day], at(1_000)).await, [2, 0]);
    let free_at = 25 * 3_600;
    assert_eq!(charge(store, &[one_of(1), day], at(1_000)).await, refused(1, free_at));
    assert_eq!(left(store, &[one_of(1)], at(1_000)).await, [1], "it was not counted");
    assert_eq!(left(store, &[one_of(1)], at(1_000)).await, [0]);
    assert_eq!(charge(store, &[one_of(1), day], at(1_000)).await, refused(1, free_at));
    assert_eq!(charge(store, &[day, one_of(1)], at(1_000)).await, refused(0, free_at));
    let two = Charge { cost: 2, limit: 1, ..one_of(4) };
    assert!(matches!(charge(store, &[two], at(1_000)).await, Charged::Refused(_)));
}

/// Not one more, whoever comes first.
pub async fn of_many_at_once_as_many_as_allowed_are_counted<S: LimitStore + Clone>(store: &S) {
    let asking: Vec<_> = (0..50_u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let shared = Charge { limit: 10, ..one_of(200) };
                // In another order each, so that they would wait for each other.
                let mut charges = vec![shared, Charge { limit: 100, ..one_of(201) }];
                if n % 2 == 0 {
                    charges.reverse();
                }
                let opening = opening(n, &[(202, 100)]);
                store.charge(&charges, Some(&opening), at(1_000)).await.unwrap()
            })
        })
        .collect();
    let mut counted = 0;
    for asked in asking {
        counted += usize::from(matches!(asked.await.unwrap(), Charged::Counted(_)));
    }
    assert_eq!(counted, 10);
    let both = [Charge { limit: 10, cost: 0, ..one_of(201) }];
    assert!(matches!(charge(store, &both, at(1_000)).await, Charged::Refused(_)), "ten there too");
}

/// Nobody is refused for what another has used.
pub async fn counters_know_nothing_of_each_other(store: &impl LimitStore) {
    for expected in [2, 1, 0] {
        assert_eq!(left(store, &[one_of(1)], at(1_000)).await, [expected]);
    }
    assert!(matches!(charge(store, &[one_of(1)], at(1_000)).await, Charged::Refused(_)));
    assert_eq!(left(store, &[one_of(2)], at(1_000)).await, [2]);
}

/// And again when it was not for a while.
pub async fn that_a_limit_is_near_is_told_once(store: &impl LimitStore) {
    let charge = |cost| Charge { limit: 10, cost, near: Some(8), ..one_of(1) };
    let warned = async |cost, second| match store.charge(&[charge(cost)], None, at(second)).await {
        Ok(Charged::Counted(allowances)) => allowances[0].warn,
        other => panic!("{other:?}"),
    };
    assert!(!warned(7, 1_000).await);
    assert!(warned(1, 1_000).await, "eight of ten");
    assert!(!warned(1, 1_000).await && !warned(0, 1_001).await, "it was said");
    assert!(!warned(1, 1_070).await, "all of it was over");
    let late = Use { counter: counter(1), window: Window::Minute, amount: 8 };
    store.settle(&[late], &[], at(1_070)).await.unwrap();
    assert!(warned(0, 1_070).await, "what was used afterwards counts");
    assert!(!warned(0, 1_070).await);
}

/// Beyond the limit, too: it is not known before how much it will be.
pub async fn what_was_used_counts_afterwards(store: &impl LimitStore) {
    let asked = Charge { limit: 1_000, cost: 0, window: Window::Day, ..one_of(1) };
    let used = |amount| Use { counter: counter(1), window: Window::Day, amount };
    assert_eq!(left(store, &[asked], at(1_000)).await, [1_000]);
    store.settle(&[used(999)], &[], at(1_000)).await.unwrap();
    assert_eq!(left(store, &[asked], at(1_000)).await, [1]);
    store.settle(&[used(5_000)], &[], at(3_601)).await.unwrap();
    assert_eq!(charge(store, &[asked], at(3_700)).await, refused(0, 26 * 3_600));
    store.settle(&[used(i64::MAX), used(i64::MAX)], &[], at(3_601)).await.unwrap();
    assert_eq!(charge(store, &[asked], at(3_700)).await, refused(0, 26 * 3_600));
    store.settle(&[], &[], at(3_601)).await.unwrap();
}

/// Of what was counted last, and never more than was counted.
pub async fn what_is_given_back_can_be_used_again(store: &impl LimitStore) {
    let back = |amount: i64| Use { counter: counter(1), window: Window::Minute, amount: -amount };
    for second in [1_000, 1_000, 1_010] {
        left(store, &[one_of(1)], at(second)).await;
    }
    store.settle(&[back(2)], &[], at(1_020)).await.unwrap();
    assert_eq!(left(store, &[one_of(1)], at(1_020)).await, [1]);
    store.settle(&[back(20)], &[], at(1_020)).await.unwrap();
    assert_eq!(left(store, &[one_of(1)], at(1_020)).await, [2]);
}

/// What is closed makes room, and so does what was open in a process that is gone.
pub async fn as_many_are_open_as_may_be(store: &impl LimitStore) {
    let open = async |opening: &Opening| store.charge(&[], Some(opening), at(1_000)).await.unwrap();
    let counted = Charged::Counted(Vec::new());
    assert_eq!(open(&opening(1, &[(1, 2), (9, 10)])).await, counted);
    assert_eq!(open(&opening(2, &[(1, 2), (9, 10)])).await, counted);
    let full = Charged::Refused(Refusal::Open { place: 0 });
    assert_eq!(open(&opening(3, &[(1, 2), (9, 10)])).await, full);
    let full = Charged::Refused(Refusal::Open { place: 1 });
    assert_eq!(open(&opening(3, &[(2, 2), (1, 2)])).await, full);
    assert_eq!(open(&opening(4, &[(2, 1)])).await, counted, "nothing was left behind");
    let both = store.charge(&[one_of(1)], Some(&opening(3, &[(1, 2)])), at(1_000)).await.unwrap();
    assert_eq!(both, Charged::Refused(Refusal::Open { place: 0 }));
    assert_eq!(left(store, &[one_of(1)], at(1_000)).await, [2], "nor counted");

    store.settle(&[], &[OpenId([1; 16]), OpenId([77; 16])], at(1_000)).await.unwrap();
    assert_eq!(open(&opening(5, &[(1, 2)])).await, counted);
    assert_ne!(open(&opening(6, &[(1, 2)])).await, counted);
    // A process of which nothing was ever heard.
    let elsewhere = |n, counter| Opening { holder: "gone".into(), ..opening(n, &[(counter, 1)]) };
    assert_eq!(open(&elsewhere(7, 3)).await, counted);
    assert_eq!(open(&opening(8, &[(3, 1)])).await, counted, "it is gone");
    assert_eq!(open(&elsewhere(9, 4)).await, counted);
    store.sweep_limits("here", at(1_000), 10).await.unwrap();
    assert_eq!(open(&elsewhere(10, 4)).await, counted, "its traces, too");
    assert_ne!(open(&opening(11, &[(3, 1)])).await, counted, "those of this one stay");
}

/// So many at a time that nobody waits long.
pub async fn what_counts_nothing_any_more_is_swept(store: &impl LimitStore) {
    for n in 1..=5 {
        left(store, &[one_of(n)], at(1_000)).await;
    }
    left(store, &[one_of(6)], at(1_050)).await;
    assert_eq!(store.sweep_limits("here", at(1_064), 10).await.unwrap(), 0);
    for swept in [3, 2, 0] {
        assert_eq!(store.sweep_limits("here", at(1_065), 3).await.unwrap(), swept);
    }
    assert_eq!(left(store, &[one_of(6)], at(1_065)).await, [1]);
}

/// Over times and amounts as they come.
pub async fn counters_count_like_the_model_of_them(store: &impl LimitStore) {
    let window = Window::Minute;
    let mut model = Slots::new(window, at(1_000));
    // A fixed sequence that looks like none: the next number of a linear congruential generator.
    let mut state = 12_345_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut now = 1_000_i64;
    for _ in 0..200 {
        // Now and then the clock is behind, or far ahead.
        now += i64::try_from(next(20)).unwrap() - 3 + if next(30) == 0 { 100 } else { 0 };
        let charge = Charge { limit: 12, cost: next(4), near: Some(10), ..one_of(1) };
        if next(5) == 0 {
            let amount = i64::try_from(next(6)).unwrap() - 3;
            let used = Use { counter: charge.counter, window, amount };
            store.settle(&[used], &[], at(now)).await.unwrap();
            model.advance(at(now));
            model.add(amount);
        }
        let outcome: Result<Charged, StoreError> = store.charge(&[charge], None, at(now)).await;
        model.advance(at(now));
        if model.used() + charge.cost.max(1) > charge.limit {
            let free_at = model.free_at(charge.limit);
            assert_eq!(
                outcome.unwrap(),
                Charged::Refused(Refusal::Charge { place: 0, free_at }),
                "{now}"
            );
            continue;
        }
        model.add(i64::try_from(charge.cost).unwrap());
        let Charged::Counted(allowances) = outcome.unwrap() else { panic!("refused at {now}") };
        let left = charge.limit - model.used();
        assert_eq!((allowances[0].left, allowances[0].more_at), (left, model.more_at()), "{now}");
    }
}

/// Each adds what it has counted, and learns what all have.
pub async fn what_several_servers_have_counted_is_told_to_each(store: &impl LimitStore) {
    let used = |n, amount| Use { counter: counter(n), window: Window::Minute, amount };
    let told = store.tally(&[used(1, 5), used(2, 7)], at(1_000)).await.unwrap();
    assert_eq!(told.iter().map(Slots::used).collect::<Vec<_>>(), [5, 7]);
    let told = store.tally(&[used(2, 1), used(3, 0)], at(1_030)).await.unwrap();
    assert_eq!(told.iter().map(Slots::used).collect::<Vec<_>>(), [8, 0]);
    // Seven were in the slot that ends at 1,005, and one in that which ends at 1,035.
    assert_eq!((told[0].free_at(8), told[0].free_at(1)), (at(1_065), at(1_095)));
    let told = store.tally(&[used(2, 0)], at(1_065)).await.unwrap();
    assert_eq!(told[0].used(), 1);
    assert!(store.tally(&[], at(1_065)).await.unwrap().is_empty());
}
