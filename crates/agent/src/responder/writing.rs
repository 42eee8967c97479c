//! The answer as it is written, from what the model says to what people read.

use parlor_chatkit::protocol::{FileSource, Icon, UrlSource};
use parlor_chatkit::{MessageWriter, Notes, Turn, TurnError};
use serde_json::json;

use super::failures::turn_error;
use super::pictures::{Pictures, noted};
use super::thoughts::Thoughts;
use crate::citations::{CitationFilter, Piece, overlapping};
use crate::measure::ModelCall;
use crate::model::{Finish, ModelError, ModelEvent, ModelStream};
use crate::search_tool::{Found, source};
use crate::tools::{Steps, ToolCallRequest};

/// Passages attached at the end when the model cited none.
const ATTACHED_PASSAGES: usize = 3;

/// What one request to the model gave.
pub(super) struct Round {
    /// The text as the model wrote it, markers included.
    pub(super) text: String,
    pub(super) calls: Vec<ToolCallRequest>,
    pub(super) finish: Finish,
    /// What it took, as far as the server says.
    pub(super) tokens: u64,
}

/// Why a round was not read.
pub(super) enum Unread {
    /// The model failed before it said anything.
    Unsaid(ModelError),
    /// The turn is over.
    Failed(TurnError),
}

impl From<TurnError> for Unread {
    fn from(error: TurnError) -> Self {
        Self::Failed(error)
    }
}

/// An answer being written, over all its rounds.
pub(super) struct Answer {
    pub(super) found: Found,
    pub(super) filter: CitationFilter,
    pub(super) pieces: Vec<Piece>,
    /// The text of this message so far, kept only if sources may have to be attached.
    pub(super) text: Option<String>,
    /// Whether anything was said, in this message or before.
    pub(super) has_text: bool,
    pub(super) cited: bool,
    /// Text follows that belongs to another round than the text before it.
    pub(super) new_paragraph: bool,
    pub(super) thinking: bool,
    /// Whether what the model thinks is shown, and what is shown of it since the last text.
    pub(super) shows_thoughts: bool,
    pub(super) thoughts: Option<Box<Thoughts>>,
    /// What is shown of the calls since the last text.
    pub(super) steps: Steps,
    /// The images that the model makes, where it may.
    pub(super) pictures: Option<Box<Pictures>>,
}

impl Answer {
    pub(super) fn new(can_search: bool) -> Self {
        Self {
            found: Found::default(),
            filter: CitationFilter::default(),
            pieces: Vec::new(),
            text: can_search.then(String::new),
            has_text: false,
            cited: false,
            new_paragraph: false,
            thinking: false,
            shows_thoughts: false,
            thoughts: None,
            steps: Steps::default(),
            pictures: None,
        }
    }

    /// The text goes on in another message.
    pub(super) fn another_message(&mut self) {
        self.cited = false;
        self.new_paragraph = false;
        if let Some(text) = &mut self.text {
            text.clear();
        }
    }

    /// Writes what the model says in one round.
    pub(super) async fn read_round(
        &mut self,
        mut stream: ModelStream,
        mut call: ModelCall,
        writer: &mut MessageWriter<'_>,
    ) -> Result<Round, Unread> {
        let mut is_silent = true;
        let mut round =
            Round { text: String::new(), calls: Vec::new(), finish: Finish::Stop, tokens: 0 };
        let notes = writer.turn().notes().clone();
        while let Some(event) = stream.next().await {
            if event.is_ok() {
                call.event();
                is_silent = false;
            }
            if notes.are_read() {
                note(&notes, &event);
            }
            match event {
                Ok(ModelEvent::TextDelta(delta)) => {
                    call.spent.said(delta.len());
                    self.filter.push(&delta, &mut self.pieces);
                    self.write(writer).await?;
                    round.text.push_str(&delta);
                }
                Ok(ModelEvent::Reasoning(thought)) => {
                    call.spent.said(thought.len());
                    if self.shows_thoughts && writer.position() == 0 {
                        Box::pin(self.think(&thought, writer.turn())).await?;
                    } else if writer.position() == 0 && !std::mem::replace(&mut self.thinking, true)
                    {
                        writer.turn().progress(Icon::from_static("sparkle"), "Thinking…").await?;
                    }
                }
                Ok(ModelEvent::ToolCall { call_id, name, arguments }) => {
                    round.calls.push(ToolCallRequest { call_id, name, arguments });
                }
                Ok(ModelEvent::Citation { url, title }) => {
                    if is_web_page(&url) {
                        self.cited = true;
                        writer.cite(UrlSource { title, url, ..UrlSource::default() }).await?;
                    }
                }
                Ok(ModelEvent::FileCitation { name }) => {
                    self.cited = true;
                    writer.cite(FileSource::new(name.clone(), name)).await?;
                }
                Ok(
                    event @ (ModelEvent::ImageBegun { .. }
                    | ModelEvent::ImagePartial { .. }
                    | ModelEvent::Image { .. }
                    | ModelEvent::ImageFailed { .. }),
                ) => Box::pin(self.picture(event, writer)).await?,
                Ok(ModelEvent::Done { usage, finish }) => {
                    tracing::debug!(?usage, ?finish, "the model has answered");
                    call.done(usage.as_ref());
                    round.finish = finish;
                    round.tokens =
                        usage.map_or(0, |usage| usage.input_tokens + usage.output_tokens);
                }
                Err(error) => {
                    call.failed(&error);
                    if is_silent {
                        return Err(Unread::Unsaid(error));
                    }
                    self.end_thoughts(writer.turn()).await?;
                    // What was held back is part of the partial answer.
                    self.end(writer).await?;
                    return Err(turn_error(error).into());
                }
            }
        }
        self.end_thoughts(writer.turn()).await?;
        self.end(writer).await?;
        self.new_paragraph = writer.position() > 0;
        Ok(round)
    }

