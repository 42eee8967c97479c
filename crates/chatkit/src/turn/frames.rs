//! The frames of a turn's events, kept small.
//!
//! Most events are a few letters of an answer, in a frame of two hundred bytes that is otherwise
//! the same every time. Thousands of turns hold their frames for whoever comes back to them, so
//! only the letters are kept, and the frame around them once.

use std::{io::Write as _, ops::Range};

use parlor_protocol::{ItemId, ThreadItemRemovedEvent, ThreadItemUpdate, ThreadStreamEvent};

/// Frames, numbered from 1, or from where they begin. What is put in comes out byte by byte.
#[derive(Default)]
pub(super) struct Frames {
    /// How many there were before the first one that is kept.
    base: usize,
    /// What is kept of each frame, one after the other.
    kept: Vec<u8>,
    /// Where in it that ends, for each frame.
    ends: Vec<u32>,
    templates: Vec<Template>,
    /// Which frames are made of a template, in order. All others are kept as they are.
    runs: Vec<Run>,
    bytes: usize,
}

/// The frame around the letters that a part of an item grows by.
struct Template {
    item_id: ItemId,
    content_index: usize,
    before: Box<[u8]>,
    after: Box<[u8]>,
}

struct Run {
    frames: Range<usize>,
    template: usize,
}

/// Ends a frame.
const BLANK_LINE: &[u8] = b"\n\n";

impl Frames {
    /// Frames of which the first has the number behind this one.
    pub(super) fn behind(base: usize) -> Self {
        Self { base, ..Self::default() }
    }

    /// The number before that of the first frame.
    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// The number of the last frame.
    pub(super) fn last(&self) -> usize {
        self.base + self.ends.len()
    }

    /// How long they are, all together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an event's frame. `None`, and nothing added, when they would be longer than `max`.
    pub(super) fn push(&mut self, event: &ThreadStreamEvent, max: usize) -> Option<()> {
        let before = self.kept.len();
        let (length, template) = match self.delta(event) {
            Some((length, template)) => (length, Some(template)),
            None => (self.keep(&json(event)), None),
        };
        self.close(before, length, template, max)
    }

    /// Adds a frame whose data has come from elsewhere, without a line break in it. `None`, and
    /// nothing added, when they would be longer than `max`.
    pub(super) fn push_data(&mut self, data: &[u8], max: usize) -> Option<()> {
        let before = self.kept.len();
        let length = self.keep(data);
        self.close(before, length, None, max)
    }

    /// Keeps data as it is; gives its length with the blank line.
    fn keep(&mut self, data: &[u8]) -> usize {
        self.make_room(data.len() + BLANK_LINE.len());
        self.kept.extend_from_slice(data);
        self.kept.extend_from_slice(BLANK_LINE);
        data.len() + BLANK_LINE.len()
    }

    /// Ends the frame of what was kept behind `before`, unless it is too much.
    fn close(
        &mut self,
        before: usize,
        length: usize,
        template: Option<usize>,
        max: usize,
    ) -> Option<()> {
        let number = self.last() + 1;
        let bytes = self.bytes + length + opening_len(number);
        let end = u32::try_from(self.kept.len()).ok().filter(|_| bytes <= max);
        let Some(end) = end else {
            self.kept.truncate(before);
            return None;
        };
        self.bytes = bytes;
        self.ends.push(end);
        if let Some(template) = template {
            let at = self.ends.len() - 1;
            match self.runs.last_mut() {
                Some(run) if run.frames.end == at && run.template == template => {
                    run.frames.end += 1;
                }
                _ => self.runs.push(Run { frames: at..at + 1, template }),
            }
        }
        Some(())
    }

    /// Keeps the letters of an event that only adds some. Gives the length of its data with the
    /// blank line, and its template.
    fn delta(&mut self, event: &ThreadStreamEvent) -> Option<(usize, usize)> {
        let ThreadStreamEvent::ItemUpdated(updated) = event else { return None };
        let ThreadItemUpdate::TextDelta(update) = &updated.update else { return None };
        let fits = self.templates.last().is_some_and(|template| {
            template.item_id == updated.item_id && template.content_index == update.content_index
        });
        if !fits {
            let (data, delta) = (json(event), json(&update.delta));
            let after: &[u8] = b"}}";
            // As our types are written; any other shape is kept as it is.
            let before = data.strip_suffix(after)?.strip_suffix(delta.as_slice())?;
            self.templates.push(Template {
                item_id: updated.item_id.clone(),
                content_index: update.content_index,
                before: before.into(),
                after: [after, BLANK_LINE].concat().into(),
            });
        }
        self.make_room(update.delta.len() + 2);
        let before = self.kept.len();
        // Writing to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut self.kept, &update.delta);
        let template = self.templates.last()?;
        let length = template.before.len() + self.kept.len() - before + template.after.len();
        Some((length, self.templates.len() - 1))
    }

