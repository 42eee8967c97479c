//! Answers without a model: quotations from the documents, which say that they are that.

use std::collections::HashSet;

use parlor_search::Passage;

use crate::citations::significant_words;
use crate::search_tool::heading;

/// How many passages are quoted.
pub const QUOTED_PASSAGES: usize = 3;

/// What an answer begins with.
pub const INTRODUCTION: &str = "No language model is set up here, so nothing is written for you. \
These passages of the documents fit your question best:";

/// What is said when nothing fits.
pub const NOTHING_FOUND: &str = "I found nothing about that in the documents. No language model \
is set up here, so I can only quote them word for word.\n\nIt may help to\n\n- use the words that \
the documents use, for example the name of a setting or a command,\n- ask about one thing at a \
time,\n- look for a more general term.";

/// What is said when there are no documents either.
pub const NO_DOCUMENTS: &str = "Neither a language model nor documents to quote from are set up \
here, so I cannot answer. The operator of this chat has to set up one of them.";

/// What is said when the search does not work.
pub const SEARCH_FAILED: &str = "The documents cannot be searched at the moment, and no language \
model is set up here. Please try again later.";

/// Aim for quotations of at most so many characters.
const QUOTE_CHARS: usize = 600;

/// A code block is kept whole up to this length.
const CODE_CHARS: usize = 2_000;

/// The words to search for. A short question, or one that begins with or leans on a pronoun, is
/// about what was asked before, so the earlier question's words go along.
pub fn search_query(question: &str, earlier: &[&str]) -> String {
    const LEANING: [&str; 16] = [
        "it", "its", "that", "this", "those", "these", "they", "them", "there", "he", "she", "one",
        "ones", "same", "else", "again",
    ];
    let words: Vec<String> = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let continues =
        words.first().is_some_and(|word| word == "and" || word == "or" || word == "but")
            || question.to_lowercase().starts_with("what about");
    let leans = words.iter().any(|word| LEANING.contains(&word.as_str()));
    let short = significant_words(question).len() <= 1;
    match earlier.last() {
        Some(before) if continues || leans || short => format!("{question} {before}"),
        _ => question.to_owned(),
    }
}

/// One quotation, as Markdown. The citation belongs behind it.
pub fn quotation(passage: &Passage, question: &str) -> String {
    let mut text = format!("**{}**\n\n", heading(passage).replace('*', "\\*"));
    let excerpt = excerpt(&passage.text, question);
    for (at, line) in excerpt.lines().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.push_str(if line.is_empty() { ">" } else { "> " });
        text.push_str(line);
    }
    text
}

/// The part of a passage that fits the question best: whole blocks, the last one whole sentences.
fn excerpt(text: &str, question: &str) -> String {
    let blocks = blocks(text);
    let asked = significant_words(question);
    let fits = |block: &str| -> usize {
        let words: HashSet<String> = significant_words(block);
        words.iter().filter(|word| asked.contains(*word)).count()
    };
    let mut start = 0;
    for (at, block) in blocks.iter().enumerate() {
        if fits(block) > fits(blocks[start]) {
            start = at;
        }
    }
    // Code is understood by the sentence before it.
    if start > 0 && is_code(blocks[start]) {
        start -= 1;
    }
    let mut excerpt = String::new();
    let mut chars = 0;
    for block in &blocks[start.min(blocks.len())..] {
        let length = block.chars().count();
        let limit = if is_code(block) { CODE_CHARS } else { QUOTE_CHARS };
        if !excerpt.is_empty() {
            if chars + length > limit {
                break;
            }
            excerpt.push_str("\n\n");
        }
        if length <= limit {
            excerpt.push_str(block);
        } else if is_code(block) {
            excerpt.push_str(&shortened_code(block));
        } else {
            excerpt.push_str(&sentences(block, limit));
        }
        chars += length;
    }
    excerpt
}

fn is_code(block: &str) -> bool {
    let block = block.trim_start();
    block.starts_with("```") || block.starts_with("~~~")
}

