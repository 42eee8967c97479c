//! Steps of the assistant's work, shown while they are done.

use parlor_protocol::{
    DurationSummary, ItemId, Task, ThreadItem, ThreadItemAddedEvent, ThreadItemDoneEvent,
    ThreadItemUpdate, ThreadItemUpdatedEvent, Workflow, WorkflowItem, WorkflowKind,
    WorkflowSummary, WorkflowTaskAdded, WorkflowTaskUpdated,
};
use tokio::time::Instant;

use super::Turn;
use crate::{TurnError, ids};

/// Shows the steps of the assistant's work while they are done.
///
/// Clients see the workflow from its first step on. Steps that were shown are kept when the turn
/// fails or is stopped; [`finish`](Self::finish) ends it properly.
pub struct WorkflowWriter<'turn> {
    turn: &'turn mut Turn,
    id: ItemId,
    kind: WorkflowKind,
    began: Instant,
    tasks: usize,
}

impl<'turn> WorkflowWriter<'turn> {
    /// The workflow's item.
    pub fn id(&self) -> &ItemId {
        &self.id
    }

    /// The turn, for what is said beside the workflow.
    pub fn turn(&mut self) -> &mut Turn {
        self.turn
    }

    /// Adds a step, and gives its number, by which [`update`](Self::update) changes it.
    ///
    /// # Errors
    /// When the turn's event log is full.
    pub async fn add(&mut self, task: impl Into<Task>) -> Result<usize, TurnError> {
        let (task_index, task) = (self.tasks, task.into());
        self.tasks += 1;
        if task_index == 0 {
            let workflow =
                Workflow { r#type: self.kind, tasks: vec![task], summary: None, expanded: false };
            let item = WorkflowItem {
                id: self.id.clone(),
                thread_id: self.turn.key.thread_id.clone(),
                created_at: self.turn.now(),
                workflow,
            };
            self.turn.emit(ThreadItemAddedEvent { item: item.into() }.into()).await?;
        } else {
            self.send(WorkflowTaskAdded { task_index, task }).await?;
        }
        Ok(task_index)
    }

    /// Puts another version of a step in its place: its state, its title, what it found.
    ///
    /// # Errors
    /// When there is no such step, or as [`add`](Self::add).
    pub async fn update(&mut self, task: usize, to: impl Into<Task>) -> Result<(), TurnError> {
        self.send(WorkflowTaskUpdated { task_index: task, task: to.into() }).await
    }

    /// Ends the workflow, and sums it up by how long it took. A workflow without steps is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(self) -> Result<(), TurnError> {
        let duration = i64::try_from(self.began.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.finish_as(DurationSummary { duration }).await
    }

    /// As [`finish`](Self::finish), with a summary of your own.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_as(self, summary: impl Into<WorkflowSummary>) -> Result<(), TurnError> {
        let Some(ThreadItem::Workflow(mut item)) =
            self.turn.pending_item(&self.id, ThreadItem::clone)
        else {
            return Ok(());
        };
        item.workflow.summary = Some(summary.into());
        self.turn.emit(ThreadItemDoneEvent { item: item.into() }.into()).await
    }

    /// Lets go of the turn, so that something else can be said before the workflow goes on.
    #[must_use = "a workflow that is not continued is never finished"]
    pub fn pause(self) -> PausedWorkflow {
        let Self { id, kind, began, tasks, .. } = self;
        PausedWorkflow { id, kind, began, tasks }
    }

    async fn send(&mut self, update: impl Into<ThreadItemUpdate>) -> Result<(), TurnError> {
        let event = ThreadItemUpdatedEvent { item_id: self.id.clone(), update: update.into() };
        self.turn.emit(event.into()).await
    }
}

/// A workflow that is not being written at the moment:
/// [`Turn::continue_workflow`] goes on with it.
#[derive(Debug)]
pub struct PausedWorkflow {
    id: ItemId,
    kind: WorkflowKind,
    began: Instant,
    tasks: usize,
}

impl Turn {
    /// Goes on with a workflow of this turn.
    pub fn continue_workflow(&mut self, paused: PausedWorkflow) -> WorkflowWriter<'_> {
        let PausedWorkflow { id, kind, began, tasks } = paused;
        WorkflowWriter { turn: self, id, kind, began, tasks }
    }

    /// Begins a workflow of your own steps: add one as it begins, update it when it is done.
    /// Clients see it from its first step on.
    pub fn workflow(&mut self) -> WorkflowWriter<'_> {
        self.workflow_of(WorkflowKind::Custom)
    }

    /// Begins the workflow of a model's reasoning, made of
    /// [`ThoughtTask`](parlor_protocol::ThoughtTask)s.
    pub fn reasoning(&mut self) -> WorkflowWriter<'_> {
        self.workflow_of(WorkflowKind::Reasoning)
    }

    fn workflow_of(&mut self, kind: WorkflowKind) -> WorkflowWriter<'_> {
        let id = ids::item("wf");
        WorkflowWriter { turn: self, id, kind, began: Instant::now(), tasks: 0 }
    }
}
