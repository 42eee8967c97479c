//! Several agents in one assistant: what each is told, may call, and whom it may hand over to.

use crate::model::ModelClient;
use crate::scope::SearchScope;

/// What the names of the tools begin with by which a conversation is handed over.
pub(crate) const TRANSFER: &str = "transfer_to_";

/// Longest name of an agent: with the beginning above it is still one that model servers take.
const MAX_NAME: usize = 64 - TRANSFER.len();

/// One of several agents that share an assistant's conversations.
///
/// [`AgentResponder::agents`](crate::AgentResponder::agents) takes them. What is not said here is as for
/// the responder: its model, all of its tools, its search. Without any there is one agent, the
/// responder itself.
#[derive(Debug, Clone)]
pub struct NamedAgent {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) instructions: Option<String>,
    pub(crate) model: Option<ModelClient>,
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) scope: Option<SearchScope>,
    pub(crate) hand_offs: Vec<String>,
}

impl NamedAgent {
    /// An agent. Its name is made of letters, digits, `_` and `-`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: String::new(),
            instructions: None,
            model: None,
            tools: None,
            scope: None,
            hand_offs: Vec::new(),
        }
    }

    /// What people read when a conversation is handed to it. Made of its name by default.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What it is for: other agents decide by this whether to hand over to it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// What it is told. By default what the responder's
    /// [`PromptConfig`](crate::PromptConfig) says.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// The model it answers with. Users choose no other for it.
    #[must_use]
    pub fn model(mut self, model: ModelClient) -> Self {
        self.model = Some(model);
        self
    }

    /// The tools that it may call, of those that the responder has: by name, or all that begin with
    /// what stands before a `*`. The search is `search_documents`.
    #[must_use]
    pub fn tools(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tools = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Which documents it searches.
    #[must_use]
    pub fn searching(mut self, scope: SearchScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Names of the agents that it may hand a conversation to.
    #[must_use]
    pub fn hand_offs(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hand_offs = names.into_iter().map(Into::into).collect();
        self
    }

    /// Looks whether these agents can work together, the one named `start` or the first beginning.
    ///
    /// # Errors
    ///
    /// When a name cannot be used or stands for nobody.
    pub fn check(agents: &[Self], start: Option<&str>) -> Result<(), TeamError> {
        check(agents, start).map(|_| ())
    }

    /// Whether it may call a tool of the server that this one connects to.
    pub(crate) fn may_call_some_like(&self, connect: &str) -> bool {
        let Some(beginning) = connect.strip_suffix("connect") else { return false };
        let mut names = self.tools.iter().flatten();
        names.any(|name| name.starts_with(beginning) || names_tool(name, beginning))
    }

    /// Whether it may call this tool.
    pub fn may_call(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|names| names.iter().any(|name| names_tool(name, tool)))
    }
}

/// Whether an entry of a list of tools means this one.
pub(crate) fn names_tool(entry: &str, tool: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => tool.starts_with(beginning),
        None => entry == tool,
    }
}

/// Agents cannot work together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TeamError {
    /// There is none.
    #[error("there are no agents; name at least one")]
    Empty,
    /// A name that no tool could be made of.
    #[error(
        "an agent cannot be called “{0}”; use 1 to 52 letters, digits, underscores and hyphens"
    )]
    Name(String),
    /// Two have one name.
    #[error("two agents are called “{0}”; give one of them another name")]
    SameName(String),
    /// Somebody is handed to who does not exist.
    #[error("the agent “{agent}” hands over to “{to}”, and there is no such agent; {known}")]
    Unknown {
        /// Who hands over.
        agent: String,
        /// To whom.
        to: String,
        /// Who there is.
        known: String,
    },
    /// It hands over to itself.
    #[error("the agent “{0}” hands over to itself; remove it from its hand_offs")]
    Itself(String),
    /// Nobody of this name can begin.
    #[error("the conversation starts with “{start}”, and there is no such agent; {known}")]
    Start {
        /// Who was to begin.
        start: String,
        /// Who there is.
        known: String,
    },
    /// A tool is called as a hand-off is.
    #[error("the tool “{0}” is called as a hand-off; give it another name")]
    Tool(String),
}

/// Looks whether these agents can work together. Which of them begins.
pub(crate) fn check(agents: &[NamedAgent], start: Option<&str>) -> Result<usize, TeamError> {
    if agents.is_empty() {
        return Err(TeamError::Empty);
    }
    let known = || {
        let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
        format!("the agents are {}", names.join(", "))
    };
    let at = |name: &str| agents.iter().position(|agent| agent.name == name);
    for (number, agent) in agents.iter().enumerate() {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = &agent.name;
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
            return Err(TeamError::Name(name.chars().take(100).collect()));
        }
        if at(name) != Some(number) {
            return Err(TeamError::SameName(name.clone()));
        }
        for to in &agent.hand_offs {
            if to == name {
                return Err(TeamError::Itself(name.clone()));
            }
            if at(to).is_none() {
                let (agent, to) = (name.clone(), to.clone());
                return Err(TeamError::Unknown { agent, to, known: known() });
            }
        }
    }
    match start {
        None => Ok(0),
        Some(start) => {
            at(start).ok_or_else(|| TeamError::Start { start: start.to_owned(), known: known() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_cannot_work_together_are_refused_by_name() {
        let agents =
            |to: &str| [NamedAgent::new("desk").hand_offs([to]), NamedAgent::new("billing")];
        assert_eq!(check(&agents("billing"), None), Ok(0));
        assert_eq!(check(&agents("billing"), Some("billing")), Ok(1));
        assert_eq!(check(&[], None), Err(TeamError::Empty));
        let said = |result: Result<usize, TeamError>| result.map_err(|error| error.to_string());
        for (result, words) in [
            (check(&agents("biling"), None), ["“desk”", "“biling”", "desk, billing"]),
            (check(&agents("desk"), None), ["“desk”", "itself", "hand_offs"]),
            (check(&agents("billing"), Some("x")), ["“x”", "starts", "desk, billing"]),
            (check(&[NamedAgent::new("a b")], None), ["“a b”", "letters", "hyphens"]),
            (
                check(&[NamedAgent::new("a"), NamedAgent::new("a")], None),
                ["two agents", "“a”", "another name"],
            ),
        ] {
            let error = said(result);
            let fits = |error: &String| words.iter().all(|word| error.contains(word));
            assert!(error.as_ref().is_err_and(fits), "{words:?}: {error:?}");
        }
        assert!(check(&[NamedAgent::new("x".repeat(52))], None).is_ok());
        assert!(check(&[NamedAgent::new("x".repeat(53))], None).is_err());
    }

    #[test]
    fn tools_are_named_whole_or_by_how_they_begin() {
        let agent = NamedAgent::new("a").tools(["search_documents", "shop_*"]);
        for (tool, may) in
            [("search_documents", true), ("shop_cancel", true), ("shop", false), ("crm_x", false)]
        {
            assert_eq!(agent.may_call(tool), may, "{tool}");
        }
        assert!(NamedAgent::new("a").may_call("anything"));
        assert!(!NamedAgent::new("a").tools([""; 0]).may_call("anything"));
        assert!(NamedAgent::new("a").tools(["*"]).may_call("anything"));
    }
}
