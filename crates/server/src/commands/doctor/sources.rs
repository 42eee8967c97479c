//! The sources of documents that servers refresh by themselves.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use parlor_chatkit::ErrorChain;
use parlor_search::SourceState;

use super::Finding;
use crate::{config::Config, search::SearchSetup, sources::outcome};

/// When each was last refreshed, and how that ended.
pub(super) async fn sources(config: &Config) -> Vec<Finding> {
    let sources = &config.search.sources;
    if !config.search.enabled || sources.is_empty() {
        return Vec::new();
    }
    let now = Utc::now();
    let known = async {
        let search = SearchSetup::new(config).map_err(|error| error.to_string())?;
        let known = match search.open_index().await {
            Ok(index) => index.sources(now).await,
            Err(error) => Err(error),
        };
        known.map_err(|error| ErrorChain(&error).to_string())
    };
    let known = match known.await {
        Ok(known) => known,
        // The index says so already.
        Err(_) => return Vec::new(),
    };
    sources
        .iter()
        .map(|source| {
            let name = source.name();
            let state = known.iter().find(|known| known.name == name);
            source_finding(&name, source.every(), source.url.is_some(), state, now)
        })
        .collect()
}

fn source_finding(
    name: &str,
    every: Duration,
    is_site: bool,
    state: Option<&SourceState>,
    now: DateTime<Utc>,
) -> Finding {
    let Some(state) = state else {
        return Finding::note(
            "source",
            format!("{name} was not refreshed yet"),
            "start the server with `parlor serve`: it refreshes its sources",
        );
    };
    let running = if state.claimed_until.is_some() { "; a refresh is under way" } else { "" };
    let (Some(ended), Some(outcome)) = (state.ended_at, outcome(state.outcome.as_deref())) else {
        return Finding::note(
            "source",
            format!("{name} is being refreshed for the first time"),
            "",
        );
    };
    let when = ended.format("%Y-%m-%d %H:%M UTC");
    if let Some(error) = outcome.error {
        return Finding::note(
            "source",
            format!("{name} could not be refreshed at {when}: {error}{running}"),
            "what was indexed before is kept, and the server tries again by itself; correct what is said",
        );
    }
    let documents = outcome.added + outcome.changed + outcome.unchanged;
    let text = format!("{name}: {documents} documents, refreshed {when}{running}");
    let late = TimeDelta::from_std(every * 3).unwrap_or(TimeDelta::MAX);
    // A folder in which nothing changes is not refreshed.
    if is_site && now - ended > late && state.claimed_until.is_none() {
        let advice = "no server with this setting seems to run; start one with `parlor serve`";
        return Finding::note("source", text, advice);
    }
    Finding::ok("source", text)
}
