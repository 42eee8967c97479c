//! Who refreshes a source, among several servers.

use chrono::{DateTime, Duration, Utc};
use parlor_search::Claim;

use crate::support::{Site, Store};

const DOCS: &str = "docs";

/// So many seconds after the beginning.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn claim(holder: &'static str, seconds: i64) -> Claim<'static> {
    Claim { name: DOCS, holder, now: at(seconds), until: at(seconds) + Duration::seconds(60) }
}

pub(crate) async fn a_source_is_refreshed_by_one_at_a_time_and_not_again_too_soon(on: Store) {
    let site = Site::new(on).await;
    let index = &site.index;
    assert!(index.sources(at(0)).await.unwrap().is_empty());
    assert!(index.claim_source(claim("a", 0), at(0)).await.unwrap());
    assert!(!index.claim_source(claim("b", 1), at(1)).await.unwrap(), "a has it");
    assert!(index.claim_source(claim("a", 50), at(50)).await.unwrap(), "a keeps it");
    assert!(!index.claim_source(claim("b", 70), at(70)).await.unwrap(), "a has it longer");
    assert!(!index.release_source(DOCS, "b", at(71), "{}").await.unwrap(), "it is not b's");
    assert_eq!(index.sources(at(72)).await.unwrap()[0].claimed_until, Some(at(110)));
    assert!(index.release_source(DOCS, "a", at(80), "{\"ok\":true}").await.unwrap());

    let state = &index.sources(at(81)).await.unwrap()[0];
    assert_eq!((state.name.as_str(), state.claimed_until), (DOCS, None));
    assert_eq!((state.ended_at, state.outcome.as_deref()), (Some(at(80)), Some("{\"ok\":true}")));
    assert!(!index.claim_source(claim("b", 90), at(79)).await.unwrap(), "it was done since");
    assert!(index.claim_source(claim("b", 90), at(80)).await.unwrap(), "it is due");
    // b is gone: its claim ends.
    assert!(!index.claim_source(claim("a", 149), at(149)).await.unwrap());
    assert!(index.claim_source(claim("a", 150), at(150)).await.unwrap());
    assert!(!index.release_source(DOCS, "b", at(151), "{}").await.unwrap(), "b comes too late");
}

pub(crate) async fn of_many_claims_at_once_one_is_granted(on: Store) {
    let site = Site::new(on).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let claims = names.map(|name| site.index.claim_source(claim(name, 0), at(0)));
    let granted = futures::future::join_all(claims).await;
    assert_eq!(granted.into_iter().filter(|granted| *granted.as_ref().unwrap()).count(), 1);
}
