-- Threads, their items and their turns.
--
-- Times are microseconds since 1970-01-01T00:00:00Z. Order never comes from them: threads are
-- ordered by `position`, items by `seq` within their thread.

CREATE TABLE threads (
    position               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                     TEXT    NOT NULL UNIQUE,
    tenant_id              TEXT    NOT NULL,
    user_id                TEXT    NOT NULL,
    title                  TEXT,
    -- 1 once the user has given the title: automatic titles then stay away.
    titled_by_user         INTEGER NOT NULL DEFAULT 0,
    created_at             INTEGER NOT NULL,
    status                 TEXT    NOT NULL,
    allowed_image_domains  TEXT,
    metadata               TEXT    NOT NULL
) STRICT;

CREATE INDEX threads_of_owner ON threads (tenant_id, user_id, position);

CREATE TABLE turns (
    id               TEXT    NOT NULL PRIMARY KEY,
    thread_id        TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    tenant_id        TEXT    NOT NULL,
    user_id          TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    -- The process that runs it.
    holder           TEXT    NOT NULL,
    idempotency_key  TEXT,
    started_at       INTEGER NOT NULL,
    ended_at         INTEGER
) STRICT, WITHOUT ROWID;

-- One running turn a thread.
CREATE UNIQUE INDEX turns_running ON turns (thread_id) WHERE state = 'running';
-- A request repeated with the same key is one message.
CREATE UNIQUE INDEX turns_by_key ON turns (tenant_id, user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX turns_of_thread ON turns (thread_id);

CREATE TABLE items (
    thread_id  TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    id         TEXT    NOT NULL UNIQUE,
    turn_id    TEXT    NOT NULL,
    -- 1 for context that only the model is shown.
    hidden     INTEGER NOT NULL,
    -- 1 for a checkpoint of an item that is still being made.
    pending    INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (thread_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX items_pending ON items (turn_id) WHERE pending = 1;

CREATE TABLE feedback (
    item_id     TEXT    NOT NULL PRIMARY KEY REFERENCES items (id) ON DELETE CASCADE,
    thread_id   TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    kind        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX feedback_of_thread ON feedback (thread_id);

-- Keys that the server makes for itself, such as the one that signs visitor cookies.
CREATE TABLE secrets (
    name   TEXT NOT NULL PRIMARY KEY,
    value  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
