//! The index as its users meet it: files in, passages out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod ingesting;
mod meaning;
mod questions;
mod searching;
mod support;
