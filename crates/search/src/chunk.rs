//! Cutting documents into passages.
//!
//! A passage belongs to one section, so that its anchor is exact; sizes are in characters. Code
//! and tables stay whole up to [`HARD_CAP`]. Only very short subsections (level 3 and deeper) are
//! read together with the section they are in.

use crate::markdown::{self, AnchorRule, BlockKind, Part};

/// Where a passage should end.
pub(crate) const TARGET: usize = 1_200;
/// Where even a code block or a table is cut.
pub(crate) const HARD_CAP: usize = 6_000;
/// Text shorter than this stays with the code or table after it: it is its introduction.
const INTRODUCTION: usize = 300;
/// A subsection shorter than this joins its parent's passage.
const TINY: usize = 200;
/// Headings are repeated in every passage below them, so a "heading" of a megabyte is cut.
const MAX_HEADING: usize = 200;
/// No site has longer anchors; a longer one would be repeated in every URL.
const MAX_ANCHOR: usize = 400;

/// A passage in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The headings above it, outermost first.
    pub(crate) headings: Vec<String>,
    pub(crate) anchor: Option<String>,
    pub(crate) text: String,
}

/// A Markdown document as passages, with its first heading and first paragraph.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    pub(crate) chunks: Vec<Chunk>,
    /// The first heading of level 1.
    pub(crate) title: Option<String>,
    pub(crate) first_paragraph: Option<String>,
}

#[derive(Debug, Clone)]
struct OpenHeading {
    level: u8,
    text: String,
    anchor: Option<String>,
}

/// The passage that the next tiny subsection may join.
struct Joinable {
    level: u8,
    chunk: usize,
    chars: usize,
}

/// Cuts Markdown without front matter.
pub(crate) fn markdown(body: &str, rule: AnchorRule) -> Chunked {
    let mut out = Chunked::default();
    let mut path: Vec<OpenHeading> = Vec::new();
    let mut joinable: Option<Joinable> = None;
    let parts = markdown::parts(body, rule);
    let mut at = 0;
    while at < parts.len() {
        // A section: a heading (none for what stands before the first) and the blocks under it.
        let heading = match &parts[at] {
            Part::Heading { level, text, anchor } => {
                at += 1;
                let first_title = *level == 1 && out.title.is_none();
                if first_title {
                    out.title = Some(text.clone());
                }
                path.retain(|open| open.level < *level);
                path.push(OpenHeading {
                    level: *level,
                    text: markdown::shorten(text, MAX_HEADING),
                    // The title is the page itself: many sites give it no anchor.
                    anchor: anchor.clone().filter(|a| !first_title && a.len() <= MAX_ANCHOR),
                });
                path.last()
            }
            Part::Block { .. } => None,
        };
        let level = heading.map_or(0, |heading| heading.level);
        let from = at;
        while matches!(parts.get(at), Some(Part::Block { .. })) {
            at += 1;
        }
        let blocks: Vec<(BlockKind, &str)> = parts[from..at]
            .iter()
            .filter_map(|part| match part {
                Part::Block { kind, range, paragraph } => {
                    let text = block_text(&body[range.clone()]);
                    if *paragraph && out.first_paragraph.is_none() {
                        let plain = markdown::plain_text(text);
                        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
                        out.first_paragraph = (!plain.is_empty()).then_some(plain);
                    }
                    (!text.trim().is_empty()).then_some((*kind, text))
                }
                Part::Heading { .. } => None,
            })
            .collect();
        let has_children =
            matches!(parts.get(at), Some(Part::Heading { level: next, .. }) if *next > level);
        let mut texts = pack(&blocks);
        if texts.is_empty() {
            // A heading with nothing under it can still be what somebody looks for.
            match heading {
                Some(heading) if !has_children && !heading.text.is_empty() => {
                    texts.push(heading.text.clone());
                }
                _ => {
                    if level <= 2 {
                        joinable = None;
                    }
                    continue;
                }
            }
        }
        if let (Some(heading), Some(parent), [text]) = (heading, &mut joinable, texts.as_slice()) {
            let chars = count(text) + count(&heading.text) + 8;
            if level >= 3
                && parent.level >= 2
                && level > parent.level
                && chars < TINY
                && parent.chars + chars <= TARGET
            {
                let marks = "#".repeat(usize::from(level));
                let joined = &mut out.chunks[parent.chunk].text;
                let body = if *text == heading.text { "" } else { text };
                joined.push_str(&format!("\n\n{marks} {}\n\n{body}", heading.text));
                joined.truncate(joined.trim_end().len());
                parent.chars += chars;
                continue;
            }
        }
        let headings: Vec<String> = path.iter().map(|open| open.text.clone()).collect();
        // A heading without an anchor is found from the one above it.
        let anchor = path.iter().rev().find_map(|open| open.anchor.clone());
        joinable = match texts.as_slice() {
            [text] if level >= 2 => {
                Some(Joinable { level, chunk: out.chunks.len(), chars: count(text) })
            }
            _ => None,
        };
        for text in texts {
            out.chunks.push(Chunk { headings: headings.clone(), anchor: anchor.clone(), text });
        }
    }
    out
}

