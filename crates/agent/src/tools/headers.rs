//! Headers that are sent to the servers of tools, with what is known of the caller put in.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::{ToolContext, ToolError};

/// The caller's own access token, for tools that act in the caller's name. The HTTP layer sends it
/// along as the request's [`Extension`](parlor_chatkit::Extension). It is in no prompt, log or trace.
#[derive(Debug, Clone)]
pub struct CallerToken(pub SecretString);

/// Headers with places for what is known of the caller:
///
/// | place | what is put there |
/// | --- | --- |
/// | `{user.id}` | the user's id, as authentication knows it |
/// | `{tenant.id}` | their tenant's id |
/// | `{user.token}` | the access token that the request came with |
///
/// Nothing that a browser or a model says is among them.
#[derive(Clone, Default)]
pub struct HeaderTemplates(Vec<(HeaderName, Vec<Piece>)>);

#[derive(Clone)]
enum Piece {
    Text(SecretString),
    UserId,
    TenantId,
    UserToken,
}

/// A header cannot be sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTemplateError {
    /// Not a name of a header.
    #[error("“{0}” is no name of a header")]
    Name(String),
    /// Not a value of a header.
    #[error("the header “{0}” has a value with characters that cannot be sent")]
    Value(String),
    /// No such place.
    #[error(
        "the header “{header}” has the place “{place}”; there are {{user.id}}, {{tenant.id}} and {{user.token}}"
    )]
    Place {
        /// The header.
        header: String,
        /// The place, braces included.
        place: String,
    },
}

impl HeaderTemplates {
    /// One more header.
    ///
    /// # Errors
    ///
    /// When it could never be sent. The value is not quoted: it may be secret.
    pub fn with(mut self, name: &str, value: &SecretString) -> Result<Self, HeaderTemplateError> {
        let header: HeaderName =
            name.parse().map_err(|_| HeaderTemplateError::Name(name.to_owned()))?;
        let mut pieces = Vec::new();
        let mut rest = value.expose_secret();
        HeaderValue::from_str(rest).map_err(|_| HeaderTemplateError::Value(name.to_owned()))?;
        while let Some((before, from)) = rest.split_once('{') {
            let (place, after) = from.split_once('}').unwrap_or((from, ""));
            pieces.push(Piece::Text(before.into()));
            pieces.push(match place {
                "user.id" => Piece::UserId,
                "tenant.id" => Piece::TenantId,
                "user.token" => Piece::UserToken,
                _ => {
                    return Err(HeaderTemplateError::Place {
                        header: name.to_owned(),
                        // What stands there may be a secret with a brace in it.
                        place: format!("{{{}…", place.chars().take(4).collect::<String>()),
                    });
                }
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        self.0.push((header, pieces));
        Ok(self)
    }

    /// Whether they differ from caller to caller.
    pub fn are_personal(&self) -> bool {
        self.pieces().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// Whether the caller's token is among them.
    pub fn need_token(&self) -> bool {
        self.pieces().any(|piece| matches!(piece, Piece::UserToken))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// Those that are the same for every caller.
    pub fn fixed(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, pieces) in &self.0 {
            let texts = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => Some(text.expose_secret()),
                _ => None,
            });
            if let Some(value) = texts.collect::<Option<String>>()
                && let Ok(mut value) = HeaderValue::from_str(&value)
            {
                value.set_sensitive(true);
                headers.insert(name.clone(), value);
            }
        }
        headers
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.0.iter().flat_map(|(_, pieces)| pieces)
    }

    /// The headers for one caller, marked as sensitive.
    ///
    /// # Errors
    ///
    /// When the caller has no token, or an id that cannot be sent.
    pub fn of(&self, context: &ToolContext) -> Result<HeaderMap, ToolError> {
        let request = context.request();
        let mut headers = HeaderMap::with_capacity(self.0.len());
        for (name, pieces) in &self.0 {
            let mut value = String::new();
            for piece in pieces {
                value.push_str(match piece {
                    Piece::Text(text) => text.expose_secret(),
                    Piece::UserId => request.owner().user().as_str(),
                    Piece::TenantId => request.owner().tenant().as_str(),
                    Piece::UserToken => match request.extension::<CallerToken>() {
                        Some(CallerToken(token)) => token.expose_secret(),
                        None => {
                            return Err(ToolError::new(
                                "This needs the user to be signed in, and they are not.",
                            ));
                        }
                    },
                });
            }
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| ToolError::new("This cannot be done for this user."))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Ok(headers)
    }
}

/// Names only.
impl fmt::Debug for HeaderTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use parlor_chatkit::{
        Extension, Identity, Owner, RequestContext, TenantId, UserId,
        protocol::{JsonMap, RequestId},
    };

    use super::*;

    fn context(user: &str, token: Option<&str>) -> ToolContext {
        let owner = Owner::authenticated(TenantId::new("acme"), UserId::new(user));
        let (id, identity) = (RequestId::new("req_1"), Identity::default());
        let request = RequestContext::new(owner, id, &identity, JsonMap::new(), JsonMap::new());
        let extension =
            token.map(|token| Extension::new(CallerToken(token.into()))).unwrap_or_default();
        ToolContext::new(request.with_extension(extension))
    }

    #[test]
    fn what_is_known_of_the_caller_is_put_in() {
        let headers = HeaderTemplates::default()
            .with("X-User", &"{tenant.id}/{user.id}".into())
            .unwrap()
            .with("Authorization", &"Bearer {user.token}".into())
            .unwrap();
        assert!(headers.are_personal() && headers.need_token());
        let sent = headers.of(&context("ada", Some("t0ken"))).unwrap();
        assert_eq!(sent["x-user"], "acme/ada");
        assert_eq!(sent["authorization"], "Bearer t0ken");
        assert!(!format!("{sent:?}{headers:?}").contains("t0ken"));
        assert!(headers.of(&context("ada", None)).is_err());
        assert!(headers.of(&context("ada\r\nX-Evil: 1", Some("t"))).is_err());
        let fixed = HeaderTemplates::default().with("X-Key", &"secret".into()).unwrap();
        assert!(!fixed.are_personal() && !format!("{fixed:?}").contains("secret"));
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_without_quoting_them() {
        for (name, value) in
            [("X User", "x"), ("X-User", "a\nb"), ("X-User", "{user.email}"), ("X-User", "s3cret{")]
        {
            let error = HeaderTemplates::default().with(name, &value.into()).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
