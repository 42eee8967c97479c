//! The whole server without HTTP: requests in, JSON and streams out, over SQLite.
#![expect(clippy::unwrap_used, reason = "tests")]

mod attachments;
mod emitters;
mod replicas;
mod requests;
mod screens;
mod support;
mod titles;
mod turns;
mod widgets;
