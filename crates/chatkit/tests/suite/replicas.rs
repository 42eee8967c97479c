//! Requests of one conversation that reach different processes.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream::BoxStream};
use parlor_chatkit::{
    ChatKit, ChatKitError, Delivery, EventStream, HeldTurn, Limits, OnDisconnect, Owner, Peers,
    Response, StoreError, TurnState,
    protocol::{ThreadId, TurnId},
};
use parlor_store::SqliteStore;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    support::{Frames, Reader, Script, Server, Stage, body, message, message_to, owner},
    turns::Failing,
};

/// Messages between the processes of a test, and what the store says to all of them.
pub(crate) struct Bus {
    file: PathBuf,
    boxes: Mutex<HashMap<String, mpsc::UnboundedSender<Delivery>>>,
    /// What is sent meanwhile gets lost.
    is_cut: Mutex<bool>,
    /// Whose death everybody knows of.
    dead: Mutex<Vec<String>>,
}

impl Bus {
    fn cut(&self) {
        *self.is_cut.lock().unwrap() = true;
    }

    fn mend(&self) {
        *self.is_cut.lock().unwrap() = false;
        for receiver in self.boxes.lock().unwrap().values() {
            let _ = receiver.send(Delivery::Gap);
        }
    }

    pub(crate) fn held_turn(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
        turn_id: Option<&TurnId>,
    ) -> Option<HeldTurn> {
        let database = rusqlite::Connection::open(&self.file).unwrap();
        let sql = "SELECT id, state, holder FROM turns WHERE tenant_id = ?1 AND user_id = ?2 AND \
                   thread_id = ?3 AND CASE WHEN ?4 IS NULL THEN state = 'running' ELSE id = ?4 END";
        let found = database.query_row(
            sql,
            (
                owner.tenant().as_str(),
                owner.user().as_str(),
                thread_id.as_str(),
                turn_id.map(TurnId::as_str),
            ),
            |row| {
                let column = |at| row.get::<_, String>(at);
                Ok((column(0)?, column(1)?, column(2)?))
            },
        );
        let (turn_id, state, holder) = found.ok()?;
        let holder_is_alive = !self.dead.lock().unwrap().contains(&holder);
        let state = TurnState::from_name(&state).unwrap();
        Some(HeldTurn { turn_id: TurnId::new(turn_id), state, holder, holder_is_alive })
    }
}

#[async_trait]
impl Peers for Bus {
    async fn join(&self, name: &str) -> BoxStream<'static, Delivery> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.boxes.lock().unwrap().insert(name.to_owned(), sender);
        futures::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|delivery| (delivery, receiver))
        })
        .boxed()
    }

    async fn send(&self, to: &str, message: Bytes) -> Result<(), StoreError> {
        if !*self.is_cut.lock().unwrap()
            && let Some(receiver) = self.boxes.lock().unwrap().get(to)
        {
            let _ = receiver.send(Delivery::Message(message));
        }
        Ok(())
    }
}

/// Processes on one store.
struct Replicas {
    here: Server,
    there: Server,
    bus: Arc<Bus>,
}

impl Replicas {
    async fn start() -> Self {
        Self::with(Limits::default(), OnDisconnect::Continue).await
    }

    async fn with(limits: Limits, on_disconnect: OnDisconnect) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let file = folder.path().join("chat.db");
        let bus = Arc::new(Bus {
            file: file.clone(),
            boxes: Mutex::default(),
            is_cut: Mutex::new(false),
            dead: Mutex::default(),
        });
        let process = async || {
            let store = SqliteStore::open(file.to_str().unwrap()).await.unwrap();
            let bus = Some(Arc::clone(&bus));
            let store = Failing { store, away: Arc::default(), only: None, bus };
            let stage = Stage::default();
            let chatkit = ChatKit::builder(store, Script(stage.clone()))
                .limits(limits.clone())
                .on_disconnect(on_disconnect)
                .build();
            Server { chatkit, stage, owner: owner("ada"), folder: Arc::clone(&folder) }
        };
        let (here, there) = (process().await, process().await);
        Self { here, there, bus }
    }
}

