//! Files on their way in and out: links, what is in them, small images.

pub(crate) mod inspect;
mod links;
pub(crate) mod preview;
pub(crate) mod receive;

use std::sync::Arc;

use axum::http::{HeaderMap, header, request::Parts};
use tokio::sync::Semaphore;
use url::Url;

pub use links::FileLinks;
pub(crate) use links::{LinkError, LinkQuery, Purpose};

/// Uploads that are taken at once; others wait a moment. Each holds a few hundred kilobytes, or
/// ten megabytes where files go to a bucket.
const UPLOADS: usize = 32;

/// Images that are decoded at once: each may take [`preview::MAX_DECODED_BYTES`].
const PREVIEWS: usize = 2;

/// What the routes for files share.
pub(crate) struct Files {
    pub(crate) links: FileLinks,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) previews: Arc<Semaphore>,
}

impl Files {
    pub(crate) fn new(links: FileLinks) -> Self {
        Self {
            links,
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            previews: Arc::new(Semaphore::new(PREVIEWS)),
        }
    }
}

/// What the addresses of files begin with: the server as this client reaches it.
///
/// The setting says it, or the request does: a proxy names its scheme, host and the path under which
/// it passes requests on (`X-Forwarded-Proto`, `-Host`, `-Prefix`). A client that lies about it only
/// gets links that do not work: nothing of it is kept, and nobody else is sent it.
pub(crate) fn base_url(public_url: Option<&Url>, parts: &Parts) -> String {
    if let Some(url) = public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let scheme = match first(&parts.headers, "x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    let host = first(&parts.headers, "x-forwarded-host")
        .or_else(|| parts.headers.get(header::HOST)?.to_str().ok())
        .or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
        .unwrap_or("localhost");
    // Only an origin: whatever else stands in the header is left out.
    let mut base = Url::parse(&format!("{scheme}://{host}"))
        .ok()
        .map(|url| url.origin())
        .filter(url::Origin::is_tuple)
        .map_or_else(|| format!("{scheme}://localhost"), |origin| origin.ascii_serialization());
    if let Some(prefix) = first(&parts.headers, "x-forwarded-prefix").and_then(plain_path) {
        base.push_str(prefix);
    }
    base
}

/// A path of plain segments, such as `/api/parlor`; nothing that would be read as something else.
fn plain_path(path: &str) -> Option<&str> {
    let path = path.trim_end_matches('/');
    let plain = |segment: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        !segment.is_empty()
            && segment.bytes().all(known)
            && segment.bytes().any(|byte| byte != b'.')
    };
    path.strip_prefix('/')?.split('/').all(plain).then_some(path)
}

/// The first value of a header that proxies add to.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::http::Request;

    use super::*;

    fn asked(headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        base_url(None, &request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn addresses_begin_with_what_the_client_asked() {
        assert_eq!(asked(&[("host", "127.0.0.1:8000")]), "http://127.0.0.1:8000");
        assert_eq!(asked(&[("host", "[::1]:8000")]), "http://[::1]:8000");
        let proxied = [("host", "inner:8000"), ("x-forwarded-proto", "https")];
        assert_eq!(asked(&proxied), "https://inner:8000");
        let proxied = [
            ("host", "inner:8000"),
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-host", "chat.example.com, inner"),
        ];
        assert_eq!(asked(&proxied), "https://chat.example.com");
    }

    #[test]
    fn nonsense_in_the_headers_makes_no_odd_address() {
        assert_eq!(asked(&[]), "http://localhost");
        assert_eq!(asked(&[("host", "")]), "http://localhost");
        assert_eq!(asked(&[("host", "a b")]), "http://localhost");
        assert_eq!(asked(&[("host", "good.example/evil?x=")]), "http://good.example");
        assert_eq!(asked(&[("host", "user:pass@good.example")]), "http://good.example");
        let odd = [("host", "good.example"), ("x-forwarded-proto", "javascript")];
        assert_eq!(asked(&odd), "http://good.example");
    }

    #[test]
    fn a_proxy_may_have_put_it_under_a_path() {
        let under = |prefix| asked(&[("host", "site.example"), ("x-forwarded-prefix", prefix)]);
        assert_eq!(under("/api/parlor"), "http://site.example/api/parlor");
        assert_eq!(under("/chat.v1/"), "http://site.example/chat.v1");
        for odd in [
            "/",
            "api",
            "//evil.example",
            "/a//b",
            "/a/../b",
            "/..",
            "/a?b",
            "/a#b",
            "/%2e",
            "/a b",
            "/ä",
            "@evil.example",
        ] {
            assert_eq!(under(odd), "http://site.example", "{odd}");
        }
    }

    #[test]
    fn the_setting_wins() {
        let public: Url = "https://example.com/chat/".parse().unwrap();
        let inner = Request::builder().header("host", "inner").header("x-forwarded-prefix", "/api");
        let parts = inner.body(()).unwrap().into_parts().0;
        assert_eq!(base_url(Some(&public), &parts), "https://example.com/chat");
    }
}
