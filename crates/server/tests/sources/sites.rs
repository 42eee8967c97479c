//! `parlor ingest https://…`: the pages that a sitemap lists.

use std::{io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};

use crate::{
    parlor, search,
    site::{Place, Site},
    support, urls,
};

/// Ingests a site: what was printed, or what went wrong.
fn ingest(folder: &Path, site: &str, more: &[&str]) -> Result<String, String> {
    let output = parlor(folder).arg("ingest").arg(site).args(more).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_read_once_and_then_only_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    site.put("/robots.txt", Place::status(200, "User-agent: *\nDisallow: /private\n"));
    site.sitemap_of_sitemaps("/sitemap.xml", &["/docs.xml.gz", "/blog.txt"]);
    let docs = site.list(("urlset", "url"), &["/docs/", "/docs/setup#top", "/private/x", "/docs/"]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(docs.as_bytes()).unwrap();
    site.put("/docs.xml.gz", Place::status(200, packed.finish().unwrap()));
    site.put(
        "/blog.txt",
        Place::status(200, format!("{}\n{}\n", site.at("/blog/1"), site.at("/manual"))),
    );
    site.page("/docs/", "Welcome", "aardvark");
    site.page("/docs/setup", "Setup", "badger");
    site.page("/private/x", "Private", "secret");
    site.page("/blog/1", "News", "cheetah");
    site.put(
        "/manual",
        Place::status(200, support::pdf("dromedary")).with("content-type", "application/pdf"),
    );

    let sitemap = site.at("/sitemap.xml");
    let said = ingest(folder.path(), &sitemap, &["--tag", "site"]).unwrap();
    assert!(said.contains("4 added, 0 changed, 0 unchanged, 0 removed, 1 skipped"), "{said}");
    assert!(said.contains(&format!("{}: is disallowed", site.at("/private/x"))), "{said}");
    assert!(!site.asked().iter().any(|(path, _)| path == "/private/x"));
    let found = &search(folder.path(), "badger").await[0];
    assert_eq!(found.url, site.at("/docs/setup#more"));
    assert_eq!(found.breadcrumbs, ["Setup", "More"]);
    assert_eq!(urls(folder.path(), "dromedary").await, [site.at("/manual#page=1")]);

    // Again: what did not change is not sent again.
    site.page("/docs/setup", "Setup", "beaver");
    site.remove("/blog/1");
    let said = ingest(folder.path(), &sitemap, &["--tag", "site"]).unwrap();
    assert!(said.contains("0 added, 1 changed, 2 unchanged, 1 removed, 2 skipped"), "{said}");
    assert!(said.contains("is listed and not there (status 404)"), "{said}");
    let asked = site.asked();
    for (path, status) in
        [("/docs/", 304), ("/docs/setup", 200), ("/blog/1", 404), ("/manual", 200)]
    {
        assert!(asked.contains(&(path.to_owned(), status)), "{path}: {asked:?}");
    }
    assert_eq!(urls(folder.path(), "beaver").await, [site.at("/docs/setup#more")]);
    for gone in ["badger", "cheetah"] {
        assert!(urls(folder.path(), gone).await.is_empty(), "{gone}");
    }

    // What is made of it otherwise is fetched anew; what is not listed any more goes.
    site.put("/blog.txt", Place::status(200, site.at("/manual")));
    let said = ingest(folder.path(), &sitemap, &[]).unwrap();
    assert!(said.contains("0 added, 3 changed, 0 unchanged, 0 removed"), "{said}");
    site.sitemap("/sitemap.xml", &["/docs/"]);
    let said = ingest(folder.path(), &sitemap, &[]).unwrap();
    assert!(said.contains("0 added, 0 changed, 1 unchanged, 2 removed"), "{said}");
    assert_eq!(urls(folder.path(), "aardvark").await, [site.at("/docs/#more")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_in_trouble_never_empties_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    let pages = ["/1", "/2", "/3", "/4"];
    site.sitemap("/sitemap.xml", &pages);
    for page in pages {
        site.page(page, "Page", &format!("elephant {page}"));
    }
    let sitemap = site.at("/sitemap.xml");
    let again = || ingest(folder.path(), &sitemap, &[]);
    let has = async |count: usize| {
        let found = urls(folder.path(), "elephant").await;
        assert_eq!(found.len(), count, "{found:?}");
    };
    assert!(again().unwrap().contains("4 added"));
    has(4).await;

    // Sitemaps that are none, and a robots.txt that cannot be had: nothing is done at all.
    let good = site.list(("urlset", "url"), &pages);
    for (place, why) in [
        (Place::status(500, "oops"), "was answered with status 500"),
        (Place::status(404, "not found"), "was answered with status 404"),
        (Place::page("<html><body>We will be back soon</body></html>"), "is a page and no sitemap"),
        (Place::status(200, "<urlset></urlset>"), "lists no pages"),
        (Place::status(200, &good[..good.len() / 2]), "is broken"),
        (
            Place::status(302, "").with("location", "https://status.example/"),
            "leads to another site",
        ),
    ] {
        site.put("/sitemap.xml", place);
        let said = again().unwrap_err();
        assert!(said.contains(why) && said.contains("nothing was changed"), "{why}: {said}");
        has(4).await;
    }
    site.put("/sitemap.xml", Place::status(200, good));
    site.put("/robots.txt", Place::status(503, ""));
    assert!(again().unwrap_err().contains("robots.txt does not answer"));
    has(4).await;
    site.remove("/robots.txt");

    // Pages that fail stay as they were, and so do pages that most of the others are gone with.
    site.put("/1", Place::status(500, ""));
    site.put("/2", Place::status(403, ""));
    let said = again().unwrap();
    assert!(said.contains("2 unchanged, 0 removed, 2 skipped"), "{said}");
    assert!(said.contains("the site answered with status 500"), "{said}");
    has(4).await;
    for page in &pages[..3] {
        site.remove(page);
    }
    let said = again().unwrap();
    assert!(
        said.contains("lists 3 pages that are not there and 1 that are; none was removed"),
        "{said}"
    );
    has(4).await;

    // One part of many that cannot be read: what it may list is kept.
    for page in pages {
        site.page(page, "Page", &format!("elephant {page}"));
    }
    site.sitemap_of_sitemaps("/sitemap.xml", &["/a.xml", "/b.xml"]);
    site.sitemap("/a.xml", &["/1", "/2"]);
    let said = again().unwrap();
    assert!(said.contains("2 unchanged, 0 removed, 1 skipped"), "{said}");
    has(4).await;
    site.sitemap("/b.xml", &["/3"]);
    assert!(again().unwrap().contains("3 unchanged, 1 removed, 0 skipped"));
    has(3).await;

    // Nobody is there at all.
    drop(site);
    assert!(again().unwrap_err().contains("nothing was changed"));
    has(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_the_site_that_may_be_indexed_are() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    let elsewhere = Site::start().await;
    elsewhere.page("/far", "Far", "flamingo far away");
    site.put("/robots.txt", Place::status(200, format!("Sitemap: {}\n", site.at("/map"))));
    let far = elsewhere.at("/far");
    let old = "/old?a=1&b=2";
    site.sitemap(
        "/map",
        &["/new", old, "/away", "/loop", "/hidden", "/asks", "/big", "/data", "/latin", &far],
    );
    site.page("/new", "New", "flamingo here");
    site.put(old, Place::status(301, "").with("location", "new#there"));
    site.put("/away", Place::status(302, "").with("location", far.as_str()));
    site.put("/loop", Place::status(302, "").with("location", "/loop"));
    site.put("/hidden", Place::page("<p>flamingo").with("x-robots-tag", "noindex"));
    site.put("/asks", Place::page("<meta name=robots content=noindex><p>flamingo"));
    site.put("/big", Place::page(&"flamingo ".repeat(300_000)));
    site.put("/data", Place::status(200, "{}").with("content-type", "application/json"));
    let latin = b"<title>Voli\xe8re</title><p>flamingo".to_vec();
    site.put(
        "/latin",
        Place::status(200, latin).with("content-type", "text/html; charset=iso-8859-1"),
    );

    // The address of the site stands for the sitemaps that its robots.txt names.
    let more = ["--max-file-bytes", "2000000"];
    let said = ingest(folder.path(), &site.url, &more).unwrap();
    assert!(said.contains("2 added, 0 changed, 0 unchanged, 0 removed, 8 skipped"), "{said}");
    for (page, why) in [
        (site.at(old), format!("is the same page as {}", site.at("/new"))),
        (site.at("/away"), format!("leads to another site, {far}")),
        (site.at("/loop"), "it leads on and on".to_owned()),
        (site.at("/hidden"), "is excluded".to_owned()),
        (site.at("/asks"), "is excluded".to_owned()),
        (site.at("/big"), "is too large".to_owned()),
        (site.at("/data"), "is application/json, which is not indexed".to_owned()),
        (far.clone(), "is on another host".to_owned()),
    ] {
        let line = said.lines().find(|line| line.contains(&format!("skipped {page}:")));
        assert!(line.is_some_and(|line| line.contains(&why)), "{page} {why}: {said}");
    }
    assert!(elsewhere.asked().is_empty(), "another host is not even asked");
    let mut found = search(folder.path(), "flamingo").await;
    found.sort_by(|a, b| a.url.cmp(&b.url));
    let titles: Vec<_> = found.iter().map(|passage| passage.document_title.as_str()).collect();
    assert_eq!(titles, ["Volière", "New"]);

    // A second host of the same owner may be allowed. Its own robots.txt counts.
    let host = elsewhere.url.trim_start_matches("http://").to_owned();
    let said = ingest(folder.path(), &site.url, &["--host", &host, more[0], more[1]]).unwrap();
    assert!(said.contains("1 added") || said.contains("2 added"), "{said}");
    assert!(elsewhere.asked().iter().any(|(path, _)| path == "/robots.txt"));
    assert!(urls(folder.path(), "flamingo").await.contains(&elsewhere.at("/far#more")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_site_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for (address, why) in [
        ("http://", "is no address"),
        ("https://user:secret@example.com/sitemap.xml", "has a user or password in it"),
    ] {
        let said = ingest(folder.path(), address, &[]).unwrap_err();
        assert!(said.contains(why) && said.lines().count() == 1, "{said}");
    }
    // A sitemap that fails keeps no other source from being read.
    std::fs::write(folder.path().join("a.md"), "giraffe\n").unwrap();
    let site = Site::start().await;
    let said = ingest(folder.path(), &site.at("/none.xml"), &["a.md"]).unwrap_err();
    assert!(said.contains("status 404"), "{said}");
    assert_eq!(urls(folder.path(), "giraffe").await, ["/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_pages_and_a_pause_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    site.put("/robots.txt", Place::status(200, "User-agent: parlor\nCrawl-delay: 0.2\n"));
    let pages: Vec<String> = (0..6).map(|n| format!("/{n}")).collect();
    let listed: Vec<&str> = pages.iter().map(String::as_str).collect();
    site.sitemap("/sitemap.xml", &listed);
    for page in &listed {
        site.page(page, "Page", "hedgehog");
    }
    let began = std::time::Instant::now();
    let said = ingest(folder.path(), &site.at("/sitemap.xml"), &["--max-pages", "4"]).unwrap();
    assert!(began.elapsed() >= std::time::Duration::from_millis(600), "three pauses");
    assert!(said.contains("4 added, 0 changed, 0 unchanged, 0 removed, 1 skipped"), "{said}");
    assert!(said.contains("lists 6 pages, of which 4 were read"), "{said}");
}
