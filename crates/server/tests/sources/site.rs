//! A site to index: a real HTTP server that can change, misbehave and tell what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode, header},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// What the site has at a path.
#[derive(Clone)]
pub(crate) struct Place {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Place {
    /// A page, with a validator of its own content.
    pub(crate) fn page(body: &str) -> Self {
        let etag = format!(
            "\"{:x}\"",
            body.bytes()
                .fold(7_u64, |hash, byte| { hash.wrapping_mul(31).wrapping_add(byte.into()) })
        );
        Self::status(200, body).with("content-type", "text/html").with("etag", etag)
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Inner {
    places: BTreeMap<String, Place>,
    /// Paths, and the statuses they were answered with.
    asked: Vec<(String, u16)>,
}

/// The site. It is gone when this is dropped.
pub(crate) struct Site {
    pub(crate) url: String,
    inner: Arc<Mutex<Inner>>,
    serving: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, serving }
    }

    pub(crate) fn put(&self, path: &str, place: Place) {
        self.inner.lock().unwrap().places.insert(path.to_owned(), place);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.inner.lock().unwrap().places.remove(path);
    }

    /// A page of this title with a section of this text.
    pub(crate) fn page(&self, path: &str, title: &str, text: &str) {
        let html = format!(
            "<html lang=en><title>{title}</title><main><h1>{title}</h1><h2 id=more>More</h2><p>{text}</main>"
        );
        self.put(path, Place::page(&html));
    }

    /// A sitemap of these paths or addresses.
    pub(crate) fn sitemap(&self, at: &str, listed: &[&str]) {
        self.put(at, Place::status(200, self.list(("urlset", "url"), listed)));
    }

    /// A sitemap of sitemaps.
    pub(crate) fn sitemap_of_sitemaps(&self, at: &str, listed: &[&str]) {
        self.put(at, Place::status(200, self.list(("sitemapindex", "sitemap"), listed)));
    }

    pub(crate) fn list(&self, (root, entry): (&str, &str), listed: &[&str]) -> String {
        let entries = listed.iter().map(|place| {
            let address = if place.contains("://") { (*place).to_owned() } else { self.at(place) };
            format!("<{entry}><loc>{}</loc></{entry}>", address.replace('&', "&amp;"))
        });
        format!("<?xml version=\"1.0\"?><{root}>{}</{root}>", entries.collect::<String>())
    }

    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What was asked for since the last time, with the statuses.
    pub(crate) fn asked(&self) -> Vec<(String, u16)> {
        let mut asked = std::mem::take(&mut self.inner.lock().unwrap().asked);
        asked.sort();
        asked
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, request: Request) -> Response<Body> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let asked_with = request.headers().get(header::IF_NONE_MATCH).cloned();
    let mut inner = inner.lock().unwrap();
    let mut place = inner.places.get(&path).cloned().unwrap_or(Place::status(404, "not here"));
    let matches =
        asked_with.is_some_and(|etag| place.header("etag").is_some_and(|own| etag == own));
    if matches {
        place.status = 304;
        place.body.clear();
    }
    inner.asked.push((path, place.status));
    let mut response = Response::builder().status(StatusCode::from_u16(place.status).unwrap());
    for (name, value) in &place.headers {
        response = response.header(*name, value);
    }
    response.body(place.body.into()).unwrap()
}
