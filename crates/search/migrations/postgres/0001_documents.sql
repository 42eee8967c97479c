-- Documents, their passages, the words and the vectors of these.
--
-- Runs with `search_path` set to the schema of the setting `database.schema`, in which the chat has its tables as
-- well; all names here begin with `search_`.
--
-- A document may be one tenant's. Row-level security shows its row and its passages to nobody else: readers say
-- who asks (`search_become`), an ingest says that it may see everything (`search_become_system`). FORCE: also the
-- tables' own role is bound. Words and vectors have no such policies: they hold ids and stems, no texts, and they
-- are what a search walks over by the thousand. What they lead to is read through the policies.

-- One row per indexed file, found by a hash of its path: paths and addresses may be longer than an index takes.
-- `root` is the directory (or single file) it was found under, so that a run over one root never removes another's.
CREATE TABLE search_documents (
    id            bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path          text    NOT NULL,
    path_hash     bytea   NOT NULL UNIQUE,
    root          text    NOT NULL,
    url           text    COLLATE "C" NOT NULL,
    title         text    NOT NULL,
    description   text,
    -- Of the bytes and of everything else the passages depend on: base URL, pipeline version.
    content_hash  bytea   NOT NULL,
    -- Only what the content hash holds besides the bytes: the size and time short-cut needs it.
    settings_hash bytea   NOT NULL,
    size_bytes    bigint  NOT NULL,
    -- Nanoseconds since 1970; NULL when the time is too fresh to be trusted as "unchanged".
    modified_ns   bigint,
    -- What a search can be narrowed by.
    tags          text[]  NOT NULL DEFAULT '{}',
    language      text,
    tenant        text    COLLATE "C"
);

-- The page that a reader is on is looked up by its address.
CREATE INDEX search_documents_by_url ON search_documents USING hash (url);
CREATE INDEX search_documents_by_tenant ON search_documents USING hash (tenant) WHERE tenant IS NOT NULL;

-- An id that was handed out as a citation never comes to mean another passage.
CREATE TABLE search_passages (
    id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id bigint  NOT NULL REFERENCES search_documents (id),
    ordinal     integer NOT NULL,
    anchor      text,
    breadcrumbs text    NOT NULL,
    text        text    NOT NULL,
    UNIQUE (document_id, ordinal)
);

-- The stems of a passage's words (`src/lexemes.rs` makes them): weight A in titles, B in headings, C parts of
-- identifiers, D the text. Stems in titles and headings are there a second time with `#` before them, so that the
-- index alone knows who has a word in a heading. `length` is the number of words.
CREATE TABLE search_words (
    passage_id  bigint   PRIMARY KEY,
    document_id bigint   NOT NULL,
    length      integer  NOT NULL,
    words       tsvector NOT NULL
) WITH (toast_tuple_target = 8160);
-- In the row and not compressed: ranking reads some hundreds of them.
ALTER TABLE search_words ALTER COLUMN words SET STORAGE MAIN;
CREATE INDEX search_words_of_document ON search_words (document_id);
-- Without the list of pending entries, which every search would have to walk over.
CREATE INDEX search_words_by_word ON search_words USING gin (words) WITH (fastupdate = off);

-- The meaning of passages, as bytes: see `src/vectors.rs`. `id` only grows, so that a reader fetches what is new by
-- it; `hash` is of the text that was embedded, so that a passage that stays keeps its vector when its document changes.
CREATE TABLE search_vectors (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    passage_id  bigint NOT NULL UNIQUE,
    document_id bigint NOT NULL,
    hash        bytea  NOT NULL,
    vector      bytea  NOT NULL
);
CREATE INDEX search_vectors_of_document ON search_vectors (document_id);

-- One row. Whoever writes begins with it, so that there is one writer at a time.
CREATE TABLE search_state (
    id                 integer PRIMARY KEY CHECK (id = 1),
    -- Grows with every change.
    generation         bigint  NOT NULL DEFAULT 0,
    -- How many passages there are, and how many words in all of them: what the rarity of a word is measured by.
    passages           bigint  NOT NULL DEFAULT 0,
    words              bigint  NOT NULL DEFAULT 0,
    -- Whether some documents are not everybody's.
    tenanted           boolean NOT NULL DEFAULT false,
    last_ingest_at     timestamptz,
    -- Which model the vectors are of, and how long they are.
    vector_model       text,
    vector_dimensions  integer,
    -- How long the vectors of the table `search_nearest` are, if it has all of them. See `src/postgres/nearest.rs`.
    nearest_dimensions integer
);
INSERT INTO search_state (id) VALUES (1);

