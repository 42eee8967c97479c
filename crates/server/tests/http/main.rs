//! The server as its clients see it: real HTTP, a real database file, a fake model server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod agui;
mod app;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tables.rs"]
mod tables;

mod bad_input;
mod chat;
mod connect;
mod connections;
mod dictation;
mod files;
mod given_files;
mod guardrails;
mod images;
mod inspector;
mod isolation;
mod limits;
mod logs;
mod metrics;
mod pages;
mod postgres;
mod reload;
mod session;
mod tenants;
mod tokens;
mod traces;
mod usage;
mod visitors;
mod wall;
