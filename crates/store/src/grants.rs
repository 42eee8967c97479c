//! What users have let the server do elsewhere: the tokens that they got for it, and the sign-ins
//! that are under way.

use async_trait::async_trait;
use parlor_chatkit::{Owner, StoreError, protocol::Timestamp};

/// The server that a grant is for: a hash of its name and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrantServer(pub [u8; 32]);

/// One state of a grant's tokens. Random, so that no two are ever the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub [u8; 16]);

/// What a user has let the server do at another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is.
    pub owner: Owner,
    /// For which server.
    pub server: GrantServer,
    /// What that is called.
    pub name: String,
    /// Tokens, encrypted: the store cannot read them.
    pub sealed: Vec<u8>,
    /// Which tokens.
    pub revision: Revision,
    /// When the user signed in.
    pub granted_at: Timestamp,
    /// When new tokens are needed. `None`: that is not known.
    pub refresh_at: Option<Timestamp>,
}

/// New tokens of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedGrant {
    /// The tokens, encrypted.
    pub sealed: Vec<u8>,
    /// Which they are.
    pub revision: Revision,
    /// When they are over.
    pub refresh_at: Option<Timestamp>,
}

/// What an attempt is found by: the SHA-256 hash of a secret that only the browser has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptId(pub [u8; 32]);

/// A sign-in that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantAttempt {
    /// What it is found by.
    pub id: AttemptId,
    /// Who signs in.
    pub owner: Owner,
    /// What is known of it, encrypted.
    pub sealed: Vec<u8>,
    /// When it is over.
    pub good_until: Timestamp,
}

/// What a registration with an authorization server is found by: a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub [u8; 32]);

/// Keeps grants, and the sign-ins that lead to them.
///
/// The id of an attempt stands in for authentication, like a signed link to a file: it leads to an
/// [`Owner`].
#[async_trait]
pub trait GrantStore: Send + Sync + 'static {
    /// Keeps a grant, in the place of one that the owner had for the same server.
    async fn keep_grant(&self, grant: &Grant) -> Result<(), StoreError>;

    /// The owner's grant for a server.
    async fn grant(&self, owner: &Owner, server: &GrantServer)
    -> Result<Option<Grant>, StoreError>;

    /// All grants of an owner, by the servers' names.
    async fn grants_of(&self, owner: &Owner) -> Result<Vec<Grant>, StoreError>;

    /// Takes it on to get new tokens in the place of these; nobody else does before `until`. `false`:
    /// somebody else has taken it on, or the tokens are others by now.
    async fn claim_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Keeps new tokens in the place of these. `false`: they are others by now, and stay.
    async fn refresh_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
        refreshed: &RefreshedGrant,
    ) -> Result<bool, StoreError>;

    /// Deletes a grant with these tokens. `false`: they are others by now, and stay.
    async fn end_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
    ) -> Result<bool, StoreError>;

    /// Keeps a sign-in that begins.
    async fn begin_attempt(&self, attempt: &GrantAttempt) -> Result<(), StoreError>;

    /// A sign-in that is not over by `now`.
    async fn attempt(
        &self,
        id: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<GrantAttempt>, StoreError>;

    /// Deletes a sign-in and gives it, over or not: nobody else gets it.
    async fn take_attempt(&self, id: &AttemptId) -> Result<Option<GrantAttempt>, StoreError>;

    /// Deletes at most so many sign-ins that are over by `now`. Returns how many.
    async fn sweep_attempts(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Keeps a registration, encrypted, in the place of an earlier one.
    async fn keep_client(
        &self,
        id: &ClientId,
        sealed: &[u8],
        good_until: Timestamp,
    ) -> Result<(), StoreError>;

    /// A registration that is good at `now`.
    async fn client(&self, id: &ClientId, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;
}
