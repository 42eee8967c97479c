//! Words as PostgreSQL's full-text search takes them: the same ones that FTS5 finds in the index in SQLite, made here and
//! not by the database, whose parsers go by its locale and its dictionaries and take `threads.create` for a host.
//!
//! A word is a run of letters, digits and the marks that combine with them, in small letters, without accents, as its
//! English stem. So nothing that would have to be quoted gets into a `tsvector` or a `tsquery`.

use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::{
    document::Words,
    query::{Term, is_word_char},
    stem::stem,
};

/// Longest word, in characters. Queries cut theirs at the same length.
const MAX_WORD_CHARS: usize = 64;
/// The last place that PostgreSQL tells from the one before.
const MAX_PLACE: u16 = 16_383;
/// So many places of a word are kept; what is said a hundred times is said.
const MAX_PLACES: usize = 100;
/// A `tsvector` has less than a megabyte. The words behind that, of a log file of many megabytes that is one code
/// block, are not found.
const MAX_BYTES: usize = 900_000;
/// Begins a word that stands in a title or a heading.
const IN_HEADING: char = '#';

/// What `ts_rank` gives for one word that stands once, is its weight divided by this.
const ONE_OCCURRENCE: f64 = 1.644_934_066_85;
/// The weight of a word in a title, in those of words in the text.
const TITLE: f64 = 6.0;

/// The words of a passage, as the text of a `tsvector`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lexemes {
    pub(crate) vector: String,
    /// How many words the passage has.
    pub(crate) length: i32,
}

impl Lexemes {
    pub(crate) fn of(words: &Words) -> Self {
        let mut places: HashMap<String, Vec<String>> = HashMap::new();
        let mut bytes = 0;
        let mut length = 0;
        let mut place = 0_u16;
        let fields = [
            (&*words.title, "A", true),
            (&*words.headings, "B", true),
            (&*words.body, "", false),
            (&*words.parts, "C", false),
        ];
        for (text, weight, is_heading) in fields {
            for word in split(text).filter_map(normal) {
                length += 1;
                place = place.saturating_add(1).min(MAX_PLACE);
                let mut put = |word: String, weight: &str| {
                    if bytes > MAX_BYTES {
                        return;
                    }
                    let known = places.entry(word.clone()).or_default();
                    if known.is_empty() {
                        bytes += word.len() + 8;
                    }
                    if known.len() < MAX_PLACES {
                        bytes += 2;
                        known.push(format!("{place}{weight}"));
                    }
                };
                if is_heading {
                    put(format!("{IN_HEADING}{word}"), "");
                }
                put(word, weight);
            }
            // No phrase goes over from one to the next.
            place = place.saturating_add(8).min(MAX_PLACE);
        }
        let mut vector = String::new();
        for (word, places) in places {
            vector.push_str(&format!("'{word}':{} ", places.join(",")));
        }
        Self { vector, length }
    }
}

/// A term as a `tsquery`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) query: String,
    /// The same in titles and headings only.
    pub(crate) in_heading: String,
    is_phrase: bool,
}

impl Expression {
    /// None for a term that is nothing but accents.
    pub(crate) fn of(term: &Term) -> Option<Self> {
        let quoted = |before: &str, words: &[String], after: &str| {
            let words: Vec<String> =
                words.iter().map(|word| format!("'{before}{word}'{after}")).collect();
            format!("({})", words.join(" <-> "))
        };
        let (words, after) = match term {
            Term::Word(word) => (vec![normal(word)?], ""),
            Term::Prefix(word) => (vec![normal(word)?], ":*"),
            Term::Phrase(words) => (words.iter().filter_map(|word| normal(word)).collect(), ""),
        };
        if words.is_empty() {
            return None;
        }
        Some(Self {
            query: quoted("", &words, after),
            in_heading: quoted(&IN_HEADING.to_string(), &words, after),
            is_phrase: words.len() > 1,
        })
    }

    /// What `ts_rank` is multiplied with, so that one occurrence in the text is 1. It counts phrases in a way of its own.
    pub(crate) fn scale(&self) -> f64 {
        if self.is_phrase { TITLE } else { TITLE * ONE_OCCURRENCE }
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word_char(c)).filter(|word| !word.is_empty())
}

/// A word as it is kept: without case, accents and English endings.
fn normal(word: &str) -> Option<String> {
    if word.is_ascii() {
        let word = &word[..word.len().min(MAX_WORD_CHARS)];
        return Some(stem(&word.to_ascii_lowercase()));
    }
    let word: String = word
        .chars()
        .take(MAX_WORD_CHARS)
        .flat_map(char::to_lowercase)
        .nfd()
        // The accents of Latin, Greek and Cyrillic, and no marks that are letters elsewhere.
        .filter(|c| !(is_combining_mark(*c) && ('\u{300}'..='\u{36F}').contains(c)))
        .nfc()
        .collect();
    (!word.is_empty()).then(|| stem(&word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query;

    fn lexemes(title: &str, headings: &str, body: &str) -> Lexemes {
        Lexemes::of(&Words {
            title: title.into(),
            headings: headings.into(),
            body: body.into(),
            parts: String::new(),
        })
    }

    fn sorted(lexemes: &Lexemes) -> Vec<&str> {
        let mut words: Vec<&str> = lexemes.vector.split_whitespace().collect();
        words.sort_unstable();
        words
    }

    #[test]
    fn words_have_places_and_weights() {
        let lexemes = lexemes("Café", "Set up", "Installing cafés: threads.create()");
        assert_eq!(lexemes.length, 7);
        assert_eq!(
            sorted(&lexemes),
            [
                "'#cafe':1",
                "'#set':10",
                "'#up':11",
                "'cafe':1A,21",
                "'creat':23",
                "'instal':20",
                "'set':10B",
                "'thread':22",
                "'up':11B"
            ]
        );
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long: String = (0..400_000).map(|n| format!("w{n} again ")).collect();
        let lexemes = lexemes("T", "", &long);
        assert!(lexemes.vector.len() < 4 * MAX_BYTES, "{}", lexemes.vector.len());
        assert!(lexemes.length > 700_000);
        assert_eq!(normal(&"x".repeat(1_000)).map(|word| word.len()), Some(MAX_WORD_CHARS));
    }

    #[test]
    fn terms_are_looked_for_as_they_are_kept() {
        let expression = |text: &str| {
            let terms = query::terms(text);
            terms.iter().filter_map(Expression::of).map(|e| e.query).collect::<Vec<_>>()
        };
        assert_eq!(expression("Cafés"), ["('cafe')"]);
        assert_eq!(
            expression("threads.create"),
            ["('thread' <-> 'creat')", "('thread')", "('creat')"]
        );
        assert_eq!(expression("猫"), ["('猫':*)"]);
        let term = Term::Phrase(vec!["set".into(), "up".into()]);
        assert_eq!(
            Expression::of(&term).map(|e| e.in_heading).as_deref(),
            Some("('#set' <-> '#up')")
        );
    }

    proptest! {
        #[test]
        fn nothing_needs_quoting(text in any::<String>()) {
            for word in split(&text).filter_map(normal) {
                let plain = word.chars().all(|c| is_word_char(c) || is_combining_mark(c));
                prop_assert!(plain, "{word:?}");
                prop_assert!(!word.is_empty());
            }
        }
    }
}
