//! Ids of our own: never a provider's, never short.
//!
//! 122 random bits each. The reference cuts a UUID to 32 bits and takes over the provider's
//! message ids, which some servers send as a constant.

use parlor_protocol::{AttachmentId, ItemId, RequestId, ThreadId, TurnId};
use uuid::Uuid;

fn id(prefix: &str) -> String {
    let mut buffer = [0; uuid::fmt::Simple::LENGTH];
    let random = Uuid::new_v4().simple().encode_lower(&mut buffer).to_owned();
    let mut id = String::with_capacity(prefix.len() + 1 + random.len());
    id.push_str(prefix);
    id.push('_');
    id.push_str(&random);
    id
}

pub(crate) fn thread() -> ThreadId {
    ThreadId::new(id("thr"))
}

pub(crate) fn turn() -> TurnId {
    TurnId::new(id("trn"))
}

pub(crate) fn attachment() -> AttachmentId {
    AttachmentId::new(id("atc"))
}

pub(crate) fn request() -> RequestId {
    RequestId::new(id("req"))
}

pub(crate) fn instance() -> String {
    id("ins")
}

/// An item id with the prefix that the reference uses for the kind of item.
pub(crate) fn item(prefix: &'static str) -> ItemId {
    ItemId::new(id(prefix))
}
