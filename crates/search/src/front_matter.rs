//! The settings at the top of a document, read tolerantly.
//!
//! Only a handful of simple keys matter, and a document must not fail because its author's YAML
//! does. So this reads `key: value` lines (or TOML's `key = value`), quotes, lists and indented
//! continuations, and passes over everything else.

/// What a document says about itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct FrontMatter {
    pub(crate) title: Option<String>,
    pub(crate) sidebar_label: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) slug: Option<String>,
    pub(crate) permalink: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) language: Option<String>,
    pub(crate) excluded: bool,
}

/// Longest front matter that is looked for, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Splits a document into its front matter and the rest. Line ends are `\n`.
pub(crate) fn split(text: &str) -> (FrontMatter, &str) {
    let (fence, separator) = match text.get(..4) {
        Some("---\n") => ("---", ':'),
        Some("+++\n") => ("+++", '='),
        _ => return (FrontMatter::default(), text),
    };
    let mut at = 4;
    for line in text[4..].split_inclusive('\n') {
        let ends = line.trim_end() == fence || (fence == "---" && line.trim_end() == "...");
        if ends {
            return (read(&text[4..at], separator), &text[at + line.len()..]);
        }
        at += line.len();
        if at > MAX_BYTES {
            break;
        }
    }
    // A rule at the top of a document without front matter.
    (FrontMatter::default(), text)
}

fn read(block: &str, separator: char) -> FrontMatter {
    let mut matter = FrontMatter::default();
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((key, value)) = entry(line, separator) else { continue };
        let mut more = Vec::new();
        while let Some(next) = lines.peek() {
            let continues =
                next.starts_with([' ', '\t']) || next.starts_with("- ") || next.is_empty();
            if !continues {
                break;
            }
            more.push(next.trim());
            lines.next();
        }
        set(&mut matter, &key.to_ascii_lowercase(), value, &more);
    }
    matter
}

fn entry(line: &str, separator: char) -> Option<(&str, &str)> {
    if line.starts_with([' ', '\t', '#', '-', '[']) {
        return None;
    }
    let (key, value) = line.split_once(separator)?;
    let key = key.trim().trim_matches(['"', '\'']);
    (!key.is_empty()).then(|| (key, value.trim()))
}

fn set(matter: &mut FrontMatter, key: &str, value: &str, more: &[&str]) {
    match key {
        "title" => matter.title = text(value, more),
        "sidebar_label" | "sidebarlabel" => matter.sidebar_label = text(value, more),
        "description" | "summary" => matter.description = text(value, more),
        "slug" => matter.slug = text(value, more),
        "permalink" | "url" => matter.permalink = text(value, more),
        "lang" | "language" | "locale" => matter.language = text(value, more),
        "tags" | "keywords" => matter.tags.extend(list(value, more)),
        "draft" | "unlisted" | "noindex" => matter.excluded |= is_true(value),
        "search" => {
            let excluded_below = more.iter().any(|line| {
                line.split_once(':')
                    .is_some_and(|(k, v)| k.trim() == "exclude" && is_true(v.trim()))
            });
            matter.excluded |=
                matches!(scalar(value).as_str(), "false" | "no" | "off") || excluded_below;
        }
        "search_exclude" => matter.excluded |= is_true(value),
        _ => {}
    }
}

fn is_true(value: &str) -> bool {
    matches!(scalar(value).as_str(), "true" | "yes" | "on" | "True" | "TRUE")
}

/// A string, which may go on over indented lines.
fn text(value: &str, more: &[&str]) -> Option<String> {
    let folded = matches!(value.chars().next(), Some('>' | '|'));
    let mut out = if folded { String::new() } else { value.to_owned() };
    for line in more.iter().filter(|line| !line.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(line);
    }
    let out = if folded { out } else { scalar(&out) };
    (!out.is_empty()).then_some(out)
}

fn list(value: &str, more: &[&str]) -> Vec<String> {
    let inline = value.trim_start_matches('[').trim_end_matches(']').split(',');
    let below = more.iter().map(|line| line.trim_start_matches('-').trim_end_matches(','));
    inline.chain(below).map(scalar).filter(|item| !item.is_empty() && item != "]").collect()
}

/// A value without its quotes or its comment.
fn scalar(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let mut out = String::new();
            let mut chars = rest.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\\' if quote == '"' => out.extend(chars.next().map(|c| match c {
                        'n' | 't' => ' ',
                        c => c,
                    })),
                    // '' inside single quotes is one of them.
                    c if c == quote && quote == '\'' && chars.peek() == Some(&'\'') => {
                        chars.next();
                        out.push('\'');
                    }
                    c if c == quote => return out,
                    c => out.push(c),
                }
            }
            // Never closed: the quote is part of the text.
            return value.to_owned();
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_toml_are_understood() {
        let (yaml, body) = split(
            "---\ntitle: \"Set \\\"up\\\"\"\ndescription: >\n  Two\n  lines\ntags:\n  - a\n  - 'b c'\nslug: /x # note\nsearch:\n  exclude: true\n---\nBody",
        );
        assert_eq!(yaml.title.as_deref(), Some("Set \"up\""));
        assert_eq!(yaml.description.as_deref(), Some("Two lines"));
        assert_eq!(yaml.tags, ["a", "b c"]);
        assert_eq!(yaml.slug.as_deref(), Some("/x"));
        assert!(yaml.excluded);
        assert_eq!(body, "Body");

        let (toml, body) =
            split("+++\ntitle = 'It''s'\ndraft = true\ntags = [\"x\", \"y\"]\n+++\nBody");
        assert_eq!(toml.title.as_deref(), Some("It's"));
        assert!(toml.excluded);
        assert_eq!(toml.tags, ["x", "y"]);
        assert_eq!(body, "Body");
    }

    #[test]
    fn malformed_front_matter_never_fails_the_document() {
        let (matter, body) = split("---\n\ttitle [: {{{\n\"\n: x\ntitle: 'open\n---\nBody");
        assert_eq!(matter.title.as_deref(), Some("'open"));
        assert_eq!(body, "Body");
        for text in ["---\nno end", "---", "--- \n", "", "+++\n", "---\n---\n"] {
            let _ = split(text);
        }
        assert_eq!(split("---\nnever closed\n").1, "---\nnever closed\n");
    }

    #[test]
    fn a_document_is_indexed_unless_it_says_no() {
        assert!(!split("---\ndraft: false\nsearch: true\n---\n").0.excluded);
        for no in ["draft: true", "unlisted: yes", "search: false", "noindex: true"] {
            assert!(split(&format!("---\n{no}\n---\n")).0.excluded, "{no}");
        }
    }
}
