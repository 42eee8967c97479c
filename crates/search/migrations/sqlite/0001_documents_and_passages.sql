-- One row per indexed file. `path` is absolute and is the file's identity; `root` is the directory
-- (or single file) it was found under, so that a run over one root never removes another's.
CREATE TABLE search_documents (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    path         TEXT    NOT NULL UNIQUE,
    root         TEXT    NOT NULL,
    url          TEXT    NOT NULL,
    title        TEXT    NOT NULL,
    description  TEXT,
    -- Of the bytes and of everything else the passages depend on: base URL, pipeline version.
    content_hash BLOB    NOT NULL,
    -- Only what the content hash holds besides the bytes: the size and time short-cut needs it.
    settings_hash BLOB   NOT NULL,
    size_bytes   INTEGER NOT NULL,
    -- Nanoseconds since 1970; NULL when the time is too fresh to be trusted as "unchanged".
    modified_ns  INTEGER
) STRICT;

-- AUTOINCREMENT: an id that was handed out as a citation never comes to mean another passage.
CREATE TABLE search_passages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES search_documents (id),
    ordinal     INTEGER NOT NULL,
    anchor      TEXT,
    breadcrumbs TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    UNIQUE (document_id, ordinal)
) STRICT;

-- Contentless: the words are prepared for search (bigrams for scripts without spaces, parts of
-- identifiers), the text people read is in search_passages.
CREATE VIRTUAL TABLE search_words USING fts5 (
    title, headings, body, parts,
    content = '',
    contentless_delete = 1,
    tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'"
);
INSERT INTO search_words (search_words, rank) VALUES ('rank', 'bm25(6.0, 4.0, 1.0, 0.5)');

CREATE TABLE search_state (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    last_ingest_at   TEXT
) STRICT;
INSERT INTO search_state (id) VALUES (1);
