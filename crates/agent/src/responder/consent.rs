//! Calls that wait for the user's consent: asked for, answered, passed over.

use parlor_chatkit::protocol::{
    ClientToolCallItem, ClientToolCallStatus, HiddenContextItem, NoticeLevel, WidgetItem,
};
use parlor_chatkit::{ActionSender, MessageWriter, Turn, TurnError};

use super::{AgentResponder, conversation::Conversation, work::Work, writing::Answer};
use crate::approval::{Decision, Held, Waiting};
use crate::tools::{CardPlace, ToolCallRequest};

/// Calls that wait, with the items that they are.
pub(super) struct HeldItems {
    pub(super) record: HiddenContextItem,
    pub(super) held: Held,
    pub(super) cards: Vec<WidgetItem>,
    /// The call that the page was to make.
    pub(super) in_page: Option<ClientToolCallItem>,
}

impl HeldItems {
    /// Whether the page has made its call.
    pub(super) fn page_has_answered(&self) -> bool {
        let made = |item: &ClientToolCallItem| item.status == ClientToolCallStatus::Completed;
        self.held.page.is_some() && self.in_page.as_ref().is_some_and(made)
    }

    /// Stores what is known now, before anything else is done.
    async fn save(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        self.record.content = self.held.content();
        turn.replace_item(self.record.clone()).await
    }

    /// Shows what was decided about a call.
    async fn show(&self, turn: &mut Turn, waiting: &Waiting) -> Result<(), TurnError> {
        match self.cards.iter().find(|card| card.id == waiting.widget) {
            Some(card) => {
                let widget = waiting.card().into();
                turn.replace_item(WidgetItem { widget, ..card.clone() }).await
            }
            None => Ok(()),
        }
    }
}

impl AgentResponder {
    /// Asks the user whether calls may be made. The answer goes on in another turn.
    pub(super) async fn hold(
        &self,
        work: &Work,
        calls: Vec<ToolCallRequest>,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Result<(), TurnError> {
        let mut waiting = Vec::new();
        for call in calls {
            let (widget, thread_id, _) = turn.new_item("wdg");
            let place = CardPlace { thread_id, item_id: widget.clone() };
            waiting.push(Waiting {
                title: work.offer.title(&call.name),
                sign_in: Self::asked_to_sign_in(work, &call, place, turn).await?,
                call,
                widget,
                decision: Decision::Pending,
            });
        }
        let expires_at = turn.now().saturating_add(self.tool_limits.consent);
        let mut held = Held::new(&work.exchanged, answer.found.passages(), waiting, expires_at);
        held.agent = self.members[work.agent].name().map(str::to_owned);
        // Before the cards: one without it could not be answered.
        turn.hidden_context(held.content()).await?;
        for waiting in held.waiting {
            let (_, thread_id, created_at) = turn.new_item("wdg");
            turn.put(WidgetItem {
                widget: waiting.card().into(),
                id: waiting.widget,
                thread_id,
                created_at,
                copy_text: None,
            })
            .await?;
        }
        Ok(())
    }

    /// Goes on with an answer whose calls the user has decided about: makes those that were
    /// approved.
    pub(super) async fn take_up(
        &self,
        work: &mut Work,
        mut items: Box<HeldItems>,
        answer: &mut Answer,
        writer: &mut MessageWriter<'_>,
    ) -> Result<(), TurnError> {
        work.exchanged = items.held.exchanged();
        answer.found = std::mem::take(&mut items.held.found).into();
        if let Some(page) = items.held.page.take() {
            work.goes_on(&page.spending);
            let is_late = writer.turn().now() > items.held.expires_at;
            work.exchanged.push(Self::of_page(&page, items.in_page.as_ref(), is_late));
            answer.passages_changed();
            items.held.finish();
            return items.save(writer.turn()).await;
        }
        let approved = |waiting: &&Waiting| {
            waiting.decision == Decision::Approved && waiting.sign_in.is_none()
        };
        let calls = items.held.waiting.iter().filter(approved);
        let calls: Vec<ToolCallRequest> = calls.map(|waiting| waiting.call.clone()).collect();
        let results = work.call(&calls, answer, writer.turn()).await?;
        work.ran(calls.len(), 0);
        work.exchanged.extend(results);
        let refused = items.held.waiting.iter().filter(|waiting| !approved(waiting));
        work.exchanged.extend(refused.map(Waiting::refusal));
        answer.passages_changed();
        items.held.finish();
        items.save(writer.turn()).await
    }

    /// Whether calls may have to wait for the user or their page.
    pub(super) fn may_wait(&self) -> bool {
        !self.tool_sources.is_empty()
            || self.members.iter().any(|member| member.standing.may_wait())
    }

    /// The user has written something instead of answering: the calls are not made, and the model
    /// is told so before it reads the message.
    pub(super) async fn pass_over(
        &self,
        turn: &mut Turn,
        conversation: &mut Conversation,
    ) -> Result<(), TurnError> {
        let Some(mut items) = conversation.held.take() else { return Ok(()) };
        conversation.before = items.held.exchanged();
        for waiting in &mut items.held.waiting {
            if waiting.decision == Decision::Pending {
                waiting.decision = match self.has_signed_in(turn, waiting).await {
                    Some(true) => Decision::Approved,
                    _ => Decision::PassedOver,
                };
            }
        }
        conversation.before.extend(items.held.waiting.iter().map(Waiting::refusal));
        if let Some(page) = items.held.page.take() {
            let told = Self::pass_page_over(turn, &page, items.in_page.take()).await?;
            conversation.before.push(told);
        }
        items.held.finish();
        items.save(turn).await?;
        for waiting in &items.held.waiting {
            items.show(turn, waiting).await?;
        }
        Ok(())
    }

    /// The user has pressed a button of a call that waits.
    pub(super) async fn decide(
        &self,
        turn: &mut Turn,
        sender: ActionSender,
    ) -> Result<(), TurnError> {
        let approve = sender.action.payload.is_some_and(|payload| payload["approve"] == true);
        let mut conversation = self.conversation(turn).await?;
        let card = sender.widget.map(|card| card.id);
        let found = conversation.held.take().and_then(|items| {
            let pressed = |waiting: &Waiting| Some(&waiting.widget) == card.as_ref();
            let at = items.held.waiting.iter().position(pressed)?;
            (items.held.waiting[at].decision == Decision::Pending).then_some((items, at))
        });
        let Some((mut items, at)) = found else {
            // In another tab, or before the last message. The card shows how.
            return turn.notice(NoticeLevel::Info, "This was answered already.").await;
        };
        let signed_in = self.has_signed_in(turn, &items.held.waiting[at]).await;
        let is_late = turn.now() > items.held.expires_at;
        if let (true, Some(false), false) = (approve, signed_in, is_late) {
            let message =
                "You have not signed in yet. Follow the link on the card, and then press Continue.";
            return turn.notice(NoticeLevel::Info, message).await;
        }
        let decision = match approve {
            true if signed_in == Some(true) => Decision::Approved,
            _ if is_late => Decision::Expired,
            true => Decision::Approved,
            false => Decision::Denied,
        };
        tracing::info!(tool = items.held.waiting[at].call.name, ?decision, "consent to a call");
        items.held.waiting[at].decision = decision;
        // Stored before anything is done: what was approved is not approved again.
        items.save(turn).await?;
        items.show(turn, &items.held.waiting[at]).await?;
        if items.held.waiting.iter().any(|waiting| waiting.decision == Decision::Pending) {
            return Ok(());
        }
        self.answer(turn, &conversation, Some(items)).await
    }
}