async fn resume(server: &Server, thread: &str, after: u64) -> Reader {
    Reader::new(server.stream("threads.resume", json!({"thread_id": thread, "after": after})).await)
}

/// The turn that is running, as `threads.get_by_id` tells it.
async fn running(server: &Server, thread: &str) -> Option<String> {
    match server.send("threads.get_by_id", json!({"thread_id": thread})).await.unwrap() {
        Response::Json(json) => json.running_turn.map(|turn| turn.to_string()),
        Response::Stream { .. } => panic!("it does not stream"),
    }
}

async fn stop(server: &Server, thread: &str) -> Value {
    server.json("threads.stop", json!({"thread_id": thread})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_followed_from_another_process_event_for_event() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one|two@go; say three|four; widget five").await;
    reader.until_text("two").await;
    let so_far = reader.frames.events.len() as u64;
    assert!(running(&there, &thread).await.is_some());
    assert_eq!(running(&here, &thread).await, running(&there, &thread).await);

    let mut late = resume(&there, &thread, so_far).await;
    let mut whole = resume(&there, &thread, 0).await;
    whole.until_text("two").await;
    here.stage.open("go");
    assert_eq!(late.next().await.unwrap()["update"]["delta"], " rest");
    let (original, whole, late) = tokio::join!(reader.rest(), whole.rest(), late.rest());
    original.ended("done");
    assert_eq!(whole, original, "the same, byte for byte");
    assert!(original.raw.ends_with(&late.raw));
    assert_eq!(late.events.len() as u64 + so_far, original.events.len() as u64);

    // It has ended: for who followed it, it is there a while.
    let turn = running(&there, &thread).await;
    assert_eq!(turn, None);
    let refused = there.refused("threads.resume", json!({"thread_id": thread})).await;
    assert_eq!(refused.status_and_code(), (404, "no_running_turn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_has_just_ended_is_there_for_who_names_it() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, reader) = here.begin("half one@go").await;
    let turn = running(&there, &thread).await.unwrap();
    here.stage.open("go");
    let original = reader.rest().await;
    let named = json!({"thread_id": thread, "turn_id": turn, "after": 3});
    let rest = Reader::new(there.stream("threads.resume", named).await).rest().await;
    rest.ended("done");
    assert!(original.raw.ends_with(&rest.raw));
    let unknown = json!({"thread_id": thread, "turn_id": "trn_of_nobody"});
    let refused = there.refused("threads.resume", unknown).await;
    assert_eq!(refused.status_and_code(), (404, "no_running_turn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_stopped_from_another_process() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@never").await;
    reader.until_text("one").await;
    let follower = resume(&there, &thread, 0).await;
    assert_eq!(stop(&there, &thread).await, json!({"stopped": true}));
    let (original, followed) = tokio::join!(reader.rest(), follower.rest());
    original.ended("stopped");
    assert_eq!(followed, original);
    assert_eq!(there.items(&thread).await[1..], ["assistant_message one"]);
    assert_eq!(here.stage.count(&here.stage.gone), 1, "the responder's work is dropped");
    assert_eq!(stop(&there, &thread).await, json!({"stopped": false}));
    there.say(&thread, "say next").await.ended("done");
    here.say(&thread, "say more").await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_followed_anywhere_keeps_its_thread() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@go").await;
    reader.until_text("one").await;
    let refused = there.refused("threads.add_user_message", message_to(&thread, "say no")).await;
    assert_eq!(refused.status_and_code(), (409, "thread_busy"));

    // Its own reader goes away; one at the other process is enough.
    let mut follower = resume(&there, &thread, 0).await;
    follower.until_text("one").await;
    drop(reader);
    for server in [&here, &there] {
        let refused = server.refused("threads.add_user_message", message_to(&thread, "no")).await;
        assert_eq!(refused.status_and_code(), (409, "thread_busy"));
    }
    here.stage.open("go");
    follower.rest().await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_takes_the_place_of_a_turn_that_nobody_follows_anywhere() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@never").await;
    reader.until_text("one").await;
    let mut follower = resume(&there, &thread, 0).await;
    follower.until_text("one").await;
    drop((reader, follower));
    // That the follower has left takes its way to the other process.
    let next = loop {
        match there.send("threads.add_user_message", message_to(&thread, "say next")).await {
            Ok(Response::Stream { events, .. }) => break Reader::new(events).rest().await,
            Err(ChatKitError::ThreadBusy) => tokio::time::sleep(Duration::from_millis(5)).await,
            _ => panic!("a message streams"),
        }
    };
    next.ended("done");
    let expected = ["assistant_message one", "user_message say next", "assistant_message next"];
    assert_eq!(here.items(&thread).await[1..], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_turns_end_with_their_last_reader_one_at_another_process_counts() {
    let replicas = Replicas::with(Limits::default(), OnDisconnect::Cancel).await;
    let Replicas { here, there, .. } = replicas;
    let (thread, mut reader) = here.begin("half one|two@go; half three@never").await;
    reader.until_text("two").await;
    let mut follower = resume(&there, &thread, 0).await;
    follower.until_text("two").await;
    drop(reader);
    here.stage.open("go");
    follower.until_text("three").await;
    drop(follower);
    here.until(|stage| stage.count(&stage.cancelled) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_ends_when_its_thread_is_deleted_at_another_process() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@never").await;
    reader.until_text("one").await;
    let follower = resume(&there, &thread, 0).await;
    there.json("threads.delete", json!({"thread_id": thread})).await;
    let (original, followed) = tokio::join!(reader.rest(), follower.rest());
    original.ended("interrupted");
    followed.ended("interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_again_to_another_process_joins_the_turn() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let body = body("threads.create", &message("half one|two@go"));
    let send = async |server: &Server| match server.handle(body.as_bytes(), Some("key")).await {
        Ok(Response::Stream { events, .. }) => Reader::new(events),
        _ => panic!("a message streams"),
    };
    let mut first = send(&here).await;
    first.until_text("two").await;
    let mut second = send(&there).await;
    second.until_text("two").await;
    here.stage.open("go");
    let (first, second) = tokio::join!(first.rest(), second.rest());
    first.ended("done");
    assert_eq!(first, second);
    assert_eq!(here.stage.count(&here.stage.asked) + there.stage.count(&there.stage.asked), 1);
    send(&there).await.rest().await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_turn_is_met_at_any_process() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@go").await;
    reader.until_text("one").await;
    let turn = running(&there, &thread).await.unwrap();
    let mallory = there.as_user("mallory");
    for operation in ["threads.stop", "threads.resume", "threads.get_by_id", "threads.delete"] {
        for thread in [&*thread, "thr_random"] {
            for turn in [&*turn, "trn_random"] {
                let params = json!({"thread_id": thread, "turn_id": turn});
                let refused = mallory.refused(operation, params).await;
                assert_eq!(refused.status_and_code(), (404, "not_found"), "{operation}");
            }
        }
    }
    let refused = mallory.refused("threads.add_user_message", message_to(&thread, "hi")).await;
    assert_eq!(refused.status_and_code(), (404, "not_found"));
    here.stage.open("go");
    reader.rest().await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_messages_are() {
    let Replicas { here, there, bus } = Replicas::start().await;
    let script = "half one|two@a; half three|four@b; half five|six@c; say seven";
    let (thread, mut reader) = here.begin(script).await;
    let mut followers = join_all((0..20).map(|n| resume(&there, &thread, n % 4))).await;
    let mut said = "two";
    reader.until_text(said).await;
    for (gate, next) in [("a", "four"), ("b", "six"), ("c", "seven")] {
        for follower in &mut followers {
            follower.until_text(said).await;
        }
        bus.cut();
        here.stage.open(gate);
        reader.until_text(next).await;
        // What was sent has got lost, whatever it was.
        tokio::time::sleep(Duration::from_millis(20)).await;
        bus.mend();
        said = next;
    }
    let original = reader.rest().await;
    original.ended("done");
    for (n, follower) in followers.into_iter().enumerate() {
        let frames = follower.rest().await;
        frames.ended("done");
        assert!(original.raw.ends_with(&frames.raw), "{n}");
        assert_eq!(frames.events.len() + n % 4, original.events.len(), "{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_any_size_reach_the_other_process() {
    let limits = Limits { message_chars: 3_000_000, ..Limits::default() };
    let Replicas { here, there, .. } = Replicas::with(limits, OnDisconnect::Continue).await;
    // Larger than what may be under way at once, and then many of them.
    let script = format!("wait go; say {}|{}", "x".repeat(900_000), "y|".repeat(20_000));
    let (thread, reader) = here.begin(&script).await;
    let follower = resume(&there, &thread, 1).await;
    here.stage.open("go");
    let (original, followed) = tokio::join!(reader.rest(), follower.rest());
    original.ended("done");
    assert!(original.raw.ends_with(&followed.raw));
    assert_eq!(followed.events.len() + 1, original.events.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_shuts_down_tells_the_readers_elsewhere() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@never").await;
    reader.until_text("one").await;
    let mut follower = resume(&there, &thread, 0).await;
    follower.until_text("one").await;
    here.chatkit.shut_down().await;
    let followed = follower.rest().await;
    followed.ended("interrupted");
    assert_eq!(followed, reader.rest().await);
    there.say(&thread, "say next").await.ended("done");
}

async fn raw(mut stream: EventStream) -> String {
    let mut all = String::new();
    while let Some(piece) = stream.next().await {
        all.push_str(std::str::from_utf8(&piece).unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_shuts_down_sends_its_readers_elsewhere() {
    let Replicas { here, there, .. } = Replicas::start().await;
    let (thread, mut reader) = here.begin("half one@go").await;
    reader.until_text("one").await;
    let params = json!({"thread_id": thread});
    let stream = there.stream("threads.resume", params.clone()).await;
    let reading = tokio::spawn(raw(stream));
    there.chatkit.shut_down().await;
    let cut = reading.await.unwrap();
    assert!(!cut.contains(": end"), "it has not ended, and is resumed: {cut}");
    let refused = there.refused("threads.resume", params).await;
    assert_eq!(refused.status_and_code(), (503, "shutting_down"));
    here.stage.open("go");
    reader.rest().await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_turn_of_a_process_that_is_gone_is_told_from_the_store() {
    let Replicas { here, there, bus } = Replicas::start().await;
    let (thread, mut reader) = here.begin("say whole; half one@never").await;
    reader.until_text("one").await;
    let turn = running(&there, &thread).await.unwrap();
    let key = (here.owner.clone(), ThreadId::new(&*thread), TurnId::new(&*turn));
    let held = bus.held_turn(&key.0, &key.1, Some(&key.2)).unwrap();
    // Dead, as far as anybody can tell; the store of these tests closes what others hold.
    bus.dead.lock().unwrap().push(held.holder);
    let named = json!({"thread_id": thread, "turn_id": turn, "after": 4});
    let told: Frames = Reader::new(there.stream("threads.resume", named).await).rest().await;
    told.ended("interrupted");
    assert!(told.raw.starts_with("id: 5\n"), "{}", told.raw);
    assert_eq!(told.error()["reason"], "turn.interrupted");
    assert_eq!(told.error()["allow_retry"], true);
    assert_eq!(
        told.of("thread.item.done").len(),
        2,
        "the message, and what was whole: {}",
        told.raw
    );
    assert_eq!(running(&there, &thread).await, None);
    there.say(&thread, "say next").await.ended("done");
    assert_eq!(here.stage.asked.load(Ordering::SeqCst), 1);
}
