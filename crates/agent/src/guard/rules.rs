//! Rules: words, expressions, shapes of secrets, and lengths. Decided here, at once, by nobody else.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// How far back a text is looked at again when it has grown: what is found is at most about so long.
const OVERLAP: usize = 2_048;

/// Memory that one expression may take, in bytes. Time is linear in the text, whatever it says.
const MAX_EXPRESSION: usize = 2 * 1024 * 1024;

/// Things that have a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Keys and tokens of well-known services, private keys, signed tokens.
    Secrets,
    /// Numbers of payment cards, with a right check digit.
    CardNumbers,
    /// Mail addresses.
    EmailAddresses,
    /// International bank account numbers, with right check digits.
    BankAccounts,
}

impl Preset {
    /// What stands in a text in the place of one.
    fn placeholder(self) -> &'static str {
        match self {
            Self::Secrets => "[secret]",
            Self::CardNumbers => "[card number]",
            Self::EmailAddresses => "[mail address]",
            Self::BankAccounts => "[bank account]",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::CardNumbers => "card_numbers",
            Self::EmailAddresses => "email_addresses",
            Self::BankAccounts => "bank_accounts",
        }
    }

    fn expression(self) -> &'static Regex {
        static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
            known(concat!(
                r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----",
                r"|\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|svcacct|or)?[-_A-Za-z0-9]{20,200}",
                r"|\bgh[pousr]_[A-Za-z0-9]{36,255}|\bgithub_pat_[A-Za-z0-9_]{22,255}",
                r"|\bglpat-[A-Za-z0-9_-]{20,64}|\bxox[abprs]-[A-Za-z0-9-]{10,200}",
                r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}|\bhf_[A-Za-z0-9]{30,64}",
                r"|\bSG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}",
                r"|\beyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,1500}\.[A-Za-z0-9_-]{10,500}",
            ))
        });
        static CARDS: LazyLock<Regex> = LazyLock::new(|| known(r"\b[0-9](?:[ -]?[0-9]){12,18}\b"));
        static EMAILS: LazyLock<Regex> = LazyLock::new(|| {
            known(r"(?i)\b[a-z0-9._%+'-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}\b")
        });
        static ACCOUNTS: LazyLock<Regex> =
            LazyLock::new(|| known(r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,30}\b"));
        match self {
            Self::Secrets => &SECRETS,
            Self::CardNumbers => &CARDS,
            Self::EmailAddresses => &EMAILS,
            Self::BankAccounts => &ACCOUNTS,
        }
    }

    /// Whether what has the shape is one. How much of it is, from its beginning.
    fn is_one(self, found: &str) -> Option<usize> {
        match self {
            Self::Secrets | Self::EmailAddresses => Some(found.len()),
            // What follows one looks like more of it.
            Self::CardNumbers | Self::BankAccounts => {
                let is_end = |end: &usize| {
                    let next = found[*end..].chars().next();
                    !next.is_some_and(char::is_alphanumeric)
                };
                let ends = found.char_indices().map(|(at, c)| at + c.len_utf8());
                ends.rev().filter(is_end).find(|&end| match self {
                    Self::CardNumbers => has_check_digit(&found[..end]),
                    _ => is_account(&found[..end]),
                })
            }
        }
    }
}

fn known(expression: &str) -> Regex {
    Regex::new(expression).unwrap_or_else(|error| unreachable!("{expression}: {error}"))
}

/// Luhn's formula.
fn has_check_digit(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, &digit)| match n % 2 {
            0 => digit,
            _ => (digit * 2) / 10 + (digit * 2) % 10,
        })
        .sum();
    // A row of the same digit is no number of a card.
    digits.len() >= 13 && digits.iter().any(|digit| *digit != digits[0]) && sum.is_multiple_of(10)
}

/// ISO 13616: letters are numbers from 10 on, and all of it leaves 1 when divided by 97.
fn is_account(number: &str) -> bool {
    let signs: Vec<char> = number.chars().filter(|c| *c != ' ').collect();
    if !(15..=34).contains(&signs.len()) {
        return false;
    }
    let rest = signs[4..].iter().chain(&signs[..4]).try_fold(0_u32, |rest, sign| {
        let value = sign.to_digit(36)?;
        Some((rest * if value > 9 { 100 } else { 10 } + value) % 97)
    });
    rest == Some(1)
}

/// A rule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The expression is none, or takes too much memory.
    #[error("the pattern `{pattern}` cannot be used: {detail}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Nothing would ever be found.
    #[error("there is no rule: set patterns, words, presets or max_chars")]
    Nothing,
    /// It would find everything.
    #[error("the pattern `{0}` matches the empty text, and so everything")]
    Everything(String),
}

/// Rules about a text.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    expressions: Vec<Regex>,
    presets: Vec<Preset>,
    max_chars: Option<usize>,
}