/// Cuts plain text at its blank lines.
pub(crate) fn plain(text: &str) -> Vec<Chunk> {
    let blocks: Vec<(BlockKind, &str)> = text
        .split("\n\n")
        .map(|block| block.trim_matches('\n'))
        .filter(|block| !block.trim().is_empty())
        .map(|block| (BlockKind::Other, block))
        .collect();
    pack(&blocks)
        .into_iter()
        .map(|text| Chunk { headings: Vec::new(), anchor: None, text })
        .collect()
}

/// A block without the blank lines around it; its own indentation stays.
fn block_text(text: &str) -> &str {
    text.trim_end().trim_start_matches('\n')
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// Fills passages with blocks, cutting those that are too long.
fn pack(blocks: &[(BlockKind, &str)]) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    let mut chars = 0;
    let flush = |current: &mut String, chars: &mut usize, out: &mut Vec<String>| {
        if !current.is_empty() {
            out.push(std::mem::take(current));
        }
        *chars = 0;
    };
    for (kind, block) in blocks {
        let length = count(block);
        let whole = match kind {
            BlockKind::Code | BlockKind::Table => HARD_CAP,
            BlockKind::Other => TARGET,
        };
        let fits = chars + length <= TARGET;
        if !fits && chars >= INTRODUCTION {
            flush(&mut current, &mut chars, &mut out);
        }
        let pieces = if length <= whole { vec![(*block).to_owned()] } else { cut(*kind, block) };
        let last = pieces.len().saturating_sub(1);
        for (n, piece) in pieces.into_iter().enumerate() {
            if !current.is_empty() {
                current.push_str("\n\n");
            }
            chars += count(&piece);
            current.push_str(&piece);
            if n < last {
                flush(&mut current, &mut chars, &mut out);
            }
        }
        if chars > TARGET {
            flush(&mut current, &mut chars, &mut out);
        }
    }
    flush(&mut current, &mut chars, &mut out);
    out
}

/// Cuts a block that is too long to be one passage.
fn cut(kind: BlockKind, block: &str) -> Vec<String> {
    match kind {
        BlockKind::Table => cut_table(block),
        BlockKind::Code | BlockKind::Other => cut_lines(block),
    }
}

/// Rows of a table, each piece with the table's head.
fn cut_table(table: &str) -> Vec<String> {
    let mut lines = table.lines();
    let head: Vec<&str> = lines.by_ref().take(2).collect();
    let head = head.join("\n");
    // A head of many kilobytes repeated over every few rows would multiply the document.
    if count(&head) > TARGET {
        return cut_lines(table);
    }
    let head_chars = count(&head);
    let mut out = Vec::new();
    let mut piece = head.clone();
    let mut chars = head_chars;
    for line in lines {
        for line in cut_long_line(line, HARD_CAP) {
            let length = count(line) + 1;
            if chars + length > HARD_CAP && chars > head_chars {
                out.push(std::mem::replace(&mut piece, head.clone()));
                chars = head_chars;
            }
            piece.push('\n');
            piece.push_str(line);
            chars += length;
        }
    }
    out.push(piece);
    out
}

