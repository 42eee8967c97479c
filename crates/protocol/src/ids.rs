//! Typed ids: a thread id cannot stand where an item id belongs. Cloning one shares its text.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        ///
        /// Opaque on the wire.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an id that came from elsewhere. Any string is an id.
            pub fn new(id: impl Into<Arc<str>>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self::new(id)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// Id of a thread, `thr_…` where we make it.
    ThreadId
);
id!(
    /// Id of a thread item, `msg_…`, `tc_…`, `wf_…`, … where we make it.
    ItemId
);
id!(
    /// Id of an attachment, `atc_…` where we make it.
    AttachmentId
);
id!(
    /// The model's id of a tool call, as the model gave it.
    CallId
);
id!(
    /// Id of one turn of a thread, `trn_…`. Parlor's own; the reference has no turns.
    TurnId
);
id!(
    /// Id of one HTTP request, `req_…`, in logs and in every error.
    RequestId
);
