//! The search in the documents, as a tool.

use std::sync::Arc;

use parlor_chatkit::protocol::Icon;
use parlor_search::PassageSearch;
use serde_json::{Value, json};

use super::{Shown, Tool, ToolCall, ToolFuture, ToolOutput, ToolSettings};
use crate::measure::searched;
use crate::model::ToolSpec;
use crate::scope::SearchScope;
use crate::search_tool::{query_of, search_documents};

/// Passages that one search gives the model.
const PASSAGES_OF_A_SEARCH: usize = 6;

/// What people read while the documents are searched.
pub(crate) const SEARCHING: &str = "Searching the documents…";

/// Searches the documents.
pub(crate) struct SearchDocuments {
    search: Arc<dyn PassageSearch>,
    scope: SearchScope,
    shown: Shown,
}

impl SearchDocuments {
    /// `as_step` shows searches as steps, like the calls of other tools. Alone they are a passing
    /// line: what they found is cited anyway.
    pub(crate) fn new(search: Arc<dyn PassageSearch>, scope: SearchScope, as_step: bool) -> Self {
        let shown = if as_step { Shown::Step } else { Shown::Progress(SEARCHING.to_owned()) };
        Self { search, scope, shown }
    }
}

impl Tool for SearchDocuments {
    fn spec(&self) -> ToolSpec {
        search_documents()
    }

    fn settings(&self) -> ToolSettings {
        ToolSettings {
            title: Some("Searching the documents".to_owned()),
            icon: Some(Icon::from_static("search")),
            // Passages have a limit of their own.
            max_result_chars: usize::MAX,
            shown: self.shown.clone(),
            ..ToolSettings::default()
        }
    }

    fn read_arguments(&self, written: &str) -> Result<Value, String> {
        query_of(written).map(|query| json!({ "query": query }))
    }

    fn call(&self, call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async move {
            let query = call.arguments["query"].as_str().unwrap_or_default();
            let context = call.context.request();
            let request = self.scope.request(context, query, PASSAGES_OF_A_SEARCH);
            match searched(self.search.search(request)).await {
                Ok(passages) => Ok(ToolOutput::passages(query, passages)),
                Err(error) => {
                    tracing::warn!(%error, "the search failed; the model answers without it");
                    Ok(ToolOutput::own(
                        "The search is not available at the moment. Answer from what you know, \
                         and say that you could not look it up.",
                    )
                    .as_failure())
                }
            }
        })
    }
}
