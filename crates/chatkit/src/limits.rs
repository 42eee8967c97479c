//! How much is too much.

use std::time::Duration;

/// Limits of one server. Everything above them is refused with an error that names the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters of a message's text, all parts together.
    pub message_chars: usize,
    /// Parts of a message.
    pub message_parts: usize,
    /// Characters of a quotation sent along.
    pub quoted_chars: usize,
    /// Characters of a thread's title.
    pub title_chars: usize,
    /// Bytes of the request metadata, as JSON.
    pub metadata_bytes: usize,
    /// Bytes of a recording to be transcribed, decoded.
    pub audio_bytes: usize,
    /// Records on one page; larger wishes get this many.
    pub page_size: u32,
    /// Bytes of one turn's events. A turn that produces more fails.
    pub turn_bytes: usize,
    /// How long a turn may run.
    pub turn_duration: Duration,
    /// How long a running turn waits for a store that does not answer, each time it writes.
    pub store_patience: Duration,
    /// Bytes of ended turns' events kept for clients that lost their connection.
    pub ended_turns_bytes: usize,
    /// How long an ended turn's events are kept for them.
    pub ended_turns_duration: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_chars: 100_000,
            message_parts: 100,
            quoted_chars: 20_000,
            title_chars: 200,
            metadata_bytes: 64 * 1024,
            audio_bytes: 10 * 1024 * 1024,
            page_size: 100,
            turn_bytes: 16 * 1024 * 1024,
            turn_duration: Duration::from_secs(15 * 60),
            store_patience: Duration::from_secs(6),
            ended_turns_bytes: 32 * 1024 * 1024,
            ended_turns_duration: Duration::from_secs(60),
        }
    }
}