    /// Grows by a quarter at least, where a `Vec` would double.
    fn make_room(&mut self, bytes: usize) {
        if self.kept.capacity() - self.kept.len() < bytes {
            self.kept.reserve_exact(bytes.max(self.kept.len() / 4).max(128));
        }
    }

    /// Appends the frames behind number `after` to `out`, until it holds `enough` bytes. Gives the
    /// number of the last one.
    pub(super) fn write(&self, after: usize, enough: usize, out: &mut Vec<u8>) -> usize {
        let skipped = after.saturating_sub(self.base);
        let mut last = after.max(self.base);
        let mut runs = &self.runs[self.runs.partition_point(|run| run.frames.end <= skipped)..];
        let mut start = match skipped {
            0 => 0,
            _ => self.ends.get(skipped - 1).map_or(self.kept.len(), |end| *end as usize),
        };
        for (at, end) in self.ends.iter().enumerate().skip(skipped) {
            if out.len() >= enough {
                break;
            }
            last = self.base + at + 1;
            let kept = &self.kept[start..*end as usize];
            start = *end as usize;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "id: {last}\ndata: ");
            if let [run, rest @ ..] = runs
                && run.frames.contains(&at)
            {
                let template = &self.templates[run.template];
                out.extend_from_slice(&template.before);
                out.extend_from_slice(kept);
                out.extend_from_slice(&template.after);
                if run.frames.end == at + 1 {
                    runs = rest;
                }
            } else {
                out.extend_from_slice(kept);
            }
        }
        last
    }

    /// The same frames without a word of these items: each that tells of one says instead that it is
    /// removed. Numbers stay as they are.
    pub(super) fn without(&self, item_ids: &[ItemId]) -> Self {
        let finders: Vec<_> = item_ids
            .iter()
            .map(|id| (memchr::memmem::Finder::new(id.as_str().as_bytes()), id))
            .collect();
        let mut written = Vec::with_capacity(self.bytes);
        self.write(self.base, usize::MAX, &mut written);
        let mut kept = Self::behind(self.base);
        for (_, data) in split(&written).flatten() {
            let tells_of = finders.iter().find(|(finder, _)| finder.find(data).is_some());
            let removed = tells_of.map(|(_, item_id)| {
                json(&ThreadStreamEvent::from(ThreadItemRemovedEvent {
                    item_id: (*item_id).clone(),
                }))
            });
            kept.push_data(removed.as_deref().unwrap_or(data), usize::MAX);
        }
        kept
    }

    /// Gives back memory that is not needed once no more frames come.
    pub(super) fn shrink(&mut self) {
        self.kept.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// The frames in what [`Frames::write`] wrote, each with its number; `None` for what is none.
pub(super) fn split(written: &[u8]) -> impl Iterator<Item = Option<(usize, &[u8])>> {
    let mut rest = written;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Data has no line breaks: a frame is two lines and a blank one.
        let mut lines = rest.splitn(4, |byte| *byte == b'\n');
        let (id, data, blank) = (lines.next(), lines.next(), lines.next());
        rest = lines.next().unwrap_or_default();
        let number = id
            .and_then(|id| std::str::from_utf8(id.strip_prefix(b"id: ")?).ok()?.parse().ok())
            .filter(|_| blank == Some(b""));
        Some(number.zip(data.and_then(|data| data.strip_prefix(b"data: "))))
    })
}

/// Our types have no maps with other keys than text, so this cannot fail.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Length of `id: 12\ndata: `.
fn opening_len(number: usize) -> usize {
    let digits = number.checked_ilog10().unwrap_or_default() as usize + 1;
    "id: \ndata: ".len() + digits
}

