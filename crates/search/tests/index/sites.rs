//! Pages of a site, on either store. Over HTTP they are tried with the server.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use parlor_search::{
    FetchedPage, IngestOptions, IngestSummary, PageAnswer, PageFetcher, PageFuture, PageRequest,
    SiteOptions, Validators,
};

use crate::support::{Site, Store, counts};

const SITEMAP: &str = "https://a.example/sitemap.xml";

/// A site in memory: pages by path, each with itself as its validator.
#[derive(Default)]
struct Pages {
    pages: Mutex<BTreeMap<String, String>>,
    not_modified: Mutex<Vec<String>>,
}

impl Pages {
    fn put(&self, path: &str, html: &str) {
        self.pages.lock().unwrap().insert(path.to_owned(), html.to_owned());
    }

    fn list(&self, paths: &[&str]) {
        let entries: String =
            paths.iter().map(|path| format!("<url><loc>{path}</loc></url>")).collect();
        self.put("/sitemap.xml", &format!("<urlset>{entries}</urlset>"));
    }

    fn answer(&self, request: PageRequest<'_>) -> PageAnswer {
        let path = request.url.trim_start_matches("https://a.example");
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(page) = pages.get(path) else {
            return PageAnswer::Status { status: 404, retry_after: None };
        };
        let validators = Validators { etag: Some(format!("\"{page}\"")), last_modified: None };
        if request.validators == Some(&validators) {
            self.not_modified.lock().unwrap().push(path.to_owned());
            return PageAnswer::NotModified;
        }
        let content_type = Some("text/html".to_owned());
        let bytes = page.clone().into_bytes();
        PageAnswer::Page(FetchedPage { bytes, content_type, validators, noindex: false })
    }
}

impl PageFetcher for Pages {
    fn fetch<'a>(&'a self, request: PageRequest<'a>) -> PageFuture<'a> {
        Box::pin(async move { Ok(self.answer(request)) })
    }
}

pub(crate) async fn a_sites_pages_are_kept_with_what_to_ask_their_server(on: Store) {
    let site = Site::new(on).await;
    let pages = Pages::default();
    let ingest = async |pages: &Pages| -> IngestSummary {
        let options = IngestOptions::new(Vec::<String>::new());
        site.index.ingest_site(SiteOptions::new(SITEMAP), options, pages, &()).await.unwrap()
    };
    pages.list(&["/a", "/b", "/c"]);
    for name in ["a", "b", "c"] {
        pages.put(&format!("/{name}"), &format!("<title>{name}</title><p>lemur {name}"));
    }
    assert_eq!(counts(&ingest(&pages).await), (3, 0, 0, 0));
    // A file beside it is nothing of the site's, and the other way round.
    site.write("d.md", "lemur file\n");
    assert_eq!(counts(&site.ingest().await), (1, 0, 0, 0));
    pages.put("/b", "<title>b</title><p>lynx");
    pages.list(&["/a", "/b"]);
    assert_eq!(counts(&ingest(&pages).await), (0, 1, 1, 1));
    assert_eq!(*pages.not_modified.lock().unwrap(), ["/a"]);
    let mut found = site.urls("lemur").await;
    found.sort();
    assert_eq!(found, ["/docs/d", "https://a.example/a"]);
    assert_eq!(site.urls("lynx").await, ["https://a.example/b"]);
}
