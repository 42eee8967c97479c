//! How calls are shown in the chat: one step of a workflow each.

use parlor_chatkit::protocol::{
    CustomSummary, CustomTask, Icon, SearchTask, TaggedUrlSource, Task, UrlSource,
};
use parlor_chatkit::{PausedWorkflow, Turn, TurnError};
use serde_json::Value;

use super::{Shown, run::Ran, toolbox::Ready};

/// Sources shown with one step, at most.
const MAX_SOURCES: usize = 12;

/// The steps of an answer, from one stretch of text to the next.
#[derive(Default)]
pub(crate) struct Steps {
    workflow: Option<Box<PausedWorkflow>>,
    /// What the steps are called.
    titles: Vec<String>,
    /// Calls under way: their place in the round, the step that shows them, and what was searched for.
    running: Vec<(usize, usize, Option<String>)>,
}

impl Steps {
    /// A call has begun.
    pub(crate) async fn begin(
        &mut self,
        turn: &mut Turn,
        at: usize,
        tool: &Ready,
        arguments: &Value,
    ) -> Result<(), TurnError> {
        if let Shown::Progress(line) = &tool.settings.shown {
            return turn.progress(tool.settings.icon.clone(), line.as_str()).await;
        }
        // What a search looks for says more than its name.
        let query = arguments["query"].as_str().filter(|query| query.len() <= 200);
        let mut workflow = match self.workflow.take() {
            Some(paused) => turn.continue_workflow(*paused),
            None => turn.workflow(),
        };
        let step = workflow.add(shown(tool, query, State::Running)).await;
        self.workflow = Some(Box::new(workflow.pause()));
        self.titles.push(tool.title());
        self.running.push((at, step?, query.map(str::to_owned)));
        Ok(())
    }

    /// A call is over.
    pub(crate) async fn end(
        &mut self,
        turn: &mut Turn,
        at: usize,
        tool: &Ready,
        ran: &Ran,
    ) -> Result<(), TurnError> {
        let Some(known) = self.running.iter().position(|(call, ..)| *call == at) else {
            return Ok(());
        };
        let (_, step, query) = self.running.swap_remove(known);
        let Some(paused) = self.workflow.take() else { return Ok(()) };
        let mut workflow = turn.continue_workflow(*paused);
        let state = match ran.failed {
            true => State::Failed,
            false => State::Done(ran.sources.clone()),
        };
        let updated = workflow.update(step, shown(tool, query.as_deref(), state)).await;
        self.workflow = Some(Box::new(workflow.pause()));
        updated
    }

    /// Something was done that is no call.
    pub(crate) async fn note(
        &mut self,
        turn: &mut Turn,
        title: String,
        icon: Icon,
    ) -> Result<(), TurnError> {
        let mut workflow = match self.workflow.take() {
            Some(paused) => turn.continue_workflow(*paused),
            None => turn.workflow(),
        };
        let mut task = CustomTask::new(title.clone());
        task.icon = Some(icon);
        let step = workflow.add(task.complete()).await;
        self.workflow = Some(Box::new(workflow.pause()));
        self.titles.push(title);
        step.map(|_| ())
    }

    /// What comes next is no step.
    pub(crate) async fn finish(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        match self.workflow.take() {
            Some(paused) => {
                // By what was done, and not by how long it took: most calls take no time to speak of.
                let titles = std::mem::take(&mut self.titles);
                let title = match titles.as_slice() {
                    [only] => only.clone(),
                    titles => format!("{} steps", titles.len()),
                };
                let summary = CustomSummary::new(title).icon("check-circle");
                turn.continue_workflow(*paused).finish_as(summary).await
            }
            None => Ok(()),
        }
    }

    /// Whether steps are shown that nothing has followed yet.
    pub(crate) fn are_shown(&self) -> bool {
        self.workflow.is_some()
    }
}

enum State {
    Running,
    Done(Vec<UrlSource>),
    Failed,
}

fn shown(tool: &Ready, query: Option<&str>, state: State) -> Task {
    let title = tool.title();
    match state {
        State::Done(mut sources) if !sources.is_empty() => {
            sources.truncate(MAX_SOURCES);
            SearchTask {
                title_query: query.map(str::to_owned),
                queries: query.map(str::to_owned).into_iter().collect(),
                sources: sources.into_iter().map(TaggedUrlSource::from).collect(),
                ..SearchTask::default()
            }
            .title(title)
            .complete()
            .into()
        }
        state => {
            let mut task = CustomTask::new(title);
            task.icon = tool.settings.icon.clone();
            match state {
                State::Running => task.loading(),
                State::Done(_) => task.complete(),
                State::Failed => {
                    // Why is told to the model: users can do nothing about it.
                    task.content = Some("This did not work.".to_owned());
                    task
                }
            }
            .into()
        }
    }
}
