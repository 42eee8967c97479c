//! PDFs among the documents.

use std::fs;

use crate::{parlor, printed, search, support, urls};

#[tokio::test]
async fn pdfs_are_found_by_page_and_the_others_skipped_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    fs::create_dir(&docs).unwrap();
    fs::write(docs.join("a.md"), "# Alpha\n\nText.\n").unwrap();
    fs::write(docs.join("user-manual.pdf"), support::pdf("The kettle is hot")).unwrap();
    fs::write(docs.join("cut.pdf"), &support::pdf("cut off")[..300]).unwrap();
    fs::write(docs.join("endless.pdf"), support::endless_pdf()).unwrap();
    fs::write(docs.join("scan.pdf"), support::pdf("")).unwrap();

    let ingest = || printed(parlor(folder.path()).args(["ingest", "docs", "--base-url", "/d/"]));
    let said = ingest();
    assert!(said.contains("2 added, 0 changed, 0 unchanged, 0 removed, 3 skipped"), "{said}");
    for (name, why) in [
        ("cut.pdf", "is a PDF whose text cannot be read: it is damaged"),
        ("endless.pdf", "is a PDF whose text cannot be read: it is damaged"),
        ("scan.pdf", "it has no text; its pages are probably images"),
    ] {
        let line = said.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains(why), "{line}");
    }
    let found = search(folder.path(), "kettle").await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].url, "/d/user-manual.pdf#page=1");
    assert_eq!(found[0].document_title, "User manual");
    assert_eq!(found[0].text, "The kettle is hot");

    // It is read again only when it changed, and forgotten when it has no text any more.
    assert!(ingest().contains("0 added, 0 changed, 2 unchanged, 0 removed"));
    fs::write(docs.join("user-manual.pdf"), support::pdf("The kettle is cold now")).unwrap();
    assert!(ingest().contains("0 added, 1 changed, 1 unchanged, 0 removed"));
    assert_eq!(search(folder.path(), "kettle").await[0].text, "The kettle is cold now");
    fs::write(docs.join("user-manual.pdf"), support::pdf("")).unwrap();
    assert!(ingest().contains("0 added, 0 changed, 1 unchanged, 1 removed"));
    assert!(urls(folder.path(), "kettle").await.is_empty());
}

#[tokio::test]
async fn tags_and_a_language_of_all_documents_are_kept_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let page = "---\ntags: [own]\n---\n# Seite\n\nInhalt\n";
    fs::write(folder.path().join("page.md"), page).unwrap();
    let ingest = |more: &[&str]| {
        printed(parlor(folder.path()).args(["ingest", "page.md"]).args(more));
    };
    let kept = || {
        let database = rusqlite::Connection::open(folder.path().join("parlor.db")).unwrap();
        let sql = "SELECT tags, language FROM search_documents";
        database
            .query_row(sql, [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
            })
            .unwrap()
    };
    ingest(&["--tag", "Guide", "--tag", "own", "--language", "de-AT"]);
    assert_eq!(kept(), (r#"["own","guide"]"#.to_owned(), Some("de".to_owned())));
    assert_eq!(urls(folder.path(), "guide").await, ["/page"]);
    ingest(&[]);
    assert_eq!(kept(), (r#"["own"]"#.to_owned(), None));
}
