//! Where documents come from, as an operator of `parlor ingest` meets it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod pdfs;
mod refreshing;
mod site;
mod sites;
#[path = "../support/mod.rs"]
mod support;

use std::{
    path::Path,
    process::{Command, Output},
};

use parlor_search::{Passage, SqliteIndex};

/// `parlor`, with nothing of this process's environment.
fn parlor(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.current_dir(folder).env_clear();
    command
}

/// What a command that ends well prints.
fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// What the index in a folder has for a query.
async fn search(folder: &Path, query: &str) -> Vec<Passage> {
    let index = SqliteIndex::open(folder.join("parlor.db").to_str().unwrap()).await.unwrap();
    index.search(query, 10).await.unwrap()
}

/// The addresses that a query finds.
async fn urls(folder: &Path, query: &str) -> Vec<String> {
    search(folder, query).await.into_iter().map(|passage| passage.url).collect()
}