#[cfg(test)]
mod tests {
    use parlor_protocol::{
        ContentPartTextDelta, ProgressUpdateEvent, ThreadItemUpdatedEvent, ThreadStreamEvent,
    };
    use proptest::prelude::*;

    use super::*;

    fn event(kind: u8, text: &str) -> ThreadStreamEvent {
        if kind == 0 {
            return ProgressUpdateEvent { icon: None, text: text.to_owned() }.into();
        }
        let update =
            ContentPartTextDelta { content_index: usize::from(kind / 4), delta: text.to_owned() };
        let item_id = ItemId::new(format!("msg_{}", kind % 4));
        ThreadItemUpdatedEvent { item_id, update: update.into() }.into()
    }

    fn plainly(number: usize, event: &ThreadStreamEvent) -> String {
        format!("id: {number}\ndata: {}\n\n", String::from_utf8_lossy(&json(event)))
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(
            events in prop::collection::vec((0u8..8, "\\PC{0,6}|[\"\\\\\n\u{7f}é👋}]{0,4}"), 0..120),
            skipped in 0usize..130,
        ) {
            let events: Vec<_> = events.iter().map(|(kind, text)| event(*kind, text)).collect();
            let mut frames = Frames::default();
            for event in &events {
                prop_assert!(frames.push(event, usize::MAX).is_some());
            }
            frames.shrink();
            let plain: Vec<_> =
                events.iter().enumerate().map(|(at, event)| plainly(at + 1, event)).collect();
            let mut out = Vec::new();
            prop_assert_eq!(frames.write(skipped, usize::MAX, &mut out), skipped.max(plain.len()));
            let expected = plain.get(skipped..).unwrap_or_default().concat();
            prop_assert_eq!(String::from_utf8(out).ok(), Some(expected));
            prop_assert_eq!(frames.bytes(), plain.concat().len());
            prop_assert_eq!(frames.last(), plain.len());
        }

        /// As they go from one process to another: in pieces, and from any number on.
        #[test]
        fn frames_that_are_passed_on_piece_by_piece_are_the_same(
            events in prop::collection::vec((0u8..8, "\\PC{0,6}|[\"\\\\\n\u{7f}é👋}]{0,4}"), 1..60),
            after in 0usize..60,
            enough in 1usize..2_000,
        ) {
            let mut frames = Frames::default();
            for (kind, text) in &events {
                frames.push(&event(*kind, text), usize::MAX);
            }
            let after = after.min(events.len());
            let mut passed_on = Frames::behind(after);
            while passed_on.last() < frames.last() {
                let mut piece = Vec::new();
                let last = frames.write(passed_on.last(), enough, &mut piece);
                for frame in split(&piece) {
                    let (number, data) = frame.ok_or_else(|| TestCaseError::fail("no frame"))?;
                    prop_assert_eq!(number, passed_on.last() + 1);
                    passed_on.push_data(data, usize::MAX);
                }
                prop_assert_eq!(passed_on.last(), last);
            }
            let (mut one, mut other) = (Vec::new(), Vec::new());
            frames.write(after, usize::MAX, &mut one);
            passed_on.write(after, usize::MAX, &mut other);
            prop_assert_eq!(one, other);
        }

        #[test]
        fn anything_is_split_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for (_, data) in split(&bytes).flatten() {
                prop_assert!(!data.contains(&b'\n'));
            }
        }
    }

    #[test]
    fn an_answer_is_kept_in_little_more_than_its_letters() {
        let mut frames = Frames::default();
        for _ in 0..1_000 {
            assert!(frames.push(&event(1, "word "), usize::MAX).is_some());
        }
        let held = frames.kept.capacity() + frames.ends.capacity() * 4;
        assert!(frames.bytes() > 100_000 && held < 16_000, "{held} of {}", frames.bytes());
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut frames = Frames::default();
        assert!(frames.push(&event(1, "first"), 1_000).is_some());
        let bytes = frames.bytes();
        assert!(frames.push(&event(1, &"x".repeat(1_000)), 1_000).is_none());
        assert!(frames.push(&event(0, &"x".repeat(1_000)), 1_000).is_none());
        assert_eq!((frames.last(), frames.bytes()), (1, bytes));
        assert!(frames.push(&event(1, "second"), 1_000).is_some());
        let mut out = Vec::new();
        frames.write(1, usize::MAX, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), plainly(2, &event(1, "second")));
    }
}