/// An open code fence: the line that opened it and what closes it.
struct Fence {
    opening: String,
    closing: String,
}

/// Cuts text at line ends. A code fence is not cut before [`HARD_CAP`], and then closed and
/// opened again.
fn cut_lines(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut piece = String::new();
    let mut chars = 0;
    // What a piece begins with that is not its own text: a fence opened again.
    let mut own_from = 0;
    let mut fence: Option<Fence> = None;
    for line in text.lines() {
        let limit = if fence.is_some() { HARD_CAP } else { TARGET };
        let pieces = cut_long_line(line, limit);
        for line in pieces {
            let length = count(line) + 1;
            let closes = fence.as_ref().is_some_and(|fence| line.trim() == fence.closing.trim());
            if !closes && chars + length > limit && piece.len() > own_from {
                if let Some(fence) = &fence {
                    piece.push('\n');
                    piece.push_str(&fence.closing);
                }
                out.push(std::mem::take(&mut piece));
                if let Some(fence) = &fence {
                    piece.push_str(&fence.opening);
                }
                own_from = piece.len();
                chars = 0;
            }
            if !piece.is_empty() {
                piece.push('\n');
            }
            piece.push_str(line);
            chars += length;
            fence = match fence {
                Some(_) if closes => None,
                Some(open) => Some(open),
                None => opened_fence(line),
            };
        }
    }
    if piece.len() > own_from || out.is_empty() {
        out.push(piece);
    }
    for piece in &mut out {
        let kept = piece.trim_end().len();
        piece.truncate(kept);
    }
    out.retain(|piece| !piece.trim().is_empty());
    out
}

/// The fence a line opens, if it does. Quote marks and list indentation before it count.
fn opened_fence(line: &str) -> Option<Fence> {
    // A "line" this long is no fence, and it would be repeated.
    if line.len() > 200 {
        return None;
    }
    let content = line.trim_start_matches([' ', '>']);
    // The first line of a list item may open one.
    let content =
        content.strip_prefix("- ").or(content.strip_prefix("* ")).unwrap_or(content).trim_start();
    let mark = content.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let width = content.chars().take_while(|c| *c == mark).count();
    // Three backticks and another on the same line are inline code.
    if width < 3 || (mark == '`' && content[width..].contains('`')) {
        return None;
    }
    let prefix: String = line[..line.len() - content.len()]
        .chars()
        .map(|c| if matches!(c, '-' | '*') { ' ' } else { c })
        .collect();
    Some(Fence {
        opening: format!("{prefix}{content}"),
        closing: format!("{prefix}{}", mark.to_string().repeat(width)),
    })
}

