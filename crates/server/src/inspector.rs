//! What the inspector remembers: the latest turns, in memory, within bounds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use parlor_chatkit::{Clock as _, Noted, Observer, SystemClock};
use serde::{Serialize, Serializer};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::watch;

use crate::config;

/// Most bytes of one turn's notes. What comes after is left out, but for how it ended.
const MAX_TURN_BYTES: usize = 4 * 1024 * 1024;

/// Pieces of text that follow each other within one note, at most this long together.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The latest turns.
pub(crate) struct Inspector {
    turns: Mutex<Turns>,
    changed: watch::Sender<u64>,
    max_turns: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Turns {
    /// Oldest first.
    all: VecDeque<Turn>,
    bytes: usize,
}

struct Turn {
    summary: Summary,
    since: Instant,
    notes: Vec<Note>,
    bytes: usize,
    /// How many notes there have been, those left out included.
    count: usize,
}

/// A turn in the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    id: String,
    thread_id: String,
    /// When it began, as ISO 8601 in UTC.
    at: String,
    tenant: String,
    user: String,
    /// What was asked, shortened.
    text: String,
    /// `running`, or how it ended.
    state: String,
    /// Milliseconds, once it has ended.
    ms: Option<f64>,
    tokens: u64,
    requests: u32,
    tools: u32,
    /// Guardrails that tripped.
    tripped: u32,
    errors: u32,
    notes: usize,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    /// Milliseconds since the turn began.
    at: f64,
    kind: &'static str,
    data: Data,
    /// How many pieces of text are in it.
    pieces: u32,
}

/// What is told of it.
#[derive(Clone, Debug)]
enum Data {
    /// A text that may grow.
    Text(String),
    Whole(Box<RawValue>),
}

impl Data {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Whole(data) => data.get().len(),
        }
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => json!({ "text": text }).serialize(serializer),
            Self::Whole(data) => data.serialize(serializer),
        }
    }
}

/// Longest text of a question in the list, in characters.
const MAX_SUMMARY_CHARS: usize = 200;

