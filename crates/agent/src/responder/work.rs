//! What is done for an answer with tools, within its limits.

use std::sync::Arc;

use parlor_chatkit::{MessageWriter, Turn, TurnError};
use parlor_search::PassageSearch;
use serde_json::json;
use tokio::time::Instant;

use super::{
    AgentResponder,
    writing::{Answer, Round},
};
use crate::approval::MAX_WAITING;
use crate::model::{ImageTool, InputItem, ModelApi};
use crate::prompt;
use crate::scope::SearchScope;
use crate::search_tool::SEARCH_DOCUMENTS;
use crate::tools::{
    self, Left, Offer, SearchDocuments, ToolCallRequest, ToolContext, ToolLimits, Toolbox,
    declared_by_page, declares_tools,
};
use crate::usage::{Nanos, Tab};

/// What was done for an answer with tools, and what may still be done.
pub(super) struct Work {
    /// Who answers.
    pub(super) agent: usize,
    /// Whether the first model has failed in this answer.
    pub(super) fell_back: bool,
    pub(super) offer: Offer,
    /// Whether there are tools besides the search.
    pub(super) has_tools: bool,
    pub(super) limits: ToolLimits,
    pub(super) rounds: u32,
    pub(super) calls: usize,
    pub(super) tokens: u64,
    pub(super) hand_offs: u32,
    /// Images that were begun.
    images: u32,
    /// What it takes.
    pub(super) tab: Tab,
    /// What the answer cost in earlier turns.
    pub(super) spent_before: Nanos,
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) context: Option<ToolContext>,
    /// Whether other tools are there than [`offer`](Self::offer) has.
    pub(super) offer_changed: bool,
    /// The calls and results of this turn so far.
    pub(super) exchanged: Vec<InputItem>,
}

impl Work {
    pub(super) fn new(agent: usize, limits: &ToolLimits, tab: Tab) -> Self {
        let since = Instant::now();
        Self {
            agent,
            fell_back: false,
            has_tools: false,
            offer: Offer::default(),
            limits: limits.clone(),
            rounds: 0,
            calls: 0,
            tokens: 0,
            hand_offs: 0,
            images: 0,
            tab,
            spent_before: 0,
            since,
            until: since + limits.time,
            context: None,
            offer_changed: false,
            exchanged: Vec::new(),
        }
    }

    /// These tools are there from now on.
    pub(super) fn offer_is(&mut self, offer: Offer) {
        self.has_tools = offer.specs().iter().any(|tool| tool.name != SEARCH_DOCUMENTS);
        self.offer = offer;
        self.offer_changed = false;
    }

    /// Whether the model may call tools in the next round. If not, it must answer.
    pub(super) fn may_call(&self) -> bool {
        !self.offer.is_empty() && self.rounds < self.limits.rounds && self.may_spend()
    }

    /// Whether the model may make an image in the next round.
    pub(super) fn may_draw(&self, per_turn: u32) -> bool {
        self.images < per_turn && self.may_spend()
    }

    /// So many images were begun by now: each is a call.
    pub(super) fn has_drawn(&mut self, images: u32) {
        self.calls += images.saturating_sub(self.images) as usize;
        self.images = images;
    }

    pub(super) fn has_drawn_any(&self) -> bool {
        self.images > 0
    }

    fn may_spend(&self) -> bool {
        let limits = &self.limits;
        self.calls < limits.calls as usize
            && limits.tokens.is_none_or(|most| self.tokens < most)
            && limits.cost.is_none_or(|most| self.spent_before + self.tab.cost() < most)
            && Instant::now() < self.until
    }

    pub(super) fn left(&self) -> Left {
        Left {
            calls: (self.limits.calls as usize).saturating_sub(self.calls),
            parallel: self.limits.parallel,
            until: self.until,
        }
    }

    /// Makes calls. What the model is told of each, in their order.
    pub(super) async fn call(
        &mut self,
        calls: &[ToolCallRequest],
        answer: &mut Answer,
        turn: &mut Turn,
    ) -> Result<Vec<InputItem>, TurnError> {
        let context = self.context(turn);
        let (steps, left) = (&mut answer.steps, self.left());
        let notes = turn.notes().clone();
        for call in calls {
            notes.add("tool.call", || {
                json!({ "call_id": call.call_id, "name": call.name, "arguments": call.arguments })
            });
        }
        let ran = tools::run_calls(turn, steps, &self.offer, &context, calls, left).await?;
        let mut changed = false;
        let results = calls.iter().zip(ran).map(|(call, ran)| {
            if let Some(found) = notes.are_read().then(|| ran.noted()).flatten() {
                notes.add("retrieval", || found);
            }
            let (failed, took) = (ran.failed, ran.took);
            changed |= ran.changes_offer;
            let output = ran.told(&call.name, &mut answer.found);
            notes.add("tool.result", || {
                json!({ "call_id": call.call_id, "name": call.name, "failed": failed,
                    "ms": took.as_secs_f64() * 1_000.0, "told": output })
            });
            InputItem::ToolResult { call_id: call.call_id.clone(), output }
        });
        let results = results.collect();
        self.offer_changed |= changed;
        Ok(results)
    }

    pub(super) fn ran(&mut self, calls: usize, tokens: u64) {
        self.rounds += 1;
        self.calls += calls;
        self.tokens += tokens;
        if !self.may_call() {
            tracing::info!(
                rounds = self.rounds,
                calls = self.calls,
                tokens = self.tokens,
                "the limit of tools in a turn is reached; the model must answer"
            );
        }
    }

