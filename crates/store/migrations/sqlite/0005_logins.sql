-- Who has signed in with Parlor itself, a row for each browser.

CREATE TABLE logins (
    -- A hash of what the browser's cookie holds.
    id          BLOB    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    -- Name, mail address and roles, JSON.
    identity    TEXT    NOT NULL,
    -- The identity provider's tokens, encrypted by the server.
    sealed      BLOB,
    ends_at     INTEGER NOT NULL,
    -- Never beyond `ends_at`; later with each use.
    good_until  INTEGER NOT NULL,
    refresh_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX logins_of_user ON logins (tenant_id, user_id);
CREATE INDEX logins_ending ON logins (good_until);
