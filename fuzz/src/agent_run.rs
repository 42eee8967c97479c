//! Bytes from an agent elsewhere to events.

use parlor_agent::remote::{AgUiDecoder, AgentEvent, RemoteError, WebhookDecoder};

use crate::bytes::Choices;

/// Longest event that is taken here.
const LIMIT: usize = 4_096;

enum Decoder {
    AgUi(AgUiDecoder),
    Webhook(WebhookDecoder),
}

impl Decoder {
    fn new(kind: &str) -> Self {
        match kind {
            "ag-ui" => Self::AgUi(AgUiDecoder::new(LIMIT)),
            kind => Self::Webhook(WebhookDecoder::new(Some(kind), LIMIT).unwrap()),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::AgUi(decoder) => decoder.push(bytes),
            Self::Webhook(decoder) => decoder.push(bytes),
        }
    }

    fn end(&mut self) {
        match self {
            Self::AgUi(decoder) => decoder.end(),
            Self::Webhook(decoder) => decoder.end(),
        }
    }

    fn next_event(&mut self) -> Option<Result<AgentEvent, RemoteError>> {
        match self {
            Self::AgUi(decoder) => decoder.next_event(),
            Self::Webhook(decoder) => decoder.next_event(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::AgUi(decoder) => decoder.is_over(),
            Self::Webhook(decoder) => decoder.is_over(),
        }
    }
}

/// What a decoder gives for some chunks, as text. Pieces of text may come in one event or in several.
fn decode<'a>(kind: &str, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<(bool, String)> {
    let mut decoder = Decoder::new(kind);
    let mut events: Vec<(bool, String)> = Vec::new();
    let mut over = false;
    let mut take = |decoder: &mut Decoder| {
        while let Some(event) = decoder.next_event() {
            assert!(!over, "{event:?} comes after the end");
            over = matches!(event, Ok(AgentEvent::Finished { .. }) | Err(_));
            match (&event, events.last_mut()) {
                (Ok(AgentEvent::Text { delta, .. }), Some((true, text))) => text.push_str(delta),
                (Ok(AgentEvent::Text { delta, .. }), _) => events.push((true, delta.clone())),
                _ => events.push((false, format!("{event:?}"))),
            }
        }
    };
    for chunk in chunks {
        decoder.push(chunk);
        take(&mut decoder);
        if decoder.is_over() {
            break;
        }
    }
    decoder.end();
    take(&mut decoder);
    assert!(decoder.is_over() && over, "a stream that has ended is over, and says so");
    events
}

/// Whatever an agent sends is decoded to events and one end; how it is cut into chunks does not
/// matter.
pub fn agent_run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kinds = ["ag-ui", "ag-ui", "text/event-stream", "application/json", "text/plain"];
    let kind = choices.one_of(&kinds);
    let size = choices.below(64) + 1;
    let stream = choices.rest();
    let whole = decode(kind, std::iter::once(stream));
    assert_eq!(whole, decode(kind, stream.chunks(size)), "in chunks of {size}");
    assert_eq!(whole, decode(kind, stream.chunks(1)), "byte by byte");
}
