//! What the fake model does with one request: a list of steps, and how the bytes look.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::image::ImageState;

/// What the server does with one request.
///
/// Built in Rust with the methods below, or posted as JSON to `/control/script`:
///
/// ```
/// use parlor_fake_model::Behaviour;
///
/// let behaviour: Behaviour = serde_json::from_str(
///     r#"{"when": "weather", "steps": [{"step": "text", "text": "Sunny."}, {"step": "cut"}]}"#,
/// )?;
/// assert_eq!(behaviour, Behaviour::new().text("Sunny.").cut().when("weather"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Which requests it answers.
    pub purpose: Purpose,
    /// Only for requests whose last user message contains this; `None` takes any request.
    pub when: Option<String>,
    /// How many requests it answers before it leaves the queue; 0 means all of them.
    pub times: u32,
    /// Played in order. The stream ends as a real one does, unless a step ended it otherwise.
    pub steps: Vec<Step>,
    /// How lines end in the event stream.
    pub line_ends: LineEnds,
    /// Begin the event stream with a byte order mark.
    pub bom: bool,
    /// Leave out the space after `data:`, as some servers do.
    pub no_space: bool,
    /// Which ids the response and its items carry.
    pub ids: Ids,
    /// Send at most this many bytes at a time, so that events arrive in pieces.
    pub chunk_bytes: Option<usize>,
    /// Leave out the usage that a client asked for.
    pub no_usage: bool,
    /// Chat Completions: leave out the closing `[DONE]`.
    pub no_done: bool,
    /// Chat Completions: the finish reason, when it is not the one that fits.
    pub finish_reason: Option<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            purpose: Purpose::Answer,
            when: None,
            times: 1,
            steps: Vec::new(),
            line_ends: LineEnds::Lf,
            bom: false,
            no_space: false,
            ids: Ids::Unique,
            chunk_bytes: None,
            no_usage: false,
            no_done: false,
            finish_reason: None,
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The answer to a message.
    #[default]
    Answer,
    /// The title of a conversation.
    Title,
    /// The text of a recording. `when` is a part of the recording's media type; `text` is what
    /// was said, `raw` the whole body of the response.
    Transcription,
    /// Vectors of texts. `when` is a part of one of the texts; after steps that only wait, the usual
    /// vectors are the answer, and `raw` is the whole body of another one.
    Embedding,
    /// A ranking of documents. `when` is a part of the question; the rest is as for vectors.
    Rerank,
    /// What is wrong with texts. `when` is a part of one of them; the rest is as for vectors.
    Moderation,
    /// Whether a text may pass, asked as for an answer. `when` is a part of the text.
    Verdict,
}

/// How lines end in an event stream; the format allows all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnds {
    /// `\n`, as nearly everybody does.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
    /// A lone `\r`.
    Cr,
}

impl LineEnds {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// Which ids the response and its items carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// New ones each time, as OpenAI's servers do.
    #[default]
    Unique,
    /// The same for every response, as several compatible servers do.
    Constant,
    /// None at all, tool calls included.
    Missing,
}

/// How an error inside a stream is shaped; every one of these is met in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `{"type": "error", "code", "message", "param"}`: the documented one of the Responses API.
    #[default]
    Event,
    /// `{"type": "error", "error": {"type", "code", "message"}}`.
    Nested,
    /// `response.failed` with the error inside the response.
    ResponseFailed,
    /// `{"error": {"message", "type", "code"}}` without a type: the one of Chat Completions.
    Object,
}