    /// Shows more of what the model thinks.
    async fn think(&mut self, more: &str, turn: &mut Turn) -> Result<(), TurnError> {
        self.thoughts = match self.thoughts.take() {
            Some(thoughts) => Some(Box::new(thoughts.add(more, turn).await?)),
            None if more.trim().is_empty() => None,
            None => {
                self.steps.finish(turn).await?;
                Some(Box::new(Thoughts::begin(more, turn).await?))
            }
        };
        Ok(())
    }

    /// What comes next is no thought.
    pub(super) async fn end_thoughts(&mut self, turn: &mut Turn) -> Result<(), TurnError> {
        match self.thoughts.take() {
            Some(thoughts) => Box::pin(thoughts.finish(turn)).await,
            None => Ok(()),
        }
    }

    /// Writes what the filter still holds.
    pub(super) async fn end(&mut self, writer: &mut MessageWriter<'_>) -> Result<(), TurnError> {
        self.filter.finish(&mut self.pieces);
        self.write(writer).await
    }

    async fn write(&mut self, writer: &mut MessageWriter<'_>) -> Result<(), TurnError> {
        for piece in self.pieces.drain(..) {
            match piece {
                Piece::Text(text) => {
                    if let Some(thoughts) = self.thoughts.take() {
                        Box::pin(thoughts.finish(writer.turn())).await?;
                    }
                    if self.steps.are_shown() {
                        Box::pin(self.steps.finish(writer.turn())).await?;
                    }
                    self.has_text |= !text.is_empty();
                    if std::mem::take(&mut self.new_paragraph) {
                        writer.push("\n\n").await?;
                    }
                    writer.push(&text).await?;
                    if let Some(all) = &mut self.text {
                        all.push_str(&text);
                    }
                }
                Piece::Cite { passage, .. } => {
                    if let Some(passage) = self.found.get(passage) {
                        self.cited = true;
                        writer.cite(source(passage)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins a new filter, as code that one round left open does not reach into the next.
    pub(super) fn passages_changed(&mut self) {
        self.filter = CitationFilter::new(self.found.passages().len());
    }

    /// Refers to the passages that the answer was made of, if the model did not.
    pub(super) async fn attach_sources(
        &self,
        question: &str,
        writer: &mut MessageWriter<'_>,
    ) -> Result<(), TurnError> {
        let Some(text) = self.text.as_deref().filter(|_| !self.cited) else { return Ok(()) };
        let passages = self.found.passages();
        for number in overlapping(text, question, passages, ATTACHED_PASSAGES) {
            if let Some(passage) = self.found.get(number) {
                writer.cite(source(passage)).await?;
            }
        }
        Ok(())
    }
}

/// Notes what a model says, for people who look on.
fn note(notes: &Notes, event: &Result<ModelEvent, ModelError>) {
    match event {
        Ok(ModelEvent::TextDelta(text)) => notes.add("model.text", || json!({ "text": text })),
        Ok(ModelEvent::Reasoning(text)) => notes.add("model.reasoning", || json!({ "text": text })),
        Ok(ModelEvent::ToolCall { call_id, name, arguments }) => {
            let call = || json!({ "call_id": call_id, "name": name, "arguments": arguments });
            notes.add("model.tool_call", call);
        }
        Ok(ModelEvent::Citation { url, title }) => {
            notes.add("model.citation", || json!({ "url": url, "title": title }));
        }
        Ok(ModelEvent::FileCitation { name }) => {
            notes.add("model.citation", || json!({ "file": name }));
        }
        Ok(
            event @ (ModelEvent::ImageBegun { .. }
            | ModelEvent::ImagePartial { .. }
            | ModelEvent::Image { .. }
            | ModelEvent::ImageFailed { .. }),
        ) => notes.add("model.image", || noted(event)),
        Ok(ModelEvent::Done { usage, finish }) => notes.add("model.done", || {
            let usage = usage.as_ref().map(|usage| {
                json!({ "input": usage.input_tokens, "cached": usage.cached_tokens,
                    "output": usage.output_tokens })
            });
            json!({ "tokens": usage, "finish": format!("{finish:?}") })
        }),
        Err(error) => notes.add("model.error", || json!({ "error": error.to_string() })),
    }
}

/// Whether a page that a provider cites can be linked to.
fn is_web_page(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
