-- What the law and the operator want of data: that it goes when it is old or its user is to be
-- forgotten, that a visitor's becomes an account's, and that such acts are on record.

-- No later than the thread's last question or answer; NULL: when it was made. Only the work that
-- deletes old threads looks at a thread's turns and writes this, so turns cost nothing more.
ALTER TABLE threads ADD COLUMN active_at INTEGER;

CREATE INDEX threads_by_age ON threads (tenant_id, coalesce(active_at, created_at));

-- The user whose folder the bytes are in, when it is not the owner's: one whose files became the
-- owner's.
ALTER TABLE attachments ADD COLUMN stored_for TEXT;

CREATE INDEX attachments_of_owner ON attachments (tenant_id, user_id, id);
CREATE INDEX attachments_sent ON attachments (tenant_id, created_at)
    WHERE thread_id IS NOT NULL AND state <> 'doomed';

-- Visitors who have signed in, and the account that everything of theirs became.
CREATE TABLE visitor_moves (
    tenant_id   TEXT    NOT NULL,
    visitor_id  TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    moved_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, visitor_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX visitor_moves_of_user ON visitor_moves (tenant_id, user_id);
CREATE INDEX visitor_moves_by_time ON visitor_moves (moved_at);

-- Acts on the data of users. It outlives them, so it names nobody.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    act      TEXT    NOT NULL,
    -- The operating system's user who gave the command, or `server`.
    actor    TEXT    NOT NULL,
    -- A keyed hash of tenant and user.
    subject  BLOB,
    -- Of acts that concern all users of a tenant.
    tenant   TEXT,
    -- How many of what: a JSON object.
    counts   TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_by_time ON audit (at, id);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT raise(ABORT, 'the audit log is not changed');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
    SELECT raise(ABORT, 'the audit log is not deleted');
END;
