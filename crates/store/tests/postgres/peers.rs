//! Processes that speak to each other over a database.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all};
use parlor_chatkit::{
    ChatKit, ChatKitError, Delivery, EventStream, Identity, Owner, RequestOptions, Responder,
    Response, Store as _, Turn, TurnError,
};
use parlor_store::PostgresStore;
use parlor_test_postgres::{Place, Server};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::Semaphore};

use crate::cast::{ada, bob, settings, until};

/// What answers are made of: pieces, of which all but the first are said as the test lets them.
#[derive(Clone)]
struct Stage {
    pieces: Arc<Vec<String>>,
    allowed: Arc<Semaphore>,
}

impl Stage {
    fn new(pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let pieces = Arc::new(pieces.into_iter().map(Into::into).collect());
        Self { pieces, allowed: Arc::new(Semaphore::new(0)) }
    }

    fn say(&self, pieces: usize) {
        self.allowed.add_permits(pieces);
    }
}

/// Says its pieces where it is asked to talk, and one word where not.
struct Speaker(Stage);

impl Responder for Speaker {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let talks = turn.input().is_some_and(|input| input.text() == "talk");
        let mut reply = turn.assistant_message().await?;
        if !talks {
            reply.push("briefly").await?;
            return reply.finish().await;
        }
        for (n, piece) in self.0.pieces.iter().enumerate() {
            if n > 0
                && let Ok(allowed) = self.0.allowed.acquire().await
            {
                allowed.forget();
            }
            reply.push(piece).await?;
        }
        reply.finish().await
    }
}

async fn process(place: &Place, stage: &Stage) -> ChatKit {
    let store = PostgresStore::open(&place.url, &settings(place)).await.unwrap();
    let chatkit = ChatKit::new(store, Speaker(stage.clone()));
    chatkit.recover().await.unwrap();
    chatkit
}

async fn send(
    chatkit: &ChatKit,
    owner: Owner,
    operation: &str,
    params: Value,
) -> Result<Response, ChatKitError> {
    let body = json!({"type": operation, "params": params}).to_string();
    let options = RequestOptions::default();
    chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await
}

async fn stream(chatkit: &ChatKit, operation: &str, params: Value) -> Reader {
    match send(chatkit, ada(), operation, params).await.unwrap() {
        Response::Stream { events, turn_id } => {
            Reader { events, turn: turn_id.to_string(), read: String::new() }
        }
        Response::Json(_) => panic!("`{operation}` does not stream"),
    }
}

async fn answer(chatkit: &ChatKit, operation: &str, params: Value) -> Value {
    match send(chatkit, ada(), operation, params).await.unwrap() {
        Response::Json(json) => serde_json::from_slice(&json.body).unwrap(),
        Response::Stream { .. } => panic!("`{operation}` streams"),
    }
}

fn input(text: &str) -> Value {
    let content = json!([{"type": "input_text", "text": text}]);
    json!({"content": content, "attachments": [], "inference_options": {}})
}

/// A stream that is read.
struct Reader {
    events: EventStream,
    turn: String,
    read: String,
}

