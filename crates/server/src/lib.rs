#![doc = include_str!("../README.md")]

mod app;
mod auth;
mod body;
pub mod commands;
pub mod config;
mod error;
mod routes;
mod server;
mod telemetry;

pub use app::{PROTOCOL_HEADER, TURN_HEADER};
pub use auth::JwtConfigError;
pub use server::{Server, StartError, serve};
