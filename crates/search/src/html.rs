//! HTML pages as Markdown: the main content only, headings with their `id`s.

use std::rc::Rc;

use htmd::{Element, HtmlToMarkdown, element_handler::Handlers};
use markup5ever_rcdom::{Node, NodeData};

use crate::markdown::push_without_tags;

/// Elements nested deeper than this are read as mere text. Pages people write stay far below; the
/// converter recurses, and the parser's time grows with the depth.
const MAX_DEPTH: usize = 200;

/// What a page holds.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// What `<html lang>` says.
    pub(crate) language: Option<String>,
    /// The page asks robots not to index it.
    pub(crate) noindex: bool,
    /// Its main content, with anchors written as `{#anchor}`.
    pub(crate) markdown: String,
}

/// The main content of an HTML page as Markdown.
pub fn html_to_markdown(html: &str) -> String {
    read(html).markdown
}

/// Reads a page.
pub(crate) fn read(html: &str) -> Page {
    if estimated_depth(html) > MAX_DEPTH {
        return text_only(html);
    }
    let converter = HtmlToMarkdown::builder()
        .skip_tags(vec![
            "img", "svg", "iframe", "button", "template", "script", "style", "noscript",
        ])
        .add_handler(vec!["pre"], code_block)
        .add_handler(vec!["h1", "h2", "h3", "h4", "h5", "h6"], heading)
        .scripting_enabled(false)
        .build();
    let Ok(document) = converter.html_to_tree(html) else { return text_only(html) };
    let mut page = Page::default();
    let mut mains = Vec::new();
    let mut articles = Vec::new();
    let mut body = None;
    let mut deepest = 0;
    let mut stack = vec![(Rc::clone(&document), 0_usize)];
    while let Some((node, depth)) = stack.pop() {
        deepest = deepest.max(depth);
        match tag(&node) {
            "title" if page.title.is_none() => page.title = some(text(&node)),
            "meta" => meta(&node, &mut page),
            "html" if page.language.is_none() => page.language = attribute(&node, "lang"),
            "main" => mains.push(Rc::clone(&node)),
            "article" => articles.push(Rc::clone(&node)),
            "body" => body = Some(Rc::clone(&node)),
            "svg" | "math" => continue,
            _ if attribute(&node, "role").as_deref() == Some("main") => {
                mains.push(Rc::clone(&node))
            }
            _ => {}
        }
        // In document order, hence reversed onto the stack.
        stack
            .extend(node.children.borrow().iter().rev().map(|child| (Rc::clone(child), depth + 1)));
    }
    if deepest > MAX_DEPTH + 50 {
        return Page { markdown: text_only(html).markdown, ..page };
    }
    let main = match (mains.into_iter().next(), articles.as_slice()) {
        // One article is the content even of a main that has more around it.
        (_, [article]) => Some(Rc::clone(article)),
        (Some(main), _) => Some(main),
        (None, _) => body,
    }
    // The document must outlive this function's use of its nodes: dropping it empties them all.
    .unwrap_or_else(|| Rc::clone(&document));
    prune(&main);
    page.markdown = converter.tree_to_markdown(&main);
    page
}

fn some(text: String) -> Option<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

fn tag(node: &Node) -> &str {
    match &node.data {
        NodeData::Element { name, .. } => &name.local,
        _ => "",
    }
}

fn attribute(node: &Node, wanted: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    attrs.borrow().iter().find(|a| &*a.name.local == wanted).map(|a| a.value.to_string())
}

fn meta(node: &Node, page: &mut Page) {
    let name = attribute(node, "name").unwrap_or_default().to_ascii_lowercase();
    let content = attribute(node, "content").unwrap_or_default();
    match name.as_str() {
        "description" if page.description.is_none() => page.description = some(content),
        "robots" => page.noindex |= content.to_ascii_lowercase().contains("noindex"),
        _ => {}
    }
}

/// The text of a node and all below it.
fn text(node: &Rc<Node>) -> String {
    let mut out = String::new();
    let mut stack = vec![Rc::clone(node)];
    while let Some(node) = stack.pop() {
        if let NodeData::Text { contents } = &node.data {
            out.push_str(&contents.borrow());
        }
        stack.extend(node.children.borrow().iter().rev().map(Rc::clone));
    }
    out
}

