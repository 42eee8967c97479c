//! What people are told when a model fails.

use parlor_chatkit::TurnError;

use crate::model::{Finish, ModelError};
use crate::transcription::TranscriptionError;

pub(super) fn turn_error(error: ModelError) -> TurnError {
    TurnError::new(error.reason(), error.user_message())
        .allow_retry(error.allow_retry())
        .retry_after(error.retry_after())
        .caused_by(error)
}

pub(super) fn dictation_error(error: TranscriptionError) -> TurnError {
    let error = match error {
        TranscriptionError::Empty => {
            let message = "Nothing was recorded. Please check the microphone and try again.";
            return TurnError::new("transcription.empty", message);
        }
        TranscriptionError::Format { .. } => {
            return TurnError::new("transcription.format", error.to_string());
        }
        TranscriptionError::Model(error) => error,
    };
    let about_the_recording = match error {
        ModelError::BadRequest { .. } => {
            "The speech model did not take the recording. It may be too short or damaged; please \
             record it again."
        }
        ModelError::ContextTooLong { .. } => {
            "The recording is too long for the speech model. Please say less at a time."
        }
        error => {
            return TurnError::new(error.reason(), error.message_about("speech model"))
                .allow_retry(error.allow_retry())
                .retry_after(error.retry_after())
                .caused_by(error);
        }
    };
    // Not a fault of this server, but an operator may want to know what the other one said.
    tracing::warn!(%error, "a recording was refused");
    TurnError::new(error.reason(), about_the_recording)
}

pub(super) fn empty_answer(finish: Finish) -> TurnError {
    let message = match finish {
        Finish::ContentFilter => "The language model's filter stopped the answer.",
        Finish::Length => "The language model used up its longest answer before it said anything.",
        Finish::ToolCalls => "The assistant kept calling tools and came to no answer.",
        Finish::Stop => "The language model gave an empty answer.",
    };
    TurnError::new("model.empty", message).allow_retry(true)
}

/// An agent has no model, which is a mistake of whoever set it up.
pub(super) fn no_model() -> TurnError {
    TurnError::new("model.not_found", "There is no language model to answer this.")
}
