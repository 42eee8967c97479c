//! `[[agents]]`: several agents that share the assistant's conversations.

use std::fmt;

use parlor_agent::{NamedAgent, usage::Price};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use url::Url;

use super::{AgentKind, Config, Model, ModelApi, Remote, Search, TenantModel, sections::hidden};

/// One entry of `[[agents]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AgentEntry {
    /// Its name, for the other agents.
    pub name: String,
    /// What people read when a conversation is handed to it; made of its name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for: other agents decide by it whether to hand over.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it is told; `assistant.system_prompt` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The model it answers with: a name at the server of `[model]`, or one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<AgentModel>,
    /// The tools that it may call, by name or by beginning (`shop_*`); all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Which documents it searches; as in `[search]` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<AgentSearch>,
    /// Names of the agents that it may hand a conversation to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hand_offs: Vec<String>,
}

/// Which documents an agent searches.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSearch {
    /// Only documents with one of these tags are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Only documents in this language, or in the reader's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// The model of an agent.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum AgentModel {
    /// Another one at the server of `[model]`.
    Named(String),
    /// One with settings of its own.
    Own(Box<OwnModel>),
}

/// An agent's part of [`Model`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnModel {
    /// Which API the server speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ModelApi>,
    /// The API's base URL. With one of its own, it has not the key of `[model]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The API key.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds without a sign of life after which the model is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
    /// What a million of its tokens cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// By hand, as an untagged enum's errors do not say which key is wrong.
impl<'de> Deserialize<'de> for AgentModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;
        impl<'de> Visitor<'de> for NameOrTable {
            type Value = AgentModel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a model's name, or a table with its settings")
            }

            fn visit_str<E>(self, name: &str) -> Result<AgentModel, E> {
                Ok(AgentModel::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AgentModel, A::Error> {
                let own = OwnModel::deserialize(MapAccessDeserializer::new(map))?;
                Ok(AgentModel::Own(Box::new(own)))
            }
        }
        deserializer.deserialize_any(NameOrTable)
    }
}

impl AgentEntry {
    /// The agent, without its model and search, which others make.
    pub(crate) fn named(&self) -> NamedAgent {
        let mut agent = NamedAgent::new(self.name.as_str())
            .description(self.description.as_str())
            .hand_offs(self.hand_offs.iter().cloned());
        if let Some(title) = &self.title {
            agent = agent.title(title.as_str());
        }
        if let Some(instructions) = &self.instructions {
            agent = agent.instructions(instructions.as_str());
        }
        if let Some(tools) = &self.tools {
            agent = agent.tools(tools.iter().cloned());
        }
        agent
    }

    /// The settings of its model, if it has one of its own.
    pub(crate) fn model(&self, everybodys: &Model) -> Option<Model> {
        let mut model = everybodys.clone();
        match self.model.as_ref()? {
            AgentModel::Named(name) => {
                let own = TenantModel { name: Some(name.clone()), ..TenantModel::default() };
                own.lay_over(&mut model);
            }
            AgentModel::Own(own) => {
                let OwnModel { api, base_url, api_key, name, idle_timeout_seconds, price } =
                    (**own).clone();
                let own = TenantModel {
                    api,
                    base_url,
                    api_key,
                    name,
                    idle_timeout_seconds,
                    price,
                    ..TenantModel::default()
                };
                own.lay_over(&mut model);
            }
        }
        Some(model)
    }

    /// What it searches, if that is something of its own.
    pub(crate) fn search(&self, everybodys: &Search) -> Option<Search> {
        let own = self.search.as_ref()?;
        let mut search = everybodys.clone();
        if let Some(tags) = &own.tags {
            search.tags.clone_from(tags);
        }
        if let Some(language) = &own.language {
            search.language = Some(language.clone());
        }
        Some(search)
    }
}

impl Config {
    /// Settings of agents that cannot be meant.
    pub(super) fn check_agents(&self) -> Result<(), String> {
        let start = self.agent.start.as_deref();
        if self.agents.is_empty() {
            return match start {
                Some(start) => Err(format!(
                    "agent.start is “{start}” and there are no [[agents]]; add them or remove it"
                )),
                None => Ok(()),
            };
        }
        let agents: Vec<NamedAgent> = self.agents.iter().map(AgentEntry::named).collect();
        NamedAgent::check(&agents, start).map_err(|error| format!("[[agents]]: {error}"))?;
        for agent in &self.agents {
            let place = format!("[[agents]] “{}”", agent.name);
            let model = agent.model(&self.model).unwrap_or_else(|| self.model.clone());
            if !model.is_configured() {
                return Err(format!(
                    "{place} has no model: set model.api_key or model.base_url, or those of its own"
                ));
            }
            let url = model.base_url();
            if !matches!(url.scheme(), "http" | "https") {
                return Err(format!(
                    "{place}: model.base_url has the scheme `{}`; it must be an http or https URL",
                    url.scheme()
                ));
            }
            if let Some(search) = agent.search(&self.search) {
                search.check(&self.model).map_err(|error| format!("{place}: {error}"))?;
            }
        }
        Ok(())
    }
}

