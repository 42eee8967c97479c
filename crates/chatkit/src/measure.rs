//! What is counted and timed.
//!
//! By the facade of the crate `metrics`: the program that installs a recorder gets the figures, and
//! where there is none this costs next to nothing. No label is a user, a thread or a text.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tokio::time::Instant;

use crate::{ChatKitError, TurnState};

const OPERATIONS: &str = "parlor_operations_total";
const TURNS: &str = "parlor_turns_total";
const RUNNING: &str = "parlor_turns_running";
const DURATION: &str = "parlor_turn_duration_seconds";
const FIRST_ITEM: &str = "parlor_turn_first_item_seconds";
const REMOTE: &str = "parlor_remote_turns_open";
const MESSAGES: &str = "parlor_peer_messages_total";

/// Tells the recorder of this process what each figure of the SDK means. Call it after installing
/// one.
pub fn describe_metrics() {
    describe_counter!(
        OPERATIONS,
        "Requests of the protocol by operation and outcome, `ok` or the error's code."
    );
    describe_counter!(
        TURNS,
        "Turns that have ended, by outcome: done, stopped, failed or interrupted."
    );
    describe_gauge!(RUNNING, "Turns that are running in this process.");
    describe_gauge!(REMOTE, "Turns of other processes that are followed in this one.");
    describe_counter!(
        MESSAGES,
        "Messages between processes that share a store, by direction: sent or received."
    );
    describe_histogram!(DURATION, Unit::Seconds, "From the start of a turn to its end.");
    describe_histogram!(
        FIRST_ITEM,
        Unit::Seconds,
        "From the start of a turn to the first part of its answer that is sent."
    );
}

/// A request was answered; for streams that is their beginning.
pub(crate) fn answered<T>(operation: &'static str, answer: &Result<T, ChatKitError>) {
    let outcome = match answer {
        Ok(_) => "ok",
        Err(error) => error.status_and_code().1,
    };
    counter!(OPERATIONS, "operation" => operation, "outcome" => outcome).increment(1);
}

/// A turn that runs. It counts as interrupted if it is dropped before its end.
pub(crate) struct RunningTurnMeasure {
    since: Instant,
    state: TurnState,
}

impl RunningTurnMeasure {
    pub(crate) fn begin() -> Self {
        gauge!(RUNNING).increment(1);
        Self { since: Instant::now(), state: TurnState::Interrupted }
    }

    pub(crate) fn end(mut self, state: TurnState) {
        self.state = state;
    }
}

impl Drop for RunningTurnMeasure {
    fn drop(&mut self) {
        gauge!(RUNNING).decrement(1);
        counter!(TURNS, "outcome" => self.state.as_str()).increment(1);
        histogram!(DURATION).record(self.since.elapsed());
    }
}

/// A turn of another process that is followed here.
pub(crate) struct RemoteTurnMeasure(());

pub(crate) fn remote_turn() -> RemoteTurnMeasure {
    gauge!(REMOTE).increment(1);
    RemoteTurnMeasure(())
}

impl Drop for RemoteTurnMeasure {
    fn drop(&mut self) {
        gauge!(REMOTE).decrement(1);
    }
}

/// A message has gone to another process.
pub(crate) fn sent_to_peer() {
    counter!(MESSAGES, "direction" => "sent").increment(1);
}

/// A message has come from another process.
pub(crate) fn received_from_peer() {
    counter!(MESSAGES, "direction" => "received").increment(1);
}

/// The first part of an answer was sent that long after the start of its turn.
pub(crate) fn first_item(after: Duration) {
    histogram!(FIRST_ITEM).record(after);
}
