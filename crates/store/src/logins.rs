//! Who has signed in, in which browser, and until when.

use async_trait::async_trait;
use parlor_chatkit::{Identity, Owner, StoreError, protocol::Timestamp};
use serde::{Deserialize, Serialize};

/// What a login is found by: the SHA-256 hash of what the browser's cookie holds. Who reads the
/// database learns nothing that opens a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoginId(pub [u8; 32]);

/// Somebody who has signed in with one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What it is found by.
    pub id: LoginId,
    /// Who it is.
    pub owner: Owner,
    /// What the identity provider says of them.
    pub identity: Identity,
    /// The provider's tokens, encrypted by the server: the store cannot read them.
    pub sealed: Option<Vec<u8>>,
    /// When it ends, whatever happens.
    pub ends_at: Timestamp,
    /// When it ends unless it is used: at [`ends_at`](Self::ends_at) or earlier.
    pub good_until: Timestamp,
    /// When the provider has to be asked again whether they may still come in. `None`: never.
    pub refresh_at: Option<Timestamp>,
}

/// What the provider said when it was asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedLogin {
    /// What it says of them now.
    pub identity: Identity,
    /// Its new tokens, encrypted.
    pub sealed: Option<Vec<u8>>,
    /// When it has to be asked next.
    pub refresh_at: Option<Timestamp>,
}

/// Keeps who has signed in. What has ended is not there, whether or not it was swept.
///
/// The id stands in for authentication, like a signed link to a file: it leads to an [`Owner`].
#[async_trait]
pub trait LoginStore: Send + Sync + 'static {
    /// Keeps a login, and in the same transaction ends the one that the browser had before.
    async fn begin_login(
        &self,
        login: &Login,
        instead_of: Option<&LoginId>,
    ) -> Result<(), StoreError>;

    /// The login, unless it has ended by `now`.
    async fn login(&self, id: &LoginId, now: Timestamp) -> Result<Option<Login>, StoreError>;

    /// It is in use: it is good for longer, though never beyond its end.
    async fn extend_login(&self, id: &LoginId, good_until: Timestamp) -> Result<(), StoreError>;

    /// Takes it on to ask the provider again, which was `due`; nobody else does before `until`.
    /// `false`: somebody else has taken it on, or the login is gone.
    async fn claim_refresh(
        &self,
        id: &LoginId,
        due: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Keeps what the provider said. `false`: the login has been ended in the meantime.
    async fn refresh_login(
        &self,
        id: &LoginId,
        refreshed: &RefreshedLogin,
    ) -> Result<bool, StoreError>;

    /// Ends a login. Gives it as it was, for the provider to be told.
    async fn end_login(&self, id: &LoginId) -> Result<Option<Login>, StoreError>;

    /// Deletes at most so many logins that have ended by `now`. Returns how many.
    async fn sweep_logins(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// An identity as it is written.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct IdentityRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
}

impl From<&Identity> for IdentityRow {
    fn from(identity: &Identity) -> Self {
        let Identity { name, email, roles } = identity.clone();
        Self { name, email, roles }
    }
}

impl From<IdentityRow> for Identity {
    fn from(row: IdentityRow) -> Self {
        let IdentityRow { name, email, roles } = row;
        Self { name, email, roles }
    }
}
