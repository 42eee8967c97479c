-- What the law and the operator want of data: that it goes when it is old or its user is to be
-- forgotten, that a visitor's becomes an account's, and that such acts are on record.

-- No later than the thread's last question or answer; NULL: when it was made. Only the work that
-- deletes old threads looks at a thread's turns and writes this, so turns cost nothing more.
ALTER TABLE threads ADD COLUMN active_at timestamptz;

CREATE INDEX threads_by_age ON threads (tenant_id, coalesce(active_at, created_at));

-- The user whose folder the bytes are in, when it is not the owner's: one whose files became the
-- owner's.
ALTER TABLE attachments ADD COLUMN stored_for text COLLATE "C";

CREATE INDEX attachments_of_owner ON attachments (tenant_id, user_id, id);
CREATE INDEX attachments_sent ON attachments (tenant_id, created_at)
    WHERE thread_id IS NOT NULL AND state <> 'doomed';

-- Visitors who have signed in, and the account that everything of theirs became.
CREATE TABLE visitor_moves (
    tenant_id   text        COLLATE "C" NOT NULL,
    visitor_id  text        COLLATE "C" NOT NULL,
    user_id     text        COLLATE "C" NOT NULL,
    moved_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, visitor_id)
);

CREATE INDEX visitor_moves_of_user ON visitor_moves (tenant_id, user_id);
CREATE INDEX visitor_moves_by_time ON visitor_moves (moved_at);

-- It names two owners, and neither may read it.
ALTER TABLE visitor_moves ENABLE ROW LEVEL SECURITY;
ALTER TABLE visitor_moves FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON visitor_moves
    USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- Acts on the data of users. It outlives them, so it names nobody.
CREATE TABLE audit (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    act      text        NOT NULL,
    -- The operating system's user who gave the command, or `server`.
    actor    text        NOT NULL,
    -- A keyed hash of tenant and user.
    subject  bytea,
    -- Of acts that concern all users of a tenant.
    tenant   text        COLLATE "C",
    -- How many of what: a JSON object.
    counts   text        NOT NULL
);

CREATE INDEX audit_by_time ON audit (at, id);

ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON audit USING ((SELECT current_setting('parlor.system', true)) = 'on');

CREATE FUNCTION audit_is_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is neither changed nor deleted';
END
$$;

CREATE TRIGGER is_added_to BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_added_to();
CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_added_to();

-- What is kept of one owner.

CREATE FUNCTION list_files(p_tenant text, p_user text, p_after text, p_limit bigint)
RETURNS SETOF attachments LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT * FROM attachments a
        WHERE a.id > p_after AND a.state <> 'doomed'
          AND a.tenant_id = p_tenant AND a.user_id = p_user
        ORDER BY a.id LIMIT p_limit;
END
$$;

CREATE FUNCTION list_thread_feedback(p_tenant text, p_user text, p_thread text)
RETURNS TABLE (item text, kind text, given_at timestamptz)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT f.item_id, f.kind, f.created_at FROM feedback f
        WHERE f.thread_id = p_thread AND f.tenant_id = p_tenant AND f.user_id = p_user
        ORDER BY f.created_at, f.item_id;
END
$$;

CREATE FUNCTION list_logins(p_tenant text, p_user text, p_after bytea, p_limit bigint)
RETURNS SETOF logins LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT * FROM logins l
        WHERE l.tenant_id = p_tenant AND l.user_id = p_user AND l.id > p_after
        ORDER BY l.id LIMIT p_limit;
END
$$;

