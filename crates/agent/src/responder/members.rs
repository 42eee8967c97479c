//! The agents of a responder: who answers, and how a conversation is handed over.

use parlor_chatkit::protocol::Icon;
use parlor_chatkit::{Turn, TurnError};
use serde_json::json;

use super::{
    AgentResponder,
    work::{Work, standing},
    writing::Answer,
};
use crate::model::{InputItem, ModelClient};
use crate::prompt::PromptConfig;
use crate::scope::SearchScope;
use crate::search_tool::SEARCH_DOCUMENTS;
use crate::team::{self, NamedAgent, TeamError};
use crate::tools::{HandOff, Offer, ToolCallRequest, Toolbox, titled};

/// The key under which a thread's metadata say who answers in it.
const KEY: &str = "parlor.agent";

/// One agent, ready to answer.
pub(super) struct Member {
    /// What it is called; `None` where there is only one.
    agent: Option<NamedAgent>,
    title: String,
    /// What it is told.
    pub(super) prompt: PromptConfig,
    /// The tools that are always there, the search and hand-offs included.
    pub(super) standing: Offer,
    pub(super) can_search: bool,
    /// To whom it may hand over: the names of those tools, and the members.
    hand_offs: Vec<(String, usize)>,
}

impl Member {
    /// The only one, of a responder without named agents.
    fn only(responder: &AgentResponder) -> Self {
        Self {
            agent: None,
            title: String::new(),
            prompt: responder.prompt.clone(),
            standing: standing(
                responder.search.as_ref(),
                &responder.scope,
                &responder.toolbox.offer(),
                !responder.tool_sources.is_empty(),
            ),
            can_search: responder.search.is_some(),
            hand_offs: Vec::new(),
        }
    }

    fn new(responder: &AgentResponder, agent: &NamedAgent) -> Self {
        let mut prompt = responder.prompt.clone();
        if let Some(instructions) = &agent.instructions {
            prompt.system_prompt.clone_from(instructions);
        }
        let search = responder.search.as_ref().filter(|_| agent.may_call(SEARCH_DOCUMENTS));
        let scope: &SearchScope = agent.scope.as_ref().unwrap_or(&responder.scope);
        let toolbox = responder.toolbox.offer().filtered(|tool| agent.may_call(tool));
        let others = &responder.agents;
        let hand_offs: Vec<usize> = others
            .iter()
            .enumerate()
            .filter(|(_, other)| agent.hand_offs.contains(&other.name))
            .map(|(at, _)| at)
            .collect();
        let transfers = hand_offs.iter().map(|&at| HandOff::to(&others[at], &title(&others[at])));
        // The names were looked at.
        let transfers = Toolbox::new(transfers).unwrap_or_default().offer();
        // Several agents are several steps, whatever else there is.
        let tools = standing(search, scope, &toolbox, true);
        Self {
            agent: Some(agent.clone()),
            title: title(agent),
            prompt,
            standing: Offer::gathered([tools, transfers]).0,
            can_search: search.is_some(),
            hand_offs: hand_offs
                .into_iter()
                .map(|at| (HandOff::name(&others[at].name), at))
                .collect(),
        }
    }

    /// What it is called, where there are several.
    pub(super) fn name(&self) -> Option<&str> {
        self.agent.as_ref().map(|agent| agent.name.as_str())
    }

    /// Whether it answers with a model of its own, which users cannot choose.
    pub(super) fn own_model(&self) -> Option<&ModelClient> {
        self.agent.as_ref()?.model.as_ref()
    }

    /// Whether it may call a tool of this name.
    pub(super) fn may_call(&self, tool: &str) -> bool {
        self.agent.as_ref().is_none_or(|agent| agent.may_call(tool))
    }

    /// What it may call of the tools that come from elsewhere.
    pub(super) fn of_source(&self, offer: Offer) -> Offer {
        match &self.agent {
            Some(agent) if agent.tools.is_some() => offer.filtered(|tool| {
                agent.may_call(tool)
                    || offer.sign_in(tool).is_some() && agent.may_call_some_like(tool)
            }),
            _ => offer,
        }
    }

    /// To whom this call hands over.
    fn hands_to(&self, call: &ToolCallRequest) -> Option<usize> {
        let known = self.hand_offs.iter().find(|(tool, _)| *tool == call.name);
        known.map(|&(_, at)| at)
    }
}

/// What people call an agent.
fn title(agent: &NamedAgent) -> String {
    agent.title.clone().unwrap_or_else(|| titled(&agent.name))
}

/// A hand-off that a model asks for.
pub(super) struct Transfer {
    to: usize,
    call: ToolCallRequest,
}

impl AgentResponder {
    /// Several agents in the place of one: the first of them answers, and each may hand a conversation
    /// over to those it names. They share what the responder has: its tools, its search, its model
    /// where they have none of their own.
    ///
    /// # Errors
    ///
    /// When a name cannot be used or stands for nobody.
    pub fn agents(self, agents: impl IntoIterator<Item = NamedAgent>) -> Result<Self, TeamError> {
        self.with_agents(agents.into_iter().collect(), None)
    }

