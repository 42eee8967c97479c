//! robots.txt, as RFC 9309 describes it.

use std::time::Duration;

/// What is read of it, in bytes; the RFC wants 500 KiB at least.
pub(crate) const MAX_BYTES: usize = 512 * 1024;

/// The longest pause between two pages that is kept.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What a site asks robots to leave alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Robots {
    rules: Vec<Rule>,
    /// The pause between two pages that the site wants, up to ten seconds.
    pub delay: Option<Duration>,
    /// Addresses of its sitemaps, as they are written.
    pub sitemaps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allows: bool,
    pattern: Vec<u8>,
}

/// The lines for some robots.
#[derive(Default)]
struct Group {
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

impl Robots {
    /// Reads what is for the robot of this name, or for all where nothing is.
    pub fn read(bytes: &[u8], robot: &str) -> Self {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]);
        let (mut ours, mut everybodys) = (None::<Group>, Group::default());
        let mut sitemaps = Vec::new();
        let (mut is_ours, mut is_everybodys, mut in_rules) = (false, false, true);
        for line in text.trim_start_matches('\u{FEFF}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            match key.as_str() {
                "user-agent" => {
                    if in_rules {
                        (is_ours, is_everybodys, in_rules) = (false, false, false);
                    }
                    is_everybodys |= value == "*";
                    if product(value).eq_ignore_ascii_case(robot) {
                        is_ours = true;
                        ours.get_or_insert_default();
                    }
                }
                "allow" | "disallow" | "crawl-delay" => {
                    in_rules = true;
                    let groups = [
                        ours.as_mut().filter(|_| is_ours),
                        Some(&mut everybodys).filter(|_| is_everybodys),
                    ];
                    for group in groups.into_iter().flatten() {
                        group.add(&key, value);
                    }
                }
                "sitemap" => sitemaps.push(value.to_owned()),
                _ => {}
            }
        }
        let Group { rules, delay } = ours.unwrap_or(everybodys);
        Self { rules, delay, sitemaps }
    }

    /// Whether a page may be fetched: its path with what follows a `?`.
    pub fn allows(&self, path: &str) -> bool {
        let path = normal(path);
        self.rules
            .iter()
            .filter(|rule| matches(&rule.pattern, &path))
            // The longest decides; of two that are as long, the one that allows.
            .max_by_key(|rule| (rule.pattern.len(), rule.allows))
            .is_none_or(|rule| rule.allows)
    }
}

impl Group {
    fn add(&mut self, key: &str, value: &str) {
        match key {
            "crawl-delay" => {
                let seconds = value.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
                self.delay = seconds
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .map(|delay| delay.min(LONGEST_DELAY));
            }
            // An empty one says nothing.
            _ if value.is_empty() => {}
            _ => self.rules.push(Rule { allows: key == "allow", pattern: normal(value) }),
        }
    }
}

/// The name of a robot, without its version.
fn product(agent: &str) -> &str {
    let end = agent
        .find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_')))
        .unwrap_or(agent.len());
    &agent[..end]
}

/// A path as it is compared: what needs no escape has none, the others have one in capitals.
fn normal(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(hex);
        match escaped {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte),
            Some(byte) => escape(byte, &mut out),
            None if byte.is_ascii_graphic() => out.push(byte),
            None => escape(byte, &mut out),
        }
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

fn hex(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16)
        .ok()
        .filter(|_| digits.iter().all(u8::is_ascii_hexdigit))
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// Whether a path begins like the pattern, in which `*` is anything, and a `$` at the end is the
/// path's end. Each piece between stars is looked for where the one before it ended: the first place
/// is as good as any, so nothing is tried twice.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, to_the_end) = match pattern.strip_suffix(b"$") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split(|byte| *byte == b'*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return !to_the_end || rest.is_empty() };
    for piece in pieces {
        let Some(after) = behind(rest, piece) else { return false };
        rest = after;
    }
    if to_the_end { rest.ends_with(last) } else { behind(rest, last).is_some() }
}

