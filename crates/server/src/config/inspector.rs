//! `[inspector]`: a page that shows what happens in turns.

use std::net::SocketAddr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::sections::hidden;

/// The inspector, for operators in development.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inspector {
    /// Whether it is there. It shows what users write.
    pub enabled: bool,
    /// Who has this may look; without one, browsers on this machine may.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    /// How many turns are remembered.
    pub turns: usize,
    /// Megabytes of memory that they may take.
    pub megabytes: usize,
}

impl Default for Inspector {
    fn default() -> Self {
        Self { enabled: false, token: None, turns: 100, megabytes: 32 }
    }
}

/// Shortest token.
const MIN_TOKEN: usize = 16;

impl Inspector {
    pub(super) fn check(&self, listen: SocketAddr) -> Result<(), String> {
        let token = self.token.as_ref().map(|token| token.expose_secret());
        if self.enabled && token.is_some_and(|token| token.len() < MIN_TOKEN) {
            return Err(format!(
                "inspector.token is too short; use at least {MIN_TOKEN} characters"
            ));
        }
        if !(1..=10_000).contains(&self.turns) || !(1..=4_096).contains(&self.megabytes) {
            return Err(
                "inspector.turns must be 1 to 10000, and inspector.megabytes 1 to 4096".to_owned()
            );
        }
        if self.enabled && token.is_none() && !listen.ip().is_loopback() {
            return Err(format!(
                "inspector.enabled shows what users write, and the server listens on {listen}: set inspector.token, listen on 127.0.0.1, or turn it off"
            ));
        }
        Ok(())
    }
}
