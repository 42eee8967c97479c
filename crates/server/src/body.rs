//! Request bodies: how much is read of them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::StatusCode,
};
use bytes::BytesMut;
use futures::StreamExt as _;
use memchr::memchr2;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::{config, error::ApiError};

/// Recordings that are larger than other requests may be, held in memory at once. Each costs up to
/// three times its size while it is read, decoded and sent on.
const LARGE_AT_ONCE: usize = 8;

/// How long such a recording waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// How long such a recording may take to arrive. At the default limits that asks for 2 Mbit/s of
/// the longest ones.
const LARGE_READ: Duration = Duration::from_secs(60);

/// The one operation that may be larger than the others.
const TRANSCRIBE: &[u8] = b"input.transcribe";

/// How large requests may be.
#[derive(Debug)]
pub(crate) struct BodyLimits {
    /// Bytes of any request but a recording's.
    request: usize,
    /// Bytes of a request with a recording.
    recording: usize,
    large: Arc<Semaphore>,
}

/// A body, and its place among the large ones for as long as it is in memory.
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

impl BodyLimits {
    pub(crate) fn new(limits: &config::Limits) -> Self {
        // Base64 is four characters for three bytes; what stands around it is as long as any
        // other request.
        let base64 = limits.audio_bytes.div_ceil(3).saturating_mul(4);
        Self {
            request: limits.body_bytes,
            recording: base64.saturating_add(limits.body_bytes),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }

    /// Reads a body.
    ///
    /// A recording is the only request that may be larger than `limits.body_bytes`, and what a
    /// request is for stands in its body. So that much is read first; whatever says then that it
    /// is something else is refused, and the rest is read for few requests at a time.
    pub(crate) async fn read(&self, body: Body) -> Result<ReadBody, ApiError> {
        // What says that it is too large for anything is not read at all.
        if body.size_hint().lower() > self.recording as u64 {
            return Err(self.too_large());
        }
        let mut stream = body.into_data_stream();
        let mut read = BytesMut::new();
        let mut large: Option<(OwnedSemaphorePermit, Instant)> = None;
        loop {
            let next = match &large {
                None => stream.next().await,
                Some((_, until)) => {
                    timeout_at(*until, stream.next()).await.map_err(|_| too_slow())?
                }
            };
            let Some(chunk) = next else { break };
            let chunk = chunk.map_err(|_| incomplete())?;
            if read.len() + chunk.len() > self.recording {
                return Err(self.too_large());
            }
            read.extend_from_slice(&chunk);
            if read.len() > self.request && large.is_none() {
                if !matches!(operation_of(&read), Named::NotYet | Named::As(TRANSCRIBE)) {
                    return Err(self.too_large());
                }
                large = Some((self.place().await?, Instant::now() + LARGE_READ));
            }
        }
        if large.is_some() && operation_of(&read) != Named::As(TRANSCRIBE) {
            return Err(self.too_large());
        }
        Ok(ReadBody { bytes: read.freeze(), _place: large.map(|(place, _)| place) })
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = timeout(TURN_WAIT, Arc::clone(&self.large).acquire_owned()).await;
        match place {
            Ok(Ok(place)) => Ok(place),
            _ => Err(ApiError::unavailable(
                "unavailable",
                "too many long recordings at the moment; try again in a few seconds",
                5,
            )),
        }
    }

    fn too_large(&self) -> ApiError {
        let Self { request, recording, .. } = self;
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!(
                "the request is larger than {request} bytes ({recording} bytes for a recording \
                 that is to be transcribed)"
            ),
        )
    }
}

fn incomplete() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "incomplete_body",
        "the connection ended before the whole request had come",
    )
}

fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        format!("the recording had not come after {} seconds", LARGE_READ.as_secs()),
    )
}

/// What the beginning of a request says of its operation.
#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    /// This, as it is written in the JSON.
    As(&'a [u8]),
    /// It ends before it is said.
    NotYet,
    /// It is no object, or one without a `type`.
    Nothing,
}

/// Finds the `type` of a request that may be cut off anywhere, without parsing what stands around
/// it. What it finds is only used to refuse: whether a request is one is decided by the parser.
fn operation_of(json: &[u8]) -> Named<'_> {
    let (mut at, mut depth) = (0, 0_usize);
    let mut key: Option<&[u8]> = None;
    let mut key_follows = false;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(json, at + 1) else { return Named::NotYet };
                let text = &json[at + 1..end];
                if depth == 1 && key_follows {
                    key = Some(text);
                    key_follows = false;
                } else if depth == 1 && key == Some(b"type") {
                    return Named::As(text);
                } else if depth == 0 {
                    return Named::Nothing;
                }
                at = end;
            }
            b'[' if depth == 0 => return Named::Nothing,
            b'{' | b'[' => {
                depth += 1;
                key_follows = depth == 1;
            }
            b'}' | b']' => match depth {
                0 | 1 => return Named::Nothing,
                _ => depth -= 1,
            },
            b',' if depth == 1 => {
                key = None;
                key_follows = true;
            }
            byte if depth == 0 && !byte.is_ascii_whitespace() => return Named::Nothing,
            _ => {}
        }
        at += 1;
    }
    Named::NotYet
}