    /// As [`agents`](Self::agents), and the one of this name answers first.
    ///
    /// # Errors
    ///
    /// As for that, and when nobody has the name.
    pub fn agents_starting_with(
        self,
        start: &str,
        agents: impl IntoIterator<Item = NamedAgent>,
    ) -> Result<Self, TeamError> {
        self.with_agents(agents.into_iter().collect(), Some(start))
    }

    fn with_agents(
        mut self,
        agents: Vec<NamedAgent>,
        start: Option<&str>,
    ) -> Result<Self, TeamError> {
        self.start = team::check(&agents, start)?;
        self.agents = agents;
        if let Some(tool) = self.called_as_a_hand_off() {
            return Err(TeamError::Tool(tool));
        }
        Ok(self.with_members())
    }

    /// A tool whose name is that of a hand-off.
    pub(super) fn called_as_a_hand_off(&self) -> Option<String> {
        let tools = self.toolbox.offer();
        let names = self.agents.iter().map(|agent| HandOff::name(&agent.name));
        names.into_iter().find(|name| tools.get(name).is_some())
    }

    /// Makes the agents ready, after something has changed that they are made of.
    pub(super) fn with_members(mut self) -> Self {
        self.members = self.agents.iter().map(|agent| Member::new(&self, agent)).collect();
        if self.members.is_empty() {
            self.members.push(Member::only(&self));
            self.start = 0;
        }
        self
    }

    /// The model of this agent.
    pub(super) fn model_of(&self, agent: usize) -> Option<&ModelClient> {
        self.members[agent].own_model().or(self.model.as_ref())
    }

    /// The agent of this name.
    pub(super) fn agent_named(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name() == Some(name))
    }

    /// Who answers in this thread: whom it was handed to last, if there is such an agent.
    pub(super) fn agent_of(&self, turn: &Turn) -> usize {
        let known = turn.thread().metadata.get(KEY);
        let remembered = known.and_then(|known| self.agent_named(known["name"].as_str()?));
        remembered.unwrap_or(self.start)
    }

    /// Answered anew is the message that led to a hand-off: by whom it was asked first.
    pub(super) fn take_back_hand_off(turn: &mut Turn) {
        let known = turn.thread().metadata.get(KEY);
        let question = turn.input().map(|input| input.id.as_str());
        let Some(known) = known.filter(|known| question.is_some_and(|id| known["since"] == id))
        else {
            return;
        };
        let before = json!({ "name": known["before"] });
        turn.thread_metadata_mut().insert(KEY.to_owned(), before);
    }

    /// The hand-off among the calls of a round, if there is one that can be made: one that is, is no
    /// call any more.
    pub(super) fn transfer(
        &self,
        work: &Work,
        waits: bool,
        calls: &mut Vec<ToolCallRequest>,
    ) -> Option<Transfer> {
        let member = &self.members[work.agent];
        if member.hand_offs.is_empty() || waits || work.hand_offs >= work.limits.hand_offs {
            return None;
        }
        let fits = |call: &ToolCallRequest| {
            let tool = work.offer.get(&call.name);
            member.hands_to(call).is_some()
                && tool.is_some_and(|tool| tool.arguments(&call.arguments).is_ok())
        };
        let at = calls.iter().position(fits)?;
        let call = calls.remove(at);
        Some(Transfer { to: member.hands_to(&call)?, call })
    }

    /// Hands the conversation over. The answer goes on with the other agent's instructions and tools.
    pub(super) async fn hand_over(
        &self,
        work: &mut Work,
        transfer: Transfer,
        answer: &mut Answer,
        turn: &mut Turn,
    ) -> Result<(), TurnError> {
        let (from, to) = (&self.members[work.agent], &self.members[transfer.to]);
        tracing::info!(from = from.name(), to = to.name(), "a conversation was handed over");
        // Saved with the step.
        let since = turn.input().map(|input| input.id.clone());
        let known = turn.thread().metadata.get(KEY);
        let before = match known.filter(|known| since.is_some() && known["since"] == json!(since)) {
            // Handed on once more in this answer.
            Some(known) => known["before"].clone(),
            None => json!(from.name()),
        };
        let remembered = json!({ "name": to.name(), "before": before, "since": since });
        turn.thread_metadata_mut().insert(KEY.to_owned(), remembered);
        let title = format!("Handed to {}", to.title);
        answer.steps.note(turn, title, Icon::from_static("agent")).await?;
        let output = HandOff::told(&to.title, &transfer.call.arguments);
        let call_id = transfer.call.call_id;
        work.exchanged.push(InputItem::ToolResult { call_id, output });
        work.hand_offs += 1;
        work.agent = transfer.to;
        work.offer_is(self.offer_to(work.agent, turn).await);
        Ok(())
    }
}
