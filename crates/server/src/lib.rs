#![doc = include_str!("../README.md")]

mod app;
mod auth;
mod body;
pub mod commands;
pub mod config;
mod connection;
mod error;
mod files;
mod routes;
mod server;
mod telemetry;

pub use app::{PROTOCOL_HEADER, TURN_HEADER};
pub use server::{Server, StartError, serve, stop_signal};