CREATE FUNCTION count_holdings(p_tenant text, p_user text)
RETURNS TABLE (threads bigint, files bigint, logins bigint, doomed bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT
        (SELECT count(*) FROM threads t WHERE t.tenant_id = p_tenant AND t.user_id = p_user),
        (SELECT count(*) FROM attachments a
            WHERE a.tenant_id = p_tenant AND a.user_id = p_user AND a.state <> 'doomed'),
        (SELECT count(*) FROM logins l WHERE l.tenant_id = p_tenant AND l.user_id = p_user),
        (SELECT count(*) FROM attachments a
            WHERE a.tenant_id = p_tenant AND a.user_id = p_user AND a.state = 'doomed');
END
$$;

-- Deletes so many of an owner's threads, oldest first, as the owner would; with the last of them
-- also all else, but for the records of files, which are doomed until their bytes are deleted. The
-- tables of all else are those of `OWNED` in `src/operator.rs`, with the columns that name the
-- owner.
CREATE FUNCTION erase_owner(
    p_tenant text, p_user text, p_limit bigint,
    p_tables text[], p_tenant_columns text[], p_user_columns text[]
) RETURNS TABLE (
    threads bigint, turns bigint, items bigint, feedback bigint, files bigint, logins bigint,
    others bigint, more boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_threads text[];
    v_thread text;
    v_table record;
    v_count bigint;
BEGIN
    PERFORM become_system();
    -- First: whoever is signed in asks for nothing more.
    DELETE FROM logins l WHERE l.tenant_id = p_tenant AND l.user_id = p_user;
    GET DIAGNOSTICS logins = ROW_COUNT;
    SELECT coalesce(array_agg(o.id), '{}') INTO v_threads FROM (
        SELECT t.id FROM threads t WHERE t.tenant_id = p_tenant AND t.user_id = p_user
            ORDER BY t.position LIMIT p_limit) o;
    SELECT count(*) INTO turns FROM turns r WHERE r.thread_id = ANY (v_threads);
    SELECT count(*) INTO items FROM items i WHERE i.thread_id = ANY (v_threads);
    SELECT count(*) INTO feedback FROM feedback f WHERE f.thread_id = ANY (v_threads);
    SELECT count(*) INTO files FROM attachments a WHERE a.thread_id = ANY (v_threads);
    FOREACH v_thread IN ARRAY v_threads LOOP
        PERFORM delete_thread(p_tenant, p_user, v_thread);
    END LOOP;
    threads := cardinality(v_threads);
    more := threads >= p_limit;
    others := 0;
    IF NOT more THEN
        UPDATE attachments a SET state = 'doomed', name = '', thread_id = NULL
            WHERE a.tenant_id = p_tenant AND a.user_id = p_user AND a.state <> 'doomed';
        GET DIAGNOSTICS v_count = ROW_COUNT;
        files := files + v_count;
        FOR v_table IN
            SELECT * FROM unnest(p_tables, p_tenant_columns, p_user_columns)
                AS o (name, tenant_column, user_column)
        LOOP
            EXECUTE format('DELETE FROM %I WHERE %I = $1 AND %I = $2', v_table.name,
                           v_table.tenant_column, v_table.user_column) USING p_tenant, p_user;
            GET DIAGNOSTICS v_count = ROW_COUNT;
            others := others + v_count;
        END LOOP;
    END IF;
    RETURN NEXT;
END
$$;

CREATE FUNCTION doomed_of_owner(p_tenant text, p_user text, p_after text, p_limit bigint)
RETURNS TABLE (tenant text, usr text, id text, stored_for text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT a.tenant_id, a.user_id, a.id, a.stored_for FROM attachments a
        WHERE a.state = 'doomed' AND a.id > p_after
          AND a.tenant_id = p_tenant AND a.user_id = p_user
        ORDER BY a.id LIMIT p_limit;
END
$$;

-- As it was, with the folder that the bytes are in.
DROP FUNCTION doomed_attachments(text, bigint);
CREATE FUNCTION doomed_attachments(p_after text, p_limit bigint)
RETURNS TABLE (tenant text, usr text, id text, stored_for text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT a.tenant_id, a.user_id, a.id, a.stored_for FROM attachments a
        WHERE a.state = 'doomed' AND a.id > p_after ORDER BY a.id LIMIT p_limit;
END
$$;

-- What is old.

-- Tenants that have a thread, by name.
CREATE FUNCTION list_tenants(p_after text, p_limit bigint)
RETURNS SETOF text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_tenant text := p_after;
BEGIN
    PERFORM become_system();
    -- From one to the next along the index, however many threads each has.
    FOR n IN 1 .. p_limit LOOP
        SELECT t.tenant_id INTO v_tenant FROM threads t WHERE t.tenant_id > v_tenant
            ORDER BY t.tenant_id LIMIT 1;
        EXIT WHEN NOT FOUND;
        RETURN NEXT v_tenant;
    END LOOP;
END
$$;

-- Whether something was said in a thread since then, or is being said.
CREATE FUNCTION is_active_since(p_thread text, p_before timestamptz)
RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT EXISTS (SELECT 1 FROM turns r WHERE r.thread_id = p_thread
        AND (r.state = 'running' OR coalesce(r.ended_at, r.started_at) >= p_before))
$$;

CREATE FUNCTION count_aged(
    p_tenant text, p_threads_before timestamptz, p_files_before timestamptz
) RETURNS TABLE (
    threads bigint, oldest_thread timestamptz, files bigint, oldest_file timestamptz, bytes bigint
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM become_system();
    SELECT count(*), min(o.active_at) INTO threads, oldest_thread FROM (
        SELECT greatest(coalesce(t.active_at, t.created_at),
                        (SELECT max(coalesce(r.ended_at, r.started_at)) FROM turns r
                            WHERE r.thread_id = t.id)) AS active_at
            FROM threads t
            WHERE t.tenant_id = p_tenant
              AND coalesce(t.active_at, t.created_at) < p_threads_before
              AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.thread_id = t.id
                  AND (r.state = 'running'
                       OR coalesce(r.ended_at, r.started_at) >= p_threads_before))) o;
    SELECT count(*), min(a.created_at), coalesce(sum(a.size), 0)::bigint
        INTO files, oldest_file, bytes FROM attachments a
        WHERE a.tenant_id = p_tenant AND a.thread_id IS NOT NULL AND a.state <> 'doomed'
          AND a.created_at < p_files_before
          AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.thread_id = a.thread_id
              AND (r.state = 'running' OR coalesce(r.ended_at, r.started_at) >= p_files_before));
    RETURN NEXT;
END
$$;

-- Looks at so many threads that may be old, and deletes those that are, as their owners would.
CREATE FUNCTION expire_threads(
    p_tenant text, p_before timestamptz, p_now timestamptz, p_limit bigint
) RETURNS TABLE (looked_at bigint, threads bigint, files bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_thread record;
    v_active_at timestamptz;
    v_count bigint;
BEGIN
    PERFORM become_system();
    looked_at := 0; threads := 0; files := 0;
    FOR v_thread IN
        SELECT t.id, t.user_id FROM threads t
            WHERE t.tenant_id = p_tenant AND coalesce(t.active_at, t.created_at) < p_before
            ORDER BY coalesce(t.active_at, t.created_at) LIMIT p_limit
            -- Locked: no turn begins from here on. What another process is at, it is at.
            FOR UPDATE SKIP LOCKED
    LOOP
        looked_at := looked_at + 1;
        SELECT CASE WHEN bool_or(r.state = 'running') THEN greatest(p_now, p_before)
                    ELSE max(coalesce(r.ended_at, r.started_at)) END
            INTO v_active_at FROM turns r WHERE r.thread_id = v_thread.id;
        IF v_active_at >= p_before THEN
            UPDATE threads t SET active_at = v_active_at WHERE t.id = v_thread.id;
            CONTINUE;
        END IF;
        SELECT count(*) INTO v_count FROM attachments a WHERE a.thread_id = v_thread.id;
        IF delete_thread(p_tenant, v_thread.user_id, v_thread.id) THEN
            threads := threads + 1;
            files := files + v_count;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;

-- Dooms so many files of threads in which nothing was said since then. Their messages stay.
CREATE FUNCTION expire_sent_files(p_tenant text, p_before timestamptz, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM become_system();
    UPDATE attachments a SET state = 'doomed', name = '', thread_id = NULL
        -- Not `IN`, which may run the query more than once, and so beyond its limit.
        WHERE a.id = ANY (ARRAY(
            SELECT o.id FROM attachments o
                WHERE o.tenant_id = p_tenant AND o.thread_id IS NOT NULL AND o.state <> 'doomed'
                  AND o.created_at < p_before AND NOT is_active_since(o.thread_id, p_before)
                ORDER BY o.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Acts on record.

CREATE FUNCTION add_audit(
    p_at timestamptz, p_act text, p_actor text, p_subject bytea, p_tenant text, p_counts text
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    INSERT INTO audit (at, act, actor, subject, tenant, counts)
        VALUES (p_at, p_act, p_actor, p_subject, p_tenant, p_counts);
END
$$;

CREATE FUNCTION list_audit(
    p_since timestamptz, p_subject bytea, p_after bigint, p_limit bigint
) RETURNS SETOF audit LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT * FROM audit a
        WHERE a.id > p_after AND (p_since IS NULL OR a.at >= p_since)
          AND (p_subject IS NULL OR a.subject = p_subject)
        ORDER BY a.id LIMIT p_limit;
END
$$;

-- Visitors who sign in.

-- Gives what a visitor has to an account: all but the threads in which an answer is under way,
-- which a later call takes along. The first account that asks gets it, and no other.
CREATE FUNCTION move_visitor(
    p_tenant text, p_visitor text, p_user text, p_now timestamptz, p_subject bytea
) RETURNS TABLE (outcome text, threads bigint, files bigint, remaining bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_user text;
    v_threads text[];
BEGIN
    PERFORM become_system();
    threads := 0; files := 0; remaining := 0;
    INSERT INTO visitor_moves (tenant_id, visitor_id, user_id, moved_at)
        VALUES (p_tenant, p_visitor, p_user, p_now) ON CONFLICT DO NOTHING;
    -- Locked: two requests of one account move one after the other.
    SELECT m.user_id INTO v_user FROM visitor_moves m
        WHERE m.tenant_id = p_tenant AND m.visitor_id = p_visitor FOR NO KEY UPDATE;
    IF v_user IS DISTINCT FROM p_user THEN
        outcome := 'anothers';
        RETURN NEXT; RETURN;
    END IF;
    outcome := 'moved';
    -- Locked as by a turn that begins: none does from here on, and a running one can still write.
    PERFORM 1 FROM threads t WHERE t.tenant_id = p_tenant AND t.user_id = p_visitor
        ORDER BY t.position FOR NO KEY UPDATE;
    SELECT coalesce(array_agg(t.id), '{}') INTO v_threads FROM threads t
        WHERE t.tenant_id = p_tenant AND t.user_id = p_visitor
          AND NOT EXISTS (SELECT 1 FROM turns r
              WHERE r.thread_id = t.id AND r.state = 'running');
    -- A request that the account has made with the same key is another one.
    UPDATE turns r SET idempotency_key = NULL
        WHERE r.thread_id = ANY (v_threads) AND EXISTS (SELECT 1 FROM turns o
            WHERE o.tenant_id = p_tenant AND o.user_id = p_user
              AND o.idempotency_key = r.idempotency_key);
    -- Where the bytes are, first: afterwards nobody knows whose they were.
    UPDATE attachments a SET stored_for = p_visitor
        WHERE a.tenant_id = p_tenant AND a.user_id = p_visitor AND a.stored_for IS NULL
          AND a.state <> 'doomed' AND (a.thread_id IS NULL OR a.thread_id = ANY (v_threads));
    GET DIAGNOSTICS files = ROW_COUNT;
    -- What belongs to them comes along: their references cascade.
    UPDATE threads t SET user_id = p_user WHERE t.id = ANY (v_threads);
    UPDATE attachments a SET user_id = p_user
        WHERE a.tenant_id = p_tenant AND a.user_id = p_visitor AND a.thread_id IS NULL
          AND a.state <> 'doomed';
    threads := cardinality(v_threads);
    SELECT count(*) INTO remaining FROM threads t
        WHERE t.tenant_id = p_tenant AND t.user_id = p_visitor;
    IF threads > 0 OR files > 0 THEN
        INSERT INTO audit (at, act, actor, subject, counts) VALUES (p_now, 'visitor.moved', 'server',
            p_subject, format('{"files":%s,"threads":%s}', files, threads));
    END IF;
    RETURN NEXT;
END
$$;

CREATE FUNCTION visitor_has_moved(p_tenant text, p_visitor text)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    PERFORM 1 FROM visitor_moves m WHERE m.tenant_id = p_tenant AND m.visitor_id = p_visitor;
    RETURN FOUND;
END
$$;

-- Visitors who moved since then and have something left: answers were under way.
CREATE FUNCTION unfinished_moves(p_since timestamptz, p_limit bigint)
RETURNS TABLE (tenant text, visitor text, usr text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT m.tenant_id, m.visitor_id, m.user_id FROM visitor_moves m
        WHERE m.moved_at >= p_since AND EXISTS (SELECT 1 FROM threads t
            WHERE t.tenant_id = m.tenant_id AND t.user_id = m.visitor_id)
        ORDER BY m.moved_at LIMIT p_limit;
END
$$;
