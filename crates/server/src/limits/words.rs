//! What users are told of limits.

use parlor_chatkit::protocol::Timestamp;

use super::{Limit, Scope};

/// Seconds up to which a wait is told in seconds, and not as a time of day.
const SOON: u64 = 120;

/// A limit is reached. Nothing is said of how much others use.
pub(super) fn refusal(
    limit: Limit,
    scope: Scope,
    retry_after: u64,
    free_at: Option<Timestamp>,
    now: Timestamp,
) -> String {
    let what = match (limit, scope) {
        (Limit::MessagesPerMinute, Scope::User) => "You are sending messages too fast.",
        (Limit::MessagesPerMinute, Scope::Tenant) => "Too many messages are being sent here.",
        (Limit::MessagesPerMinute, Scope::Address) => {
            "Too many messages are coming from your network."
        }
        (Limit::MessagesPerDay, Scope::User) => {
            "You have sent as many messages as you may in a day."
        }
        (Limit::MessagesPerDay, Scope::Tenant) => {
            "As many messages have been sent here as may be in a day."
        }
        (Limit::MessagesPerDay, Scope::Address) => {
            "As many messages have come from your network as may in a day."
        }
        (Limit::TokensPerDay, Scope::User) => {
            "You have used the assistant as much as you may in a day."
        }
        (Limit::TokensPerDay, Scope::Tenant) => {
            "The assistant has been used here as much as it may in a day."
        }
        (Limit::TokensPerDay, Scope::Address) => {
            "The assistant has been used from your network as much as it may in a day."
        }
        (Limit::RequestsPerMinute, Scope::User) => "You are sending too many requests.",
        (Limit::RequestsPerMinute, Scope::Tenant) => "Too many requests are being sent here.",
        (Limit::RequestsPerMinute, Scope::Address) => {
            "Too many requests are coming from your network."
        }
        (Limit::OpenStreams, Scope::User) => {
            return "Too many of your conversations are being answered at once. Wait for one of the answers to end, or stop it.".to_owned();
        }
        (Limit::OpenStreams, Scope::Tenant) => {
            return "Too many answers are being written here at once. Try again in a moment."
                .to_owned();
        }
        (Limit::OpenStreams, Scope::Address) => {
            return "Too many answers are being written for your network at once. Try again in a moment.".to_owned();
        }
    };
    match free_at {
        Some(free_at) if retry_after > SOON => {
            format!("{what} You can send again {}.", at(free_at, now))
        }
        _ if retry_after == 1 => format!("{what} You can send again in 1 second."),
        _ => format!("{what} You can send again in {retry_after} seconds."),
    }
}

/// A user's limit is near.
pub(super) fn notice(
    limit: Limit,
    left: u64,
    of: u64,
    more_at: Option<Timestamp>,
    now: Timestamp,
) -> String {
    let what = match (limit, left) {
        (Limit::TokensPerDay, _) => {
            let percent = u128::from(left) * 100 / u128::from(of.max(1));
            format!(
                "You have used most of what you may use the assistant for in a day: {percent} % are left."
            )
        }
        (_, 0) => "This is the last message that you may send for now.".to_owned(),
        (_, 1) => "You can send 1 more message for now.".to_owned(),
        (_, left) => format!("You can send {left} more messages for now."),
    };
    match more_at {
        Some(more_at) => format!("{what} There will be more {}.", at(more_at, now)),
        None => what,
    }
}

/// A time of day; with the date if it is another day's.
fn at(time: Timestamp, now: Timestamp) -> String {
    let (time, now) = (time.as_datetime(), now.as_datetime());
    let format = match time.date_naive() == now.date_naive() {
        true => "at %H:%M UTC",
        false => "on %-d %B at %H:%M UTC",
    };
    time.format(format).to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at_second(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000).unwrap()
    }

    #[test]
    fn users_are_told_which_limit_it_is_and_when_it_is_over() {
        let now = at_second(10 * 3_600);
        let in_a_minute = refusal(
            Limit::MessagesPerMinute,
            Scope::User,
            42,
            Some(at_second(10 * 3_600 + 42)),
            now,
        );
        assert_eq!(
            in_a_minute,
            "You are sending messages too fast. You can send again in 42 seconds."
        );
        let today = Some(at_second(14 * 3_600));
        assert_eq!(
            refusal(Limit::MessagesPerDay, Scope::Address, 4 * 3_600, today, now),
            "As many messages have come from your network as may in a day. You can send again at 14:00 UTC."
        );
        let tomorrow = Some(at_second(33 * 3_600));
        assert_eq!(
            refusal(Limit::TokensPerDay, Scope::User, 23 * 3_600, tomorrow, now),
            "You have used the assistant as much as you may in a day. You can send again on 2 January at 09:00 UTC."
        );
        assert_eq!(
            notice(Limit::MessagesPerDay, 3, 10, today, now),
            "You can send 3 more messages for now. There will be more at 14:00 UTC."
        );
        assert_eq!(
            notice(Limit::TokensPerDay, 90, 1_000, None, now),
            "You have used most of what you may use the assistant for in a day: 9 % are left."
        );
    }
}
