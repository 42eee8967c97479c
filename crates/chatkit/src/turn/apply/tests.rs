#![expect(clippy::unwrap_used, reason = "tests")]

use parlor_protocol::{
    Annotation, AssistantMessageItem, ContentPartAdded, ContentPartAnnotationAdded,
    ContentPartDone, ContentPartTextDelta, ThreadItemAddedEvent, ThreadItemDoneEvent,
    ThreadItemRemovedEvent, ThreadItemReplacedEvent, ThreadItemUpdatedEvent, Timestamp, UrlSource,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// One event, on one of four items. The pool is small so that events meet.
#[derive(Clone, Debug)]
enum Op {
    Add(u8),
    PartAdded(u8, usize, String),
    Delta(u8, usize, String),
    Annotate(u8, usize, usize),
    PartDone(u8, usize, String),
    Done(u8, String),
    Remove(u8),
    Replace(u8, String),
    /// An update for another kind of item.
    Wrong(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let id = 0..4_u8;
    let part = prop_oneof![8 => 0..3_usize, 1 => Just(255_usize), 1 => 256..usize::MAX];
    let text = "[a-zé👍 ]{0,4}";
    prop_oneof![
        3 => id.clone().prop_map(Op::Add),
        1 => (id.clone(), part.clone(), text).prop_map(|(id, at, text)| Op::PartAdded(id, at, text)),
        6 => (id.clone(), part.clone(), text).prop_map(|(id, at, text)| Op::Delta(id, at, text)),
        2 => (id.clone(), part.clone(), 0..5_usize).prop_map(|(id, at, n)| Op::Annotate(id, at, n)),
        1 => (id.clone(), part, text).prop_map(|(id, at, text)| Op::PartDone(id, at, text)),
        2 => (id.clone(), text).prop_map(|(id, text)| Op::Done(id, text)),
        1 => id.clone().prop_map(Op::Remove),
        1 => (id.clone(), text).prop_map(|(id, text)| Op::Replace(id, text)),
        1 => id.prop_map(Op::Wrong),
    ]
}

fn id(n: u8) -> ItemId {
    ItemId::new(format!("msg_{n}"))
}

fn part(text: &str) -> AssistantMessageContent {
    AssistantMessageContent { text: text.to_owned(), ..AssistantMessageContent::default() }
}

fn message(n: u8, content: Vec<AssistantMessageContent>) -> ThreadItem {
    let created_at = Timestamp::from_micros(0).unwrap();
    AssistantMessageItem { id: id(n), thread_id: "thr".into(), created_at, content, feedback: None }
        .into()
}

fn event(op: &Op) -> ThreadStreamEvent {
    let updated =
        |n, update: ThreadItemUpdate| ThreadItemUpdatedEvent { item_id: id(n), update }.into();
    match op.clone() {
        Op::Add(n) => ThreadItemAddedEvent { item: message(n, Vec::new()) }.into(),
        Op::PartAdded(n, content_index, text) => {
            updated(n, ContentPartAdded { content_index, content: part(&text) }.into())
        }
        Op::Delta(n, content_index, delta) => {
            updated(n, ContentPartTextDelta { content_index, delta }.into())
        }
        Op::Annotate(n, content_index, annotation_index) => {
            let annotation = Annotation::at(annotation_index, UrlSource::default());
            let added = ContentPartAnnotationAdded { content_index, annotation_index, annotation };
            updated(n, added.into())
        }
        Op::PartDone(n, content_index, text) => {
            updated(n, ContentPartDone { content_index, content: part(&text) }.into())
        }
        Op::Done(n, text) => ThreadItemDoneEvent { item: message(n, vec![part(&text)]) }.into(),
        Op::Remove(n) => ThreadItemRemovedEvent { item_id: id(n) }.into(),
        Op::Replace(n, text) => {
            ThreadItemReplacedEvent { item: message(n, vec![part(&text)]) }.into()
        }
        Op::Wrong(n) => {
            let update = json!({
                "type": "generated_image.updated", "image": {"id": "i", "url": "u"}
            });
            updated(n, serde_json::from_value(update).unwrap())
        }
    }
}

/// What an item is, worked out without the code under test: texts and numbers of annotations.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Absent,
    Pending(i64, Vec<(String, usize)>),
    Whole(i64),
}

/// An item being made: its id, its place, its parts.
type Made = (String, i64, Vec<(String, usize)>);

struct Model {
    next_seq: i64,
    items: [State; 4],
}

impl Model {
    /// Whether the event is acceptable, and at which place something is stored.
    fn apply(&mut self, op: &Op) -> (bool, Option<i64>) {
        let n = match op {
            Op::Add(n) | Op::Remove(n) | Op::Wrong(n) => *n,
            Op::PartAdded(n, ..) | Op::Delta(n, ..) | Op::Annotate(n, ..) => *n,
            Op::PartDone(n, ..) | Op::Done(n, _) | Op::Replace(n, _) => *n,
        };
        let state = &mut self.items[usize::from(n)];
        let take_seq = |next_seq: &mut i64| {
            *next_seq += 1;
            *next_seq - 1
        };
        match (op, &mut *state) {
            (Op::Add(_), State::Absent) => {
                *state = State::Pending(take_seq(&mut self.next_seq), Vec::new());
                (true, None)
            }
            (Op::Add(_), _) => (false, None),
            (Op::Done(..), found) => {
                let seq = match found {
                    State::Absent => take_seq(&mut self.next_seq),
                    State::Pending(seq, _) | State::Whole(seq) => *seq,
                };
                *state = State::Whole(seq);
                (true, Some(seq))
            }
            (Op::Remove(_), _) => {
                *state = State::Absent;
                (true, None)
            }
            (Op::Replace(..), State::Pending(seq, _)) => {
                let seq = *seq;
                *state = State::Whole(seq);
                (true, Some(seq))
            }
            (Op::Replace(..), _) => (true, None),
            (Op::Wrong(_), _) => (false, None),
            (
                Op::PartAdded(_, at, _)
                | Op::Delta(_, at, _)
                | Op::Annotate(_, at, _)
                | Op::PartDone(_, at, _),
                State::Pending(_, parts),
            ) if *at < 256 => {
                if parts.len() <= *at {
                    parts.resize(*at + 1, (String::new(), 0));
                }
                match op {
                    Op::Delta(_, _, text) => parts[*at].0 += text,
                    Op::Annotate(..) => parts[*at].1 += 1,
                    Op::PartAdded(_, _, text) | Op::PartDone(_, _, text) => {
                        parts[*at] = (text.clone(), 0);
                    }
                    _ => {}
                }
                (true, None)
            }
            _ => (false, None),
        }
    }

    fn pending(&self) -> Vec<Made> {
        let mut pending: Vec<_> = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(n, state)| match state {
                State::Pending(seq, parts) => Some((format!("msg_{n}"), *seq, parts.clone())),
                _ => None,
            })
            .collect();
        pending.sort_by_key(|(_, seq, _)| *seq);
        pending
    }
}

