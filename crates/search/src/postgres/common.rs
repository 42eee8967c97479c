//! Words that are in very many passages, remembered: only to find that out again takes the index milliseconds for each.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a word is taken to be common. One that is so no longer is ranked a little worse until then.
const REMEMBERED_FOR: Duration = Duration::from_secs(10 * 60);
/// So many words. Not many are common where there are many passages.
const MAX_WORDS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct CommonWords(Mutex<HashMap<String, Instant>>);

impl CommonWords {
    /// Whether a word was common a while ago.
    pub(super) fn is_common(&self, query: &str) -> bool {
        self.words().get(query).is_some_and(|since| since.elapsed() < REMEMBERED_FOR)
    }

    pub(super) fn remember(&self, query: &str) {
        let mut words = self.words();
        if words.len() >= MAX_WORDS {
            words.retain(|_, since| since.elapsed() < REMEMBERED_FOR);
        }
        if words.len() < MAX_WORDS {
            words.insert(query.to_owned(), Instant::now());
        }
    }

    fn words(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_words_are_remembered_than_there_is_room_for() {
        let common = CommonWords::default();
        for n in 0..MAX_WORDS + 10 {
            common.remember(&n.to_string());
        }
        assert!(common.is_common("7") && !common.is_common("other"));
        assert_eq!(common.words().len(), MAX_WORDS);
    }
}
