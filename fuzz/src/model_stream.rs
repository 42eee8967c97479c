//! Bytes from a model server to events.

use parlor_agent::model::{AnswerDecoder, ModelApi, ModelEvent};
use serde_json::Value;

use crate::bytes::Choices;

/// What a decoder gives for some chunks, as text.
fn decode<'a>(api: ModelApi, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut decoder = AnswerDecoder::new(api);
    let mut events = Vec::new();
    let mut over = false;
    let mut take = |decoder: &mut AnswerDecoder| {
        while let Some(event) = decoder.next_event() {
            assert!(!over, "{event:?} comes after the end");
            over = !matches!(event, Ok(ref event) if !matches!(event, ModelEvent::Done { .. }));
            // Pieces of text may come in one event or in two.
            match (&event, events.last_mut()) {
                (Ok(ModelEvent::TextDelta(delta)), Some((true, text))) => push(text, delta),
                (Ok(ModelEvent::TextDelta(delta)), _) => events.push((true, delta.clone())),
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
    assert!(decoder.is_over(), "a stream that has ended is over");
    events.into_iter().map(|(_, text)| text).collect()
}

fn push(text: &mut String, delta: &str) {
    text.push_str(delta);
}

/// Whatever a server sends is decoded to events and one end; how it is cut into chunks does not
/// matter, and an answer of the same bytes in one document does not panic either.
pub fn model_stream(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let api = choices.one_of(&[ModelApi::Responses, ModelApi::ChatCompletions]);
    let size = choices.below(64) + 1;
    let stream = choices.rest();
    let whole = decode(api, std::iter::once(stream));
    assert_eq!(whole, decode(api, stream.chunks(size)), "in chunks of {size}");
    assert_eq!(whole, decode(api, stream.chunks(1)), "byte by byte");
    if let Ok(answer) = serde_json::from_slice::<Value>(stream) {
        let mut decoder = AnswerDecoder::new(api);
        if decoder.whole(&answer).is_ok() {
            while let Some(event) = decoder.next_event() {
                assert!(event.is_ok(), "{event:?}");
            }
        }
    }
}
