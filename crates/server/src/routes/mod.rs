//! One file an address.

pub(crate) mod agui;
pub(crate) mod assets;
pub(crate) mod auth;
pub(crate) mod chatkit;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod inspector;
pub(crate) mod message;
pub(crate) mod openapi;
