//! Calls that the page of the user makes: asked for, taken up, passed over.

use std::time::Duration;

use parlor_chatkit::protocol::{
    CallId, ClientToolCallItem, ClientToolCallStatus, JsonMap, ThreadItem,
};
use parlor_chatkit::{Turn, TurnError};
use serde_json::{Value, json};

use super::{AgentResponder, work::Work, writing::Answer};
use crate::approval::{Held, PageCall, Spending};
use crate::model::InputItem;
use crate::tools::{ToolCallRequest, tool_result};

/// A call for the page, with its arguments.
pub(super) type ForPage = (ToolCallRequest, JsonMap);

impl AgentResponder {
    /// The first call of a round that the page can make. It is none of the others any more.
    pub(super) fn for_page(work: &Work, calls: &mut Vec<ToolCallRequest>) -> Option<ForPage> {
        if work.left().calls == 0 {
            return None;
        }
        let (at, arguments) = calls.iter().enumerate().find_map(|(at, call)| {
            let ready = work.offer.get(&call.name).filter(|ready| ready.settings.in_page)?;
            match ready.arguments(&call.arguments) {
                Ok(Value::Object(arguments)) => Some((at, arguments)),
                _ => None,
            }
        })?;
        Some((calls.remove(at), arguments))
    }

    /// Has the page make a call. The answer goes on in another turn.
    pub(super) async fn ask_page(
        &self,
        work: &Work,
        (call, arguments): ForPage,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Result<(), TurnError> {
        let settings = work.offer.get(&call.name).map(|ready| ready.settings.clone());
        let settings = settings.unwrap_or_default();
        let expires_at = turn.now().saturating_add(settings.timeout);
        let mut held = Held::new(&work.exchanged, answer.found.passages(), Vec::new(), expires_at);
        held.agent = self.members[work.agent].name().map(str::to_owned);
        let (call_id, name) = (CallId::new(call.call_id.as_str()), call.name.clone());
        let spending = work.spending();
        held.page = Some(PageCall { call, max_chars: settings.max_result_chars, spending });
        // Before the call: an output without it could not be taken up.
        turn.hidden_context(held.content()).await?;
        turn.client_tool_call(call_id, name, arguments).await?;
        Ok(())
    }

    /// What the model is told of a call that the page has made.
    pub(super) fn of_page(
        page: &PageCall,
        item: Option<&ClientToolCallItem>,
        is_late: bool,
    ) -> InputItem {
        let output = item.and_then(|item| item.output.as_ref());
        let output = match output {
            _ if is_late => {
                "Error: the page took too long, and what it sent was not used. Go on without it."
                    .to_owned()
            }
            Some(Value::String(text)) => tool_result(&page.call.name, text, page.max_chars),
            Some(value) => tool_result(&page.call.name, &value.to_string(), page.max_chars),
            None => "Error: the page sent nothing. Go on without it.".to_owned(),
        };
        InputItem::ToolResult { call_id: page.call.call_id.clone(), output }
    }

    /// The user has written something while the page was asked: the model is told so, and what the
    /// page still sends is not waited for.
    pub(super) async fn pass_page_over(
        turn: &mut Turn,
        page: &PageCall,
        item: Option<ClientToolCallItem>,
    ) -> Result<InputItem, TurnError> {
        let pending = item.filter(|item| item.status == ClientToolCallStatus::Pending);
        if let Some(item) = pending {
            let status = ClientToolCallStatus::Completed;
            let output = Some(json!("The user wrote another message instead."));
            turn.replace_item(ClientToolCallItem { status, output, ..item }).await?;
        }
        let output =
            "Error: the page did not answer this call, and the user wrote another message.";
        let call_id = page.call.call_id.clone();
        Ok(InputItem::ToolResult { call_id, output: output.to_owned() })
    }
}

/// The latest item of this call.
pub(super) fn item_of(page: &PageCall, items: &mut Vec<ThreadItem>) -> Option<ClientToolCallItem> {
    let is_it = |item: &ThreadItem| matches!(item, ThreadItem::ClientToolCall(item) if item.call_id.as_str() == page.call.call_id);
    // It belongs to the answer, and is not said beside it.
    let at = items.iter().rposition(is_it)?;
    match items.remove(at) {
        ThreadItem::ClientToolCall(item) => Some(item),
        _ => None,
    }
}

impl Work {
    /// What was done so far, for the turn in which the answer goes on.
    fn spending(&self) -> Spending {
        Spending {
            rounds: self.rounds,
            calls: self.calls,
            tokens: self.tokens,
            cost: self.spent_before.saturating_add(self.tab.cost()),
            hand_offs: self.hand_offs,
            millis: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// So much was done for this answer in earlier turns: its limits hold for all of them together.
    pub(super) fn goes_on(&mut self, spending: &Spending) {
        self.rounds = spending.rounds;
        self.calls = spending.calls;
        self.tokens = spending.tokens;
        self.spent_before = spending.cost;
        self.hand_offs = spending.hand_offs;
        let spent = Duration::from_millis(spending.millis);
        self.until = self.since + self.limits.time.saturating_sub(spent);
    }
}
