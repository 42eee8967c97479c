//! The log.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{Log, LogFormat};

/// Begins to log to standard error. `RUST_LOG` wins over the configured filter.
///
/// # Errors
/// When the filter cannot be read, in one line.
pub(crate) fn init(log: &Log) -> Result<(), String> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| log.filter.clone());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        format!("log.filter `{filter}` cannot be read: {error}; write something like `info`")
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    // A second call, as in tests, leaves the first in place.
    let _ = match log.format {
        LogFormat::Text => {
            registry.with(fmt::layer().with_target(false).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()
        }
    };
    Ok(())
}