fn is_heading(tag: &str) -> bool {
    matches!(tag, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

/// Takes out what surrounds the content, and gives headings the anchor that generators put beside
/// or around them.
fn prune(main: &Rc<Node>) {
    let mut stack: Vec<Rc<Node>> = vec![Rc::clone(main)];
    while let Some(node) = stack.pop() {
        node.children.borrow_mut().retain(|child| !is_furniture(child));
        if matches!(tag(&node), "section" | "div" | "article") && attribute(&node, "id").is_some() {
            let heading = node.children.borrow().iter().find(|c| !tag(c).is_empty()).cloned();
            if let Some(heading) =
                heading.filter(|h| is_heading(tag(h)) && attribute(h, "id").is_none())
            {
                copy_id(&node, &heading);
            }
        }
        if is_heading(tag(&node)) {
            let links: Vec<Rc<Node>> =
                node.children.borrow().iter().filter(|c| tag(c) == "a").cloned().collect();
            if attribute(&node, "id").is_none()
                && let Some(anchor) = links.iter().find(|link| attribute(link, "id").is_some())
            {
                copy_id(anchor, &node);
            }
            node.children.borrow_mut().retain(|child| !(tag(child) == "a" && is_permalink(child)));
        }
        stack.extend(node.children.borrow().iter().rev().map(Rc::clone));
    }
}

/// Code in a fence, as it is read: highlighters put every line and every word of it into elements.
fn code_block(
    _: &dyn Handlers,
    element: Element<'_>,
) -> Option<htmd::element_handler::HandlerResult> {
    let mut code = String::new();
    push_code(element.node, &mut code);
    let code = code.trim_end();
    if code.trim().is_empty() {
        return None;
    }
    let ticks = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(ticks + 1));
    let language = language(element.node).unwrap_or_default();
    Some(format!("\n\n{fence}{language}\n{}\n{fence}\n\n", code.trim_start_matches('\n')).into())
}

/// The language of code: `language-js` on it or on what is within.
fn language(pre: &Rc<Node>) -> Option<String> {
    let mut stack = vec![Rc::clone(pre)];
    while let Some(node) = stack.pop() {
        let class = attribute(&node, "class").unwrap_or_default();
        let named = class
            .split_whitespace()
            .find_map(|name| name.strip_prefix("language-").or_else(|| name.strip_prefix("lang-")))
            .filter(|name| !matches!(*name, "text" | "none" | ""));
        if let Some(language) = named {
            return Some(language.to_owned());
        }
        if matches!(tag(&node), "pre" | "code") {
            stack.extend(node.children.borrow().iter().rev().map(Rc::clone));
        }
    }
    None
}

/// The lines of code, whether they end in line breaks or are elements of their own, or both.
fn push_code(node: &Rc<Node>, code: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        code.push_str(&contents.borrow());
        return;
    }
    let is_line = matches!(tag(node), "div" | "p" | "li" | "tr");
    let end_line = |code: &mut String| {
        if is_line && !code.is_empty() && !code.ends_with('\n') {
            code.push('\n');
        }
    };
    match tag(node) {
        "br" => code.push('\n'),
        "button" | "script" | "style" | "template" | "svg" => {}
        _ => {
            end_line(code);
            for child in node.children.borrow().iter() {
                push_code(child, code);
            }
            end_line(code);
        }
    }
}

fn copy_id(from: &Node, to: &Node) {
    let (NodeData::Element { attrs: from, .. }, NodeData::Element { attrs: to, .. }) =
        (&from.data, &to.data)
    else {
        return;
    };
    let id = from.borrow().iter().find(|a| &*a.name.local == "id").cloned();
    to.borrow_mut().extend(id);
}

fn is_furniture(node: &Node) -> bool {
    matches!(
        tag(node),
        "script" | "style" | "nav" | "footer" | "aside" | "template" | "svg" | "iframe" | "form"
    ) || matches!(
        attribute(node, "role").as_deref(),
        Some("navigation" | "search" | "contentinfo" | "complementary" | "banner")
    )
}

/// The small link beside a heading that leads to the heading.
fn is_permalink(link: &Rc<Node>) -> bool {
    let text = text(link);
    let text =
        text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200B}' | '\u{FEFF}'));
    matches!(text, "" | "#" | "¶" | "§" | "🔗" | "link")
}

/// A heading with its `id`, written so that the Markdown reader finds it again.
fn heading(
    handlers: &dyn Handlers,
    element: Element<'_>,
) -> Option<htmd::element_handler::HandlerResult> {
    let level = element.tag.strip_prefix('h')?.parse::<usize>().ok()?;
    let content = handlers.walk_children(element.node).content;
    let content = content.split_whitespace().collect::<Vec<_>>().join(" ");
    if content.is_empty() {
        return None;
    }
    let mut out = format!("\n\n{} {content}", "#".repeat(level));
    let id = attribute(element.node, "id").filter(|id| {
        !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}'))
    });
    if let Some(id) = id {
        out.push_str(" {#");
        for c in id.chars() {
            if c.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('}');
    }
    out.push_str("\n\n");
    Some(out.into())
}

