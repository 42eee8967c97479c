-- What a search can be narrowed by. `tags` is a JSON list; a document without a tenant is everybody's.
ALTER TABLE search_documents ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE search_documents ADD COLUMN language TEXT;
ALTER TABLE search_documents ADD COLUMN tenant TEXT;

-- The page that a reader is on is looked up by its address.
CREATE INDEX search_documents_by_url ON search_documents (url);
-- Most installations have no tenant's documents: then this is empty, and asking it costs nothing.
CREATE INDEX search_documents_by_tenant ON search_documents (tenant) WHERE tenant IS NOT NULL;

-- The meaning of passages. `id` only grows, so that a reader fetches what is new by it; `hash` is of
-- the text that was embedded, so that a passage that stays keeps its vector when its document changes.
CREATE TABLE search_vectors (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    passage_id INTEGER NOT NULL UNIQUE,
    hash       BLOB    NOT NULL,
    vector     BLOB    NOT NULL
) STRICT;

-- `generation` grows with every change of the vectors or of which passages there are.
ALTER TABLE search_state ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- Which model the vectors are of, and how long they are.
ALTER TABLE search_state ADD COLUMN vector_model TEXT;
ALTER TABLE search_state ADD COLUMN vector_dimensions INTEGER;
