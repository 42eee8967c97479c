//! Several processes that share a store.
//!
//! A turn is run by one process, its *holder*; the store says which. A request that reaches another
//! one and concerns the turn (stop it, follow it, take its place) is a matter between the two: the
//! [`Post`] of each passes messages through the [`Peers`] of the store. What decides is always in
//! the store; messages only save waiting, and each of them may be lost or come twice.
//!
//! | message | from | answered with |
//! | --- | --- | --- |
//! | ask: stop, yield, have | who has a request | an answer, in a while; asked again each second |
//! | follow | who has readers: at first, every few seconds, and when something is missing | frames, end, or unknown |
//! | leave | who has no readers any more | nothing |

mod follow;
mod message;
mod post;
mod serve;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::StoreError;
pub(crate) use follow::tell_from_store;
pub(crate) use message::{Answer, Question};
pub(crate) use post::{Caller, Post};

/// The way to the other processes that use the same store.
///
/// Messages carry what users write and what they are answered: what others can listen to has to be
/// encrypted, and what others can write to authenticated.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Receives what is sent to `name`, the holder's name of this process, until the stream is
    /// dropped. Waits a moment for the connection, but not until there is one.
    async fn join(&self, name: &str) -> BoxStream<'static, Delivery>;

    /// Sends a message of any length to the process of that name. It may get lost, silently, too:
    /// a process that is gone receives nothing.
    ///
    /// Messages to one receiver, of which each is sent when the one before was, arrive in order.
    ///
    /// # Errors
    /// When it could not be sent.
    async fn send(&self, to: &str, message: Bytes) -> Result<(), StoreError>;
}

/// What has come for a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message.
    Message(Bytes),
    /// The connection was lost and is there again: messages may be missing.
    Gap,
}
