//! The PostgreSQL store, against a server of the tests' own.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cast;
mod isolation;
mod outage;
mod peers;
mod replicas;
mod schema;

use cast::store;

parlor_store::store_stories!(store);
parlor_store::grant_stories!(store);
parlor_store::login_stories!(store);
parlor_store::operator_stories!(store);
parlor_store::limit_stories!(store);
parlor_store::usage_stories!(store);
