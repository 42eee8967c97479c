-- What answers took of models: a row for each turn and model.
CREATE TABLE model_usage (
    id             INTEGER PRIMARY KEY,
    tenant_id      TEXT    NOT NULL,
    user_id        TEXT    NOT NULL,
    -- No reference: what was used stays known when the thread is deleted.
    thread_id      TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    -- `answer` or `title`.
    purpose        TEXT    NOT NULL,
    model          TEXT    NOT NULL,
    requests       INTEGER NOT NULL,
    input_tokens   INTEGER NOT NULL,
    cached_tokens  INTEGER NOT NULL,
    output_tokens  INTEGER NOT NULL,
    -- In billionths of a currency; NULL: the price was not known.
    cost           INTEGER
) STRICT;

CREATE INDEX model_usage_of_owner ON model_usage (tenant_id, user_id, at);
CREATE INDEX model_usage_of_thread ON model_usage (thread_id);
CREATE INDEX model_usage_by_time ON model_usage (at);

-- A visitor's thread that becomes an account's takes along what was used for it.
CREATE TRIGGER model_usage_moves AFTER UPDATE OF user_id ON threads BEGIN
    UPDATE model_usage SET user_id = new.user_id WHERE thread_id = new.id;
END;
