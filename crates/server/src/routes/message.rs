//! Small pages that say something to people whose browser has come here from elsewhere.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parlor_chatkit::protocol::RequestId;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("../../assets/message.css");

/// Nothing but this style.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// What a page says.
pub(crate) struct Message<'a> {
    pub(crate) status: StatusCode,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    /// Where people can go from there: HTML, and none of it a stranger's.
    pub(crate) ways: &'a str,
    /// For those whom people ask when something went wrong.
    pub(crate) request_id: Option<&'a RequestId>,
}

impl Message<'_> {
    /// The page, of one browser and of one moment.
    pub(crate) fn page(&self) -> Response {
        // Where a form leads to is where its answer redirects to as well: to servers that are not
        // known here.
        let form = if self.ways.contains("<form") { "" } else { "; form-action 'none'" };
        let mut response = (self.status, Html(self.html())).into_response();
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&format!("{}{form}", *POLICY)) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        // Without a referrer browsers do not say where a form comes from.
        let referrer = if form.is_empty() { "same-origin" } else { "no-referrer" };
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        of_this_moment(response)
    }

    fn html(&self) -> String {
        let (title, text, ways) = (escaped(self.title), escaped(self.text), self.ways);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n<p>{text}</p>\n"
        );
        // Writing to a string does not fail.
        if !ways.is_empty() {
            let _ = writeln!(page, "<div class=\"ways\">{ways}</div>");
        }
        if let Some(id) = self.request_id {
            let _ = writeln!(page, "<p class=\"id\">{id}</p>");
        }
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }
}

/// It is of one browser and of one moment.
pub(crate) fn of_this_moment(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(header::VARY, HeaderValue::from_static("cookie"));
    response
}

/// As text in HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_names_as_they_are_written() {
        let message = Message {
            status: StatusCode::OK,
            title: "Connect <script>",
            text: "\"Ada\" & 'Bob' </p>",
            ways: "",
            request_id: None,
        };
        let html = message.html();
        assert!(html.contains("<h1>Connect &lt;script&gt;</h1>"), "{html}");
        assert!(html.contains("&quot;Ada&quot; &amp; &#39;Bob&#39; &lt;/p&gt;"), "{html}");
    }
}