/// Where the string ends that begins at `at`.
fn string_end(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[found] == b'"' {
            return Some(found);
        }
        // Whatever is escaped is one byte that means nothing to us.
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn limits() -> BodyLimits {
        BodyLimits::new(&config::Limits {
            body_bytes: 1_000,
            audio_bytes: 9_000,
            ..config::Limits::default()
        })
    }

    /// A body that comes in pieces and does not say how long it is.
    fn in_pieces(text: String, size: usize) -> Body {
        let pieces: Vec<_> = text
            .as_bytes()
            .chunks(size)
            .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    fn of_length(operation: &str, length: usize) -> String {
        json!({"type": operation, "params": {"audio_base64": "A".repeat(length)}}).to_string()
    }

    #[tokio::test]
    async fn only_recordings_may_be_larger_than_other_requests() {
        let limits = limits();
        for size in [7, 500, 100_000] {
            let read = async |text: String| {
                let length = text.len();
                match limits.read(in_pieces(text, size)).await {
                    Ok(read) => {
                        assert_eq!(read.bytes.len(), length);
                        true
                    }
                    Err(_) => false,
                }
            };
            assert!(read(of_length("threads.create", 900)).await);
            assert!(!read(of_length("threads.create", 1_000)).await);
            assert!(read(of_length("input.transcribe", 12_000)).await);
            assert!(!read(of_length("input.transcribe", 13_000)).await);
            // The order of the fields is the client's business.
            let audio = "A".repeat(5_000);
            assert!(
                read(format!(r#"{{"params":{{"a":"{audio}"}},"type":"input.transcribe"}}"#)).await
            );
            assert!(
                !read(format!(r#"{{"params":{{"a":"{audio}"}},"type":"threads.list"}}"#)).await
            );
            assert!(!read(format!(r#"["{audio}"]"#)).await);
            assert!(!read(audio).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_recordings_wait_for_their_turn_and_are_told_when_it_does_not_come() {
        let limits = limits();
        let recording = || in_pieces(of_length("input.transcribe", 5_000), 600);
        let mut held = Vec::new();
        for _ in 0..LARGE_AT_ONCE {
            held.push(limits.read(recording()).await.unwrap_or_else(|_| panic!("there is room")));
        }
        assert!(limits.read(recording()).await.is_err());
        // Requests of the usual size do not wait.
        let usual = limits.read(in_pieces(of_length("input.transcribe", 100), 10)).await;
        assert!(usual.is_ok());
        let (read, ()) = tokio::join!(limits.read(recording()), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            held.pop();
        });
        assert!(read.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_recording_that_does_not_come_is_given_up() {
        let limits = limits();
        let start = of_length("input.transcribe", 5_000)[..2_000].to_owned();
        let start = stream::iter([Ok::<_, Infallible>(Bytes::from(start))]);
        let body = Body::from_stream(start.chain(stream::pending()));
        assert!(limits.read(body).await.is_err());
        assert_eq!(limits.large.available_permits(), LARGE_AT_ONCE, "its place is free again");
    }

    #[test]
    fn what_only_looks_like_the_operation_is_not_taken_for_it() {
        let of = |json: &'static str| operation_of(json.as_bytes());
        assert_eq!(of(r#"{"params":{"type":"input.transcribe"},"#), Named::NotYet);
        assert_eq!(of(r#"{"a":"type","b":"x"}"#), Named::Nothing);
        assert_eq!(of(r#"{"a\"type":"x","type":"y""#), Named::As(b"y"));
        assert_eq!(of(r#"{"type":["input.transcribe"],"b":1}"#), Named::Nothing);
        assert_eq!(of(r#"  {"type" : "x"}"#), Named::As(b"x"));
        assert_eq!(of(r#"{"type":"inp"#), Named::NotYet);
        assert_eq!(of("{\"type\":\"a\\"), Named::NotYet);
        assert_eq!(of(""), Named::NotYet);
        assert_eq!(of("}"), Named::Nothing);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            let key = prop_oneof![Just("type".to_owned()), "[a-z\"\\\\{},:]{0,5}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_operation_is_the_one_that_the_parser_sees(
            value in values(), name in "[a-z._]{1,12}", at in 0_usize..5,
        ) {
            let mut fields: Vec<(String, Value)> = match value {
                Value::Object(fields) => fields.into_iter().filter(|(k, _)| k != "type").collect(),
                other => vec![("x".to_owned(), other)],
            };
            fields.insert(at.min(fields.len()), ("type".to_owned(), name.clone().into()));
            let text = Value::Object(fields.into_iter().collect()).to_string();
            prop_assert_eq!(operation_of(text.as_bytes()), Named::As(name.as_bytes()), "{}", text);
            // Cut off anywhere, it is either the same or not known yet.
            for end in 0..text.len() {
                let named = operation_of(&text.as_bytes()[..end]);
                prop_assert!(matches!(named, Named::NotYet) || named == Named::As(name.as_bytes()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = operation_of(&bytes);
        }
    }
}
