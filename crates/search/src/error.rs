use std::path::PathBuf;

/// Why the index could not do what it was asked.
///
/// Trouble with a single file of an ingest is not an error: it is reported as
/// [`Skipped`](crate::Skipped) and the rest is indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The database could not be opened, read or written.
    #[error("the search index could not use its database: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables of the index could not be created or brought up to date.
    #[error("the search index could not prepare its tables: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The name of the schema would need quoting.
    #[error(
        "`{0}` is no name for a schema; use small letters, digits and `_`, at most 63, and begin with a letter other than pg_"
    )]
    Schema(String),
    /// The tables of the index are missing or old, and are not to be brought up to date.
    #[error(
        "the tables for documents in schema `{0}` are not up to date and database.auto_migrate is off; run `parlor migrate` first"
    )]
    Behind(String),
    /// The tables of the index were made by a newer version of this program.
    #[error(
        "the tables for documents in schema `{schema}` are of a newer version (migration {version}); run that version or choose another schema with database.schema"
    )]
    TooNew {
        /// The schema.
        schema: String,
        /// The newest migration in it.
        version: i64,
    },
    /// The role may not bring the tables up to date.
    #[error(
        "the tables for documents in schema `{schema}` are not up to date and the role may not change them; run `parlor migrate` as a role that may, and grant this one its rights"
    )]
    MayNotMigrate {
        /// The schema.
        schema: String,
        /// What the server says.
        #[source]
        source: sqlx::Error,
    },
    /// The embedding model or the reranker did not do its part.
    #[error("texts could not be embedded: {0}")]
    Embedding(#[from] crate::EmbedError),
    /// The index cannot be searched by meaning.
    #[error("the index cannot be searched by meaning: {0}")]
    Vectors(String),
    /// None of the paths given to an ingest exists.
    #[error("there is nothing to index: `{}` does not exist; check the spelling or create it", path.display())]
    NoSuchPath {
        /// The first of the missing paths, as it was given.
        path: PathBuf,
    },
    /// An ingest was started without a path.
    #[error("there is nothing to index: name at least one file or directory")]
    NoPaths,
    /// A path given to an ingest exists but could not be looked at.
    #[error("`{}` could not be read: {source}; check its permissions", path.display())]
    Io {
        /// The path, as it was given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A list of pages is not what it should be.
    #[error(
        "`{}` is not a list of pages: {reason}; it has to look like {{\"pages\": [{{\"file\": \"intro/index.html\", \"url\": \"/intro\"}}]}}",
        path.display()
    )]
    Pages {
        /// The list, as it was given.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The pages of a site cannot be listed.
    #[error("`{url}` {reason}")]
    Site {
        /// The sitemap, as it was given.
        url: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A list of pages was given with anything else than the one directory they are in.
    #[error("a list of pages belongs to one directory; name that and nothing else")]
    PagesOfManyPaths,
    /// A background task of an ingest ended unexpectedly.
    #[error("indexing stopped unexpectedly: {0}; run it again")]
    Interrupted(#[from] tokio::task::JoinError),
}
