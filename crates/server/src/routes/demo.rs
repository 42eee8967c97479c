//! The demo: Parlor's own documentation as articles, with the chat beside them.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use minijinja::{Environment, context};
use parlor_search::{DocumentUrls, render_html_with};
use rust_embed::RustEmbed;

use crate::{app::App, auth::Authenticator, error::ApiError, routes::assets};

/// The sources of the documentation.
#[derive(RustEmbed)]
#[folder = "../../docs"]
#[include = "*.md"]
struct Docs;

/// Style and behaviour of the demo pages.
#[derive(RustEmbed)]
#[folder = "assets"]
#[include = "demo.css"]
#[include = "demo.js"]
struct DemoAssets;

/// Where the documentation is; `parlor ingest docs --base-url /docs/` makes the same addresses.
const BASE: &str = "/docs/";

/// The pages in reading order. Others (decisions) can be opened but are not listed.
const PAGES: &[&str] = &[
    "index",
    "getting-started",
    "documents",
    "retrieval",
    "models",
    "context",
    "agents",
    "write-an-agent",
    "bring-your-agent",
    "mcp",
    "guardrails",
    "inspector",
    "element",
    "widget",
    "react",
    "docusaurus",
    "nextjs",
    "attachments",
    "configuration",
    "databases",
    "authentication",
    "sdk",
    "sdk-turn",
    "sdk-widgets",
    "sdk-stores",
    "sdk-from-python",
    "ag-ui",
    "protocol",
    "operating",
    "troubleshooting",
];

/// No inline script or style, nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    if let Err(error) =
        environment.add_template("page.html", include_str!("../../assets/page.html"))
    {
        tracing::error!(%error, "the demo page's template is broken");
    }
    environment
});

/// Titles and addresses of the listed pages.
static NAVIGATION: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let urls = DocumentUrls::new(BASE);
    PAGES
        .iter()
        .filter_map(|page| {
            let source = source(page)?;
            Some((render_html_with(&source, &|_| None).title, urls.url_of(&format!("{page}.md"))))
        })
        .collect()
});

pub(crate) async fn get_index(State(app): State<Arc<App>>, request: Request) -> Response {
    page(&app, "index", request)
}

pub(crate) async fn get_page(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    page(&app, path.trim_end_matches('/'), request)
}

pub(crate) async fn get_asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let mime = match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    match DemoAssets::get(&path) {
        Some(file) => assets::embedded(file, mime, "public, no-cache", &headers),
        None => ApiError::not_found("there is no such asset").into_fresh_response(),
    }
}

fn source(page: &str) -> Option<String> {
    let file =
        Docs::get(&format!("{page}.md")).or_else(|| Docs::get(&format!("{page}/index.md")))?;
    String::from_utf8(file.data.into_owned()).ok()
}

fn page(app: &App, name: &str, request: Request) -> Response {
    let Some(source) = source(name) else {
        return (StatusCode::NOT_FOUND, html(app, request, "404", NOT_FOUND)).into_response();
    };
    html(app, request, name, &source)
}

const NOT_FOUND: &str = "# This page does not exist\n\nChoose one from the list, or ask.\n";

fn html(app: &App, request: Request, name: &str, source: &str) -> Response {
    let urls = DocumentUrls::new(BASE);
    let from = format!("{name}.md");
    let rendered = render_html_with(source, &|link| urls.resolve(&from, link));
    let here = urls.url_of(&from);
    let navigation: Vec<_> = NAVIGATION
        .iter()
        .map(|(title, url)| context! { title, url, current => *url == here })
        .collect();
    let headings: Vec<_> = rendered
        .headings
        .iter()
        .map(|heading| context! { id => heading.id.as_str(), text => heading.text.as_str(), level => heading.level })
        .collect();
    let position = NAVIGATION.iter().position(|(_, url)| *url == here);
    let next = position.and_then(|at| NAVIGATION.get(at + 1));
    let next = next.map(|(title, url)| context! { title, url });
    let trusted_header = match &app.auth {
        Authenticator::TrustedHeader(settings) => Some(settings.user.as_str()),
        Authenticator::Jwt(_) | Authenticator::Session(_) | Authenticator::Anonymous { .. } => None,
    };
    let page = TEMPLATES.get_template("page.html").and_then(|template| {
        template.render(context! {
            title => rendered.title,
            description => rendered.description,
            html => rendered.html,
            headings,
            navigation,
            next,
            trusted_header,
            session => app.auth.sessions().is_some(),
            dictation => app.demo.dictation,
            files => app.demo.files.map(|(count, bytes)| format!("{count} {bytes}")),
            version => env!("CARGO_PKG_VERSION"),
        })
    });
    let page = match page {
        Ok(page) => page,
        Err(error) => return ApiError::internal(format!("{error:#}")).into_fresh_response(),
    };
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The first visit sets the cookie here, so that the page's first requests share a visitor.
    let (parts, _) = request.into_parts();
    if let Some(cookie) = app.auth.welcome(&parts) {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_listed_page_exists_and_every_page_is_listed() {
        for page in PAGES {
            assert!(source(page).is_some(), "docs/{page}.md is listed but missing");
        }
        for file in Docs::iter().filter(|file| !file.contains('/')) {
            let page = file.strip_suffix(".md").unwrap();
            assert!(PAGES.contains(&page), "docs/{file} is not listed in the demo's navigation");
        }
    }

    #[test]
    fn links_between_the_pages_lead_somewhere() {
        let urls = DocumentUrls::new(BASE);
        let broken = std::sync::Mutex::new(Vec::new());
        for file in Docs::iter() {
            let text = source(file.strip_suffix(".md").unwrap()).unwrap();
            let _ = render_html_with(&text, &|link| {
                let resolved = urls.resolve(&file, link)?;
                let (path, anchor) = resolved.split_once('#').unwrap_or((&resolved, ""));
                let name = path.strip_prefix(BASE)?;
                let target =
                    source(if name.is_empty() { "index" } else { name.trim_end_matches('/') });
                let found = target.is_some_and(|text| {
                    anchor.is_empty()
                        || render_html_with(&text, &|_| None)
                            .headings
                            .iter()
                            .any(|heading| heading.id == anchor)
                });
                if !found {
                    broken.lock().unwrap().push(format!("{file}: {link}"));
                }
                None
            });
        }
        assert_eq!(broken.into_inner().unwrap(), Vec::<String>::new());
    }
}
