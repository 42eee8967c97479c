//! What tenants have of their own: each section is laid over the one for everybody.

use std::collections::BTreeMap;

use parlor_agent::usage::Price;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    AgentEntry, Assistant, Auth, AuthMode, Config, Dictation, GuardrailEntry, GuardrailKind,
    ImageGeneration, Model, ModelApi, ModelFiles, Retention, ScopedQuotas, Search, TenantAgent,
    Titles, ToolEntry, sections::hidden,
};

use crate::tools::{mcp_servers, toolbox};

/// Longest id of a tenant, in bytes, as of those that authentication believes.
const MAX_ID: usize = 256;

/// What one tenant has of its own. What is absent is as for everybody.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tenant {
    /// What the assistant is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Assistant>,
    /// The language model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<TenantModel>,
    /// How much tools may be used, and who answers first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<TenantAgent>,
    /// What the model may call, instead of everybody's tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolEntry>>,
    /// Who answers, instead of everybody's agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<AgentEntry>>,
    /// Titles of conversations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub titles: Option<TenantTitles>,
    /// Dictation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dictation: Option<TenantDictation>,
    /// The document search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<TenantSearch>,
    /// How long conversations and files are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How much is too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ScopedQuotas>,
    /// Images that its model makes, in the place of everybody's settings of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_generation: Option<ImageGeneration>,
    /// What its users may say and what they may be answered, in the place of everybody's guardrails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<Vec<GuardrailEntry>>,
}

/// A tenant's part of [`Model`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantModel {
    /// Which API the server speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ModelApi>,
    /// The API's base URL. With one of its own, a tenant has neither the key nor the choices of
    /// everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other models that users may choose in the composer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<String>>,
    /// Seconds without a sign of life after which the model is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
    /// What a million of its tokens cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What those of other models cost, by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<BTreeMap<String, Price>>,
    /// Whether the model can look at images that users send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<bool>,
    /// How the model is given other files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<ModelFiles>,
}

