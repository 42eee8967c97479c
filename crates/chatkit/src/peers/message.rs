//! What processes say to each other: a line of JSON, and behind it what is no JSON.
//!
//! Processes of different versions may meet while servers are replaced one at a time. What is not
//! understood is passed over, as if it had got lost.

use bytes::Bytes;
use parlor_protocol::{ThreadId, TurnId};
use serde::{Deserialize, Serialize};

use crate::{Owner, TenantId, TurnKey, TurnState, UserId};

/// A turn of somebody's, as a message names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    tenant: String,
    user: String,
    thread: ThreadId,
    turn: TurnId,
}

impl Subject {
    pub(super) fn new(owner: &Owner, key: &TurnKey) -> Self {
        Self {
            tenant: owner.tenant().as_str().to_owned(),
            user: owner.user().as_str().to_owned(),
            thread: key.thread_id.clone(),
            turn: key.turn_id.clone(),
        }
    }

    /// Whose turn, and which. The sender has authenticated the owner of its request; what it
    /// says is authentic because [`Peers`](super::Peers) is.
    pub(super) fn place(&self) -> (Owner, TurnKey) {
        let owner = Owner::authenticated(
            TenantId::new(self.tenant.as_str()),
            UserId::new(self.user.as_str()),
        );
        (owner, TurnKey { turn_id: self.turn.clone(), thread_id: self.thread.clone() })
    }
}

/// What the holder of a turn is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// End it: its user wants it stopped.
    Stop,
    /// End it, unless somebody follows it: there is a new message.
    Yield,
    /// End it: its thread is gone.
    Drop,
    /// Are its events there?
    Have,
}

/// What the holder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It has ended, as this.
    Ended(#[serde(with = "state")] TurnState),
    /// It runs, and somebody follows it.
    Followed,
    /// Its events are there.
    Here,
    /// The holder knows nothing of it.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Message {
    /// `number` is the asker's, for the answer.
    Ask {
        number: u64,
        from: String,
        question: Question,
        about: Subject,
    },
    Answer {
        number: u64,
        answer: Answer,
    },
    /// The receiver is to send the events behind number `after`. Said again with the same
    /// `attempt`, it says that those up to `after` have come; with a higher one, that some are
    /// missing.
    Follow {
        number: u64,
        from: String,
        about: Subject,
        attempt: u32,
        after: u64,
    },
    Leave {
        number: u64,
        from: String,
    },
    /// The events behind number `after`, in the body; none to say that there are none.
    Frames {
        number: u64,
        attempt: u32,
        after: u64,
    },
    /// The turn has ended with event number `last`.
    End {
        number: u64,
        attempt: u32,
        last: u64,
        #[serde(with = "state")]
        state: TurnState,
    },
    /// The receiver of [`Follow`](Self::Follow) knows nothing of the turn.
    Unknown {
        number: u64,
        attempt: u32,
    },
}

mod state {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::TurnState;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(state: &TurnState, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TurnState, D::Error> {
        let name = String::deserialize(from)?;
        TurnState::from_name(&name).ok_or_else(|| D::Error::custom("no state of a turn"))
    }
}

impl Message {
    pub(super) fn to_bytes(&self, body: &[u8]) -> Bytes {
        // Nothing in it can fail to be written.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        bytes.into()
    }

    pub(super) fn from_bytes(bytes: &Bytes) -> Result<(Self, Bytes), serde_json::Error> {
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let message = serde_json::from_slice(&bytes[..line])?;
        Ok((message, bytes.slice((line + 1).min(bytes.len())..)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_out_as_they_were_put_in() {
        let owner = Owner::authenticated(TenantId::new("t\n1"), UserId::new("ädа\0"));
        let key = TurnKey { turn_id: "trn_1".into(), thread_id: "thr_1".into() };
        let about = Subject::new(&owner, &key);
        assert_eq!(about.place(), (owner, key));
        let (number, attempt, from) = (7, 2, "ins_1".to_owned());
        let mut messages = vec![
            Message::Follow {
                number,
                from: from.clone(),
                about: about.clone(),
                attempt,
                after: u64::MAX,
            },
            Message::Leave { number, from: from.clone() },
            Message::Frames { number, attempt, after: 3 },
            Message::End { number, attempt, last: 9, state: TurnState::Stopped },
            Message::Unknown { number, attempt },
        ];
        for question in [Question::Stop, Question::Yield, Question::Drop, Question::Have] {
            let (from, about) = (from.clone(), about.clone());
            messages.push(Message::Ask { number, from, question, about });
        }
        for answer in
            [Answer::Ended(TurnState::Done), Answer::Followed, Answer::Here, Answer::Unknown]
        {
            messages.push(Message::Answer { number, answer });
        }
        for message in messages {
            for body in [&b""[..], b"id: 1\ndata: {}\n\n", b"\n\n\n"] {
                let bytes = message.to_bytes(body);
                let (read, rest) = Message::from_bytes(&bytes).unwrap();
                assert_eq!((read, &rest[..]), (message.clone(), body));
            }
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Message::from_bytes(&bytes.into());
        }
    }
}