/// Paragraphs and code blocks.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut start = None;
    let mut fence: Option<&str> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        match fence {
            Some(open) => {
                if trimmed.starts_with(open) {
                    fence = None;
                }
            }
            None => {
                let opens = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
                // A code block is a block of its own, also without an empty line before it.
                if (trimmed.is_empty() || opens.is_some())
                    && let Some(from) = start.take()
                {
                    blocks.push(text[from..at].trim_end());
                }
                fence = opens;
            }
        }
        if !trimmed.is_empty() && start.is_none() {
            start = Some(at);
        }
        at += line.len();
        let closed = fence.is_none() && (trimmed.starts_with("```") || trimmed.starts_with("~~~"));
        if closed && let Some(from) = start.take() {
            blocks.push(text[from..at].trim_end());
        }
    }
    if let Some(from) = start {
        blocks.push(text[from..].trim_end());
    }
    blocks
}

/// As many whole sentences as fit; at least a part of the first one.
fn sentences(block: &str, limit: usize) -> String {
    let cut = block.char_indices().nth(limit).map_or(block.len(), |(at, _)| at);
    let head = &block[..cut];
    let mut end = None;
    for (at, c) in head.char_indices() {
        let after = at + c.len_utf8();
        let ends = matches!(c, '.' | '!' | '?') && block[after..].starts_with([' ', '\n'])
            || matches!(c, '。' | '！' | '？');
        if ends {
            end = Some(after);
        }
    }
    let end = end.or_else(|| head.rfind(char::is_whitespace)).unwrap_or(cut);
    format!("{} …", block[..end].trim_end())
}

/// The beginning of a code block, with its fence closed.
fn shortened_code(block: &str) -> String {
    let fence: String = block.trim_start().chars().take_while(|c| matches!(c, '`' | '~')).collect();
    let mut text = String::new();
    let mut chars = 0;
    for line in block.lines() {
        chars += line.chars().count() + 1;
        if chars > CODE_CHARS {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("…\n");
    text.push_str(&fence);
    text
}

#[cfg(test)]
mod tests {
    use parlor_search::Neighbours;

    use super::*;

    fn passage(text: &str) -> Passage {
        Passage {
            id: 1,
            document_title: "Guide".into(),
            breadcrumbs: vec!["Guide".into(), "Install".into()],
            url: "/guide#install".into(),
            text: text.into(),
            description: None,
            score: 1.0,
            neighbours: Neighbours::default(),
        }
    }

    #[test]
    fn a_quotation_is_marked_as_one() {
        let text = "First run this:\n```sh\nmake install\n\nmake test\n```\nThen wait.";
        insta::assert_snapshot!(quotation(&passage(text), "install"), @"
        **Guide › Install**

        > First run this:
        >
        > ```sh
        > make install
        >
        > make test
        > ```
        >
        > Then wait.
        ");
    }

    #[test]
    fn it_begins_where_the_question_is_answered() {
        let filler = "Nothing to see here, only butterflies. ".repeat(20);
        let text = format!("{filler}\n\nThe port is set with PARLOR_LISTEN.\n\nMore.");
        let quoted = quotation(&passage(&text), "Which port does it listen on?");
        assert!(quoted.contains("> The port is set with PARLOR_LISTEN."), "{quoted}");
        assert!(!quoted.contains("butterflies"), "{quoted}");
    }

    #[test]
    fn long_prose_is_cut_between_sentences() {
        let text = "A sentence of some length stands here. ".repeat(40);
        let excerpt = excerpt(&text, "");
        assert!(excerpt.ends_with("here. …"), "{excerpt}");
        assert!(excerpt.chars().count() <= QUOTE_CHARS + 2);
        let endless = "字".repeat(2_000);
        assert!(sentences(&endless, QUOTE_CHARS).chars().count() <= QUOTE_CHARS + 2);
    }

    #[test]
    fn long_code_is_cut_and_its_fence_closed() {
        let code = format!("````rust\n{}````", "let x = 1;\n".repeat(1_000));
        let excerpt = excerpt(&code, "");
        assert!(excerpt.ends_with("\n…\n````"), "{excerpt}");
        assert!(excerpt.chars().count() < CODE_CHARS + 20);
    }

    #[test]
    fn a_follow_up_takes_the_earlier_question_along() {
        let earlier = ["How do I install the server?"];
        for (question, leans) in [
            ("And on Windows?", true),
            ("How long does it take?", true),
            ("Why?", true),
            ("What about macOS users?", true),
            ("Which settings does the database have?", false),
        ] {
            let query = search_query(question, &earlier);
            assert_eq!(query.contains("install the server"), leans, "{query}");
            assert!(query.starts_with(question));
        }
        assert_eq!(search_query("And on Windows?", &[]), "And on Windows?");
    }
}
