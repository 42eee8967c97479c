//! Stories of what answers took.

use parlor_chatkit::{Owner, Store, TenantId, UserId};

use super::{ada, at, conversation};
use crate::{
    MovedVisitor, OperatorStore,
    usage::{UsageQuery, UsageRecord, UsageStore, UsageSum, Used},
};

/// Makes a `#[tokio::test]` of every story about usage; takes what `store_stories!` takes.
#[macro_export]
macro_rules! usage_stories {
    ($make:expr) => {
        $crate::usage_stories!(@each $make;
            what_was_used_is_summed_by_tenant_user_and_model
            what_was_used_goes_with_its_user_and_stays_with_its_threads_owner
            old_usage_goes
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

fn owner(tenant: &str, user: &str) -> Owner {
    Owner::authenticated(TenantId::new(tenant), UserId::new(user))
}

fn of(owner: &Owner, thread: &str, model: &str, second: i64, cost: Option<u64>) -> UsageRecord {
    let used = Used { requests: 2, input_tokens: 100, cached_tokens: 40, output_tokens: 7, cost };
    UsageRecord {
        owner: owner.clone(),
        thread_id: thread.into(),
        at: at(second),
        purpose: "answer",
        model: model.to_owned(),
        used,
    }
}

async fn sums(store: &impl UsageStore, query: UsageQuery) -> Vec<UsageSum> {
    store.usage(&UsageQuery { limit: 100, ..query }).await.unwrap()
}

/// Titles are no turns, what has no price is said to have none, and pages follow each other.
pub async fn what_was_used_is_summed_by_tenant_user_and_model<S>(store: &S)
where
    S: Store + UsageStore,
{
    let (one, two, far) = (owner("u-a", "one"), owner("u-a", "two"), owner("u-b", "one"));
    for (owner, thread) in [(&one, "u-1"), (&two, "u-2"), (&far, "u-3")] {
        conversation(store, owner, thread).await;
    }
    let title = UsageRecord { purpose: "title", ..of(&one, "u-1", "large", 1_001, None) };
    let records = [
        of(&one, "u-1", "large", 1_000, Some(5)),
        title,
        of(&one, "u-1", "small", 1_000, Some(1)),
        of(&two, "u-2", "large", 2_000, Some(5)),
        of(&far, "u-3", "large", 3_000, Some(5)),
        // Nobody has it, and nobody has it in this tenant.
        of(&one, "u-gone", "large", 1_000, Some(5)),
        of(&far, "u-1", "large", 1_000, Some(5)),
    ];
    store.add_usage(&records).await.unwrap();
    store.add_usage(&[]).await.unwrap();
    let tenant = |id: &str| UsageQuery { tenant: Some(TenantId::new(id)), ..UsageQuery::default() };
    let all = sums(store, tenant("u-a")).await;
    let found: Vec<(&str, &str, u64, Option<u64>, u64)> = all
        .iter()
        .map(|sum| {
            let (user, model) = (sum.owner.user().as_str(), sum.model.as_str());
            (user, model, sum.turns, sum.used.cost, sum.unpriced)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("one", "large", 1, Some(5), 1),
            ("one", "small", 1, Some(1), 0),
            ("two", "large", 1, Some(5), 0),
        ]
    );
    let used = Used {
        requests: 4,
        input_tokens: 200,
        cached_tokens: 80,
        output_tokens: 14,
        cost: Some(5),
    };
    assert_eq!(all[0].used, used);
    let user = Some(UserId::new("one"));
    let of_user = sums(store, UsageQuery { user: user.clone(), ..tenant("u-a") }).await;
    assert_eq!(of_user, all[..2]);
    let both = sums(store, UsageQuery { user, since: Some(at(2_500)), ..UsageQuery::default() });
    let both: Vec<Owner> = both.await.into_iter().map(|sum| sum.owner).collect();
    assert_eq!(both, [far]);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let query = UsageQuery { after: after.take(), limit: 1, ..tenant("u-a") };
        let page = store.usage(&query).await.unwrap();
        let Some(last) = page.last().cloned() else { break };
        let (tenant, user) = (last.owner.tenant().clone(), last.owner.user().clone());
        after = Some((tenant, user, last.model.clone()));
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

/// Erased with a user, also what comes late; a visitor's becomes the account's.
pub async fn what_was_used_goes_with_its_user_and_stays_with_its_threads_owner<S>(store: &S)
where
    S: Store + UsageStore + OperatorStore,
{
    let visitor = Owner::authenticated(ada().tenant().clone(), UserId::new("visitor:u"));
    conversation(store, &visitor, "u-v").await;
    store.add_usage(&[of(&visitor, "u-v", "m", 1_000, None)]).await.unwrap();
    let moved = store.move_visitor(&visitor, ada().user(), [1; 32], at(50)).await.unwrap();
    assert_eq!(moved, MovedVisitor::Moved { threads: 1, files: 0, remaining: 0 });
    // What the visitor was answered last comes behind.
    store.add_usage(&[of(&visitor, "u-v", "m", 1_000, None)]).await.unwrap();
    let mine = |user: &UserId| UsageQuery { user: Some(user.clone()), ..UsageQuery::default() };
    assert_eq!(sums(store, mine(visitor.user())).await, []);
    let found = sums(store, mine(ada().user())).await;
    assert_eq!(found.iter().map(|sum| sum.turns).collect::<Vec<_>>(), [2]);

    let erased = store.erase(&ada(), 100).await.unwrap();
    // With the note of the visitor who became her.
    assert_eq!(erased.others, 3);
    store.add_usage(&[of(&ada(), "u-v", "m", 1_000, None)]).await.unwrap();
    assert_eq!(sums(store, mine(ada().user())).await, []);
}

/// So many at a time.
pub async fn old_usage_goes<S>(store: &S)
where
    S: Store + UsageStore,
{
    let somebody = owner("u-old", "one");
    conversation(store, &somebody, "u-o").await;
    let records: Vec<UsageRecord> =
        (0..5).map(|n| of(&somebody, "u-o", "m", 1_000 + n, None)).collect();
    store.add_usage(&records).await.unwrap();
    let before = at(1_003);
    assert_eq!(store.expire_usage(before, 2).await.unwrap(), 2);
    assert_eq!(store.expire_usage(before, 2).await.unwrap(), 1);
    assert_eq!(store.expire_usage(before, 2).await.unwrap(), 0);
    let tenant = Some(somebody.tenant().clone());
    let left = sums(store, UsageQuery { tenant, ..UsageQuery::default() }).await;
    assert_eq!(left[0].turns, 2);
}
