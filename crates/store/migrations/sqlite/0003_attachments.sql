-- Files that users send along. Their bytes are elsewhere; a record is there before the first of
-- them and until the last is deleted.

CREATE TABLE attachments (
    id           TEXT    NOT NULL PRIMARY KEY,
    tenant_id    TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    -- The thread of the message it was sent with. Deleting a thread dooms its files first; were
    -- one forgotten, it would become unsent and expire.
    thread_id    TEXT    REFERENCES threads (id) ON DELETE SET NULL,
    name         TEXT    NOT NULL,
    mime_type    TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    -- waiting: announced, bytes may be on their way. uploaded: they are there. doomed: gone for
    -- its owner, its bytes are to be deleted.
    state        TEXT    NOT NULL,
    has_preview  INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX attachments_of_thread ON attachments (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX attachments_unsent ON attachments (tenant_id, user_id, size)
    WHERE thread_id IS NULL AND state <> 'doomed';
CREATE INDEX attachments_expiring ON attachments (created_at)
    WHERE thread_id IS NULL AND state <> 'doomed';
CREATE INDEX attachments_doomed ON attachments (id) WHERE state = 'doomed';
