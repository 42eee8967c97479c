//! `[[guardrails]]`: what users may say and what may be answered.

use std::{collections::BTreeMap, time::Duration};

use parlor_agent::guard::{GuardrailConfig, IfUnavailable, Preset, Rules, Side};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Model, sections::hidden};

/// One entry of `[[guardrails]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailEntry {
    /// How it checks.
    pub kind: GuardrailKind,
    /// What it is called in figures, in the log, and in messages.
    pub name: String,
    /// What it checks; both by default.
    #[serde(default = "both")]
    pub on: Vec<Side>,
    /// What the user is told when it trips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What happens when the check cannot be made.
    #[serde(default)]
    pub if_unavailable: IfUnavailable,
    /// Seconds that a check may take.
    #[serde(default = "seconds")]
    pub timeout_seconds: f64,
    /// Whether a message is checked beside the first request to the model, and not before it.
    #[serde(default)]
    pub beside: bool,
    /// Characters of an answer between two checks of it; 0 checks it only when it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_chars: Option<usize>,
    /// What rules do with what they find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RuleAction>,
    /// Regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Things that have a shape.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Preset>,
    /// Longest text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<usize>,
    /// The API of the moderation model or of the judge; the language model's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key; the language model's when that one's API is used, too.
    #[serde(default, serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The model's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// From which score on a category counts. Without any, as the server flags it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, f64>,
    /// The rule that a judge decides by, in your words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What happens when a judge's answer is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_unclear: Option<IfUnavailable>,
}

/// How a guardrail checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardrailKind {
    /// By expressions, words, shapes and lengths.
    Rules,
    /// By a moderation model.
    Moderation,
    /// By a language model.
    Judge,
}

/// What rules do with what they find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// Refuse the message, or take the answer back.
    #[default]
    Refuse,
    /// Keep it from the model.
    Redact,
}

fn both() -> Vec<Side> {
    vec![Side::Input, Side::Output]
}

fn seconds() -> f64 {
    5.0
}

/// How many characters are said between two questions to a moderation model.
const MODERATION_WINDOW: usize = 1_000;

/// Least of them: each window is a request.
const MIN_WINDOW: usize = 50;

impl GuardrailEntry {
    /// The moderation model where none is named.
    pub const MODERATION_MODEL: &str = "omni-moderation-latest";

    /// What it is called in messages.
    pub fn place(&self) -> String {
        format!("[[guardrails]] “{}”", self.name)
    }

    /// The base URL in force.
    pub fn base_url(&self, model: &Model) -> Url {
        self.base_url.clone().unwrap_or_else(|| model.base_url())
    }

    /// The key in force. The language model's key goes to no other server than that model's.
    pub fn key<'a>(&'a self, model: &'a Model) -> Option<&'a SecretString> {
        let shared = self.base_url.is_none() || self.base_url.as_ref() == Some(&model.base_url());
        self.api_key.as_ref().or_else(|| model.key().filter(|_| shared))
    }

    /// How it is applied.
    pub fn settings(&self) -> GuardrailConfig {
        let window = match (self.kind, self.window_chars) {
            (_, Some(0)) | (GuardrailKind::Judge | GuardrailKind::Rules, None) => None,
            (GuardrailKind::Moderation, None) => Some(MODERATION_WINDOW),
            (_, set) => set,
        };
        GuardrailConfig {
            message: self.message.clone(),
            if_unavailable: self.if_unavailable,
            timeout: Duration::from_secs_f64(self.timeout_seconds.clamp(0.1, 60.0)),
            beside: self.beside,
            window_chars: window,
            ..GuardrailConfig::new(self.name.as_str(), self.on.clone())
        }
    }

    /// Its rules, if it is made of rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn rules(&self) -> Result<Rules, String> {
        Rules::new(&self.patterns, &self.words, &self.presets, self.max_chars)
            .map_err(|error| error.to_string())
    }

    /// What cannot be meant.
    fn fault(&self, model: &Model) -> Option<String> {
        let is = |kind| self.kind == kind;
        let asks = !is(GuardrailKind::Rules);
        let fault = |fault: &str| Some(fault.to_owned());
        if self.name.trim().is_empty() || self.name.len() > 64 {
            return fault("its name must have 1 to 64 characters");
        }
        if self.on.is_empty() {
            return fault("on is empty; name \"input\", \"output\" or both");
        }
        if self.message.as_ref().is_some_and(|message| message.trim().is_empty()) {
            return fault("message is empty; say something, or remove it");
        }
        if !(0.1..=60.0).contains(&self.timeout_seconds) {
            return fault("timeout_seconds must be between 0.1 and 60");
        }
        if self.window_chars.is_some_and(|window| window > 0 && window < MIN_WINDOW) {
            return fault("window_chars must be 0 or at least 50: each window is a request");
        }
        let set_of_rules = !self.patterns.is_empty()
            || !self.words.is_empty()
            || !self.presets.is_empty()
            || self.max_chars.is_some()
            || self.action.is_some();
        if asks && set_of_rules {
            return fault(
                "patterns, words, presets, max_chars and action are for kind = \"rules\"",
            );
        }
        let set_of_models = self.base_url.is_some()
            || self.api_key.is_some()
            || self.model.is_some()
            || self.beside
            || self.window_chars.is_some();
        if is(GuardrailKind::Rules) && set_of_models {
            return fault(
                "base_url, api_key, model, beside and window_chars are for kinds that ask a model",
            );
        }
        if !is(GuardrailKind::Moderation) && !self.categories.is_empty() {
            return fault("categories are for kind = \"moderation\"");
        }
        if !is(GuardrailKind::Judge) && (self.rule.is_some() || self.if_unclear.is_some()) {
            return fault("rule and if_unclear are for kind = \"judge\"");
        }
        match self.kind {
            GuardrailKind::Rules => {
                if let Err(error) = self.rules() {
                    return Some(error);
                }
                if self.action == Some(RuleAction::Redact) {
                    if self.on != [Side::Input] {
                        return fault(
                            "action = \"redact\" keeps things from the model, so it needs on = [\"input\"]; an answer is taken back as a whole",
                        );
                    }
                    if self.max_chars.is_some() {
                        return fault("max_chars cannot be redacted; use another entry for it");
                    }
                }
            }
            GuardrailKind::Moderation => {
                if self.categories.values().any(|score| !(0.0..=1.0).contains(score)) {
                    return fault("scores in categories are between 0 and 1");
                }
            }
            GuardrailKind::Judge => {
                if self.rule.as_ref().is_none_or(|rule| rule.trim().is_empty()) {
                    return fault("rule is missing; say in your words what must hold");
                }
            }
        }
        if asks {
            if self.base_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
                return fault("base_url must be an http or https address");
            }
            if self.base_url.is_none() && !model.is_configured() {
                return fault(
                    "it has no server to ask: set base_url, or the [model] whose API it shares",
                );
            }
        }
        None
    }

    /// Entries that cannot be meant.
    pub(super) fn check_all(entries: &[Self], model: &Model) -> Result<(), String> {
        for (n, entry) in entries.iter().enumerate() {
            if let Some(fault) = entry.fault(model) {
                return Err(format!("{}: {fault}", entry.place()));
            }
            if entries[..n].iter().any(|other| other.name == entry.name) {
                return Err(format!("{}: there is another one of this name", entry.place()));
            }
        }
        Ok(())
    }
}