impl Reader {
    /// Reads on until it has said this.
    async fn until(&mut self, text: &str) {
        while !self.read.contains(text) {
            let piece = self.events.next().await.expect("the stream has ended");
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// Reads to the end. Events are numbered from this one on, each is there once.
    async fn rest(mut self, first: usize) -> String {
        while let Some(piece) = self.events.next().await {
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
        let numbers: Vec<usize> =
            self.read.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
        let expected: Vec<usize> = (first..first + numbers.len()).collect();
        assert_eq!(numbers, expected);
        self.read.replace(": keep-alive\n\n", "")
    }
}

fn thread_of(reader: &Reader) -> String {
    let (_, rest) = reader.read.split_once("\"thread\":{").unwrap();
    let (_, rest) = rest.split_once("\"id\":\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A turn that has begun, with its first piece said.
async fn begin(chatkit: &ChatKit, said: &str) -> (String, Reader) {
    let mut reader = stream(chatkit, "threads.create", json!({"input": input("talk")})).await;
    reader.until(said).await;
    (thread_of(&reader), reader)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_any_size_come_in_order_and_only_where_they_were_sent() {
    let place = Server::shared().place();
    let open = async || PostgresStore::open(&place.url, &settings(&place)).await.unwrap();
    let (here, there) = (open().await, open().await);
    let (from, to) = (here.peers().unwrap(), there.peers().unwrap());
    let mut received = to.join("peers_to").await;
    let mut own = from.join("peers_from").await;
    let sizes = [0, 1, 5_799, 5_800, 5_801, 70_000, 3_000_000];
    let sent: Vec<Bytes> = sizes.iter().map(|size| Bytes::from(vec![7; *size])).collect();
    for message in &sent {
        from.send("peers_to", message.clone()).await.unwrap();
        from.send("peers_nobody", message.clone()).await.unwrap();
    }
    for message in &sent {
        let come = received.next().await.unwrap();
        assert!(come == Delivery::Message(message.clone()), "of {} bytes", message.len());
    }
    from.send("peers_from", sent[1].clone()).await.unwrap();
    assert_eq!(own.next().await, Some(Delivery::Message(sent[1].clone())));
    assert!(here.hears_notifications().await.unwrap());
    // What others say is not heard, nor is anything understood in other schemas.
    let forged = "SELECT pg_notify('parlor_peers_to', 'peers_from AAAAAAAAAAAAAAAAAAAAAAAA')";
    Server::shared().admin(forged).unwrap();
    let elsewhere = Server::shared().place();
    let stranger = PostgresStore::open(&elsewhere.url, &settings(&elsewhere)).await.unwrap();
    let strange = stranger.peers().unwrap();
    let _joined = strange.join("peers_from").await;
    strange.send("peers_to", Bytes::from_static(b"forged")).await.unwrap();
    from.send("peers_to", Bytes::from_static(b"genuine")).await.unwrap();
    assert_eq!(received.next().await, Some(Delivery::Message(Bytes::from_static(b"genuine"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_followed_and_stopped_at_another_replica() {
    let place = Server::shared().place();
    // One of the pieces takes more than one notification.
    let stage = Stage::new(["first", &"x".repeat(20_000), "third", "last"]);
    let (here, there) = (process(&place, &stage).await, process(&place, &stage).await);
    let (thread, mut original) = begin(&here, "first").await;
    let params = json!({"thread_id": thread});
    let Ok(Response::Json(found)) = send(&there, ada(), "threads.get_by_id", params.clone()).await
    else {
        panic!("the thread is there")
    };
    assert_eq!(found.running_turn.unwrap().as_str(), original.turn);
    let mut followers: Vec<_> =
        join_all((0..20).map(|_| stream(&there, "threads.resume", params.clone()))).await;
    stage.say(2);
    for follower in &mut followers {
        follower.until("third").await;
    }
    original.until("third").await;

    // Somebody else's is nobody's.
    for operation in ["threads.stop", "threads.resume", "threads.get_by_id", "threads.delete"] {
        for thread in [&*thread, "thr_random"] {
            let named = json!({"thread_id": thread, "turn_id": original.turn});
            match send(&there, bob(), operation, named).await {
                Err(error) => assert_eq!(error.status_and_code(), (404, "not_found")),
                Ok(_) => panic!("{operation} answers somebody else"),
            }
        }
    }
    assert_eq!(answer(&there, "threads.stop", params.clone()).await, json!({"stopped": true}));
    let original = original.rest(1).await;
    assert!(original.ends_with(": end stopped\n\n"));
    for follower in followers {
        assert_eq!(follower.rest(1).await, original);
    }
    assert_eq!(answer(&there, "threads.stop", params.clone()).await, json!({"stopped": false}));
    let next = json!({"thread_id": thread, "input": input("next")});
    let next = stream(&there, "threads.add_user_message", next).await.rest(1).await;
    assert!(next.ends_with(": end done\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_comes_once_however_often_the_listening_connection_is_cut() {
    const CUTS: usize = 5;
    const EACH: usize = 40;
    // A server of its own: all that listens there is this test's.
    let server = Server::start().unwrap();
    let place = server.place();
    let stage = Stage::new((0..1 + CUTS * EACH).map(|n| format!("piece {n}, ")));
    let (here, there) = (process(&place, &stage).await, process(&place, &stage).await);
    let (thread, original) = begin(&here, "piece 0,").await;
    let params = json!({"thread_id": thread, "after": 2});
    let mut follower = stream(&there, "threads.resume", params).await;
    for cut in 1..=CUTS {
        stage.say(EACH / 2);
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE \
                   application_name = 'parlor-listener'";
        assert_ne!(server.admin(sql).unwrap(), "0");
        stage.say(EACH / 2);
        follower.until(&format!("piece {}, ", cut * EACH)).await;
    }
    let (original, follower) = tokio::join!(original.rest(1), follower.rest(3));
    assert!(original.ends_with(": end done\n\n"));
    assert!(original.ends_with(&follower));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_refused_while_somebody_follows_anywhere_and_takes_over_afterwards() {
    let place = Server::shared().place();
    let stage = Stage::new(["first", "never"]);
    let (here, there) = (process(&place, &stage).await, process(&place, &stage).await);
    let (thread, original) = begin(&here, "first").await;
    let next = json!({"thread_id": thread, "input": input("next")});
    let refused = send(&there, ada(), "threads.add_user_message", next.clone()).await;
    assert!(matches!(refused, Err(ChatKitError::ThreadBusy)));
    drop(original);
    let next = stream(&there, "threads.add_user_message", next).await.rest(1).await;
    assert!(next.ends_with(": end done\n\n"));
    let items = answer(&here, "items.list", json!({"thread_id": thread, "order": "asc"})).await;
    let kinds: Vec<_> = items["data"].as_array().unwrap().iter().map(|i| &i["type"]).collect();
    assert_eq!(kinds, ["user_message", "assistant_message", "user_message", "assistant_message"]);
    assert_eq!(items["data"][1]["content"][0]["text"], "first", "what it had said is kept");
}

#[test]
fn a_replica_that_is_killed_in_mid_turn_is_noticed_by_who_follows_and_by_the_next_message() {
    let place = Server::shared().place();
    let stage = Stage::new(["first", "never"]);
    // What a runtime does is gone with it, like the threads of a process that is killed.
    let doomed = Runtime::new().unwrap();
    let here = doomed.block_on(process(&place, &stage));
    let [followed, resumed, spoken_to] = [(); 3].map(|()| {
        let (thread, reader) = doomed.block_on(begin(&here, "first"));
        // Long enough for the answer's checkpoint.
        let sql = format!(
            "SELECT count(*) FROM {}.items WHERE thread_id = '{thread}' AND pending",
            place.schema
        );
        doomed.block_on(until("a checkpoint", async || {
            (Server::shared().admin(&sql).unwrap() == "1").then_some(())
        }));
        let turn = reader.turn.clone();
        // Dropping it would be to leave.
        std::mem::forget(reader);
        json!({"thread_id": thread, "turn_id": turn, "input": input("next")})
    });
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let there = process(&place, &stage).await;
        let mut follower = stream(&there, "threads.resume", followed).await;
        follower.until("first").await;
        doomed.shutdown_background();
        let died = Instant::now();
        // What time does to a process that is gone; the other one says again that it lives.
        let sql = format!("UPDATE {}.holders SET alive_until = 'epoch'", place.schema);
        Server::shared().admin(&sql).unwrap();
        let resumed = stream(&there, "threads.resume", resumed).await;
        let (follower, resumed, next) = tokio::join!(follower.rest(1), resumed.rest(1), async {
            stream(&there, "threads.add_user_message", spoken_to).await.rest(1).await
        });
        // The lease of the server of these tests, which has only just started, and for slow
        // machines.
        assert!(died.elapsed() < Duration::from_secs(60), "{:?}", died.elapsed());
        for told in [&follower, &resumed] {
            assert!(told.contains("\"reason\":\"turn.interrupted\""), "{told}");
            assert!(told.contains("\"text\":\"first\""), "what it had said is kept: {told}");
            assert!(told.ends_with(": end interrupted\n\n"), "{told}");
        }
        assert!(next.ends_with(": end done\n\n"));
    });
    drop(here);
}
