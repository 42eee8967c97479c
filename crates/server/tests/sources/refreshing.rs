//! Sources that are looked after: by `parlor ingest --watch`, and by a server.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    parlor, printed,
    site::{Place, Site},
    urls,
};

/// A process that ends with this.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits for a line of its output that begins with this.
    fn says(&mut self, beginning: &str) -> String {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with(beginning)).unwrap();
        // Whoever writes goes on writing.
        std::thread::spawn(move || lines.for_each(drop));
        line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a query finds exactly these.
async fn until_found(folder: &Path, query: &str, expected: &[String]) {
    let began = Instant::now();
    loop {
        let mut found = urls(folder, query).await;
        found.sort();
        if found == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{query}: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_is_indexed_whenever_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    fs::create_dir(&docs).unwrap();
    fs::write(docs.join("a.md"), "iguana\n").unwrap();
    let mut watching = Running::start(parlor(folder.path()).args(["ingest", "docs", "--watch"]));
    watching.says("Watching for changes");
    until_found(folder.path(), "iguana", &["/a".to_owned()]).await;
    fs::write(docs.join("b.md"), "iguana and jackal\n").unwrap();
    until_found(folder.path(), "iguana", &["/a".to_owned(), "/b".to_owned()]).await;
    fs::remove_file(docs.join("a.md")).unwrap();
    until_found(folder.path(), "iguana", &["/b".to_owned()]).await;
    // A folder that is made anew is away for a moment.
    fs::rename(&docs, folder.path().join("old")).unwrap();
    fs::create_dir(&docs).unwrap();
    fs::write(docs.join("c.md"), "iguana\n").unwrap();
    until_found(folder.path(), "iguana", &["/c".to_owned()]).await;

    let process = rustix::process::Pid::from_child(&watching.0);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(watching.0.wait().unwrap().success(), "it stops when it is asked to");
    let mut site = parlor(folder.path());
    let output = site.args(["ingest", "https://a.example", "--watch"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("[[search.sources]]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_its_sources_fresh_and_takes_turns_with_others() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    site.sitemap("/sitemap.xml", &["/page"]);
    site.page("/page", "Page", "kangaroo on the site");
    for name in ["docs", "more"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("docs/a.md"), "kangaroo in a file\n").unwrap();
    let config = |name: &str, more: &str| {
        let sitemap = site.at("/sitemap.xml");
        let text = format!(
            "[[search.sources]]\npath = \"docs\"\nevery = \"1s\"\nbase_url = \"/docs/\"\ntags = [\"file\"]\n\
             [[search.sources]]\nurl = \"{sitemap}\"\nevery = \"1h\"\n{more}"
        );
        fs::write(folder.path().join(name), text).unwrap();
    };
    let serve = |name: &str| {
        let mut command = parlor(folder.path());
        command.env("PARLOR_LISTEN", "127.0.0.1:0").args(["serve", "--config", name]);
        let mut server = Running::start(&mut command);
        let url = server.says("Parlor listens on ").replace("Parlor listens on ", "");
        (server, url)
    };
    let doctor = || {
        let output = parlor(folder.path()).args(["doctor", "--config", "parlor.toml"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    config("parlor.toml", "[metrics]\nenabled = true\n");
    assert!(doctor().contains("docs was not refreshed yet"), "{}", doctor());

    let (_first, url) = serve("parlor.toml");
    let page = site.at("/page#more");
    until_found(folder.path(), "kangaroo", &["/docs/a".to_owned(), page.clone()]).await;
    fs::write(folder.path().join("docs/b.md"), "kangaroo as well\n").unwrap();
    let all = ["/docs/a".to_owned(), "/docs/b".to_owned(), page];
    until_found(folder.path(), "kangaroo", &all).await;
    let began = Instant::now();
    while !doctor().contains("sitemap.xml: 1 documents, refreshed") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", doctor());
    }
    assert!(doctor().contains("docs: 2 documents, refreshed"), "{}", doctor());
    let figures = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
    assert!(
        figures.contains("parlor_source_refreshes_total{source=\"docs\",outcome=\"changed\"}"),
        "{figures}"
    );

    // Another server on the same index: the site was asked a moment ago, and is left alone.
    assert!(!site.asked().is_empty());
    fs::write(folder.path().join("more/c.md"), "koala\n").unwrap();
    config("second.toml", "[[search.sources]]\npath = \"more\"\n");
    let (_second, _) = serve("second.toml");
    until_found(folder.path(), "koala", &["/c".to_owned()]).await;
    assert_eq!(site.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_wrong_with_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    site.put("/sitemap.xml", Place::status(500, ""));
    let sitemap = site.at("/sitemap.xml");
    let text =
        format!("[[search.sources]]\nurl = \"{sitemap}\"\n[[search.sources]]\npath = \"none\"\n");
    fs::write(folder.path().join("parlor.toml"), text).unwrap();
    let mut command = parlor(folder.path());
    let mut server = Running::start(command.env("PARLOR_LISTEN", "127.0.0.1:0").arg("serve"));
    server.says("Parlor listens on ");
    let began = Instant::now();
    loop {
        let said = printed_anyhow(parlor(folder.path()).arg("doctor"));
        let known = said.contains("was answered with status 500; nothing was changed")
            && said.contains("`none` does not exist");
        if known {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{said}");
    }
    let printed = printed(parlor(folder.path()).arg("config"));
    assert!(printed.contains("[[search.sources]]"), "{printed}");
}

/// What a command prints, however it ends.
fn printed_anyhow(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}
