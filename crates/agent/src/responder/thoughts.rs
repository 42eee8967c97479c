//! What a model thinks before it answers, shown as it comes.

use parlor_chatkit::protocol::ThoughtTask;
use parlor_chatkit::{PausedWorkflow, Turn, TurnError};

/// Longest reasoning that is shown, in bytes; the rest is left out.
const MAX_BYTES: usize = 32 * 1024;

/// How much has to come before it is shown anew, in bytes at least and as a part of what is shown:
/// each time all of it is sent, so the whole costs no more than a few times its length.
const STEP: (usize, usize) = (80, 4);

/// Reasoning that is being shown.
pub(super) struct Thoughts {
    workflow: PausedWorkflow,
    step: usize,
    text: String,
    shown: usize,
}

impl Thoughts {
    pub(super) async fn begin(text: &str, turn: &mut Turn) -> Result<Self, TurnError> {
        let mut workflow = turn.reasoning();
        let step = workflow.add(ThoughtTask::new(text).loading()).await?;
        let workflow = workflow.pause();
        Ok(Self { workflow, step, text: text.to_owned(), shown: text.len() })
    }

    /// More of it.
    pub(super) async fn add(mut self, more: &str, turn: &mut Turn) -> Result<Self, TurnError> {
        if self.text.len() + more.len() > MAX_BYTES {
            return Ok(self);
        }
        self.text.push_str(more);
        if self.text.len() - self.shown < STEP.0.max(self.shown / STEP.1) {
            return Ok(self);
        }
        self.shown = self.text.len();
        let mut workflow = turn.continue_workflow(self.workflow);
        workflow.update(self.step, ThoughtTask::new(self.text.as_str()).loading()).await?;
        Ok(Self { workflow: workflow.pause(), ..self })
    }

    /// It is over; summed up by how long it took.
    pub(super) async fn finish(self, turn: &mut Turn) -> Result<(), TurnError> {
        let mut workflow = turn.continue_workflow(self.workflow);
        workflow.update(self.step, ThoughtTask::new(self.text.trim()).complete()).await?;
        workflow.finish().await
    }
}
