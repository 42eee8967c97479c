//! The agents: whether their models are there, their tools exist, and somebody leads to them.

use parlor_agent::{model::IMAGE_GENERATION, search_tool::SEARCH_DOCUMENTS};

use super::{Finding, ModelSettings, model};
use crate::{
    config::{AgentEntry, Config, ToolEntry},
    tools::toolbox,
};

/// What is found of the agents; nothing where there is only one.
pub(super) async fn agents(config: &Config) -> Vec<Finding> {
    if config.agents.is_empty() {
        return Vec::new();
    }
    let mut findings = vec![Finding::ok("agents", listed(config))];
    for agent in &config.agents {
        findings.extend(model_of(config, agent).await);
    }
    findings.extend(unknown_tools(config));
    findings.extend(nobody_uses(config));
    findings.extend(nobody_leads_to(config));
    findings
}

fn start(config: &Config) -> &str {
    let first = config.agents.first().map(|agent| agent.name.as_str());
    config.agent.start.as_deref().or(first).unwrap_or_default()
}

fn listed(config: &Config) -> String {
    let agents = config.agents.iter().map(|agent| match agent.hand_offs.as_slice() {
        [] => agent.name.clone(),
        others => format!("{} → {}", agent.name, others.join(" and ")),
    });
    let agents: Vec<String> = agents.collect();
    format!("{}; “{}” answers first", agents.join(", "), start(config))
}

/// The model of an agent, if it has one on a server or with a name of its own.
async fn model_of(config: &Config, agent: &AgentEntry) -> Option<Finding> {
    let own = Config { model: agent.model(&config.model)?, ..config.clone() };
    let settings = ModelSettings::of("model", "agents.");
    let mut finding = model(&own, &settings).await;
    finding.text = format!("agent “{}”: {}", agent.name, finding.text);
    Some(finding)
}

/// The tools that are known without asking anybody.
fn known_tools(config: &Config) -> Vec<String> {
    // It was made when the configuration was read.
    let mut names: Vec<String> = toolbox(config)
        .map(|tools| tools.specs().iter().map(|tool| tool.name.clone()).collect())
        .unwrap_or_default();
    if config.search.enabled {
        names.push(SEARCH_DOCUMENTS.to_owned());
    }
    if config.image_generation.enabled {
        names.push(IMAGE_GENERATION.to_owned());
    }
    names
}

/// What the names of an MCP server's tools begin with.
fn beginnings(config: &Config) -> impl Iterator<Item = String> {
    config.tools.iter().filter_map(|entry| match entry {
        ToolEntry::Mcp(entry) => Some(format!("{}_", entry.name)),
        _ => None,
    })
}

/// Entries of agents' lists that stand for no tool.
fn unknown_tools(config: &Config) -> Vec<Finding> {
    let known = known_tools(config);
    let mut findings = Vec::new();
    for agent in &config.agents {
        for entry in agent.tools.iter().flatten() {
            let (fixed, is_beginning) =
                entry.strip_suffix('*').map_or((entry.as_str(), false), |fixed| (fixed, true));
            let of_a_server = beginnings(config).any(|server| {
                fixed.starts_with(&server) || (is_beginning && server.starts_with(fixed))
            });
            let is_known = known
                .iter()
                .any(|tool| if is_beginning { tool.starts_with(fixed) } else { tool == fixed });
            if !is_known && !of_a_server {
                findings.push(Finding::problem(
                    "agents",
                    format!("agent “{}” may call “{entry}”, and no tool is called so", agent.name),
                    format!(
                        "the tools are {}; those of an MCP server begin with its name",
                        known.join(", ")
                    ),
                ));
            }
        }
    }
    findings
}

/// Tools that were set up and that no agent may call.
fn nobody_uses(config: &Config) -> Option<Finding> {
    let agents: Vec<_> = config.agents.iter().map(AgentEntry::named).collect();
    let mut unused = known_tools(config);
    unused.retain(|tool| agents.iter().all(|agent| !agent.may_call(tool)));
    (!unused.is_empty()).then(|| {
        Finding::note(
            "agents",
            format!("no agent may call {}", unused.join(", ")),
            "name them in an agent's `tools`, or remove them",
        )
    })
}

/// Agents that no conversation can come to.
fn nobody_leads_to(config: &Config) -> Option<Finding> {
    let mut reached = vec![start(config)];
    let mut at = 0;
    while let Some(name) = reached.get(at) {
        let agent = config.agents.iter().find(|agent| agent.name == *name);
        for to in agent.into_iter().flat_map(|agent| &agent.hand_offs) {
            if !reached.contains(&to.as_str()) {
                reached.push(to);
            }
        }
        at += 1;
    }
    let names = config.agents.iter().map(|agent| agent.name.as_str());
    let lost: Vec<&str> = names.filter(|name| !reached.contains(name)).collect();
    (!lost.is_empty()).then(|| {
        Finding::note(
            "agents",
            format!("no conversation can come to {}", lost.join(", ")),
            "name them in the `hand_offs` of an agent, or remove them",
        )
    })
}

/// A limit of what turns may cost that counts nothing, and models whose price is not known.
pub(super) fn prices(config: &Config) -> Option<Finding> {
    config.agent.turn_cost?;
    let agents = config.agents.iter().map(|agent| {
        let own = agent.model(&config.model);
        own.unwrap_or_else(|| config.model.clone())
    });
    let mut models: Vec<_> = agents.collect();
    models.extend(config.fallback_model.clone());
    models.push(config.model.clone());
    let known: Vec<String> = models
        .iter()
        .flat_map(|model| model.known_prices())
        .map(|(name, _)| name.to_owned())
        .collect();
    let choices = config.model.choices.iter().cloned();
    let mut unknown: Vec<String> =
        models.into_iter().map(|model| model.name).chain(choices).collect();
    unknown.retain(|name| !known.contains(name));
    unknown.sort();
    unknown.dedup();
    Some(match unknown.as_slice() {
        [] => Finding::ok("prices", "known of all models"),
        names => Finding::note(
            "prices",
            format!(
                "agent.turn_cost does not count {}, whose price is not known",
                names.join(", ")
            ),
            "set model.price, model.prices.<name>, or the price of the agent's own model",
        ),
    })
}
