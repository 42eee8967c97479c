//! Questions asked and answered in the thread.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

open_union! {
    /// One question.
    pub enum StructuredInput {
        /// Options to choose from.
        "multiple_choice" => MultipleChoice(StructuredInputMultipleChoice),
        /// Free text.
        "freeform" => Freeform(StructuredInputFreeform),
    }
}

/// A question with options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputMultipleChoice {
    /// Stable id of the question within its item.
    pub id: String,
    /// Shown to the user.
    pub question: String,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StructuredInputAnswer>,
    /// Suggested choices; the user may also write an own one.
    pub options: Vec<StructuredInputOption>,
    /// Whether more than one value may be given.
    #[serde(default)]
    pub multiple: bool,
}

/// A question answered with free text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputFreeform {
    /// Stable id of the question within its item.
    pub id: String,
    /// Shown to the user.
    pub question: String,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StructuredInputAnswer>,
    /// Supporting text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl StructuredInputMultipleChoice {
    /// A question with choices. `id` tells it from the item's other questions.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        question: impl Into<String>,
        options: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let option = |value: _| StructuredInputOption { value };
        Self {
            id: id.into(),
            question: question.into(),
            answer: None,
            options: options.into_iter().map(Into::into).map(option).collect(),
            multiple: false,
        }
    }

    /// Whether more than one value may be given.
    #[must_use]
    pub fn multiple(mut self, multiple: bool) -> Self {
        self.multiple = multiple;
        self
    }
}

impl StructuredInputFreeform {
    /// A question answered with free text. `id` tells it from the item's other questions.
    #[must_use]
    pub fn new(id: impl Into<String>, question: impl Into<String>) -> Self {
        Self { id: id.into(), question: question.into(), answer: None, description: None }
    }

    /// Supporting text.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl StructuredInput {
    /// Its id within its item; empty for an unknown kind of question.
    pub fn id(&self) -> &str {
        match self {
            Self::MultipleChoice(input) => &input.id,
            Self::Freeform(input) => &input.id,
            Self::Unknown(_) => "",
        }
    }

    /// The answer, once there is one.
    pub fn answer(&self) -> Option<&StructuredInputAnswer> {
        match self {
            Self::MultipleChoice(input) => input.answer.as_ref(),
            Self::Freeform(input) => input.answer.as_ref(),
            Self::Unknown(_) => None,
        }
    }
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputOption {
    /// Shown, and submitted when chosen.
    pub value: String,
}

/// The answer to one question, as kept in the item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputAnswer {
    /// The values given.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether the user passed it over.
    #[serde(default)]
    pub skipped: bool,
}

/// State of a structured input item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StructuredInputStatus {
    /// Waiting for the user.
    #[default]
    Pending,
    /// Answered.
    Answered,
    /// Passed over.
    Skipped,
}

/// What a client submits for an item's questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputSubmission {
    /// Whether the user answered or passed over the whole item.
    #[serde(default)]
    pub status: SubmissionStatus,
    /// Answers by question id.
    #[serde(default, deserialize_with = "crate::object::map")]
    pub answers: BTreeMap<String, StructuredInputAnswerSubmission>,
}

/// Whether the user answered or passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubmissionStatus {
    /// Answered.
    #[default]
    Answered,
    /// Passed over.
    Skipped,
}

/// What a client submits for one question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StructuredInputAnswerSubmission {
    /// The values given.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether the user passed it over.
    #[serde(default)]
    pub skipped: bool,
}
