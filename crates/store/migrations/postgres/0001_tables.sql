-- Threads, their items, their turns, and what is known of files.
--
-- Runs with `search_path` set to the schema of the setting `database.schema`. Order never comes
-- from times: threads are ordered by `position`, items by `seq` within their thread. What is JSON
-- is kept as text: `jsonb` refuses U+0000 and forgets the order of keys.
--
-- Every row names its owner, and row-level security shows it to nobody else; the `owner` policies
-- compare with what `become` has set for the transaction. FORCE: also the tables' own role is
-- bound. (Superusers and roles with BYPASSRLS are not; the server warns of them.) The `system`
-- policies are for what concerns all owners: see `become_system`.

CREATE TABLE threads (
    position               bigint      GENERATED ALWAYS AS IDENTITY,
    id                     text        COLLATE "C" PRIMARY KEY,
    tenant_id              text        COLLATE "C" NOT NULL,
    user_id                text        COLLATE "C" NOT NULL,
    title                  text,
    -- Once the user has given the title, automatic titles stay away.
    titled_by_user         boolean     NOT NULL DEFAULT false,
    created_at             timestamptz NOT NULL,
    -- Whether the thread takes messages: what `status` says in full.
    active                 boolean     NOT NULL,
    status                 text        NOT NULL,
    allowed_image_domains  text,
    metadata               text        NOT NULL,
    -- What belongs to a thread refers to it together with its owner: an item of one owner in a
    -- thread of another cannot be stored, and a thread that is given away takes all with it.
    UNIQUE (tenant_id, user_id, id)
);

CREATE UNIQUE INDEX threads_of_owner ON threads (tenant_id, user_id, position);

CREATE TABLE turns (
    id               text        COLLATE "C" PRIMARY KEY,
    thread_id        text        COLLATE "C" NOT NULL,
    tenant_id        text        COLLATE "C" NOT NULL,
    user_id          text        COLLATE "C" NOT NULL,
    state            text        NOT NULL,
    -- The process that runs it: see `holders`.
    holder           text        COLLATE "C" NOT NULL,
    idempotency_key  text        COLLATE "C",
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    FOREIGN KEY (tenant_id, user_id, thread_id) REFERENCES threads (tenant_id, user_id, id)
        ON UPDATE CASCADE ON DELETE CASCADE
);