/// What a rule has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Number of the expression, in order; words are the last one.
    Expression(usize),
    Preset(Preset),
    TooLong,
}

impl Found {
    /// For the log: what kind of rule, and no word of the text.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Expression(n) => format!("pattern {}", n + 1),
            Self::Preset(preset) => preset.name().to_owned(),
            Self::TooLong => "max_chars".to_owned(),
        }
    }
}

impl Rules {
    /// Rules of these expressions (the syntax of the crate `regex`), words (whole ones, however they
    /// are written), shapes, and a longest text.
    ///
    /// # Errors
    ///
    /// When an expression cannot be used, or there is nothing to find.
    pub fn new(
        patterns: &[String],
        words: &[String],
        presets: &[Preset],
        max_chars: Option<usize>,
    ) -> Result<Self, RuleError> {
        let mut expressions = Vec::new();
        for pattern in patterns {
            expressions.push(compiled(pattern)?);
        }
        let words: Vec<String> = words
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty())
            .map(|word| {
                // A boundary stands only beside letters and digits.
                let at = |c: Option<char>| match c.is_some_and(|c| c.is_alphanumeric() || c == '_')
                {
                    true => r"\b",
                    false => "",
                };
                let (first, last) = (at(word.chars().next()), at(word.chars().next_back()));
                format!("{first}{}{last}", regex::escape(word).replace(' ', r"\s+"))
            })
            .collect();
        if !words.is_empty() {
            expressions.push(compiled(&format!("(?i)(?:{})", words.join("|")))?);
        }
        if expressions.is_empty() && presets.is_empty() && max_chars.is_none() {
            return Err(RuleError::Nothing);
        }
        Ok(Self { expressions, presets: presets.to_vec(), max_chars })
    }

    /// Looks at a text of which the first `seen` bytes were looked at before. While more may follow,
    /// what reaches its end is nothing yet: it may be the beginning of something else.
    pub(crate) fn find(&self, text: &str, seen: usize, is_whole: bool) -> Option<Found> {
        if self.max_chars.is_some_and(|max| text.len() > max && text.chars().count() > max) {
            return Some(Found::TooLong);
        }
        let mut from = seen.saturating_sub(OVERLAP);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let counts = |end: usize| is_whole || end < text.len();
        for (n, expression) in self.expressions.iter().enumerate() {
            // From there on, but in its context: the beginning of the part is none of a word.
            if let Some(found) = expression.find_at(text, from)
                && counts(found.end())
            {
                return Some(Found::Expression(n));
            }
        }
        self.presets.iter().copied().find_map(|preset| {
            let mut at = from;
            while let Some(found) = preset.expression().find_at(text, at) {
                if let Some(length) = preset.is_one(found.as_str())
                    && (counts(found.start() + length) || length > OVERLAP)
                {
                    return Some(Found::Preset(preset));
                }
                // One that is none may begin inside of it: `1 4111 1111 1111 1111`.
                at = after_first(text, found.start());
            }
            None
        })
    }

    /// The text with a placeholder for everything that was found. Lengths stay.
    pub(crate) fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for preset in &self.presets {
            let mut clean = String::new();
            let (mut kept, mut at) = (0, 0);
            while let Some(found) = preset.expression().find_at(&text, at) {
                at = match preset.is_one(found.as_str()) {
                    Some(length) => {
                        clean.push_str(&text[kept..found.start()]);
                        clean.push_str(preset.placeholder());
                        kept = found.start() + length;
                        kept
                    }
                    None => after_first(&text, found.start()),
                };
            }
            if kept > 0 {
                clean.push_str(&text[kept..]);
                text = Cow::Owned(clean);
            }
        }
        for expression in &self.expressions {
            if let Cow::Owned(clean) = expression.replace_all(&text, "[removed]") {
                text = Cow::Owned(clean);
            }
        }
        text
    }
}

fn after_first(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(1, char::len_utf8)
}

