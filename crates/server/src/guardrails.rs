//! The guardrails that the configuration describes.

use parlor_agent::{
    ModelConfigError,
    guard::{
        Check, Guardrail, Guards, IfUnavailable, Judge, ModerationClient, ModerationConfig, Rules,
    },
};

use crate::{
    config::{Config, GuardrailEntry, GuardrailKind, Model, RuleAction},
    tenants::model_client,
};

/// The guardrails of all entries.
///
/// # Errors
/// When the settings of a model cannot be used.
pub(crate) fn guards(config: &Config) -> Result<Guards, ModelConfigError> {
    let made = config.guardrails.iter().map(|entry| {
        let check = match entry.kind {
            // Checked when the configuration was read.
            GuardrailKind::Rules => match (entry.rules(), entry.action.unwrap_or_default()) {
                (Ok(rules), RuleAction::Redact) => Check::Redact(rules),
                (rules, _) => Check::Rules(rules.unwrap_or_else(|_| Rules::default())),
            },
            GuardrailKind::Moderation => Check::Moderation(moderation(entry, config)?),
            GuardrailKind::Judge => Check::Judge(judge(entry, config)?),
        };
        Ok(Guardrail::new(entry.settings(), check))
    });
    Ok(Guards::new(made.collect::<Result<_, ModelConfigError>>()?))
}

/// A client of an entry's moderation model.
pub(crate) fn moderation(
    entry: &GuardrailEntry,
    config: &Config,
) -> Result<ModerationClient, ModelConfigError> {
    let name = entry.model.as_deref().unwrap_or(GuardrailEntry::MODERATION_MODEL);
    let mut server = ModerationConfig::new(entry.base_url(&config.model), name);
    if let Some(key) = entry.key(&config.model) {
        server = server.with_key(key.clone());
    }
    server.categories = entry.categories.clone();
    ModerationClient::new(server)
}

/// The settings of an entry's judge, as a model.
pub(crate) fn judging_model(entry: &GuardrailEntry, config: &Config) -> Model {
    let mut model = config.model.clone();
    model.base_url = Some(entry.base_url(&config.model));
    model.api_key = entry.key(&config.model).cloned();
    if let Some(name) = &entry.model {
        model.name.clone_from(name);
    }
    model
}

fn judge(entry: &GuardrailEntry, config: &Config) -> Result<Judge, ModelConfigError> {
    let model = judging_model(entry, config);
    let client = model_client(&model, config.telemetry.model_trace_context)?;
    let judge = Judge::new(client, entry.rule.as_deref().unwrap_or_default());
    Ok(match entry.if_unclear {
        Some(IfUnavailable::Allow) => judge.unclear_passes(),
        Some(IfUnavailable::Refuse) | None => judge,
    })
}
