//! Whose data it is.

use std::{fmt, sync::Arc};

macro_rules! name {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name that authentication has established.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A tenant: an organisation that shares nothing with the others.
    TenantId
);
name!(
    /// A user within a tenant.
    UserId
);

/// Whose data an operation may touch: a user of a tenant.
///
/// Every method of a [`Store`](crate::Store) takes one, so a query without an owner does not
/// compile. It cannot be read from JSON, and nothing that a client sends becomes one: only the
/// code that authenticates a request calls [`Owner::authenticated`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    tenant: TenantId,
    user: UserId,
}

impl Owner {
    /// The owner that authentication has established.
    pub fn authenticated(tenant: TenantId, user: UserId) -> Self {
        Self { tenant, user }
    }

    /// The owner that authentication has established, where there is only one tenant.
    pub fn single_tenant(user: UserId) -> Self {
        Self { tenant: TenantId::new("default"), user }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user.
    pub fn user(&self) -> &UserId {
        &self.user
    }
}