fn pending_of(items: &TurnItems) -> Vec<Made> {
    let parts = |item: &ThreadItem| match item {
        ThreadItem::AssistantMessage(item) => {
            item.content.iter().map(|part| (part.text.clone(), part.annotations.len())).collect()
        }
        _ => Vec::new(),
    };
    items
        .pending()
        .iter()
        .map(|pending| (pending.id.to_string(), pending.seq, parts(&pending.item)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_does_what_the_model_does(
        ops in prop::collection::vec(op(), 0..60),
        first in 1..1_000_i64,
    ) {
        let mut items = TurnItems::new(first);
        let mut model = Model { next_seq: first, items: [const { State::Absent }; 4] };
        for op in &ops {
            let before = items.clone();
            let effect = items.apply(&event(op));
            let (accepted, place) = model.apply(op);
            prop_assert_eq!(effect.is_ok(), accepted, "{:?}: {:?}", op, effect);
            match &effect {
                Ok(Effect::Put { seq, item }) => {
                    prop_assert_eq!(Some(*seq), place);
                    prop_assert!(item.id().is_some());
                }
                Ok(_) => prop_assert_eq!(place, None),
                Err(_) => prop_assert_eq!(&items, &before, "what is refused changes nothing"),
            }
            prop_assert_eq!(pending_of(&items), model.pending());
            let places: Vec<_> = items.pending().iter().map(|pending| pending.seq).collect();
            prop_assert!(places.is_sorted_by(|a, b| a < b), "{:?}", places);
        }
        let nothing = model.items.iter().all(|state| *state == State::Absent);
        prop_assert_eq!(items.is_untouched(), nothing);
    }

    #[test]
    fn the_deltas_of_a_message_folded_are_its_content(
        deltas in prop::collection::vec((0..3_usize, ".{0,8}"), 0..40),
    ) {
        let mut items = TurnItems::new(1);
        items.apply(&event(&Op::Add(0))).unwrap();
        let mut folded = [const { String::new() }; 3];
        for (at, delta) in &deltas {
            items.apply(&event(&Op::Delta(0, *at, delta.clone()))).unwrap();
            folded[*at].push_str(delta);
        }
        let Some(ThreadItem::AssistantMessage(message)) = items.get(&id(0)) else {
            return Err(TestCaseError::fail("the message is being made"));
        };
        for (at, text) in folded.iter().enumerate() {
            let made = message.content.get(at).map_or("", |part| &part.text);
            prop_assert_eq!(made, text);
        }
        prop_assert_eq!(message.text(), folded.concat());
    }

    #[test]
    fn no_json_that_is_an_event_panics(
        kind in prop::sample::select(ThreadItemUpdate::TAGS.to_vec()),
        item in prop::sample::select(vec!["widget", "workflow", "generated_image", "odd"]),
        index in any::<usize>(),
        text in ".{0,20}",
    ) {
        let item = json!({
            "type": item, "id": "i", "thread_id": "t", "created_at": "2026-01-01T00:00:00Z",
            "widget": {"type": "Card", "children": [{"type": "Text", "id": text, "value": "v"}]},
            "workflow": {"type": "custom", "tasks": [], "expanded": false},
        });
        let update = json!({
            "type": kind, "content_index": index, "task_index": index, "annotation_index": index,
            "content": {"type": "output_text", "text": text, "annotations": []},
            "delta": text, "done": true, "component_id": text,
            "component": {"type": "Text", "value": text},
            "widget": {"type": "Card", "children": []},
            "task": {"type": "custom", "title": text},
            "image": {"id": "i", "url": text},
            "annotation": {"type": "annotation", "source": {"type": "url", "title": "t", "url": "u"}},
        });
        let mut items = TurnItems::new(1);
        let added: ThreadItem = serde_json::from_value(item).unwrap();
        items.apply(&ThreadItemAddedEvent { item: added }.into()).unwrap();
        let update: ThreadItemUpdate = serde_json::from_value(update).unwrap();
        let _ = items.apply(&ThreadItemUpdatedEvent { item_id: "i".into(), update }.into());
        prop_assert_eq!(items.pending().len(), 1);
    }
}

#[test]
fn text_of_a_widget_grows_where_it_stands() {
    let item = json!({
        "type": "widget", "id": "w", "thread_id": "t", "created_at": "2026-01-01T00:00:00Z",
        "widget": {"type": "Card", "children": [
            {"type": "Row", "children": [{"type": "Markdown", "id": "m", "value": "a"}]}
        ]},
    });
    let mut items = TurnItems::new(1);
    items
        .apply(&ThreadItemAddedEvent { item: serde_json::from_value(item).unwrap() }.into())
        .unwrap();
    let grow = |component: &str| -> ThreadStreamEvent {
        let update = json!({
            "type": "widget.streaming_text.value_delta",
            "component_id": component, "delta": "b", "done": false,
        });
        let update = serde_json::from_value(update).unwrap();
        ThreadItemUpdatedEvent { item_id: "w".into(), update }.into()
    };
    items.apply(&grow("m")).unwrap();
    items.apply(&grow("m")).unwrap();
    let widget = serde_json::to_value(items.get(&"w".into()).unwrap()).unwrap();
    assert_eq!(widget["widget"]["children"][0]["children"][0]["value"], "abb");
    let missing = items.apply(&grow("nobody"));
    assert!(matches!(missing, Err(ApplyError::NoSuchPart { .. })), "{missing:?}");
}