fn compiled(pattern: &str) -> Result<Regex, RuleError> {
    let expression =
        RegexBuilder::new(pattern).size_limit(MAX_EXPRESSION).build().map_err(|error| {
            RuleError::Pattern {
                pattern: pattern.to_owned(),
                // The last line says what is wrong, those before it where.
                detail: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
            }
        })?;
    match expression.is_match("") {
        true => Err(RuleError::Everything(pattern.to_owned())),
        false => Ok(expression),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&str]) -> Rules {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Rules::new(&[], &words, &[], None).unwrap()
    }

    fn preset(preset: Preset) -> Rules {
        Rules::new(&[], &[], &[preset], None).unwrap()
    }

    /// Whether a text trips, given in these pieces.
    fn trips_in_pieces(rules: &Rules, pieces: &[&str]) -> bool {
        let mut text = String::new();
        for piece in pieces {
            let seen = text.len();
            text.push_str(piece);
            if rules.find(&text, seen, false).is_some() {
                return true;
            }
        }
        rules.find(&text, text.len(), true).is_some()
    }

    #[test]
    fn words_are_whole_ones_however_they_are_written() {
        let rules = words(&["ass", "Project X", "c++"]);
        for text in ["an ass", "ASS!", "project\n x is", "we use C++."] {
            assert!(rules.find(text, 0, true).is_some(), "{text}");
        }
        for text in ["class assets", "projects x", "c+"] {
            assert_eq!(rules.find(text, 0, true), None, "{text}");
        }
    }

    #[test]
    fn a_word_that_may_go_on_is_none_yet() {
        let rules = words(&["ass"]);
        assert!(!trips_in_pieces(&rules, &["an ", "ass", "et of cl", "ass", "es"]));
        assert!(trips_in_pieces(&rules, &["an as", "s", " of"]));
        assert!(trips_in_pieces(&rules, &["an ass"]));
    }

    #[test]
    fn shapes_are_found_and_what_only_looks_like_them_is_not() {
        for (shape, found, none) in [
            (
                Preset::CardNumbers,
                vec![
                    "4111 1111 1111 1111",
                    "card 5500-0000-0000-0004.",
                    "1 4111111111111111",
                    "4111 1111 1111 1111 20 24",
                ],
                vec!["4111 1111 1111 1112", "0000 0000 0000 0000", "order 12345678"],
            ),
            (
                Preset::EmailAddresses,
                vec!["write to ada@example.com!", "A.B+c@mail.example.co.uk"],
                vec!["ada@localhost", "@handle", "a @ b.c"],
            ),
            (
                Preset::BankAccounts,
                vec!["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432 please"],
                vec!["DE89 3704 0044 0532 0130 01", "AB12 words of a sentence follow"],
            ),
            (
                Preset::Secrets,
                vec![
                    "sk-proj-abcdefghijklmnopqrstuvwxyz123456",
                    "key AKIAIOSFODNN7EXAMPLE.",
                    "-----BEGIN RSA PRIVATE KEY-----",
                    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
                ],
                vec!["sk-short", "skeleton-key", "-----BEGIN CERTIFICATE-----", "AKIA"],
            ),
        ] {
            let rules = preset(shape);
            for text in found {
                assert_eq!(rules.find(text, 0, true), Some(Found::Preset(shape)), "{text}");
                assert!(rules.redacted(text).contains(shape.placeholder()), "{text}");
            }
            for text in none {
                assert_eq!(rules.find(text, 0, true), None, "{text}");
                assert_eq!(rules.redacted(text), text);
            }
        }
    }

    #[test]
    fn what_surrounds_a_thing_stays_when_it_is_redacted() {
        let rules = Rules::new(
            &["(?i)project \\w+".into()],
            &[],
            &[Preset::EmailAddresses, Preset::CardNumbers],
            None,
        )
        .unwrap();
        assert_eq!(
            rules.redacted("I am a@b.example, card 4111 1111 1111 1111, of Project Ash, é."),
            "I am [mail address], card [card number], of [removed], é."
        );
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let rules = Rules::new(&[], &[], &[], Some(3)).unwrap();
        assert_eq!(rules.find("äöü", 0, true), None);
        assert_eq!(rules.find("äöüx", 0, false), Some(Found::TooLong));
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        let error = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
            Rules::new(&patterns, &[], &[], None).unwrap_err().to_string()
        };
        assert!(error(&["("]).contains("`(`"), "{}", error(&["("]));
        assert!(error(&["a*"]).contains("everything"));
        assert!(error(&["(\\w{1000}){1000}"]).contains("cannot be used"));
        assert!(error(&[]).contains("patterns, words, presets or max_chars"));
    }

    #[test]
    fn a_hostile_text_takes_no_time() {
        let rules = Rules::new(
            &["(a+)+$x".into()],
            &["word".into()],
            &[Preset::Secrets, Preset::CardNumbers, Preset::EmailAddresses, Preset::BankAccounts],
            None,
        )
        .unwrap();
        for text in ["a".repeat(50_000), "1 ".repeat(25_000), "a@".repeat(25_000)] {
            assert_eq!(rules.find(&text, 0, true), None);
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_a_text_comes(
            pieces in prop::collection::vec("(bad| |word|4111|1111|-|a@b.example|é|x){0,4}", 0..8),
        ) {
            let rules = Rules::new(
                &[], &["bad".into(), "bad word".into()],
                &[Preset::CardNumbers, Preset::EmailAddresses], None,
            ).unwrap();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let whole = pieces.concat();
            if rules.find(&whole, 0, true).is_some() {
                prop_assert!(trips_in_pieces(&rules, &pieces), "{whole}");
            }
        }
    }
}