/// How deep elements nest, roughly and cheaply: start tags minus end tags, without the elements
/// that have no end tag or may lack one.
fn estimated_depth(html: &str) -> usize {
    const NEVER_DEEP: &[&str] = &[
        "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html",
        "img", "input", "li", "link", "meta", "option", "p", "param", "source", "tbody", "td",
        "tfoot", "th", "thead", "tr", "track", "wbr", "path", "circle", "rect", "line", "use",
        "polygon",
    ];
    let mut depth = 0_usize;
    let mut deepest = 0;
    let bytes = html.as_bytes();
    let mut at = 0;
    while let Some(open) = html[at..].find('<') {
        at += open + 1;
        let closing = bytes.get(at) == Some(&b'/');
        let from = at + usize::from(closing);
        let length =
            bytes[from..].iter().take(16).take_while(|b| b.is_ascii_alphanumeric()).count();
        if length == 0 {
            continue;
        }
        let name = html[from..from + length].to_ascii_lowercase();
        at = from + length;
        if NEVER_DEEP.contains(&name.as_str()) {
            continue;
        }
        if closing {
            depth = depth.saturating_sub(1);
        } else {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}

fn text_only(html: &str) -> Page {
    let mut text = String::with_capacity(html.len() / 2);
    push_without_tags(&mut text, html);
    Page { markdown: text, ..Page::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_content_is_kept_with_the_anchors_of_its_headings() {
        let page = read(
            r##"<html><head><title>Install | Site</title><meta name="description" content="How to  install"></head>
            <body><nav>Menu</nav><main><h1>Install<a class="headerlink" href="#x">¶</a></h1>
            <section id="on_linux"><h2>On <code>Linux</code></h2><p>Run <b>it</b>.</p><pre><code class="language-sh">a
  b</code></pre></section>
            <h2><a id="mac"></a>Mac</h2><p>Fine.</p><h3>No id</h3><aside>Ad</aside><script>bad()</script>
            </main><footer>Imprint</footer></body></html>"##,
        );
        assert_eq!(page.title.as_deref(), Some("Install | Site"));
        assert_eq!(page.description.as_deref(), Some("How to install"));
        assert!(page.markdown.contains("# Install\n"), "{}", page.markdown);
        assert!(page.markdown.contains("## On `Linux` {#on\\_linux}"), "{}", page.markdown);
        assert!(page.markdown.contains("## Mac {#mac}"), "{}", page.markdown);
        assert!(page.markdown.contains("```sh\na\n  b\n```"), "{}", page.markdown);
        for gone in ["Menu", "Ad", "bad()", "Imprint", "¶"] {
            assert!(!page.markdown.contains(gone), "{gone} in {}", page.markdown);
        }
    }

    #[test]
    fn code_is_what_is_read_however_it_is_highlighted() {
        let code = |html: &str| read(&format!("<main><p>x</p>{html}</main>")).markdown;
        // Docusaurus: a line is an element with a line break.
        let docusaurus = r#"<pre class="prism-code language-js"><code class="lines"><div class="token-line"><span
            class="token keyword">let</span><span> a = {</span><br></div><div class="token-line"><span>  b: <em>*c*</em></span><br></div><div
            class="token-line"><span></span><br></div><div class="token-line"><span>};</span><br></div></code><button>Copy</button></pre>"#;
        let expected = "```js\nlet a = {\n  b: *c*\n\n};\n```";
        assert!(code(docusaurus).contains(expected), "{}", code(docusaurus));
        // Sphinx and others: words are elements, lines are not.
        let sphinx = "<pre><span></span><span class=k>let</span> a = {\n  b: *c*\n\n};\n</pre>";
        let expected = "```\nlet a = {\n  b: *c*\n\n};\n```";
        assert!(code(sphinx).contains(expected), "{}", code(sphinx));
        // Lines that are elements alone, and nothing at all.
        let lines = "<pre><code><div>a</div><div>b</div></code></pre>";
        assert!(code(lines).contains("```\na\nb\n```"), "{}", code(lines));
        assert_eq!(code("<pre><code> </code></pre>").trim(), "x");
        // Code may hold fences.
        let fence = "<pre class=language-md>a\n```js\nb\n```</pre>";
        assert!(code(fence).contains("````md\na\n```js\nb\n```\n````"), "{}", code(fence));
    }

    #[test]
    fn nesting_without_end_is_read_as_text() {
        let deep = format!("{}needle{}", "<div>".repeat(200_000), "</div>".repeat(200_000));
        assert!(read(&deep).markdown.contains("needle"));
        let items = format!("<ul>{}</ul>", "<li>needle".repeat(1_000));
        assert!(read(&items).markdown.starts_with('*'), "{}", &read(&items).markdown[..40]);
    }

    #[test]
    fn as_deep_as_is_allowed_is_converted_on_a_small_stack() {
        for (open, close) in [
            ("<div>", "</div>"),
            ("<blockquote>", "</blockquote>"),
            ("<ul><li><b>", "</b></li></ul>"),
            ("<table><tr><td>", "</td></tr></table>"),
        ] {
            let times = 190 / open.matches('<').count().min(2);
            let html = format!("{}needle{}", open.repeat(times), close.repeat(times));
            assert!(read(&html).markdown.contains("needle"), "{open}");
        }
    }

    #[test]
    fn a_page_may_ask_not_to_be_indexed() {
        assert!(read(r#"<meta name="robots" content="NOINDEX, nofollow"><p>x"#).noindex);
        assert!(!read("<p>x").noindex);
    }
}
