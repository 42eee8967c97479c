//! Bytes of an answer in, events out. No I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::{CallIds, ModelApi, ModelError, ModelEvent, chat, responses};
use crate::sse::SseDecoder;

/// Decodes the stream of a model's answer. [`ModelStream`](super::ModelStream) reads the bytes
/// from a server; whoever has them from elsewhere, such as a recording, can do it by hand.
///
/// What comes out does not depend on how the bytes are cut into chunks.
#[derive(Debug)]
pub struct AnswerDecoder {
    parser: Parser,
    sse: SseDecoder,
    ids: Arc<CallIds>,
    events: VecDeque<ModelEvent>,
    /// An error that comes after the events before it have been given out.
    failure: Option<ModelError>,
    over: bool,
}

#[derive(Debug)]
enum Parser {
    Responses(responses::Parser),
    Chat(chat::Parser),
}

impl AnswerDecoder {
    /// A decoder of streams of this API.
    pub fn new(api: ModelApi) -> Self {
        Self::with_ids(api, Arc::default())
    }

    pub(super) fn with_ids(api: ModelApi, ids: Arc<CallIds>) -> Self {
        Self {
            parser: match api {
                ModelApi::Responses => Parser::Responses(responses::Parser::default()),
                ModelApi::ChatCompletions => Parser::Chat(chat::Parser::default()),
            },
            sse: SseDecoder::default(),
            ids,
            events: VecDeque::new(),
            failure: None,
            over: false,
        }
    }

    /// Takes events of up to so many bytes; by default, 16 MB.
    pub(super) fn take_events_of(&mut self, limit_bytes: usize) {
        self.sse = SseDecoder::new(limit_bytes);
    }

    /// Takes the next bytes. Those after the answer's end are not looked at.
    pub fn push(&mut self, chunk: &[u8]) {
        let Self { sse, parser, events, failure, ids, over } = self;
        let mut reader = Reader { parser, events, failure, ids, over };
        if let Err(error) = sse.push(chunk, |event| reader.read(event.data)) {
            self.fail(ModelError::Malformed { detail: error.to_string() });
        }
    }

    /// Says that the bytes have ended, properly.
    pub fn end(&mut self) {
        let Self { sse, parser, events, failure, ids, over } = self;
        let mut reader = Reader { parser, events, failure, ids, over };
        // An event that no blank line ended. The only error is a length that `push` has checked.
        let _ = sse.finish(|event| reader.read(event.data));
        self.cut(|| "the stream ended before the answer did".into());
    }

    /// Says that no more bytes come. That is an error unless the answer was over but for its
    /// closing events; `detail` says then what happened.
    pub fn cut(&mut self, detail: impl FnOnce() -> String) {
        if self.over || self.failure.is_some() {
            return;
        }
        let done = match &mut self.parser {
            Parser::Responses(parser) => parser.closed(false),
            Parser::Chat(parser) => parser.closed(false, &self.ids, &mut self.events),
        };
        match done {
            Some(done) => {
                self.events.push_back(done);
                self.over = true;
            }
            None => self.fail(ModelError::Cut { detail: detail() }),
        }
    }

    /// Takes an answer that came as one JSON document.
    ///
    /// # Errors
    ///
    /// When it is not an answer, or one that says that something went wrong.
    pub fn whole(&mut self, answer: &Value) -> Result<(), ModelError> {
        self.over = true;
        match &mut self.parser {
            Parser::Responses(parser) => parser.whole(answer, &self.ids, &mut self.events),
            Parser::Chat(parser) => parser.whole(answer, &self.ids, &mut self.events),
        }
    }

    /// The next event, if the bytes so far hold one. Nothing comes after [`ModelEvent::Done`] or
    /// an error.
    pub fn next_event(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        if let Some(event) = self.events.pop_front() {
            return Some(Ok(event));
        }
        let error = self.failure.take()?;
        self.over = true;
        Some(Err(error))
    }

    /// Whether the answer is over, well or not. Events may wait to be taken.
    pub fn is_over(&self) -> bool {
        self.over || self.failure.is_some()
    }

    /// Whether the answer has ended as it should.
    pub(super) fn is_whole(&self) -> bool {
        self.over && self.failure.is_none()
    }

    /// Whether only what the answer cost is missing.
    pub(super) fn is_finishing(&self) -> bool {
        matches!(&self.parser, Parser::Chat(chat) if chat.finishing())
    }

    pub(super) fn fail(&mut self, error: ModelError) {
        self.failure.get_or_insert(error);
    }
}

/// What reading an event changes.
struct Reader<'a> {
    parser: &'a mut Parser,
    events: &'a mut VecDeque<ModelEvent>,
    failure: &'a mut Option<ModelError>,
    ids: &'a CallIds,
    over: &'a mut bool,
}

impl Reader<'_> {
    fn read(&mut self, data: &str) {
        if *self.over || self.failure.is_some() || data.trim().is_empty() {
            return;
        }
        if data.trim() == "[DONE]" {
            let done = match self.parser {
                Parser::Responses(parser) => parser.closed(true),
                Parser::Chat(parser) => parser.closed(true, self.ids, self.events),
            };
            if let Some(done) = done {
                self.events.push_back(done);
                *self.over = true;
            }
            return;
        }
        let read = match self.parser {
            Parser::Responses(parser) => parser.event(data, self.ids, self.events),
            Parser::Chat(parser) => parser.event(data, self.events),
        };
        match read {
            Ok(Some(())) => {}
            // Words may be missing from here on: an answer with a hole must not pass for whole.
            Ok(None) => {
                *self.failure = Some(ModelError::Malformed {
                    detail: format!("an event of {} bytes is not JSON", data.len()),
                });
            }
            Err(error) => *self.failure = Some(error),
        }
        if let Some(ModelEvent::Done { .. }) = self.events.back() {
            *self.over = true;
        }
    }
}
