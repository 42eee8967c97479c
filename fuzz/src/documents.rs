//! Documents and questions to passages.

use std::{fs, sync::LazyLock};

use parlor_search::{IngestOptions, SqliteIndex, render_html};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bytes::Choices;

/// One index for all inputs, in memory where the system has a folder for that.
struct Library {
    runtime: Runtime,
    folder: TempDir,
    index: SqliteIndex,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let runtime = crate::engine::runtime();
    let folder = crate::engine::folder();
    fs::create_dir(folder.path().join("docs")).unwrap();
    let url = format!("sqlite://{}", folder.path().join("index.db").display());
    let index = runtime.block_on(SqliteIndex::open(&url)).unwrap();
    Library { runtime, folder, index }
});

/// Any bytes are a document, of any of the formats: they are cut into passages that can be found,
/// or are refused, and are rendered.
pub fn documents(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let name = choices.one_of(&["page.md", "page.mdx", "page.html", "page.txt", "page.markdown"]);
    let text = choices.rest();
    if let Ok(markdown) = std::str::from_utf8(text) {
        let page = render_html(markdown);
        assert!(page.html.len() <= 200 * (markdown.len() + 100), "{} bytes", page.html.len());
    }
    let library = &*LIBRARY;
    let folder = library.folder.path().join("docs");
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    library.runtime.block_on(async {
        library.index.ingest(IngestOptions::new([&folder]), &()).await.unwrap();
        let words: String = String::from_utf8_lossy(text).chars().take(80).collect();
        for passage in library.index.search(&words, 5).await.unwrap() {
            assert!(!passage.text.trim().is_empty(), "{passage:?}");
            assert!(!passage.url.is_empty(), "{passage:?}");
        }
    });
    fs::remove_file(&path).unwrap();
}

/// Any text is a question: passages or none, never an error.
pub fn search(bytes: &[u8]) {
    static FILLED: LazyLock<()> = LazyLock::new(|| {
        let library = &*LIBRARY;
        let folder = library.folder.path().join("docs");
        let text = "# Install\n\nRun `cargo install x` \"AND\" OR NOT near(*) col:umn ^ é 漢字.\n";
        fs::write(folder.join("fixed.md"), text).unwrap();
        let options = IngestOptions::new([&folder]);
        library.runtime.block_on(library.index.ingest(options, &())).unwrap();
    });
    LazyLock::force(&FILLED);
    let mut choices = Choices::new(bytes);
    let limit = choices.below(12);
    let query = String::from_utf8_lossy(choices.rest()).into_owned();
    let found = LIBRARY.runtime.block_on(LIBRARY.index.search(&query, limit)).unwrap();
    assert!(found.len() <= limit, "{} passages where {limit} were asked for", found.len());
}
