//! AG-UI 1.0: the same conversations for front ends that speak another protocol.
//!
//! What comes in becomes operations of ChatKit, and their events become events of AG-UI. So
//! authentication, limits, storage and answers are the same, and a conversation can go on in either.

pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod input;
pub(crate) mod translate;
