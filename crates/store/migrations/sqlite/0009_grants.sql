-- What users have let Parlor do at servers of tools: the tokens that they got there, encrypted.

CREATE TABLE grants (
    tenant_id    TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    -- A hash of the server's name and address.
    server       BLOB    NOT NULL,
    -- What the server is called.
    name         TEXT    NOT NULL,
    -- Tokens, encrypted by the server.
    sealed       BLOB    NOT NULL,
    -- Another one with each change of the tokens.
    revision     BLOB    NOT NULL,
    granted_at   INTEGER NOT NULL,
    refresh_at   INTEGER,
    -- Until when somebody is getting new tokens.
    claimed_until INTEGER,
    PRIMARY KEY (tenant_id, user_id, server)
) STRICT, WITHOUT ROWID;

-- Sign-ins that are under way: links that were shown, and visits of the authorization server.
CREATE TABLE grant_attempts (
    -- A hash of what the link or the visit is known by.
    id          BLOB    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    good_until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX grant_attempts_of_user ON grant_attempts (tenant_id, user_id);
CREATE INDEX grant_attempts_ending ON grant_attempts (good_until);

-- As whom Parlor is registered with authorization servers.
CREATE TABLE oauth_clients (
    -- A hash of the authorization server and the address that it sends people back to.
    id          BLOB    NOT NULL PRIMARY KEY,
    sealed      BLOB    NOT NULL,
    good_until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A visitor who has become an account is nobody any more. The account signs in itself.
CREATE TRIGGER grants_end_with_visitors AFTER INSERT ON visitor_moves BEGIN
    DELETE FROM grants WHERE tenant_id = new.tenant_id AND user_id = new.visitor_id;
    DELETE FROM grant_attempts WHERE tenant_id = new.tenant_id AND user_id = new.visitor_id;
END;
