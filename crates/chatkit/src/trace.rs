//! Spans of turns and of what they ask of the store, for programs that collect traces.
//!
//! By the facade of the crate `tracing`, under the target `parlor_trace`: where nobody collects that,
//! they cost next to nothing. Names are those of OpenTelemetry's conventions where there are some.
//! No attribute is a user, a tenant or a text.

use tracing::{Instrument as _, Span, field::Empty, info_span};

use crate::{RequestContext, StoreError, TurnKey, TurnState};

/// The target of all spans that are made for traces.
const TARGET: &str = "parlor_trace";

/// A turn, within the request that begins it. It ends later than that.
pub(crate) fn turn(context: &RequestContext, key: &TurnKey) -> Span {
    info_span!(
        target: TARGET, "turn",
        parlor.request.id = %context.request_id(),
        parlor.turn.id = %key.turn_id,
        parlor.turn.outcome = Empty,
        gen_ai.conversation.id = %key.thread_id,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// How the turn of this span ended, and the reason if it failed.
pub(crate) fn turn_ended(span: &Span, state: TurnState, reason: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    span.record("parlor.turn.outcome", state.as_str());
    if let Some(reason) = reason {
        span.record("error.type", reason);
        span.record("otel.status_code", "ERROR");
    }
}

/// What is asked of a store.
pub(crate) trait Traced {
    /// What it gives.
    type Output;

    /// With a span of this name.
    async fn traced(self, operation: &'static str) -> Self::Output;
}

impl<F, T> Traced for F
where
    F: Future<Output = Result<T, StoreError>>,
{
    type Output = Result<T, StoreError>;

    async fn traced(self, operation: &'static str) -> Self::Output {
        let span = info_span!(
            target: TARGET, "store",
            otel.name = operation,
            db.operation.name = operation,
            "error.type" = Empty,
            otel.status_code = Empty,
        );
        if span.is_disabled() {
            return self.await;
        }
        let result = self.instrument(span.clone()).await;
        if let Err(error) = &result {
            let kind = match error {
                StoreError::Unavailable(_) => "unavailable",
                StoreError::TurnLost(_) => "turn_lost",
                _ => "failed",
            };
            span.record("error.type", kind);
            span.record("otel.status_code", "ERROR");
        }
        result
    }
}