/// A tenant's part of [`Titles`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantTitles {
    /// Whether the model is asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The model to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A tenant's part of [`Dictation`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantDictation {
    /// Whether it is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The speech model's API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The speech model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A tenant's part of [`Search`](super::Search).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSearch {
    /// Whether the assistant may search the indexed documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only documents with one of these tags are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Only documents in this language, or in the reader's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl Config {
    /// The configuration as it is for one tenant: its settings, and everybody's where it has none.
    pub fn of_tenant(&self, tenant: &Tenant) -> Self {
        let mut config = Self { tenants: BTreeMap::new(), ..self.clone() };
        if let Some(own) = &tenant.assistant {
            let Assistant { system_prompt } = own.clone();
            config.assistant.system_prompt = system_prompt.or(config.assistant.system_prompt);
        }
        if let Some(own) = &tenant.model {
            let before = config.model.base_url();
            own.lay_over(&mut config.model);
            if config.model.base_url() != before {
                // These share the server of everybody's, and go on asking it.
                for entry in config.guardrails.iter_mut().filter(|entry| entry.base_url.is_none()) {
                    entry.api_key = entry.key(&self.model).cloned();
                    entry.model = entry.model.take().or_else(|| {
                        let judges = entry.kind == GuardrailKind::Judge;
                        judges.then(|| self.model.name.clone())
                    });
                    entry.base_url = Some(before.clone());
                }
                // These were names and keys on the server of everybody's.
                config.titles.model = None;
                config.fallback_model = None;
                if config.dictation.base_url.is_none() {
                    config.dictation.api_key = None;
                }
            }
        }
        if let Some(own) = &tenant.agents {
            config.agents.clone_from(own);
            // It was one of everybody's.
            config.agent.start = None;
        }
        if let Some(own) = &tenant.agent {
            own.lay_over(&mut config.agent);
        }
        if let Some(own) = &tenant.tools {
            config.tools.clone_from(own);
        }
        if let Some(own) = &tenant.titles {
            let Titles { enabled, model } = &mut config.titles;
            *enabled = own.enabled.unwrap_or(*enabled);
            *model = own.model.clone().or_else(|| model.take());
        }
        if let Some(own) = &tenant.dictation {
            own.lay_over(&mut config.dictation, &config.model);
        }
        if let Some(own) = &tenant.search {
            let Search { enabled, tags, language, .. } = &mut config.search;
            *enabled = own.enabled.unwrap_or(*enabled);
            *tags = own.tags.clone().unwrap_or_else(|| std::mem::take(tags));
            *language = own.language.clone().or_else(|| language.take());
        }
        if let Some(own) = &tenant.image_generation {
            config.image_generation.clone_from(own);
        }
        if let Some(own) = &tenant.guardrails {
            config.guardrails.clone_from(own);
        }
        if let Some(own) = &tenant.retention {
            config.retention = own.over(&config.retention);
        }
        config
    }

    /// Tenants' settings that cannot be meant, named by their place in the file.
    pub(super) fn check_tenants(&self) -> Result<(), String> {
        for (id, tenant) in &self.tenants {
            let place = place_of(id);
            if id.trim().is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
                return Err(format!(
                    "{place} is no tenant's id: ids have 1 to {MAX_ID} bytes and no control characters"
                ));
            }
            if id != Self::ONLY_TENANT && !self.auth.knows_tenants() {
                return Err(format!(
                    "{place} is set, but nothing says which tenant somebody is of: set auth.jwt.claims.tenant, auth.session.claims.tenant or auth.trusted_header.tenant, as auth.mode is; without that everybody is of the tenant `{}`",
                    Self::ONLY_TENANT
                ));
            }
            if !self.search.enabled
                && tenant.search.as_ref().is_some_and(|s| s.enabled == Some(true))
            {
                return Err(format!(
                    "{place}.search.enabled is true and search.enabled is false, so there is no index to search; turn it on for everybody, and off for tenants without"
                ));
            }
            self.quotas(Some(tenant)).here.check(&format!("{place}.limits"))?;
            // Those of search models are everybody's, and were checked.
            let own = self.of_tenant(tenant);
            own.search.check(&self.model).map_err(|error| format!("{place}.{error}"))?;
            GuardrailEntry::check_all(&own.guardrails, &own.model)
                .map_err(|error| format!("{place}: {error}"))?;
            own.check_models().map_err(|error| format!("{place}.{error}"))?;
            own.agent.check().map_err(|error| format!("{place}.{error}"))?;
            own.agent.check_remote(&own).map_err(|error| format!("{place}.{error}"))?;
            own.check_agents().map_err(|error| format!("{place}: {error}"))?;
            own.check_images().map_err(|error| format!("{place}: {error}"))?;
            if tenant.tools.is_some() {
                let wrong = |error: &dyn std::fmt::Display| format!("{place}: {error}");
                toolbox(&own).map_err(|error| wrong(&error))?;
                mcp_servers(&own, None).map_err(|error| wrong(&error))?;
            }
        }
        Ok(())
    }

    /// The tenant that everybody is of where there is only one.
    pub const ONLY_TENANT: &str = "default";
}

impl Auth {
    /// Whether callers are told apart by tenant.
    fn knows_tenants(&self) -> bool {
        match self.mode() {
            AuthMode::Jwt => self.jwt.as_ref().is_some_and(|jwt| jwt.claims.tenant.is_some()),
            AuthMode::Session => {
                self.session.as_ref().is_some_and(|session| session.claims.tenant.is_some())
            }
            AuthMode::TrustedHeader => {
                self.trusted_header.as_ref().is_some_and(|header| header.tenant.is_some())
            }
            AuthMode::Anonymous => false,
        }
    }
}

impl TenantModel {
    pub(super) fn lay_over(&self, model: &mut Model) {
        if let Some(base_url) = &self.base_url {
            if *base_url != model.base_url() || !model.is_configured() {
                // Another server has other models, and the key goes nowhere else.
                model.api_key = None;
                model.choices.clear();
                model.prices.clear();
                model.price = None;
            }
            model.base_url = Some(base_url.clone());
        }
        if let Some(api_key) = &self.api_key {
            model.api_key = Some(api_key.clone());
        }
        model.api = self.api.unwrap_or(model.api);
        if let Some(name) = self.name.as_ref().filter(|name| **name != model.name) {
            // The price is that of the one before.
            if let Some(price) = model.price.take() {
                model.prices.entry(std::mem::take(&mut model.name)).or_insert(price);
            }
            model.name.clone_from(name);
            model.price = model.prices.get(name).copied();
        }
        if let Some(prices) = &self.prices {
            model.prices.clone_from(prices);
        }
        model.price = self.price.or(model.price);
        if let Some(choices) = &self.choices {
            model.choices.clone_from(choices);
        }
        model.idle_timeout_seconds =
            self.idle_timeout_seconds.unwrap_or(model.idle_timeout_seconds);
        model.images = self.images.unwrap_or(model.images);
        model.files = self.files.unwrap_or(model.files);
    }
}

