//! Errors as clients see them: one envelope everywhere.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use parlor_chatkit::{
    ChatKit, ChatKitError, LimitReached,
    protocol::{ErrorBody, ErrorEnvelope, RequestId},
};

/// An error that becomes `{"error": {code, message, request_id}}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    field: Option<Box<str>>,
    reason: Option<Box<str>>,
    /// Seconds.
    retry_after: Option<u32>,
    /// The limit that is reached.
    reached: Option<Box<LimitReached>>,
    /// How to authenticate (RFC 9110, section 11.6.1).
    challenge: Option<&'static str>,
    /// For the log only.
    cause: Option<anyhow::Error>,
}

impl ApiError {
    /// An error with a status, a stable code and a message for people.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
            reason: None,
            retry_after: None,
            reached: None,
            challenge: None,
            cause: None,
        }
    }

    /// Says how to authenticate, in `WWW-Authenticate`.
    pub(crate) fn with_challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Whether nobody is known who asks.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Whether it is a 404.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Says which field of the request it is about.
    pub(crate) fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// 401
    pub(crate) fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 401 for who can sign in with this server.
    pub(crate) fn login_required() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "login_required",
            "sign in first: open /auth/login in the browser",
        )
    }

    /// 403
    pub(crate) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404
    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 503: worth another try after so many seconds.
    pub(crate) fn unavailable(
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        retry_after: u32,
    ) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        error.retry_after = Some(retry_after);
        error
    }

    /// 500. What happened goes to the log, not to the client.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong on the server; the log has more under the request id",
        );
        error.cause = Some(anyhow::Error::msg(cause.into()));
        error
    }

    /// The response for a request with this id. The cause is logged here, once.
    pub(crate) fn into_response(self, request_id: RequestId) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(%request_id, code = self.code, error = format!("{cause:#}"), "request failed");
        } else {
            tracing::debug!(%request_id, code = self.code, message = %self.message, "request refused");
        }
        let body = ErrorEnvelope {
            error: ErrorBody {
                code: self.code.to_owned(),
                message: self.message.into_owned(),
                field: self.field.map(Into::into),
                reason: self.reason.map(Into::into),
                request_id,
                retry_after: self.retry_after.map(u64::from),
                limit: self.reached.as_ref().map(|reached| reached.limit.to_owned()),
                scope: self.reached.as_ref().map(|reached| reached.scope.to_owned()),
                reset_at: self.reached.as_ref().and_then(|reached| reached.reset_at),
            },
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }

    /// The response for a request that has no id yet.
    pub(crate) fn into_fresh_response(self) -> Response {
        self.into_response(ChatKit::new_request_id())
    }
}

impl From<ChatKitError> for ApiError {
    fn from(error: ChatKitError) -> Self {
        let (status, code) = error.status_and_code();
        let mut api = Self::new(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            error.to_string(),
        );
        api.field = error.field().map(Into::into);
        api.reason = error.reason().map(Into::into);
        api.retry_after =
            error.retry_after().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        api.cause = match error {
            ChatKitError::Store(error) => Some(anyhow::Error::new(error)),
            ChatKitError::Files(error) => Some(anyhow::Error::new(error)),
            ChatKitError::Responder(error) => {
                error.cause().map(|cause| anyhow::Error::msg(cause.to_string()))
            }
            ChatKitError::LimitReached(reached) => {
                api.reached = Some(reached);
                None
            }
            _ => None,
        };
        api
    }
}
