//! What a turn costs: messages with many deltas, over SQLite, without HTTP and without a model.
//!
//! `cargo run --release -p parlor-chatkit --example bench_turns -- [turns] [deltas] [at once]`
//! prints the CPU time of the process per turn and the turns per second. The CPU time is what
//! matters: the wall clock waits for the disk.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::time::Instant;

use futures::{StreamExt as _, stream};
use parlor_chatkit::{
    ChatKit, Identity, Owner, RequestOptions, Responder, Response, Turn, TurnError, UserId,
};
use parlor_store::SqliteStore;

struct Chatter {
    deltas: usize,
}

impl Responder for Chatter {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let mut reply = turn.assistant_message().await?;
        for _ in 0..self.deltas {
            reply.push("a few words ").await?;
            // As a model's stream does: the reader gets its turn.
            tokio::task::yield_now().await;
        }
        reply.finish().await
    }
}

/// CPU time of this process in milliseconds, user and system.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may contain anything: fields 14 and 15, in ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 * 10.0
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let turns: usize = arguments.next().unwrap_or(2_000);
    let deltas: usize = arguments.next().unwrap_or(100);
    let at_once: usize = arguments.next().unwrap_or(16);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let chatkit = ChatKit::new(store, Chatter { deltas });
    let body = br#"{"type":"threads.create","params":{"input":{"content":[
        {"type":"input_text","text":"What is it?"}],"attachments":[],"inference_options":{}}}}"#;

    let (cpu, start) = (cpu_ms(), Instant::now());
    let bytes: usize = stream::iter(0..turns)
        .map(|n| {
            let chatkit = chatkit.clone();
            async move {
                let owner = Owner::single_tenant(UserId::new(format!("user-{}", n % 100)));
                let options = RequestOptions::default();
                let answer = chatkit.handle(owner, &Identity::default(), body, options).await;
                let Ok(Response::Stream { events, .. }) = answer else {
                    panic!("a message streams")
                };
                events.fold(0, async |bytes, frame| bytes + frame.len()).await
            }
        })
        .buffer_unordered(at_once)
        .fold(0, async |all, bytes| all + bytes)
        .await;
    let (cpu, wall) = (cpu_ms() - cpu, start.elapsed());
    println!(
        "{turns} turns of {deltas} deltas, {at_once} at once: {:.3} ms CPU a turn, {:.0} turns a \
         CPU second, {:.0} turns a second, {} bytes a turn",
        cpu / turns as f64,
        turns as f64 / cpu * 1_000.0,
        turns as f64 / wall.as_secs_f64(),
        bytes / turns,
    );
}
