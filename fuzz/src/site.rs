//! Bytes to what a site says of its pages.

use parlor_search::{ROBOT, Robots, Sitemap};

use crate::bytes::Choices;

/// Any bytes are a sitemap or not, and a robots.txt; of both, what is taken is no more than was
/// there. What robots may not fetch as it is written, they may not fetch in other escapes either.
pub fn site(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let is_sitemap = choices.below(2) == 0;
    let bytes = choices.rest();
    if is_sitemap {
        match Sitemap::read(bytes) {
            // A packed one may be much longer than its bytes.
            Ok(Sitemap::Pages(listed) | Sitemap::Sitemaps(listed))
                if bytes.first() != Some(&0x1f) =>
            {
                // A byte that is no UTF-8 becomes three.
                let length: usize = listed.iter().map(String::len).sum();
                assert!(length <= 3 * bytes.len(), "{length} bytes of addresses");
            }
            Ok(_) => {}
            Err(why) => assert!(!why.is_empty()),
        }
        return;
    }
    let robots = Robots::read(bytes, ROBOT);
    assert!(robots.delay.is_none_or(|delay| delay.as_secs() <= 10), "{:?}", robots.delay);
    for path in ["/", "/docs/a.html?b=c", "/~x", "/é"] {
        let escaped: String = path
            .bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() || byte == b'~' || byte >= 0x80 {
                true => format!("%{byte:02x}"),
                false => char::from(byte).to_string(),
            })
            .collect();
        assert_eq!(robots.allows(path), robots.allows(&escaped), "{path} and {escaped}");
    }
}