impl Inspector {
    /// One that remembers as much as the configuration says. `None` where it is off.
    pub(crate) fn new(config: &config::Inspector) -> Option<Arc<Self>> {
        config.enabled.then(|| {
            Arc::new(Self {
                turns: Mutex::default(),
                changed: watch::Sender::new(0),
                max_turns: config.turns,
                max_bytes: config.megabytes * 1024 * 1024,
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        // A panic while it was held leaves a note or none.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is told of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All turns, latest first.
    pub(crate) fn list(&self) -> Vec<Summary> {
        let turns = self.lock();
        turns.all.iter().rev().map(|turn| turn.summary.clone()).collect()
    }

    /// A turn, and its notes from number `from` on.
    pub(crate) fn turn(&self, id: &str, from: usize) -> Option<Value> {
        let turns = self.lock();
        let turn = turns.all.iter().find(|turn| turn.summary.id == id)?;
        // The last one may have grown since it was sent.
        let notes = turn.notes.get(from.min(turn.notes.len())..)?;
        Some(json!({
            "turn": turn.summary,
            "from": from.min(turn.notes.len()),
            "notes": notes,
            "left_out": turn.count - turn.notes.len(),
        }))
    }
}

impl Observer for Inspector {
    fn noted(&self, noted: &Noted<'_>, kind: &'static str, data: Value) {
        {
            let mut turns = self.lock();
            let id = noted.turn_id.as_str();
            if kind == "turn.began" {
                turns.begin(id, noted.thread_id.as_str(), &data);
            }
            turns.note(id, kind, &data);
            turns.forget(self.max_turns, self.max_bytes);
        }
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Turns {
    fn begin(&mut self, id: &str, thread_id: &str, data: &Value) {
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        let parts = data["input"]["content"].as_array().into_iter().flatten();
        let asked: String = parts.filter_map(|part| part["text"].as_str()).collect();
        let asked = if asked.is_empty() { format!("({})", text("what")) } else { asked };
        let now = SystemClock.now();
        let summary = Summary {
            id: id.to_owned(),
            thread_id: thread_id.to_owned(),
            at: serde_json::to_value(now)
                .ok()
                .and_then(|now| now.as_str().map(str::to_owned))
                .unwrap_or_default(),
            tenant: text("tenant"),
            user: text("user"),
            text: asked.chars().take(MAX_SUMMARY_CHARS).collect(),
            state: "running".to_owned(),
            ms: None,
            tokens: 0,
            requests: 0,
            tools: 0,
            tripped: 0,
            errors: 0,
            notes: 0,
        };
        self.all.push_back(Turn {
            summary,
            since: Instant::now(),
            notes: Vec::new(),
            bytes: 0,
            count: 0,
        });
    }

    fn note(&mut self, id: &str, kind: &'static str, data: &Value) {
        let Some(turn) = self.all.iter_mut().rev().find(|turn| turn.summary.id == id) else {
            return;
        };
        let at = turn.since.elapsed().as_secs_f64() * 1_000.0;
        turn.summary.count(kind, data, at);
        turn.count += 1;
        let before = turn.bytes;
        // How it ended is kept, however much there was.
        if turn.bytes < MAX_TURN_BYTES || kind == "turn.ended" {
            turn.keep(at, kind, data);
        }
        turn.summary.notes = turn.notes.len();
        self.bytes += turn.bytes - before;
    }

    /// Forgets the oldest turns where there are too many.
    fn forget(&mut self, max_turns: usize, max_bytes: usize) {
        while self.all.len() > max_turns || (self.bytes > max_bytes && self.all.len() > 1) {
            let Some(turn) = self.all.pop_front() else { return };
            self.bytes -= turn.bytes;
        }
    }
}

impl Turn {
    fn keep(&mut self, at: f64, kind: &'static str, data: &Value) {
        let said = matches!(kind, "model.text" | "model.reasoning");
        let data = match data["text"].as_str().filter(|_| said) {
            // Words come one by one: those that follow each other are one note.
            Some(more) => {
                if let Some(last) = self.notes.last_mut()
                    && last.kind == kind
                    && let Data::Text(text) = &mut last.data
                    && text.len() < MAX_TEXT_BYTES
                {
                    text.push_str(more);
                    last.pieces += 1;
                    self.bytes += more.len();
                    self.count -= 1;
                    return;
                }
                Data::Text(more.to_owned())
            }
            None => match serde_json::value::to_raw_value(data) {
                Ok(data) => Data::Whole(data),
                Err(_) => return,
            },
        };
        self.bytes += data.bytes() + size_of::<Note>();
        self.notes.push(Note { at, kind, data, pieces: 1 });
    }
}

impl Summary {
    fn count(&mut self, kind: &str, data: &Value, at: f64) {
        match kind {
            "model.request" | "remote.request" => self.requests += 1,
            "model.done" => {
                let tokens = |key: &str| data["tokens"][key].as_u64().unwrap_or_default();
                self.tokens += tokens("input") + tokens("output");
            }
            "tool.call" => self.tools += 1,
            "guardrail" if data["outcome"] == "tripped" => self.tripped += 1,
            "model.error" => self.errors += 1,
            "turn.ended" => {
                self.state = data["state"].as_str().unwrap_or_default().to_owned();
                self.errors += u32::from(!data["reason"].is_null());
                self.ms = Some(at);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use parlor_chatkit::protocol::{ThreadId, TurnId};

    use super::*;

    fn inspector(turns: usize, megabytes: usize) -> Arc<Inspector> {
        let config = config::Inspector { enabled: true, token: None, turns, megabytes };
        Inspector::new(&config).unwrap()
    }

    fn noted(inspector: &Inspector, turn: &str, kind: &'static str, data: Value) {
        let (turn_id, thread_id) = (TurnId::new(turn), ThreadId::new("thr_1"));
        inspector.noted(&Noted { turn_id: &turn_id, thread_id: &thread_id }, kind, data);
    }

    #[test]
    fn off_is_nothing() {
        assert!(Inspector::new(&config::Inspector::default()).is_none());
    }

    #[test]
    fn words_that_follow_each_other_are_one_note() {
        let inspector = inspector(10, 1);
        noted(&inspector, "t", "turn.began", json!({"user": "ada", "what": "message"}));
        for word in ["Hel", "lo", "!"] {
            noted(&inspector, "t", "model.text", json!({ "text": word }));
        }
        noted(&inspector, "t", "model.done", json!({"tokens": {"input": 5, "output": 2}}));
        noted(&inspector, "t", "turn.ended", json!({"state": "done", "reason": null}));
        let turn = inspector.turn("t", 0).unwrap();
        let notes = turn["notes"].as_array().unwrap();
        assert_eq!(notes.len(), 4, "{turn}");
        assert_eq!((&notes[1]["data"]["text"], &notes[1]["pieces"]), (&json!("Hello!"), &json!(3)));
        let summary = &inspector.list()[0];
        assert_eq!((summary.state.as_str(), summary.tokens, summary.errors), ("done", 7, 0));
        assert_eq!(inspector.turn("t", 3).unwrap()["notes"].as_array().unwrap().len(), 1);
        assert!(inspector.turn("other", 0).is_none());
        assert_eq!(turn["left_out"], 0);
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let inspector = inspector(3, 1);
        for n in 0..5 {
            noted(&inspector, &format!("t{n}"), "turn.began", json!({}));
        }
        let ids: Vec<String> = inspector.list().into_iter().map(|turn| turn.id).collect();
        assert_eq!(ids, ["t4", "t3", "t2"]);
    }

    #[test]
    fn memory_is_bounded() {
        let inspector = inspector(1_000, 2);
        let large = "x".repeat(600 * 1024);
        for n in 0..8 {
            noted(&inspector, &format!("t{n}"), "turn.began", json!({}));
            noted(&inspector, &format!("t{n}"), "event", json!({ "text": large }));
        }
        assert_eq!(inspector.list().len(), 3);
        // One turn alone, too.
        for _ in 0..20 {
            noted(&inspector, "t7", "event", json!({ "text": large }));
        }
        noted(&inspector, "t7", "turn.ended", json!({"state": "done"}));
        let turn = inspector.turn("t7", 0).unwrap();
        assert!(turn["left_out"].as_u64().unwrap() > 5);
        assert_eq!(turn["turn"]["state"], "done");
        let notes = turn["notes"].as_array().unwrap();
        assert_eq!(notes.last().unwrap()["kind"], "turn.ended");
        assert!(inspector.lock().bytes < 6 * 1024 * 1024);
    }
}
