//! What the database has to give before requests can be answered.

use std::sync::{Arc, OnceLock};

use crate::error::ApiError;

/// A value that is there once the database has given it. Cloning shares it.
#[derive(Debug)]
pub(crate) struct Late<T>(Arc<OnceLock<T>>);

// Derived, it would want a value that can be cloned.
impl<T> Clone for Late<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Late<T> {
    /// The value.
    ///
    /// # Errors
    /// 503 as long as the database has not given it.
    pub(crate) fn get(&self) -> Result<&T, ApiError> {
        self.value().ok_or_else(not_ready)
    }

    /// The value, if it is there.
    pub(crate) fn value(&self) -> Option<&T> {
        self.0.get()
    }

    /// Gives the value; the first one stays.
    pub(crate) fn set(&self, value: T) {
        let _ = self.0.set(value);
    }
}

/// 503, as from a store that does not answer.
pub(crate) fn not_ready() -> ApiError {
    ApiError::unavailable(
        "storage_unavailable",
        "chat is unavailable at the moment; try again in a few seconds",
        1,
    )
}

impl<T> Default for Late<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> From<T> for Late<T> {
    fn from(value: T) -> Self {
        let late = Self::default();
        late.set(value);
        late
    }
}
