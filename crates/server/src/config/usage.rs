//! `[usage]`: records of what answers took.

use serde::{Deserialize, Serialize};

/// Records of what answers took: tokens, and what they cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Whether it is recorded.
    pub enabled: bool,
    /// Days after which records are deleted; 0: never.
    pub keep_days: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Self { enabled: true, keep_days: 400 }
    }
}