    /// On whose behalf tools are called. Made when it is first needed.
    fn context(&mut self, turn: &Turn) -> ToolContext {
        self.context.get_or_insert_with(|| ToolContext::new(turn.context().clone())).clone()
    }
}

impl AgentResponder {
    /// How the model is to make images in the next round, if it may.
    pub(super) fn image_tool(&self, work: &Work) -> Option<Arc<ImageTool>> {
        let config = self.images_of(work.agent)?;
        let fallback = self.fallback.as_ref().filter(|_| work.fell_back);
        if fallback.is_some_and(|model| model.api() != ModelApi::Responses) {
            return None;
        }
        work.may_draw(config.per_turn).then(|| Arc::clone(&config.tool))
    }

    /// The tools for an agent in one turn.
    pub(super) async fn offer_to(&self, agent: usize, turn: &Turn) -> Offer {
        let member = &self.members[agent];
        let of_page = self.page_tools && declares_tools(turn.context());
        if self.tool_sources.is_empty() && !of_page {
            return member.standing.clone();
        }
        let context = ToolContext::new(turn.context().clone());
        // Boxed: it is over when the answer begins.
        Box::pin(async {
            let sources = self.tool_sources.iter().map(|source| source.tools(&context));
            let mut offers = futures::future::join_all(sources).await;
            if of_page {
                // The last: what is configured is not replaced by what a page says.
                offers.extend(declared_by_page(turn.context()));
            }
            let offers = offers.into_iter().map(|offer| member.of_source(offer));
            let (offer, clashes) =
                Offer::gathered([member.standing.clone()].into_iter().chain(offers));
            for name in clashes {
                tracing::warn!(tool = name, "left out a tool: another one has the same name");
                turn.notes().add(
                    "tool.left_out",
                    || json!({ "name": name, "why": "another tool has the same name" }),
                );
            }
            offer
        })
        .await
    }

    /// Runs the calls of a round and adds them to what was exchanged, with their results. Gives the
    /// message that the answer goes on in; `None` if it goes on when the user has decided.
    pub(super) async fn run_calls<'turn>(
        &self,
        work: &mut Work,
        round: Round,
        answer: &mut Answer,
        mut writer: MessageWriter<'turn>,
    ) -> Result<Option<MessageWriter<'turn>>, TurnError> {
        if !round.text.is_empty() {
            work.exchanged.push(InputItem::Assistant(round.text));
        }
        if let Some(pictures) = &mut answer.pictures {
            let told = pictures.told().into_iter();
            work.exchanged.extend(told.map(|told| InputItem::User(prompt::history_note(&told))));
        }
        let (mut waiting, mut asked) = (0, Vec::<String>::new());
        let (held, mut calls): (Vec<_>, Vec<_>) = round.calls.iter().cloned().partition(|call| {
            // Two cards for one server would be one too many.
            let signs_in = work.offer.sign_in(&call.name).is_some();
            let is_asked = signs_in && asked.contains(&call.name);
            let waits = waiting < MAX_WAITING.min(work.left().calls)
                && !is_asked
                && work.offer.needs_consent(&call.name, &call.arguments);
            if waits && signs_in {
                asked.push(call.name.clone());
            }
            waiting += usize::from(waits);
            waits
        });
        let transfer = self.transfer(work, !held.is_empty(), &mut calls);
        let is_free = held.is_empty() && transfer.is_none();
        let for_page = if is_free { Self::for_page(work, &mut calls) } else { None };
        let shows_steps =
            transfer.is_some() || round.calls.iter().any(|call| work.offer.shows_steps(&call.name));
        if shows_steps && writer.position() > 0 {
            // What was said before the steps stands before them.
            writer = writer.finish_and_begin().await?;
            answer.another_message();
        }
        let results = work.call(&calls, answer, writer.turn()).await?;
        work.ran(round.calls.len(), round.tokens);
        work.exchanged.extend(round.calls.into_iter().map(|call| InputItem::ToolCall {
            call_id: call.call_id,
            name: call.name,
            arguments: call.arguments,
        }));
        work.exchanged.extend(results);
        answer.passages_changed();
        if let Some(transfer) = transfer {
            Box::pin(self.hand_over(work, transfer, answer, writer.turn())).await?;
        }
        if work.offer_changed {
            work.offer_is(self.offer_to(work.agent, writer.turn()).await);
        }
        if held.is_empty() && for_page.is_none() {
            return Ok(Some(writer));
        }
        answer.steps.finish(writer.turn()).await?;
        writer = writer.finish_and_begin().await?;
        if let Some(call) = for_page {
            self.ask_page(work, call, answer, writer.turn()).await?;
            return Ok(None);
        }
        self.hold(work, held, answer, writer.turn()).await?;
        Ok(None)
    }
}

/// The tools that are always there.
pub(super) fn standing(
    search: Option<&Arc<dyn PassageSearch>>,
    scope: &SearchScope,
    tools: &Offer,
    other_tools: bool,
) -> Offer {
    let Some(search) = search else { return tools.clone() };
    let as_step = other_tools || !tools.is_empty();
    // Name and schema are ours, and the name was looked for among the others.
    let search = Toolbox::new([SearchDocuments::new(Arc::clone(search), scope.clone(), as_step)]);
    Offer::gathered([search.unwrap_or_default().offer(), tools.clone()]).0
}
