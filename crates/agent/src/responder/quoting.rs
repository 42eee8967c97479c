//! Answers without a model: what the documents say.

use parlor_chatkit::protocol::Icon;
use parlor_chatkit::{Turn, TurnError};

use super::{AgentResponder, conversation::Conversation};
use crate::measure::searched;
use crate::prompt::Said;
use crate::quotes::{self, QUOTED_PASSAGES};
use crate::search_tool::source;
use crate::tools::SEARCHING;

impl AgentResponder {
    /// Answers without a model.
    pub(super) async fn quote(
        &self,
        turn: &mut Turn,
        conversation: &Conversation,
    ) -> Result<(), TurnError> {
        let Some(search) = self.search.as_deref() else {
            return say(turn, quotes::NO_DOCUMENTS).await;
        };
        turn.progress(Icon::from_static("search"), SEARCHING).await?;
        let earlier: Vec<&str> = conversation
            .said
            .iter()
            .filter_map(|said| match said {
                Said::User(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let query = quotes::search_query(&conversation.question, &earlier);
        let request = self.scope.request(turn.context(), &query, QUOTED_PASSAGES);
        let passages = match searched(search.search(request)).await {
            Ok(passages) => passages,
            Err(error) => {
                tracing::warn!(%error, "the search failed, and there is no model");
                return say(turn, quotes::SEARCH_FAILED).await;
            }
        };
        if passages.is_empty() {
            return say(turn, quotes::NOTHING_FOUND).await;
        }
        let mut writer = turn.assistant_message().await?;
        writer.push(quotes::INTRODUCTION).await?;
        for passage in passages.iter().take(QUOTED_PASSAGES) {
            writer.push("\n\n").await?;
            writer.push(&quotes::quotation(passage, &query)).await?;
            writer.cite(source(passage)).await?;
        }
        writer.finish().await
    }
}

/// Says one fixed thing.
async fn say(turn: &mut Turn, text: &str) -> Result<(), TurnError> {
    let mut writer = turn.assistant_message().await?;
    writer.push(text).await?;
    writer.finish().await
}