/// A tenant's part of [`Agent`](super::Agent).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantAgent {
    /// What answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<AgentKind>,
    /// The agent elsewhere that does, as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// Which of the agents answers first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Hand-offs in a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand_offs: Option<u32>,
    /// Rounds in which the model may call tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_rounds: Option<u32>,
    /// Calls in a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u32>,
    /// Calls that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_calls: Option<u32>,
    /// Seconds from the beginning of a turn in which tools may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_seconds: Option<u64>,
    /// Tokens of all requests of a turn, after which the model must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_tokens: Option<u64>,
    /// What all requests of a turn may cost, after which the model must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_cost: Option<f64>,
    /// Seconds that users may take to consent to a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent_seconds: Option<u64>,
    /// Tools that users may demand in the composer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choices: Option<Vec<String>>,
    /// Instead of `agent.page_tools`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_tools: Option<bool>,
}

impl TenantAgent {
    pub(super) fn lay_over(&self, agent: &mut super::Agent) {
        let own = self.clone();
        agent.kind = own.kind.unwrap_or(agent.kind);
        if let Some(remote) = own.remote {
            agent.remote = remote;
        }
        agent.start = own.start.or_else(|| agent.start.take());
        agent.hand_offs = own.hand_offs.unwrap_or(agent.hand_offs);
        agent.tool_rounds = own.tool_rounds.unwrap_or(agent.tool_rounds);
        agent.tool_calls = own.tool_calls.unwrap_or(agent.tool_calls);
        agent.parallel_calls = own.parallel_calls.unwrap_or(agent.parallel_calls);
        agent.tool_seconds = own.tool_seconds.unwrap_or(agent.tool_seconds);
        agent.turn_tokens = own.turn_tokens.or(agent.turn_tokens);
        agent.turn_cost = own.turn_cost.or(agent.turn_cost);
        agent.consent_seconds = own.consent_seconds.unwrap_or(agent.consent_seconds);
        agent.page_tools = own.page_tools.unwrap_or(agent.page_tools);
        if let Some(choices) = own.tool_choices {
            agent.tool_choices = choices;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::tests::load_file as load;

    const MODEL: &str = "[model]\napi_key = \"k\"\nname = \"m\"\n";

    #[test]
    fn an_agents_model_is_a_name_or_a_table_and_keys_go_to_no_other_server() {
        let file = format!(
            "{MODEL}[search]\ntags = [\"all\"]\n\
             [[agents]]\nname = \"desk\"\nmodel = \"small\"\nhand_offs = [\"own\"]\n\
             [[agents]]\nname = \"own\"\nsearch = {{ tags = [\"bills\"] }}\n\
             [agents.model]\nbase_url = \"http://127.0.0.1:9/v1\"\nname = \"local\"\n\
             [[agents]]\nname = \"plain\"\n"
        );
        let config = load(&file).unwrap();
        let model = |at: usize| config.agents[at].model(&config.model);
        let small = model(0).unwrap();
        assert_eq!((small.name.as_str(), small.key().unwrap().expose_secret()), ("small", "k"));
        let own = model(1).unwrap();
        assert_eq!((own.name.as_str(), own.key().is_none()), ("local", true));
        assert!(model(2).is_none());
        assert_eq!(config.agents[1].search(&config.search).unwrap().tags, ["bills"]);
        assert!(config.agents[2].search(&config.search).is_none());
        // What is printed can be read again.
        assert_eq!(load(&toml::to_string(&config).unwrap()).unwrap().agents.len(), 3);
    }

    #[test]
    fn agents_that_make_no_sense_are_refused_with_what_to_do() {
        for (file, hints) in [
            ("[[agents]]\nname = \"a\"\nhand_offs = [\"bilin\"]", ["“bilin”", "no such agent"]),
            ("[[agents]]\nname = \"a\"\nhand_offs = [\"a\"]", ["“a”", "itself"]),
            ("[[agents]]\nname = \"a\"\n[[agents]]\nname = \"a\"", ["two agents", "“a”"]),
            ("[[agents]]\nname = \"a b\"", ["“a b”", "letters"]),
            ("[agent]\nstart = \"b\"\n[[agents]]\nname = \"a\"", ["“b”", "starts"]),
            ("[agent]\nstart = \"b\"", ["agent.start", "[[agents]]"]),
            ("[[agents]]\nname = \"a\"\n[agents.model]\nnmae = \"x\"", ["nmae", "`name`"]),
            ("[[agents]]\nname = \"a\"\nmodel = 3", ["integer", "name"]),
            ("[[agents]]\nname = \"a\"\n[agents.model]\nbase_url = \"ftp://x/\"", ["“a”", "http"]),
        ] {
            let error = load(&format!("{MODEL}{file}")).unwrap_err();
            assert!(hints.iter().all(|hint| error.contains(hint)), "{file}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let error = load("[[agents]]\nname = \"a\"").unwrap_err();
        assert!(error.contains("“a” has no model"), "{error}");
    }

    #[test]
    fn a_price_is_the_models_that_it_was_written_for() {
        let file = "[model]\napi_key = \"k\"\nname = \"m\"\nprice = { input = 1, output = 2 }\n\
            prices = { small = { input = 0.1, cached = 0.01, output = 0.2 } }\n\
            [[agents]]\nname = \"a\"\nmodel = \"small\"\n\
            [[agents]]\nname = \"b\"\nmodel = \"other\"\n\
            [[agents]]\nname = \"c\"\n[agents.model]\nbase_url = \"http://127.0.0.1:9/v1\"\n\
            price = { input = 9, output = 9 }\n";
        let config = load(file).unwrap();
        let input = |at: usize| {
            let model = config.agents[at].model(&config.model).unwrap();
            let name = model.name.clone();
            model.known_prices().find(|(known, _)| *known == name).map(|(_, price)| price.input)
        };
        assert_eq!([input(0), input(1), input(2)], [Some(0.1), None, Some(9.0)]);
        let error = load(&file.replace("input = 9", "input = -9")).unwrap_err();
        assert!(error.contains("price") && error.contains("below 0"), "{error}");
        let error = load("[agent]\nturn_cost = 0.0").unwrap_err();
        assert!(error.contains("agent.turn_cost"), "{error}");
    }

    #[test]
    fn a_client_tool_is_checked_like_the_others() {
        let tool = |more: &str| {
            load(&format!(
                "[[tools]]\nkind = \"client\"\nname = \"cart\"\ndescription = \"\"\n{more}\n[tools.parameters.page]\ntype = \"integer\"\n"
            ))
        };
        let config = tool("").unwrap();
        let specs = crate::tools::toolbox(&config).unwrap();
        assert_eq!(specs.specs()[0].parameters["properties"]["page"]["type"], "integer");
        for (more, hint) in [("timeout_seconds = 0", "timeout_seconds"), ("url = \"x\"", "url")] {
            let error = tool(more).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_tenant_can_have_agents_tools_and_limits_of_its_own() {
        let tool = |place: &str, name: &str| {
            format!(
                "[[{place}]]\nkind = \"http\"\nname = \"{name}\"\ndescription = \"\"\nurl = \"https://a.example\"\n"
            )
        };
        let file = format!(
            "{MODEL}{}[[agents]]\nname = \"desk\"\n[agent]\ntool_rounds = 3\nstart = \"desk\"\n\
             [tenants.default.agent]\ntool_calls = 5\nstart = \"own\"\n{}\
             [[tenants.default.agents]]\nname = \"own\"\n",
            tool("tools", "everybodys"),
            tool("tenants.default.tools", "own_tool"),
        );
        let config = load(&file).unwrap();
        let own = config.of_tenant(&config.tenants["default"]);
        assert_eq!((own.agent.tool_rounds, own.agent.tool_calls), (3, 5));
        assert_eq!(own.agents.len(), 1);
        assert_eq!((own.agents[0].name.as_str(), own.tools.len()), ("own", 1));
        assert!(own.tools[0].place().contains("own_tool"));
        let error = load(&file.replace("start = \"own\"", "start = \"desk\"")).unwrap_err();
        assert!(error.contains("tenants.default") && error.contains("“desk”"), "{error}");
        let error = load(&file.replace("name = \"own_tool\"", "name = \"a b\"")).unwrap_err();
        assert!(error.contains("tenants.default") && error.contains("“a b”"), "{error}");
    }
}