-- For the rest of the transaction, the documents of everybody and of this tenant can be seen.
CREATE FUNCTION search_become(p_tenant text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parlor.tenant', coalesce(p_tenant, ''), true);
END
$$;

-- For the rest of the transaction, all documents can be seen and written: for ingests, never for a reader.
CREATE FUNCTION search_become_system() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parlor.system', 'on', true);
END
$$;

ALTER TABLE search_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_documents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON search_documents FOR SELECT USING (
    tenant IS NULL OR tenant = (SELECT nullif(current_setting('parlor.tenant', true), '')));
CREATE POLICY system ON search_documents USING ((SELECT current_setting('parlor.system', true)) = 'on');

ALTER TABLE search_passages ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_passages FORCE ROW LEVEL SECURITY;
-- Within a policy, the policies of other tables hold as well.
CREATE POLICY tenant ON search_passages FOR SELECT USING (
    EXISTS (SELECT 1 FROM search_documents AS d WHERE d.id = document_id));
CREATE POLICY system ON search_passages USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- How many passages hold each of these, at most `p_most`, in their order.
CREATE FUNCTION search_count(p_queries tsquery[], p_most bigint)
RETURNS TABLE (found bigint) LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN QUERY
        SELECT (SELECT count(*) FROM (
                    SELECT 1 FROM search_words AS w WHERE w.words @@ q.query LIMIT p_most
                ) AS matching)
        FROM unnest(p_queries) WITH ORDINALITY AS q (query, place)
        ORDER BY q.place;
END
$$;

-- What a passage scores for a word: BM25, with the occurrences as `ts_rank` counts them. That is 1 for the first one
-- in the text and 6 in a title, where a further one adds ever less. Written so that each argument that costs something
-- stands once: then it is put into the statement that calls it.
CREATE FUNCTION search_score(
    p_words tsvector, p_query tsquery, p_scale float8, p_rarity float8, p_length integer, p_average float8
) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT p_rarity * 2.2 * (1 - (0.3 + 0.9 * p_length / p_average) / (
        p_scale * ts_rank('{0.16666667, 0.083333333, 0.66666667, 1}', p_words, p_query)
            + (0.3 + 0.9 * p_length / p_average)))
$$;

-- The best passages by the sum of what they score for each word.
CREATE FUNCTION search_rank(
    p_queries tsquery[], p_rarities float8[], p_scales float8[], p_average float8, p_depth bigint,
    p_narrow boolean, p_tenant text, p_language text, p_tags text[]
) RETURNS TABLE (passage bigint, document bigint, score float8)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM search_become(p_tenant);
    RETURN QUERY
        SELECT w.passage_id, w.document_id,
               sum(search_score(w.words, q.query, q.scale, q.rarity, w.length, p_average)) AS total
        FROM unnest(p_queries, p_rarities, p_scales) AS q (query, rarity, scale)
        CROSS JOIN LATERAL (SELECT * FROM search_words AS s WHERE s.words @@ q.query) AS w
        WHERE NOT p_narrow OR EXISTS (
            SELECT 1 FROM search_documents AS d
            WHERE d.id = w.document_id
              AND (p_language IS NULL OR d.language IS NULL OR d.language = p_language)
              AND (p_tags IS NULL OR d.tags && p_tags))
        GROUP BY w.passage_id, w.document_id
        ORDER BY total DESC, w.passage_id
        LIMIT p_depth;
END
$$;

-- The same among those that match another query, of which no more than `p_most` are looked at.
CREATE FUNCTION search_rank_some(
    p_among tsquery, p_most bigint,
    p_queries tsquery[], p_rarities float8[], p_scales float8[], p_average float8, p_depth bigint,
    p_narrow boolean, p_tenant text, p_language text, p_tags text[]
) RETURNS TABLE (passage bigint, document bigint, score float8)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM search_become(p_tenant);
    RETURN QUERY
        SELECT w.passage_id, w.document_id,
               sum(search_score(w.words, q.query, q.scale, q.rarity, w.length, p_average)) AS total
        FROM (SELECT * FROM search_words AS s
              WHERE s.words @@ p_among
                AND (NOT p_narrow OR EXISTS (
                    SELECT 1 FROM search_documents AS d
                    WHERE d.id = s.document_id
                      AND (p_language IS NULL OR d.language IS NULL OR d.language = p_language)
                      AND (p_tags IS NULL OR d.tags && p_tags)))
              LIMIT p_most) AS w
        CROSS JOIN unnest(p_queries, p_rarities, p_scales) AS q (query, rarity, scale)
        GROUP BY w.passage_id, w.document_id
        ORDER BY total DESC, w.passage_id
        LIMIT p_depth;
END
$$;

-- The documents that a reader finds at one of these addresses.
CREATE FUNCTION search_at(p_addresses text[], p_tenant text)
RETURNS TABLE (document bigint) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM search_become(p_tenant);
    RETURN QUERY
        SELECT d.id FROM unnest(p_addresses) AS a (address)
        CROSS JOIN LATERAL (SELECT s.id FROM search_documents AS s WHERE s.url = a.address) AS d
        LIMIT 20;
END
$$;

-- The documents that will do.
CREATE FUNCTION search_allowed(p_tenant text, p_language text, p_tags text[])
RETURNS TABLE (document bigint) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM search_become(p_tenant);
    RETURN QUERY
        SELECT d.id FROM search_documents AS d
        WHERE (p_language IS NULL OR d.language IS NULL OR d.language = p_language)
          AND (p_tags IS NULL OR d.tags && p_tags);
END
$$;

-- Passages as they are shown, with what stands before and after them in the same section.
CREATE FUNCTION search_take(p_passages bigint[], p_tenant text)
RETURNS TABLE (
    id bigint, anchor text, breadcrumbs text, text text, title text, url text, description text,
    id_before bigint, text_before text, id_after bigint, text_after text
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM search_become(p_tenant);
    RETURN QUERY
        SELECT p.id, p.anchor, p.breadcrumbs, p.text, d.title, d.url, d.description,
               b.id, b.text, a.id, a.text
        FROM unnest(p_passages) AS wanted (id)
        JOIN search_passages AS p ON p.id = wanted.id
        JOIN search_documents AS d ON d.id = p.document_id AND (d.tenant IS NULL OR d.tenant = p_tenant)
        LEFT JOIN search_passages AS b ON b.document_id = p.document_id
            AND b.ordinal = p.ordinal - 1 AND b.breadcrumbs = p.breadcrumbs
        LEFT JOIN search_passages AS a ON a.document_id = p.document_id
            AND a.ordinal = p.ordinal + 1 AND a.breadcrumbs = p.breadcrumbs;
END
$$;
