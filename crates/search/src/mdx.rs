//! MDX as Markdown: the JavaScript goes, the text stays.

/// Removes `import` and `export` blocks, comments and component tags; text inside components and
/// code blocks stays as it is.
pub(crate) fn to_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<(char, usize)> = None;
    let mut in_module = false;
    let mut tag = TagState::default();
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if let Some((mark, width)) = fence {
            let closing = trimmed.trim_end();
            if closing.len() >= width && closing.chars().all(|c| c == mark) {
                fence = None;
            }
            out.push_str(line);
            continue;
        }
        if in_module {
            // An import or export ends with the paragraph it is.
            in_module = !trimmed.is_empty();
            if !in_module {
                out.push_str(line);
            }
            continue;
        }
        if !tag.open() {
            if let Some(opened) = opened(trimmed) {
                fence = Some(opened);
                out.push_str(line);
                continue;
            }
            if is_module_line(line) {
                in_module = true;
                continue;
            }
        }
        tag.strip(line, &mut out);
    }
    out
}

fn opened(line: &str) -> Option<(char, usize)> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let width = line.chars().take_while(|c| *c == mark).count();
    (width >= 3 && !(mark == '`' && line[width..].contains('`'))).then_some((mark, width))
}

fn is_module_line(line: &str) -> bool {
    let import =
        line.starts_with("import ") && (line.contains(" from ") || line.contains(['"', '\'', '{']));
    let export = [
        "export const ",
        "export default ",
        "export function ",
        "export let ",
        "export {",
        "export * ",
    ]
    .iter()
    .any(|start| line.starts_with(start));
    import || export
}

/// Where in a component's tag or a comment the text is; both may go on over lines.
#[derive(Default)]
struct TagState {
    in_tag: bool,
    in_comment: bool,
    quote: Option<char>,
    braces: usize,
}

impl TagState {
    fn open(&self) -> bool {
        self.in_tag || self.in_comment
    }

    fn strip(&mut self, line: &str, out: &mut String) {
        let from = out.len();
        let was_open = self.open();
        let mut removed = was_open;
        let mut code: Option<usize> = None;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let mut step = c.len_utf8();
            if self.in_comment {
                if rest.starts_with("*/}") {
                    self.in_comment = false;
                    step = 3;
                }
            } else if self.in_tag {
                self.inside_tag(c);
            } else if c == '`' {
                // Inline code: a run of backticks ends with one as long.
                let width = rest.chars().take_while(|c| *c == '`').count();
                code = match code {
                    Some(open) if open == width => None,
                    Some(open) => Some(open),
                    None if rest[width..].contains(&"`".repeat(width)) => Some(width),
                    None => None,
                };
                out.push_str(&rest[..width]);
                step = width;
            } else if code.is_some() {
                out.push(c);
            } else if rest.starts_with("{/*") && !is_anchor(rest) {
                self.in_comment = true;
                removed = true;
                step = 3;
            } else if c == '<' && begins_component(rest) {
                self.in_tag = true;
                removed = true;
            } else {
                out.push(c);
            }
            rest = &rest[step..];
        }
        // A line that held only tags leaves no line, lest text around it become two paragraphs'
        // worth of blank lines or indented code.
        if removed {
            if out[from..].trim().is_empty() {
                out.truncate(from);
                out.push('\n');
            } else {
                let text = out[from..].trim_start().to_owned();
                out.truncate(from);
                out.push_str(&text);
                if !out.ends_with('\n') {
                    out.push('\n');
                }
            }
        }
    }

    fn inside_tag(&mut self, c: char) {
        match (self.quote, c) {
            (Some(quote), c) if c == quote => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => self.quote = Some(c),
            (None, '{') => self.braces += 1,
            (None, '}') => self.braces = self.braces.saturating_sub(1),
            (None, '>') if self.braces == 0 => self.in_tag = false,
            _ => {}
        }
    }
}

/// A comment that is a heading's anchor: `{/* #anchor */}`.
fn is_anchor(rest: &str) -> bool {
    rest[3..].trim_start().starts_with('#')
}

fn begins_component(rest: &str) -> bool {
    let name = rest[1..].strip_prefix('/').unwrap_or(&rest[1..]);
    name.starts_with(|c: char| c.is_ascii_uppercase()) || name.starts_with('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javascript_goes_and_text_stays() {
        let mdx = "import Tabs from '@theme/Tabs';\nimport {\n  A,\n} from 'b';\n\n# Title\n\n{/* hidden\nnote */}\n<Tabs groupId=\"os\" values={[{a: '>'}]}>\n  <TabItem value=\"linux\">\n\nRun **this**: <Key>Enter</Key> now\n\n```jsx\nimport X from 'x';\n<Tabs>\n```\n\n  </TabItem>\n</Tabs>\n\nUse `<Tabs>` and 1 < 2.\n\n## Own {/* #own-id */}\n";
        let markdown = to_markdown(mdx);
        for kept in [
            "# Title",
            "Run **this**: Enter now",
            "import X from 'x';\n<Tabs>\n```",
            "Use `<Tabs>` and 1 < 2.",
            "{/* #own-id */}",
        ] {
            assert!(markdown.contains(kept), "{kept} in {markdown}");
        }
        for gone in ["@theme", "hidden", "groupId", "TabItem", "from 'b'"] {
            assert!(!markdown.contains(gone), "{gone} in {markdown}");
        }
    }

    #[test]
    fn prose_that_begins_with_import_is_kept() {
        assert_eq!(to_markdown("import duties apply\n"), "import duties apply\n");
    }
}
