//! From what a person typed to FTS5 query expressions that cannot be malformed.
//!
//! Nothing of the user's punctuation reaches FTS5: the text is cut into words of letters and
//! digits, and each word is quoted.

use crate::words::{is_unspaced, pairs};

/// More words than anybody asks with; the rest of a pasted page adds cost, not precision.
const MAX_TERMS: usize = 32;
/// How much of the query is looked at, in characters.
const MAX_CHARS: usize = 8_192;
/// Longest identifier that is searched as one phrase, in words.
const MAX_PHRASE_WORDS: usize = 8;
/// Longest word sent to FTS5, in characters.
const MAX_WORD_CHARS: usize = 64;

/// One thing to look for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Term {
    Word(String),
    /// Words that must stand side by side: identifiers, runs of unspaced script.
    Phrase(Vec<String>),
    /// The beginning of a word.
    Prefix(String),
}

impl Term {
    /// The term as an FTS5 expression. Words hold letters, marks and digits only, so quoting them is enough.
    pub(crate) fn expression(&self) -> String {
        match self {
            Self::Word(word) => format!("\"{word}\""),
            Self::Phrase(words) => format!("\"{}\"", words.join(" ")),
            Self::Prefix(word) => format!("\"{word}\"*"),
        }
    }
}

/// The same question, asked more loosely: every word may be the beginning of a longer one.
pub(crate) fn loosened(terms: &[Term]) -> Vec<Term> {
    let mut out = Vec::new();
    for term in terms {
        match term {
            Term::Word(word) if word.chars().count() >= 3 => {
                push_new(&mut out, Term::Prefix(word.clone()));
                // A plural or a typing slip at the end still finds the stem.
                let count = word.chars().count();
                if count >= 6 {
                    push_new(&mut out, Term::Prefix(word.chars().take(count - 2).collect()));
                }
            }
            other => push_new(&mut out, other.clone()),
        }
    }
    out
}

/// What to look for in a query, most telling words first come, at most [`MAX_TERMS`].
pub(crate) fn terms(query: &str) -> Vec<Term> {
    let (telling, all) = collect(query);
    if telling.is_empty() { all } else { telling }
}

/// The terms without stop words, and all of them.
fn collect(query: &str) -> (Vec<Term>, Vec<Term>) {
    let mut telling = Vec::new();
    let mut all = Vec::new();
    let end = query.char_indices().nth(MAX_CHARS).map_or(query.len(), |(at, _)| at);
    for chunk in query[..end].split_whitespace() {
        if telling.len() >= MAX_TERMS {
            break;
        }
        let pieces = pieces(chunk);
        for run in pieces.iter().filter(|p| p.unspaced) {
            for term in unspaced_terms(run.text) {
                push_new(&mut telling, term.clone());
                push_new(&mut all, term);
            }
        }
        let words: Vec<String> = pieces
            .iter()
            .filter(|p| !p.unspaced)
            .map(|p| p.text.chars().take(MAX_WORD_CHARS).flat_map(char::to_lowercase).collect())
            .collect();
        // `threads.create` is worth more found as it is than as two words somewhere.
        if (2..=MAX_PHRASE_WORDS).contains(&words.len()) && pieces.len() == words.len() {
            push_new(&mut telling, Term::Phrase(words.clone()));
            push_new(&mut all, Term::Phrase(words.clone()));
        }
        for (n, word) in words.into_iter().enumerate() {
            // The "s" of "user's" and the "t" of "don't".
            let trailing = n > 0 && word.len() <= 2 && word.is_ascii() && !is_number(&word);
            let telling_word = !trailing && !is_stop_word(&word);
            push_new(&mut all, Term::Word(word.clone()));
            if telling_word {
                push_new(&mut telling, Term::Word(word));
            }
        }
    }
    telling.truncate(MAX_TERMS);
    all.truncate(MAX_TERMS);
    (telling, all)
}

fn push_new(terms: &mut Vec<Term>, term: Term) {
    if terms.len() < MAX_TERMS * 2 && !terms.contains(&term) {
        terms.push(term);
    }
}

