-- What the server of a page wants to be asked with whether it has changed: JSON.
ALTER TABLE search_documents ADD COLUMN validators text;

-- Sources that servers refresh by themselves. One at a time does: the one that claimed it, until then
-- (milliseconds since 1970) and no longer, as it may be gone.
CREATE TABLE search_sources (
    name          text   NOT NULL PRIMARY KEY,
    claimed_by    text,
    claimed_until bigint NOT NULL DEFAULT 0,
    -- When a refresh last ended, and how: JSON.
    ended_at      bigint,
    outcome       text
);