/// What follows the first place of a piece.
fn behind<'a>(text: &'a [u8], piece: &[u8]) -> Option<&'a [u8]> {
    if piece.is_empty() {
        return Some(text);
    }
    let at = text.windows(piece.len()).position(|window| window == piece)?;
    Some(&text[at + piece.len()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn robots(text: &str) -> Robots {
        Robots::read(text.as_bytes(), "parlor")
    }

    #[test]
    fn the_lines_for_us_come_before_those_for_all() {
        let text = "user-agent: *\nDisallow: /\n\nUser-Agent: Other\nuser-agent: PARLOR/2\nDisallow: /private # hush\n\
                    Allow: /private/open\nCrawl-delay: 0.5\nSitemap: https://a.example/s.xml\n\
                    User-agent: parlor\ndisallow: /also\n";
        let robots = robots(text);
        assert!(robots.allows("/"));
        assert!(!robots.allows("/private/x"));
        assert!(robots.allows("/private/open/x"));
        assert!(!robots.allows("/also"), "groups of one name are one");
        assert_eq!(robots.delay, Some(Duration::from_millis(500)));
        assert_eq!(robots.sitemaps, ["https://a.example/s.xml"]);
        assert!(!Robots::read(text.as_bytes(), "stranger").allows("/anything"));
        assert!(Robots::read(b"User-agent: parlor\n", "parlor").allows("/"));
    }

    #[test]
    fn rules_match_as_the_standard_has_it() {
        for (rule, path, matches) in [
            ("/fish", "/fish.html", true),
            ("/fish", "/Fish", false),
            ("/fish/", "/fish", false),
            ("/*.php$", "/folder/a.php", true),
            ("/*.php$", "/a.php?x", false),
            ("/*.php", "/a.php?x", true),
            ("/a*b*c", "/a-b-b-c-d", true),
            ("/a*b*c", "/a-c-b", false),
            ("/a*a$", "/a", false),
            ("*", "/x", true),
            ("/$", "/", true),
            ("/$", "/x", false),
            ("/%7Ejoe", "/~joe", true),
            ("/é", "/%c3%A9", true),
            ("/a%2fb", "/a/b", false),
        ] {
            let robots = robots(&format!("User-agent: *\nDisallow: {rule}\n"));
            assert_eq!(robots.allows(path), !matches, "{rule} {path}");
        }
        assert!(robots("User-agent: *\nDisallow:\n").allows("/x"), "an empty one says nothing");
        assert!(robots("User-agent: *\nDisallow: /page\nAllow: /page\n").allows("/page"));
    }

    #[test]
    fn what_is_no_robots_txt_allows_everything() {
        for text in ["", "<!doctype html><p>a: b</p>", "Disallow: /", "crawl-delay: 1", "\0\0:"] {
            let robots = robots(text);
            assert!(robots.allows("/x") && robots.delay.is_none(), "{text}");
        }
        let robots = robots("User-agent: *\nCrawl-delay: 1e300\n");
        assert_eq!(robots.delay, None);
    }

    proptest! {
        #[test]
        fn a_path_that_is_forbidden_as_it_is_is_never_fetched(path in "/[a-z0-9/._~-]{0,40}", more in "[a-z]{0,5}") {
            let robots = robots(&format!("User-agent: *\nDisallow: {path}\n"));
            let full = format!("{path}{more}");
            prop_assert!(!robots.allows(&full));
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, text in "[\\n:*$%/a-zA-Z. -]{0,200}", path in "/.{0,60}") {
            let _ = Robots::read(&bytes, "parlor").allows(&path);
            let _ = robots(&text).allows(&path);
            let _ = robots(&format!("User-agent: *\nDisallow: {text}")).allows(&path);
        }
    }

    #[test]
    fn stars_without_end_take_no_time_without_end() {
        let rule = format!("User-agent: *\nDisallow: /{}b\n", "*a".repeat(5_000));
        assert!(robots(&rule).allows(&format!("/{}", "a".repeat(8_000))));
    }
}