impl TenantDictation {
    fn lay_over(&self, dictation: &mut Dictation, model: &Model) {
        if let Some(base_url) = &self.base_url {
            if *base_url != dictation.base_url(model) {
                dictation.api_key = None;
            }
            dictation.base_url = Some(base_url.clone());
        }
        if let Some(api_key) = &self.api_key {
            dictation.api_key = Some(api_key.clone());
        }
        if let Some(name) = &self.name {
            dictation.name = Some(name.clone());
        }
        dictation.enabled = self.enabled.or(dictation.enabled);
    }
}

/// Where a tenant's settings are in the file.
pub(crate) fn place_of(id: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !id.is_empty() && id.chars().all(is_bare) {
        format!("tenants.{id}")
    } else {
        format!("tenants.{id:?}")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::{Config, Overrides};

    const JWT: &str = "[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]\nsecret = \"0123456789abcdef0123456789abcdef\"\n[auth.jwt.claims]\ntenant = \"org\"\n";

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        super::super::tests::load(&format!("{JWT}{file}"), environment, Overrides::default())
    }

    fn of(config: &Config, id: &str) -> Config {
        config.of_tenant(&config.tenants[id])
    }

    #[test]
    fn ids_are_taken_to_the_letter_whatever_they_are() {
        let ids = ["acme", "ACME", "acme.example.com", "org:1/2", "Ärzte 7", "a__b"];
        let sections: String = ids
            .iter()
            .map(|id| format!("[tenants.{id:?}.assistant]\nsystem_prompt = \"I am of {id}.\"\n"))
            .collect();
        let config = load(&sections, &[]).unwrap();
        assert_eq!(config.tenants.len(), ids.len());
        for id in ids {
            let prompt = of(&config, id).assistant.system_prompt;
            assert_eq!(prompt.as_deref(), Some(format!("I am of {id}.").as_str()));
        }
    }

    #[test]
    fn a_tenant_has_what_everybody_has_but_for_its_own() {
        let file = "[assistant]\nsystem_prompt = \"P\"\n[model]\nname = \"m\"\napi_key = \"k\"\nchoices = [\"c\"]\n[titles]\nmodel = \"t\"\n[tenants.acme.model]\nname = \"own\"\n[tenants.none]\n";
        let config = load(file, &[]).unwrap();
        let acme = of(&config, "acme");
        assert_eq!(acme.model.name, "own");
        assert_eq!(acme.model.choices, ["c"]);
        assert_eq!(acme.model.key().unwrap().expose_secret(), "k");
        assert_eq!(acme.titles.model.as_deref(), Some("t"));
        assert_eq!(acme.assistant.system_prompt.as_deref(), Some("P"));
        assert_eq!(of(&config, "none").model.name, "m");
        assert!(acme.tenants.is_empty());
    }

    #[test]
    fn keys_and_names_go_to_no_other_server() {
        let file = "[model]\napi_key = \"k\"\nchoices = [\"c\"]\n[titles]\nmodel = \"t\"\n[dictation]\nname = \"w\"\napi_key = \"d\"\n\
            [tenants.elsewhere.model]\nbase_url = \"http://127.0.0.1:9/v1\"\n\
            [tenants.same.model]\nbase_url = \"https://api.openai.com/v1\"\napi_key = \"own\"\n\
            [tenants.speech.dictation]\nbase_url = \"http://127.0.0.1:7/v1\"\n";
        let config = load(file, &[]).unwrap();
        let elsewhere = of(&config, "elsewhere");
        assert!(elsewhere.model.key().is_none());
        assert!(elsewhere.model.choices.is_empty() && elsewhere.titles.model.is_none());
        assert_eq!(elsewhere.dictation.base_url(&elsewhere.model), elsewhere.model.base_url());
        assert!(elsewhere.dictation.key(&elsewhere.model).is_none());
        let same = of(&config, "same");
        assert_eq!(same.model.key().unwrap().expose_secret(), "own");
        assert_eq!(same.model.choices, ["c"]);
        let speech = of(&config, "speech");
        assert!(speech.dictation.key(&speech.model).is_none());
        assert_eq!(speech.model.key().unwrap().expose_secret(), "k");
    }

    #[test]
    fn a_tenant_can_be_set_up_by_the_environment() {
        let environment = [
            ("PARLOR_TENANTS__ACME__MODEL__NAME", "from-env"),
            ("PARLOR_TENANTS__ACME__MODEL__API_KEY", "secret-of-acme"),
            ("PARLOR_TENANTS__ACME__MODEL__CHOICES", "one, two"),
        ];
        let file = "[tenants.acme.assistant]\nsystem_prompt = \"P\"\n";
        let config = load(file, &environment).unwrap();
        assert_eq!(config.tenants.len(), 1);
        let acme = of(&config, "acme");
        assert_eq!(acme.model.name, "from-env");
        assert_eq!(acme.model.choices, ["one", "two"]);
        assert_eq!(acme.assistant.system_prompt.as_deref(), Some("P"));
        let error = load("", &[("PARLOR_TENANTS__ACME__MODEL__NMAE", "x")]).unwrap_err();
        assert!(error.contains("nmae"), "{error}");
    }

    #[test]
    fn secrets_of_tenants_are_never_shown() {
        let file = "[tenants.\"a.b\".model]\nname = \"shown\"\napi_key = \"sk-secret\"\n[tenants.\"a.b\".dictation]\napi_key = \"sk-secret\"\n";
        let config = load(file, &[]).unwrap();
        let printed = toml::to_string(&config).unwrap();
        assert!(!format!("{config:?}{printed}").contains("sk-secret"));
        assert!(
            printed.contains("[tenants.\"a.b\".model]") && printed.contains("\"shown\""),
            "{printed}"
        );
        assert!(!format!("{:?}", config.tenants).contains("sk-secret"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (file, hints) in [
            ("[tenants.acme]\nmodle = 1", ["modle", "`model`"]),
            ("[tenants.acme.model]\nnmae = \"x\"", ["nmae", "`name`"]),
            (
                "[tenants.acme.model]\nbase_url = \"ftp://x/\"",
                ["tenants.acme.model.base_url", "http"],
            ),
            (
                "[tenants.\"a.b\".dictation]\nbase_url = \"ftp://x/\"",
                ["tenants.\"a.b\".dictation.base_url", "http"],
            ),
            (
                "[tenants.acme.dictation]\nenabled = true",
                ["tenants.acme.dictation", "speech model"],
            ),
            ("[tenants.\"\".model]\nname = \"x\"", ["tenants.\"\"", "256"]),
            (
                "[search]\nenabled = false\n[tenants.acme.search]\nenabled = true",
                ["tenants.acme.search.enabled", "index"],
            ),
            ("[tenants]\nacme = \"x\"", ["line 9", "Tenant"]),
        ] {
            let error = load(file, &[]).unwrap_err();
            assert!(hints.iter().all(|hint| error.contains(hint)), "{file}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn tenants_need_something_that_tells_them_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parlor.toml");
        let load = |file: &str| {
            std::fs::write(&path, file).unwrap();
            let overrides = Overrides { config: Some(path.clone()), ..Overrides::default() };
            Config::load(&overrides, &std::collections::BTreeMap::new())
        };
        for auth in ["", "[auth]\nmode = \"trusted-header\"\n"] {
            let error = load(&format!("{auth}[tenants.acme]\n")).unwrap_err().to_string();
            assert!(error.contains("tenants.acme") && error.contains("claims.tenant"), "{error}");
            assert!(load(&format!("{auth}[tenants.default.model]\nname = \"x\"\n")).is_ok());
        }
        let named = "[auth]\nmode = \"trusted-header\"\n[auth.trusted_header]\ntenant = \"X-Tenant\"\n[tenants.acme]\n";
        assert!(load(named).is_ok());
    }
}