/// Cuts a line into pieces of at most `max` characters: after a sentence where possible, else
/// between words, else anywhere.
fn cut_long_line(line: &str, max: usize) -> Vec<&str> {
    // Bytes are at least as many as characters, so most lines are done here.
    if line.len() <= max {
        return vec![line];
    }
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((end, _)) = rest.char_indices().nth(max) {
        let window = &rest[..end];
        let half = window.len() / 2;
        let sentence = window
            .rmatch_indices(['.', '!', '?', '。', '！', '？'])
            .map(|(at, mark)| (at, at + mark.len()))
            .take_while(|(at, _)| *at > half)
            .find(|(_, after)| {
                window.as_bytes().get(*after).is_none_or(u8::is_ascii_whitespace)
                    || !window.is_char_boundary(after - 1)
            })
            .map(|(_, after)| after);
        let word = || window.rfind(char::is_whitespace).filter(|at| *at > half).map(|at| at + 1);
        // The whitespace may be a character of several bytes.
        let at = sentence
            .or_else(word)
            .map_or(end, |at| (at..=end).find(|at| rest.is_char_boundary(*at)).unwrap_or(end));
        let (piece, next) = rest.split_at(at);
        out.push(piece);
        rest = next;
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::markdown::{normalize, render_html};

    fn texts(body: &str) -> Vec<String> {
        markdown(body, AnchorRule::Slugs).chunks.into_iter().map(|chunk| chunk.text).collect()
    }

    #[test]
    fn sections_become_passages_with_breadcrumbs_and_anchors() {
        let chunked = markdown(
            "Before.\n\n# Guide\n\nIntro.\n\n## Install\n\nText.\n\n## Empty\n\n### Deep {#own}\n\nDeep text.\n",
            AnchorRule::Slugs,
        );
        let found: Vec<_> = chunked
            .chunks
            .iter()
            .map(|c| (c.headings.join(" > "), c.anchor.as_deref(), c.text.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (String::new(), None, "Before."),
                ("Guide".into(), None, "Intro."),
                ("Guide > Install".into(), Some("install"), "Text."),
                ("Guide > Empty > Deep".into(), Some("own"), "Deep text."),
            ]
        );
        assert_eq!(chunked.title.as_deref(), Some("Guide"));
    }

    #[test]
    fn tiny_subsections_are_read_with_their_parent_but_never_across_level_two() {
        let texts = texts("## A\n\nText.\n\n### B\n\nShort.\n\n#### C\n\nAlso.\n\n## D\n\nOwn.\n");
        assert_eq!(texts, ["Text.\n\n### B\n\nShort.\n\n#### C\n\nAlso.", "Own."]);
    }

    #[test]
    fn code_is_never_cut_before_the_hard_cap() {
        let code = format!("```sh\n{}```", "echo line\n".repeat(400));
        let all = texts(&format!("## A\n\nRun this:\n\n{code}\n\nAfter.\n"));
        assert_eq!(all, [format!("Run this:\n\n{code}"), "After.".to_owned()]);

        let in_list =
            format!("1. First\n\n   ```sh\n{}   ```\n2. Second\n", "   echo line\n".repeat(200));
        for text in texts(&in_list) {
            assert_eq!(text.matches("```").count() % 2, 0, "{text}");
        }
    }

    #[test]
    fn longer_code_is_cut_at_line_ends_and_fenced_again() {
        let code = format!("~~~python\n{}~~~", "print('line')\n".repeat(2_000));
        let all = texts(&code);
        assert!(all.len() > 3);
        for text in &all {
            assert!(text.starts_with("~~~python\nprint") && text.ends_with("')\n~~~"), "{text}");
            assert!(count(text) <= HARD_CAP + 40);
        }
        assert_eq!(all.iter().map(|text| text.matches("print").count()).sum::<usize>(), 2_000);
    }

    #[test]
    fn a_long_table_repeats_its_head() {
        let table = format!("| a | b |\n|---|---|\n{}", "| cell one | cell two |\n".repeat(600));
        let all = texts(&table);
        assert!(all.len() > 1);
        assert!(all.iter().all(|text| text.starts_with("| a | b |\n|---|---|\n| cell")));
        assert_eq!(all.iter().map(|text| text.matches("one").count()).sum::<usize>(), 600);
    }

    #[test]
    fn long_prose_is_cut_after_sentences() {
        let prose = "This is a sentence of some words. ".repeat(200);
        let all = texts(&prose);
        assert!(all.len() >= 5);
        assert!(all.iter().all(|text| text.ends_with('.') && count(text) <= TARGET + 1), "{all:?}");
        let cjk = "これは長い文章です。".repeat(1_000);
        assert!(texts(&cjk).iter().all(|text| text.ends_with('。') && count(text) <= TARGET));
        assert!(plain(&"x".repeat(10_000)).iter().all(|chunk| count(&chunk.text) <= TARGET));
    }

    #[test]
    fn pathological_documents_come_to_an_end() {
        // Each would take minutes if any step were quadratic.
        let line = "word ".repeat(400_000);
        let deep = 20_000;
        for body in [
            line.clone(),
            "# Heading\n\n".repeat(100_000),
            format!("# {line}\n\n{}", "## Next\n\ntext\n\n".repeat(10_000)),
            format!("{}text", "> ".repeat(deep)),
            format!("{}text", "- ".repeat(deep)),
            "[".repeat(100_000),
            format!("{}x{}", "[".repeat(deep), "](y)".repeat(deep)),
            "*a _b ".repeat(50_000),
            "`".repeat(100_001),
            format!("|a|{}", "b|".repeat(100_000)),
            format!("```\n{line}"),
            "<div>".repeat(100_000),
            "![a](b)".repeat(50_000),
        ] {
            let rewritten = markdown::rewrite_links(&body, &|to| Some(format!("/x/{to}")));
            let chunks = markdown(&rewritten, AnchorRule::Slugs).chunks;
            assert!(chunks.iter().all(|chunk| count(&chunk.text) <= HARD_CAP + TARGET));
            crate::mdx::to_markdown(&body);
            let _ = render_html(&body);
        }
    }

    /// Documents made of everything that matters to cutting, each word unique.
    fn document() -> impl Strategy<Value = String> {
        let heading = (1..=4_usize, 0..5_usize, any::<bool>()).prop_map(|(level, n, own)| {
            let id = if own { format!(" {{#own-{n}}}") } else { String::new() };
            format!("{} Topic {n}{id}\n", "#".repeat(level))
        });
        let words = |range| proptest::collection::vec(0..9_u8, range);
        let block = prop_oneof![
            3 => heading,
            4 => words(1..400).prop_map(|w| format!("{}.\n", vec!["W"; w.len()].join(" "))),
            1 => words(1..60).prop_map(|w| w.iter().map(|_| "- W W\n").collect()),
            2 => words(1..900).prop_map(|w| format!("```sh\n{}```\n", "W W\n".repeat(w.len()))),
            1 => words(1..900).prop_map(|w| format!("| H | H |\n|---|---|\n{}", "| W | W |\n".repeat(w.len()))),
            1 => words(1..50).prop_map(|w| format!("> {}\n", vec!["W"; w.len()].join("\n> "))),
        ];
        proptest::collection::vec(block, 0..14).prop_map(|blocks| {
            let mut number = 0;
            let joined = blocks.join("\n");
            let mut out = String::new();
            for (n, piece) in joined.split('W').enumerate() {
                if n > 0 {
                    number += 1;
                    out.push_str(&format!("w{number}"));
                }
                out.push_str(piece);
            }
            out
        })
    }

    fn numbers(text: &str) -> Vec<usize> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter_map(|word| word.strip_prefix('w')?.parse().ok())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn passages_hold_every_word_once_in_order(body in document()) {
            let joined = texts(&body).join("\n");
            let expected: Vec<usize> = (1..=numbers(&body).len()).collect();
            prop_assert_eq!(numbers(&joined), expected);
        }

        #[test]
        fn every_anchor_is_in_the_rendered_page(body in document()) {
            let page = render_html(&body);
            let ids: HashSet<&str> = page.headings.iter().map(|h| h.id.as_str()).collect();
            for chunk in markdown(&body, AnchorRule::Slugs).chunks {
                if let Some(anchor) = chunk.anchor {
                    prop_assert!(ids.contains(anchor.as_str()), "{} in {:?}", anchor, ids);
                    let attribute = format!("id=\"{}\"", anchor);
                    prop_assert!(page.html.contains(&attribute));
                }
            }
        }

        #[test]
        fn any_text_can_be_cut_rewritten_and_rendered(text in r"([a-z#>*_`~|\[\](){}<!/\\ \n\t-]|```|\r\n|\PC){0,200}") {
            let text = normalize(&text);
            for body in [text.to_string(), crate::mdx::to_markdown(&text), crate::html::read(&text).markdown] {
                let body = markdown::rewrite_links(&body, &|to| Some(format!("/x/{to}")));
                markdown(&body, AnchorRule::Slugs);
                let _ = render_html(&body);
                plain(&body);
                crate::front_matter::split(&body);
            }
        }
    }
}
