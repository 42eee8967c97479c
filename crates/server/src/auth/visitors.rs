//! Visitors, and what becomes of theirs when they sign in.
//!
//! The visitor's cookie is what shows whose the conversations are: a request that comes from an
//! account and has it, too, makes them the account's, and the cookie goes. The store remembers who
//! got them, so that an old copy of the cookie opens nothing and gives nobody anything.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header, request::Parts};
use axum_extra::extract::{
    SignedCookieJar,
    cookie::{Cookie, Key, SameSite},
};
use parlor_chatkit::{ChatKitError, Clock, ErrorChain, Identity, Owner, StoreError, UserId};
use parlor_store::{MovedVisitor, OperatorStore};
use uuid::Uuid;

use super::Caller;
use crate::{audit::Subjects, error::ApiError, late::Late};

/// Cookie that tells anonymous visitors apart.
pub(crate) const VISITOR_COOKIE: &str = "parlor_visitor";
/// What ids of visitors begin with.
const VISITOR_PREFIX: &str = "visitor:";
/// Moves that an answer under way held up are tried again for so long.
const UNFINISHED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Moves that are tried again at once.
const UNFINISHED: u32 = 100;

/// Whether an id is as those of visitors, which no account may have.
pub(super) fn is_visitor(owner: &Owner) -> bool {
    owner.user().as_str().starts_with(VISITOR_PREFIX)
}

/// The visitor whose cookie a request has, if it is one of ours.
fn known(key: &Key, headers: &HeaderMap) -> Option<Uuid> {
    let jar = SignedCookieJar::from_headers(headers, key.clone());
    jar.get(VISITOR_COOKIE).and_then(|cookie| Uuid::try_parse(cookie.value()).ok())
}

pub(super) fn user_id(visitor: Uuid) -> String {
    format!("{VISITOR_PREFIX}{}", visitor.simple())
}

/// The visitor who is asking, with a cookie to set for somebody new.
pub(super) fn visitor(
    key: &Key,
    headers: &HeaderMap,
) -> Result<(Uuid, Option<HeaderValue>), ApiError> {
    match known(key, headers) {
        Some(visitor) => Ok((visitor, None)),
        None => somebody_new(key, headers),
    }
}

fn somebody_new(key: &Key, headers: &HeaderMap) -> Result<(Uuid, Option<HeaderValue>), ApiError> {
    let visitor = Uuid::new_v4();
    Ok((visitor, Some(visitor_cookie(visitor, key, headers)?)))
}

fn visitor_cookie(visitor: Uuid, key: &Key, headers: &HeaderMap) -> Result<HeaderValue, ApiError> {
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let mut cookie = Cookie::new(VISITOR_COOKIE, visitor.simple().to_string());
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(secure);
    cookie.make_permanent();
    // The jar signs; its response part is the one place where the signed form can be had.
    let jar = SignedCookieJar::new(key.clone()).add(cookie);
    let response = axum::response::IntoResponse::into_response(jar);
    response
        .headers()
        .get(header::SET_COOKIE)
        .cloned()
        .ok_or_else(|| ApiError::internal("the visitor cookie could not be signed"))
}

fn no_cookie() -> HeaderValue {
    const { HeaderValue::from_static("parlor_visitor=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0") }
}

/// Visitors where people sign in as well.
#[derive(Clone)]
pub(crate) struct Visitors {
    store: Arc<dyn OperatorStore>,
    clock: Arc<dyn Clock>,
    /// Signs their cookies. Kept in the database, and so there once that is.
    key: Late<Key>,
    /// What accounts are called in the record of moves. There with the key.
    subjects: Late<Subjects>,
    /// Whether people who have not signed in may ask.
    may_ask: bool,
}

impl Visitors {
    pub(crate) fn new(store: Arc<dyn OperatorStore>, clock: Arc<dyn Clock>, may_ask: bool) -> Self {
        Self { store, clock, key: Late::default(), subjects: Late::default(), may_ask }
    }

    /// What the database has to give.
    pub(super) fn keys(&self) -> (Late<Key>, Late<Subjects>) {
        (self.key.clone(), self.subjects.clone())
    }

    /// Whether the database has given it.
    pub(super) fn are_ready(&self) -> bool {
        self.key.value().is_some()
    }

    /// Whether people who have not signed in may ask.
    pub(super) fn may_ask(&self) -> bool {
        self.may_ask
    }

    /// Somebody who has not signed in.
    ///
    /// # Errors
    /// 503 when the database does not answer.
    pub(super) async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        let key = self.key.get()?;
        let (mut who, mut new_cookie) = visitor(key, &parts.headers)?;
        let owner = |visitor: Uuid| Owner::single_tenant(UserId::new(user_id(visitor)));
        if new_cookie.is_none() {
            let moved = self.store.visitor_has_moved(&owner(who)).await;
            if moved.map_err(ChatKitError::from)? {
                // An old copy of a cookie.
                (who, new_cookie) = somebody_new(key, &parts.headers)?;
            }
        }
        Ok(Caller { owner: owner(who), identity: Identity::default(), new_cookie })
    }

    /// A cookie for a visitor who has none yet.
    pub(super) fn welcome(&self, parts: &Parts) -> Option<HeaderValue> {
        if !self.may_ask {
            return None;
        }
        visitor(self.key.value()?, &parts.headers).ok()?.1
    }

    /// Gives what the visitor has whose cookie the request has to the account that it is of.
    /// Gives what to set when that cookie is of no more use. What fails, and what has to wait for
    /// an answer, is tried again with the account's next request.
    pub(super) async fn become_account(
        &self,
        parts: &Parts,
        account: &Owner,
    ) -> Option<HeaderValue> {
        let (key, subjects) = (self.key.value()?, self.subjects.value()?);
        let visitor = known(key, &parts.headers)?;
        let visitor = Owner::single_tenant(UserId::new(user_id(visitor)));
        // Nothing crosses from one tenant to another.
        if visitor.tenant() != account.tenant() || is_visitor(account) {
            return None;
        }
        match self.give(&visitor, account, subjects).await {
            Ok(MovedVisitor::Moved { remaining: 0, .. } | MovedVisitor::Anothers) => {
                Some(no_cookie())
            }
            Ok(MovedVisitor::Moved { .. }) => None,
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "a visitor's conversations could not be moved; tried again");
                None
            }
        }
    }

    async fn give(
        &self,
        visitor: &Owner,
        account: &Owner,
        subjects: &Subjects,
    ) -> Result<MovedVisitor, StoreError> {
        let (subject, now) = (subjects.of(account), self.clock.now());
        let moved = self.store.move_visitor(visitor, account.user(), subject, now).await?;
        if let MovedVisitor::Moved { threads, files, remaining } = moved
            && threads + files + remaining > 0
        {
            tracing::info!(threads, files, remaining, "a visitor's conversations are an account's");
        }
        Ok(moved)
    }

    /// Moves what an answer under way held up, of visitors who have not been seen since.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn finish(&self) -> Result<(), StoreError> {
        let Some(subjects) = self.subjects.value() else { return Ok(()) };
        let since = self.clock.now().saturating_sub(UNFINISHED_FOR);
        for unfinished in self.store.unfinished_moves(since, UNFINISHED).await? {
            let tenant = unfinished.visitor.tenant().clone();
            let account = Owner::authenticated(tenant, unfinished.account);
            self.give(&unfinished.visitor, &account, subjects).await?;
        }
        Ok(())
    }
}