-- One running turn a thread.
CREATE UNIQUE INDEX turns_running ON turns (thread_id) WHERE state = 'running';
-- A request repeated with the same key is one message.
CREATE UNIQUE INDEX turns_by_key ON turns (tenant_id, user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX turns_of_thread ON turns (thread_id);

CREATE TABLE items (
    thread_id  text    COLLATE "C" NOT NULL,
    seq        bigint  NOT NULL,
    id         text    COLLATE "C" NOT NULL,
    tenant_id  text    COLLATE "C" NOT NULL,
    user_id    text    COLLATE "C" NOT NULL,
    turn_id    text    COLLATE "C" NOT NULL,
    -- Context that only the model is shown.
    hidden     boolean NOT NULL,
    -- A checkpoint of an item that is still being made.
    pending    boolean NOT NULL,
    -- A client tool call that waits for its output.
    waiting    boolean NOT NULL,
    body       text    NOT NULL,
    PRIMARY KEY (thread_id, seq),
    UNIQUE (id),
    FOREIGN KEY (tenant_id, user_id, thread_id) REFERENCES threads (tenant_id, user_id, id)
        ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE INDEX items_pending ON items (turn_id) WHERE pending;
CREATE INDEX items_waiting ON items (thread_id) WHERE waiting;

CREATE TABLE feedback (
    item_id     text        COLLATE "C" PRIMARY KEY REFERENCES items (id) ON DELETE CASCADE,
    thread_id   text        COLLATE "C" NOT NULL,
    tenant_id   text        COLLATE "C" NOT NULL,
    user_id     text        COLLATE "C" NOT NULL,
    kind        text        NOT NULL,
    created_at  timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, user_id, thread_id) REFERENCES threads (tenant_id, user_id, id)
        ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE INDEX feedback_of_thread ON feedback (thread_id);
-- For the export.
CREATE INDEX feedback_by_time ON feedback (created_at, item_id);

-- Files that users send along. Their bytes are elsewhere; a record is there before the first of
-- them and until the last is deleted. A thread is deleted after its files were doomed: one that is
-- forgotten stops the deletion.
CREATE TABLE attachments (
    id           text        COLLATE "C" PRIMARY KEY,
    tenant_id    text        COLLATE "C" NOT NULL,
    user_id      text        COLLATE "C" NOT NULL,
    -- The thread of the message it was sent with.
    thread_id    text        COLLATE "C",
    name         text        NOT NULL,
    mime_type    text        NOT NULL,
    size         bigint      NOT NULL,
    -- waiting: announced, bytes may be on their way. uploaded: they are there. doomed: gone for
    -- its owner, its bytes are to be deleted.
    state        text        NOT NULL,
    has_preview  boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, user_id, thread_id) REFERENCES threads (tenant_id, user_id, id)
        ON UPDATE CASCADE
);

CREATE INDEX attachments_of_thread ON attachments (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX attachments_unsent ON attachments (tenant_id, user_id)
    WHERE thread_id IS NULL AND state <> 'doomed';
CREATE INDEX attachments_expiring ON attachments (created_at)
    WHERE thread_id IS NULL AND state <> 'doomed';
CREATE INDEX attachments_doomed ON attachments (id) WHERE state = 'doomed';

-- Processes that run turns. One that has not said for a while that it lives holds nothing.
CREATE TABLE holders (
    name         text        COLLATE "C" PRIMARY KEY,
    alive_until  timestamptz NOT NULL
);

-- Keys that the server makes for itself, such as the one that signs visitor cookies.
CREATE TABLE secrets (
    name   text  COLLATE "C" PRIMARY KEY,
    value  bytea NOT NULL
);

-- Who is asking.

-- For the rest of the transaction, rows of this owner can be seen and written.
CREATE FUNCTION become(p_tenant text, p_user text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parlor.tenant', p_tenant, true),
            set_config('parlor.user', p_user, true);
END
$$;

-- For the rest of the transaction, the rows of all owners can be seen and written: for recovery,
-- retention and other work of the operator, never for a request of a user.
CREATE FUNCTION become_system() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parlor.system', 'on', true);
END
$$;

-- A setting that is gone with its transaction is empty afterwards, not absent: an empty tenant is
-- nobody.
ALTER TABLE threads ENABLE ROW LEVEL SECURITY;
ALTER TABLE threads FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON threads USING (
    tenant_id = (SELECT nullif(current_setting('parlor.tenant', true), ''))
    AND user_id = (SELECT current_setting('parlor.user', true)));
CREATE POLICY system ON threads USING ((SELECT current_setting('parlor.system', true)) = 'on');

ALTER TABLE turns ENABLE ROW LEVEL SECURITY;
ALTER TABLE turns FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON turns USING (
    tenant_id = (SELECT nullif(current_setting('parlor.tenant', true), ''))
    AND user_id = (SELECT current_setting('parlor.user', true)));
CREATE POLICY system ON turns USING ((SELECT current_setting('parlor.system', true)) = 'on');

ALTER TABLE items ENABLE ROW LEVEL SECURITY;
ALTER TABLE items FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON items USING (
    tenant_id = (SELECT nullif(current_setting('parlor.tenant', true), ''))
    AND user_id = (SELECT current_setting('parlor.user', true)));
CREATE POLICY system ON items USING ((SELECT current_setting('parlor.system', true)) = 'on');

ALTER TABLE feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON feedback USING (
    tenant_id = (SELECT nullif(current_setting('parlor.tenant', true), ''))
    AND user_id = (SELECT current_setting('parlor.user', true)));
CREATE POLICY system ON feedback USING ((SELECT current_setting('parlor.system', true)) = 'on');

ALTER TABLE attachments ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachments FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON attachments USING (
    tenant_id = (SELECT nullif(current_setting('parlor.tenant', true), ''))
    AND user_id = (SELECT current_setting('parlor.user', true)));
CREATE POLICY system ON attachments USING ((SELECT current_setting('parlor.system', true)) = 'on');

ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON secrets USING ((SELECT current_setting('parlor.system', true)) = 'on');