fn unspaced_terms(run: &str) -> Vec<Term> {
    let pairs = pairs(run);
    match pairs.len() {
        0 => vec![Term::Prefix(run.to_owned())],
        1 => vec![Term::Word(pairs[0].clone())],
        n => {
            let mut terms = Vec::new();
            if n <= MAX_PHRASE_WORDS {
                terms.push(Term::Phrase(pairs.clone()));
            }
            terms.extend(pairs.into_iter().map(Term::Word));
            terms
        }
    }
}

struct Piece<'a> {
    text: &'a str,
    unspaced: bool,
}

/// Runs of letters and digits, cut where a script without spaces begins or ends.
fn pieces(chunk: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut start: Option<(usize, bool)> = None;
    for (at, c) in chunk.char_indices() {
        let kind = is_word_char(c).then(|| is_unspaced(c));
        if let Some((from, unspaced)) = start
            && kind != Some(unspaced)
        {
            pieces.push(Piece { text: &chunk[from..at], unspaced });
            start = None;
        }
        if let (None, Some(unspaced)) = (start, kind) {
            start = Some((at, unspaced));
        }
    }
    if let Some((from, unspaced)) = start {
        pieces.push(Piece { text: &chunk[from..], unspaced });
    }
    pieces
}

/// Letters, digits, and the marks that combine with them.
pub(crate) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '\u{0300}'..='\u{036F}' | '\u{094D}' | '\u{3099}'..='\u{309A}')
}

fn is_number(word: &str) -> bool {
    word.chars().all(char::is_numeric)
}

/// English words that carry the question, not its subject. Only English: in other languages
/// BM25 itself makes words that are everywhere count for little.
fn is_stop_word(word: &str) -> bool {
    const STOP_WORDS: &[&str] = &[
        "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
        "could", "did", "do", "does", "doing", "for", "from", "get", "give", "had", "has", "have",
        "how", "i", "if", "in", "into", "is", "it", "its", "know", "like", "make", "may", "me",
        "my", "need", "of", "on", "or", "our", "please", "should", "show", "so", "some", "such",
        "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
        "those", "to", "us", "use", "using", "want", "was", "way", "we", "were", "what", "when",
        "where", "which", "who", "why", "will", "with", "would", "you", "your",
    ];
    STOP_WORDS.binary_search(&word).is_ok()
        || (word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(query: &str) -> String {
        terms(query).iter().map(Term::expression).collect::<Vec<_>>().join(" OR ")
    }

    #[test]
    fn words_of_a_question_are_dropped_unless_nothing_is_left() {
        assert_eq!(expression("How do I install it on Linux?"), r#""install" OR "linux""#);
        assert_eq!(expression("how to"), r#""how" OR "to""#);
    }

    #[test]
    fn identifiers_are_looked_for_whole_and_in_parts() {
        assert_eq!(expression("threads.create"), r#""threads create" OR "threads" OR "create""#);
        assert_eq!(expression("--listen"), r#""listen""#);
        assert_eq!(expression("kill -9"), r#""kill" OR "9""#);
    }

    #[test]
    fn query_syntax_is_only_text() {
        assert_eq!(
            expression(r#"title:"a" NEAR(b* ^c) AND NOT "; DROP"#),
            r#""title a" OR "title" OR "near b" OR "near" OR "not" OR "drop""#
        );
        assert_eq!(expression("?!… 🎉 \0 -- \" * ^ :"), "");
    }

    #[test]
    fn unspaced_scripts_are_looked_for_as_pairs() {
        assert_eq!(expression("検索"), r#""検索""#);
        assert_eq!(expression("猫"), r#""猫"*"#);
        assert_eq!(
            expression("全文検索とは"),
            r#""全文 文検 検索 索と とは" OR "全文" OR "文検" OR "検索" OR "索と" OR "とは""#
        );
    }

    #[test]
    fn a_pasted_book_becomes_few_terms() {
        let book: String = (0..20_000).map(|n| format!("word{n} ")).collect();
        assert_eq!(terms(&book).len(), MAX_TERMS);
        assert_eq!(terms(&"x".repeat(100_000)).len(), 1);
    }

    #[test]
    fn the_stop_words_are_sorted_for_the_search_in_them() {
        for word in ["a", "how", "your", "the", "please"] {
            assert!(is_stop_word(word), "{word}");
        }
        assert!(!is_stop_word("install"));
    }
}