/// One thing that happens while a request is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Answer text, streamed in deltas.
    Text {
        /// The text.
        text: String,
        /// Characters in a delta; by default a delta is a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chunk_chars: Option<usize>,
        /// Milliseconds before each delta; by default the server's `--delay-ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_ms: Option<u64>,
    },
    /// A refusal, streamed in deltas.
    Refusal {
        /// The text.
        text: String,
    },
    /// Reasoning: a summary in the Responses API, `reasoning_content` in Chat Completions.
    Reasoning {
        /// The text.
        text: String,
    },
    /// A function call.
    ToolCall {
        /// The function's name.
        name: String,
        /// The arguments: an object is sent as its JSON, a string is sent as it is (even broken).
        arguments: Value,
        /// The call's id; by default a new one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<String>,
        /// Send the arguments in one piece, as several compatible servers do.
        #[serde(default)]
        whole: bool,
    },
    /// An image that is made (Responses API only). What comes between two of these steps comes between
    /// their events.
    Image {
        /// What happens to it.
        state: ImageState,
        /// What it shows. A colour in it is the image's.
        #[serde(default)]
        prompt: String,
        /// Its bytes in base64, in the place of what is drawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    /// A URL citation on the text so far (Responses API only).
    Annotation {
        /// The page.
        url: String,
        /// Its title.
        title: String,
    },
    /// An event of a type that no client knows.
    UnknownEvent {
        /// The type.
        #[serde(rename = "type")]
        kind: String,
    },
    /// An event whose data is not JSON.
    Malformed,
    /// A comment line, as servers send to keep a connection alive.
    Comment {
        /// The comment.
        text: String,
    },
    /// These bytes, as they are.
    Raw {
        /// The text to send.
        text: String,
    },
    /// An HTTP error instead of a stream; the first step or it has no effect.
    Status {
        /// The status code.
        status: u16,
        /// The `Retry-After` header, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// The error's code; by default the one OpenAI sends with this status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// The error's message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// An error inside the stream, which then ends.
    Error {
        /// How it is shaped.
        #[serde(default)]
        shape: ErrorShape,
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
    },
    /// The answer stops short for a reason (`max_output_tokens`, `content_filter`).
    Incomplete {
        /// The reason, as the Responses API names it.
        reason: String,
    },
    /// Close the TCP connection in the middle of an event.
    Cut,
    /// End the response properly, but without the closing events.
    End,
    /// Send nothing more and keep the connection open. As the first step: not even headers.
    Stall,
    /// Wait this long.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Wait until `release(name)`. Tests use it to wait for conditions and not for time.
    Hold {
        /// The name of the hold.
        name: String,
    },
    /// Say the instructions that came with the request, as text.
    EchoInstructions,
}

impl Behaviour {
    /// No steps yet: an empty but complete answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any step.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds text, streamed word by word.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.step(Step::Text { text: text.into(), chunk_chars: None, delay_ms: None })
    }

    /// Adds text, streamed in deltas of `chars` characters.
    pub fn text_in_chunks(self, text: impl Into<String>, chars: usize) -> Self {
        self.step(Step::Text { text: text.into(), chunk_chars: Some(chars), delay_ms: None })
    }

    /// Adds a call of the function `name`.
    pub fn tool_call(self, name: impl Into<String>, arguments: Value) -> Self {
        self.step(Step::ToolCall { name: name.into(), arguments, call_id: None, whole: false })
    }

    /// Adds a step of an image.
    pub fn image(self, state: ImageState, prompt: impl Into<String>) -> Self {
        self.step(Step::Image { state, prompt: prompt.into(), base64: None })
    }

    /// Adds reasoning.
    pub fn reasoning(self, text: impl Into<String>) -> Self {
        self.step(Step::Reasoning { text: text.into() })
    }

    /// Adds a refusal.
    pub fn refusal(self, text: impl Into<String>) -> Self {
        self.step(Step::Refusal { text: text.into() })
    }

    /// Answers with this HTTP status.
    pub fn status(self, status: u16) -> Self {
        self.step(Step::Status { status, retry_after: None, code: None, message: None })
    }

    /// Answers with 429 and `Retry-After`.
    pub fn rate_limited(self, retry_after_seconds: u64) -> Self {
        let retry_after = Some(retry_after_seconds);
        self.step(Step::Status { status: 429, retry_after, code: None, message: None })
    }

    /// Adds an error inside the stream, which then ends.
    pub fn error(
        self,
        shape: ErrorShape,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.step(Step::Error { shape, code: code.into(), message: message.into() })
    }

    /// Adds an event of an unknown type.
    pub fn unknown_event(self) -> Self {
        self.step(Step::UnknownEvent { kind: "response.made_up.delta".into() })
    }

    /// Adds an event whose data is not JSON.
    pub fn malformed(self) -> Self {
        self.step(Step::Malformed)
    }

    /// Adds a comment line.
    pub fn comment(self, text: impl Into<String>) -> Self {
        self.step(Step::Comment { text: text.into() })
    }

    /// Closes the connection in the middle of an event.
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Ends the response without the closing events.
    pub fn end(self) -> Self {
        self.step(Step::End)
    }

    /// Falls silent with the connection open.
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Waits until [`FakeModel::release`](crate::FakeModel::release) is called with this name.
    pub fn hold(self, name: impl Into<String>) -> Self {
        self.step(Step::Hold { name: name.into() })
    }

    /// Waits.
    pub fn delay_ms(self, ms: u64) -> Self {
        self.step(Step::Delay { ms })
    }

    /// Stops short for a reason.
    pub fn incomplete(self, reason: impl Into<String>) -> Self {
        self.step(Step::Incomplete { reason: reason.into() })
    }

    /// For requests of this kind.
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Only for requests whose last user message contains `text`.
    pub fn when(mut self, text: impl Into<String>) -> Self {
        self.when = Some(text.into());
        self
    }

    /// Answers this many requests; 0 means all of them.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// With these line ends.
    pub fn line_ends(mut self, line_ends: LineEnds) -> Self {
        self.line_ends = line_ends;
        self
    }

    /// With these ids.
    pub fn ids(mut self, ids: Ids) -> Self {
        self.ids = ids;
        self
    }

    /// In pieces of at most this many bytes.
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = Some(bytes);
        self
    }
}
