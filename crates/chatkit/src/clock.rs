//! Time as a parameter.

use chrono::Utc;
use parlor_protocol::Timestamp;

/// Where times come from. Order never depends on it: a stepped clock reorders nothing.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Utc::now().into()
    }
}
