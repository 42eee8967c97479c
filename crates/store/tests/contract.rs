//! SQLite passes the stories that every store must pass.
#![expect(clippy::unwrap_used, reason = "tests")]

use parlor_store::{SqliteStore, contract::Kept};

async fn in_a_folder() -> Kept<SqliteStore, tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    Kept(SqliteStore::open(path.to_str().unwrap()).await.unwrap(), folder)
}

parlor_store::store_stories!(in_a_folder);
parlor_store::grant_stories!(in_a_folder);
parlor_store::login_stories!(in_a_folder);
parlor_store::operator_stories!(in_a_folder);
parlor_store::limit_stories!(in_a_folder);
parlor_store::usage_stories!(in_a_folder);
