-- What the store does, a function each: one round trip and one transaction an operation, whose
-- first act is to become the owner. They run with the rights of their caller, so row-level
-- security binds them; their own conditions are the first wall, and must stand without it.
--
-- Errors of our own: PL001 an item id or a place in the thread is taken (the message is the id),
-- PL002 a turn with this key has begun in the meantime (the caller asks again).

CREATE FUNCTION get_thread(p_tenant text, p_user text, p_thread text)
RETURNS SETOF threads LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT * FROM threads t
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user;
END
$$;

-- No row: the cursor is no thread of the owner's. A first row without a thread says that it is one.
CREATE FUNCTION list_threads(
    p_tenant text, p_user text, p_after text, p_ascending boolean, p_limit bigint
) RETURNS SETOF threads LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_edge bigint;
    v_none threads;
BEGIN
    PERFORM become(p_tenant, p_user);
    IF p_after IS NULL THEN
        v_edge := CASE WHEN p_ascending THEN -1 ELSE 9223372036854775807 END;
    ELSE
        SELECT t.position INTO v_edge FROM threads t
            WHERE t.id = p_after AND t.tenant_id = p_tenant AND t.user_id = p_user;
        IF NOT FOUND THEN RETURN; END IF;
    END IF;
    RETURN NEXT v_none;
    IF p_ascending THEN
        RETURN QUERY SELECT * FROM threads t
            WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.position > v_edge
            ORDER BY t.position LIMIT p_limit;
    ELSE
        RETURN QUERY SELECT * FROM threads t
            WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.position < v_edge
            ORDER BY t.position DESC LIMIT p_limit;
    END IF;
END
$$;

CREATE FUNCTION rename_thread(p_tenant text, p_user text, p_thread text, p_title text)
RETURNS SETOF threads LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY UPDATE threads t SET title = p_title, titled_by_user = true
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user
        RETURNING t.*;
END
$$;

-- An automatic title that took its time, in place of the one that it knew of. No row: the user has
-- given the thread a title, or it has another by now.
CREATE FUNCTION title_thread(
    p_tenant text, p_user text, p_thread text, p_title text, p_instead_of text
) RETURNS SETOF threads LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY UPDATE threads t SET title = p_title
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user
          AND NOT t.titled_by_user AND t.title IS NOT DISTINCT FROM p_instead_of
        RETURNING t.*;
END
$$;

-- Its files are doomed: gone for their owner, with records that stay until the bytes are deleted.
CREATE FUNCTION delete_thread(p_tenant text, p_user text, p_thread text)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    -- Locked in the order in which a running turn locks: turn, then thread. The other way round
    -- the two could wait for each other.
    PERFORM 1 FROM turns r
        WHERE r.thread_id = p_thread AND r.tenant_id = p_tenant AND r.user_id = p_user FOR UPDATE;
    -- No message brings another file from here on.
    PERFORM 1 FROM threads t
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE attachments a SET state = 'doomed', name = '', thread_id = NULL
        WHERE a.thread_id = p_thread AND a.tenant_id = p_tenant AND a.user_id = p_user;
    DELETE FROM threads t
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user;
    RETURN true;
END
$$;

-- An item with what its reader thinks of it. The body is an object with at least a type, as JSON
-- without white space around it; it is not parsed, since jsonb takes less than JSON does.
CREATE FUNCTION judged(p_body text, p_kind text, p_created_at timestamptz)
RETURNS text LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT CASE WHEN p_kind IS NULL THEN p_body
        ELSE left(p_body, -1) || ',"feedback":{"kind":"' || p_kind || '","created_at":"'
            || to_char(p_created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"}}'
        END
$$;

CREATE FUNCTION get_item(p_tenant text, p_user text, p_thread text, p_item text)
RETURNS SETOF text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT judged(i.body, f.kind, f.created_at)
        FROM items i LEFT JOIN feedback f ON f.item_id = i.id
        WHERE i.thread_id = p_thread AND i.id = p_item AND NOT i.pending
          AND i.tenant_id = p_tenant AND i.user_id = p_user;
END
$$;

-- No row: there is no such thread, or the cursor is no item of it. Otherwise the first row is NULL.
CREATE FUNCTION list_items(
    p_tenant text, p_user text, p_thread text, p_after text, p_ascending boolean,
    p_hidden boolean, p_limit bigint
) RETURNS SETOF text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_edge bigint;
BEGIN
    PERFORM become(p_tenant, p_user);
    PERFORM 1 FROM threads t
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user;
    IF NOT FOUND THEN RETURN; END IF;
    IF p_after IS NULL THEN
        v_edge := CASE WHEN p_ascending THEN -1 ELSE 9223372036854775807 END;
    ELSE
        SELECT i.seq INTO v_edge FROM items i
            WHERE i.id = p_after AND i.thread_id = p_thread AND NOT i.pending
              AND i.tenant_id = p_tenant AND i.user_id = p_user;
        IF NOT FOUND THEN RETURN; END IF;
    END IF;
    RETURN NEXT NULL::text;
    IF p_ascending THEN
        RETURN QUERY SELECT judged(i.body, f.kind, f.created_at)
        FROM items i LEFT JOIN feedback f ON f.item_id = i.id
            WHERE i.thread_id = p_thread AND i.seq > v_edge AND NOT i.pending
              AND (p_hidden OR NOT i.hidden) AND i.tenant_id = p_tenant AND i.user_id = p_user
            ORDER BY i.seq LIMIT p_limit;
    ELSE
        RETURN QUERY SELECT judged(i.body, f.kind, f.created_at)
        FROM items i LEFT JOIN feedback f ON f.item_id = i.id
            WHERE i.thread_id = p_thread AND i.seq < v_edge AND NOT i.pending
              AND (p_hidden OR NOT i.hidden) AND i.tenant_id = p_tenant AND i.user_id = p_user
            ORDER BY i.seq DESC LIMIT p_limit;
    END IF;
END
$$;

CREATE FUNCTION list_turn_items(p_tenant text, p_user text, p_thread text, p_turn text)
RETURNS SETOF text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT judged(i.body, f.kind, f.created_at)
        FROM items i LEFT JOIN feedback f ON f.item_id = i.id
        WHERE i.thread_id = p_thread AND i.turn_id = p_turn AND NOT i.pending AND NOT i.hidden
          AND i.tenant_id = p_tenant AND i.user_id = p_user
        ORDER BY i.seq;
END
$$;

-- false: one of the items is not theirs, or not to be seen. Nothing was kept then.
CREATE FUNCTION set_feedback(
    p_tenant text, p_user text, p_thread text, p_items text[], p_kind text, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_theirs bigint;
BEGIN
    PERFORM become(p_tenant, p_user);
    PERFORM 1 FROM threads t
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user;
    IF NOT FOUND THEN RETURN false; END IF;
    -- Locked, so that none of them goes before it is judged.
    SELECT count(*) INTO v_theirs FROM (
        SELECT 1 FROM items i
            WHERE i.thread_id = p_thread AND i.id = ANY (p_items) AND NOT i.pending
              AND NOT i.hidden AND i.tenant_id = p_tenant AND i.user_id = p_user
            ORDER BY i.seq FOR KEY SHARE) theirs;
    IF v_theirs <> cardinality(p_items) THEN RETURN false; END IF;
    INSERT INTO feedback (item_id, thread_id, tenant_id, user_id, kind, created_at)
        SELECT id, p_thread, p_tenant, p_user, p_kind, p_now
            FROM unnest(p_items) AS judged (id) ORDER BY id
        ON CONFLICT (item_id) DO UPDATE SET kind = excluded.kind, created_at = excluded.created_at;
    RETURN true;
END
$$;

-- The outcome ('replaced', 'not_active', 'not_found') and the thread's status.
CREATE FUNCTION replace_item(
    p_tenant text, p_user text, p_thread text, p_item text, p_hidden boolean, p_waiting boolean,
    p_body text
) RETURNS TABLE (outcome text, status text) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_thread threads;
BEGIN
    PERFORM become(p_tenant, p_user);
    SELECT * INTO v_thread FROM threads t
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'not_found', NULL::text;
        RETURN;
    END IF;
    IF NOT v_thread.active THEN
        RETURN QUERY SELECT 'not_active', v_thread.status;
        RETURN;
    END IF;
    UPDATE items i SET body = p_body, hidden = p_hidden, waiting = p_waiting
        WHERE i.thread_id = p_thread AND i.id = p_item AND NOT i.pending
          AND i.tenant_id = p_tenant AND i.user_id = p_user;
    RETURN QUERY SELECT CASE WHEN FOUND THEN 'replaced' ELSE 'not_found' END, NULL::text;
END
$$;

CREATE FUNCTION turn_by_key(p_tenant text, p_user text, p_key text)
RETURNS TABLE (turn text, thread text, state text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT r.id, r.thread_id, r.state FROM turns r
        WHERE r.idempotency_key = p_key AND r.tenant_id = p_tenant AND r.user_id = p_user;
END
$$;

-- Whether a process has said lately that it lives. While the database was away nobody could say
-- so: after its start everybody has `p_lease` to do it. Our own process lives, of course.
CREATE FUNCTION is_alive(p_holder text, p_asking text, p_lease interval)
RETURNS boolean LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN p_holder = p_asking OR EXISTS (
        SELECT 1 FROM holders h WHERE h.name = p_holder
            AND greatest(h.alive_until, pg_postmaster_start_time() + p_lease) > clock_timestamp());
END
$$;

-- Ends a running turn that nobody runs any more; what it had said so far becomes whole.
CREATE FUNCTION interrupt_turn(p_turn text, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE turns r SET state = 'interrupted', ended_at = p_now
        WHERE r.id = p_turn AND r.state = 'running';
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE items i SET pending = false WHERE i.turn_id = p_turn AND i.pending;
    RETURN true;
END
$$;

-- Puts one item at its place, or gives it its next checkpoint there.
CREATE FUNCTION put_item(
    p_tenant text, p_user text, p_thread text, p_turn text, p_seq bigint, p_item text,
    p_hidden boolean, p_pending boolean, p_waiting boolean, p_body text
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO items
        (thread_id, seq, id, tenant_id, user_id, turn_id, hidden, pending, waiting, body)
        VALUES (p_thread, p_seq, p_item, p_tenant, p_user, p_turn, p_hidden, p_pending, p_waiting,
                p_body)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN; END IF;
    UPDATE items i SET hidden = p_hidden, pending = p_pending, waiting = p_waiting, body = p_body
        WHERE i.thread_id = p_thread AND i.seq = p_seq AND i.id = p_item AND i.turn_id = p_turn
          AND i.tenant_id = p_tenant AND i.user_id = p_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PL001', MESSAGE = p_item;
    END IF;
END
$$;

-- Begins a turn. Outcomes:
--   begun       thread, next_seq
--   repeated    turn, holder (its thread), state
--   not_found
--   attachment_lost
--   not_active  thread
--   busy        turn, holder
--   settle      bodies: calls of client tools that wait, and that p_changed does not settle. Nothing
--               was written; the caller settles them and asks again.
CREATE FUNCTION begin_turn(
    p_tenant text, p_user text, p_thread text, p_turn text, p_holder text, p_lease interval,
    p_key text, p_now timestamptz, p_settle boolean,
    -- Of a new thread; p_status is NULL for one that exists.
    p_title text, p_created_at timestamptz, p_active boolean, p_status text, p_domains text,
    p_metadata text,
    p_opening_ids text[], p_opening_hidden boolean[], p_opening_waiting boolean[],
    p_opening_bodies text[],
    p_changed_ids text[], p_changed_hidden boolean[], p_changed_waiting boolean[],
    p_changed_bodies text[],
    -- Files that were sent with the opening.
    p_attachments text[]
) RETURNS TABLE (
    outcome text, next_seq bigint, turn text, holder text, state text, bodies text[],
    id text, title text, created_at timestamptz, status text, allowed_image_domains text,
    metadata text
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_thread threads;
    v_turn turns;
    v_seq bigint := 0;
    v_bodies text[];
    v_item record;
BEGIN
    PERFORM become(p_tenant, p_user);
    IF p_key IS NOT NULL THEN
        SELECT * INTO v_turn FROM turns r
            WHERE r.idempotency_key = p_key AND r.tenant_id = p_tenant AND r.user_id = p_user;
        IF FOUND THEN
            outcome := 'repeated'; turn := v_turn.id; holder := v_turn.thread_id;
            state := v_turn.state;
            RETURN NEXT; RETURN;
        END IF;
    END IF;
    IF cardinality(p_attachments) > 0 THEN
        -- Locked: they can neither go nor be sent elsewhere before they are bound below.
        PERFORM 1 FROM (
            SELECT 1 FROM attachments a
                WHERE a.id = ANY (p_attachments) AND a.state = 'uploaded'
                  AND (a.thread_id IS NULL OR a.thread_id = p_thread)
                  AND a.tenant_id = p_tenant AND a.user_id = p_user
                ORDER BY a.id FOR NO KEY UPDATE) there
            HAVING count(*) = cardinality(p_attachments);
        IF NOT FOUND THEN
            outcome := 'attachment_lost';
            RETURN NEXT; RETURN;
        END IF;
    END IF;
    IF p_status IS NOT NULL THEN
        INSERT INTO threads (id, tenant_id, user_id, title, created_at, active, status,
                             allowed_image_domains, metadata)
            VALUES (p_thread, p_tenant, p_user, p_title, p_created_at, p_active, p_status,
                    p_domains, p_metadata)
            RETURNING * INTO v_thread;
    ELSE
        -- Locked: turns of a thread begin one after another.
        SELECT * INTO v_thread FROM threads t
            WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user
            FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            outcome := 'not_found';
            RETURN NEXT; RETURN;
        END IF;
        IF NOT v_thread.active THEN
            outcome := 'not_active'; status := v_thread.status;
            RETURN NEXT; RETURN;
        END IF;
        SELECT * INTO v_turn FROM turns r
            WHERE r.thread_id = p_thread AND r.state = 'running'
              AND r.tenant_id = p_tenant AND r.user_id = p_user;
        IF FOUND THEN
            IF is_alive(v_turn.holder, p_holder, p_lease) THEN
                outcome := 'busy'; turn := v_turn.id; holder := v_turn.holder;
                RETURN NEXT; RETURN;
            END IF;
            PERFORM interrupt_turn(v_turn.id, p_now);
        END IF;
        IF p_settle THEN
            SELECT array_agg(i.body ORDER BY i.seq) INTO v_bodies FROM items i
                WHERE i.thread_id = p_thread AND i.waiting
                  AND i.tenant_id = p_tenant AND i.user_id = p_user
                  AND i.id <> ALL (p_changed_ids);
            IF v_bodies IS NOT NULL THEN
                outcome := 'settle'; bodies := v_bodies;
                RETURN NEXT; RETURN;
            END IF;
        END IF;
        SELECT coalesce(max(i.seq), 0) INTO v_seq FROM items i
            WHERE i.thread_id = p_thread AND i.tenant_id = p_tenant AND i.user_id = p_user;
    END IF;
    INSERT INTO turns (id, thread_id, tenant_id, user_id, state, holder, idempotency_key, started_at)
        VALUES (p_turn, p_thread, p_tenant, p_user, 'running', p_holder, p_key, p_now)
        ON CONFLICT (tenant_id, user_id, idempotency_key) WHERE idempotency_key IS NOT NULL
        DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PL002', MESSAGE = 'the key was used in the meantime';
    END IF;
    FOR v_item IN
        SELECT * FROM unnest(p_opening_ids, p_opening_hidden, p_opening_waiting, p_opening_bodies)
            AS o (id, hidden, waiting, body)
    LOOP
        v_seq := v_seq + 1;
        PERFORM put_item(p_tenant, p_user, p_thread, p_turn, v_seq, v_item.id, v_item.hidden,
                         false, v_item.waiting, v_item.body);
    END LOOP;
    IF cardinality(p_changed_ids) > 0 THEN
        UPDATE items i SET body = c.body, hidden = c.hidden, waiting = c.waiting, pending = false
            FROM unnest(p_changed_ids, p_changed_hidden, p_changed_waiting, p_changed_bodies)
                AS c (id, hidden, waiting, body)
            WHERE i.thread_id = p_thread AND i.id = c.id
              AND i.tenant_id = p_tenant AND i.user_id = p_user;
    END IF;
    UPDATE attachments a SET thread_id = p_thread
        WHERE a.id = ANY (p_attachments) AND a.tenant_id = p_tenant AND a.user_id = p_user;
    outcome := 'begun'; next_seq := v_seq + 1;
    id := v_thread.id; title := v_thread.title; created_at := v_thread.created_at;
    status := v_thread.status; allowed_image_domains := v_thread.allowed_image_domains;
    metadata := v_thread.metadata;
    RETURN NEXT;
END
$$;

-- The writes of a running turn, in their order; with p_state they are its last. false: the turn
-- does not hold its thread any more, and nothing was written.
CREATE FUNCTION write_turn(
    p_tenant text, p_user text, p_thread text, p_turn text, p_state text, p_now timestamptz,
    -- Each write is one of 'put', 'replace', 'remove'.
    p_writes text[], p_seqs bigint[], p_ids text[], p_hidden boolean[], p_pending boolean[],
    p_waiting boolean[], p_bodies text[],
    -- The thread's properties; p_status is NULL when they have not changed.
    p_title text, p_active boolean, p_status text, p_domains text, p_metadata text
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_write record;
BEGIN
    PERFORM become(p_tenant, p_user);
    IF p_state IS NULL THEN
        -- Locked: who ends the turn waits for these writes.
        PERFORM 1 FROM turns r WHERE r.id = p_turn AND r.thread_id = p_thread
            AND r.state = 'running' AND r.tenant_id = p_tenant AND r.user_id = p_user
            FOR NO KEY UPDATE;
    ELSE
        UPDATE turns r SET state = p_state, ended_at = p_now
            WHERE r.id = p_turn AND r.thread_id = p_thread AND r.state = 'running'
              AND r.tenant_id = p_tenant AND r.user_id = p_user;
    END IF;
    IF NOT FOUND THEN RETURN false; END IF;
    FOR v_write IN
        SELECT * FROM unnest(p_writes, p_seqs, p_ids, p_hidden, p_pending, p_waiting, p_bodies)
            AS w (what, seq, id, hidden, pending, waiting, body)
    LOOP
        CASE v_write.what
        WHEN 'put' THEN
            PERFORM put_item(p_tenant, p_user, p_thread, p_turn, v_write.seq, v_write.id,
                             v_write.hidden, v_write.pending, v_write.waiting, v_write.body);
        WHEN 'replace' THEN
            UPDATE items i SET body = v_write.body, hidden = v_write.hidden,
                               waiting = v_write.waiting, pending = false
                WHERE i.thread_id = p_thread AND i.id = v_write.id
                  AND i.tenant_id = p_tenant AND i.user_id = p_user;
        WHEN 'remove' THEN
            DELETE FROM items i WHERE i.thread_id = p_thread AND i.id = v_write.id
                AND i.tenant_id = p_tenant AND i.user_id = p_user;
        END CASE;
    END LOOP;
    IF p_status IS NOT NULL THEN
        UPDATE threads t SET title = CASE WHEN t.titled_by_user THEN t.title
                                          ELSE coalesce(p_title, t.title) END,
                             active = p_active, status = p_status,
                             allowed_image_domains = p_domains, metadata = p_metadata
            WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user;
    END IF;
    IF p_state IS NOT NULL THEN
        UPDATE items i SET pending = false
            WHERE i.turn_id = p_turn AND i.pending
              AND i.tenant_id = p_tenant AND i.user_id = p_user;
    END IF;
    RETURN true;
END
$$;

-- What is known of files.

-- false: the owner would then have more than so many files, or bytes, that are not sent.
CREATE FUNCTION create_attachment(
    p_tenant text, p_user text, p_id text, p_name text, p_mime_type text, p_size bigint,
    p_created_at timestamptz, p_max_files bigint, p_max_bytes numeric
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_files bigint;
    v_bytes numeric;
BEGIN
    PERFORM become(p_tenant, p_user);
    -- One announcement of an owner's after the other, or two could fill the same room. It does
    -- not matter when two owners share a lock now and then.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant || chr(31) || p_user, 0));
    SELECT count(*), coalesce(sum(a.size), 0) INTO v_files, v_bytes FROM attachments a
        WHERE a.thread_id IS NULL AND a.state <> 'doomed'
          AND a.tenant_id = p_tenant AND a.user_id = p_user;
    IF v_files >= p_max_files OR v_bytes + p_size > p_max_bytes THEN RETURN false; END IF;
    INSERT INTO attachments (id, tenant_id, user_id, name, mime_type, size, state, created_at)
        VALUES (p_id, p_tenant, p_user, p_name, p_mime_type, p_size, 'waiting', p_created_at);
    RETURN true;
END
$$;

CREATE FUNCTION get_attachments(p_tenant text, p_user text, p_ids text[])
RETURNS SETOF attachments LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT * FROM attachments a
        WHERE a.id = ANY (p_ids) AND a.state <> 'doomed'
          AND a.tenant_id = p_tenant AND a.user_id = p_user;
END
$$;

CREATE FUNCTION complete_attachment(
    p_tenant text, p_user text, p_id text, p_size bigint, p_mime_type text, p_has_preview boolean
) RETURNS SETOF attachments LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY UPDATE attachments a
        SET state = 'uploaded', size = p_size, mime_type = p_mime_type, has_preview = p_has_preview
        WHERE a.id = p_id AND a.state = 'waiting'
          AND a.tenant_id = p_tenant AND a.user_id = p_user
        RETURNING a.*;
END
$$;

-- 'deleted', 'sent' or 'not_found'.
CREATE FUNCTION delete_attachment(p_tenant text, p_user text, p_id text)
RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    UPDATE attachments a SET state = 'doomed', name = ''
        WHERE a.id = p_id AND a.thread_id IS NULL AND a.state <> 'doomed'
          AND a.tenant_id = p_tenant AND a.user_id = p_user;
    IF FOUND THEN RETURN 'deleted'; END IF;
    PERFORM 1 FROM attachments a WHERE a.id = p_id AND a.state <> 'doomed'
        AND a.tenant_id = p_tenant AND a.user_id = p_user;
    RETURN CASE WHEN FOUND THEN 'sent' ELSE 'not_found' END;
END
$$;

CREATE FUNCTION forget_attachment(p_tenant text, p_user text, p_id text)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    DELETE FROM attachments a WHERE a.id = p_id AND a.state = 'doomed'
        AND a.tenant_id = p_tenant AND a.user_id = p_user;
END
$$;

-- What concerns all owners.

-- Whose file a link names that the server itself has signed.
CREATE FUNCTION attachment_owner(p_id text)
RETURNS TABLE (tenant text, usr text) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT a.tenant_id, a.user_id FROM attachments a
        WHERE a.id = p_id AND a.state <> 'doomed';
END
$$;

CREATE FUNCTION expire_attachments(p_before timestamptz)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM become_system();
    UPDATE attachments a SET state = 'doomed', name = ''
        WHERE a.thread_id IS NULL AND a.state <> 'doomed' AND a.created_at < p_before;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

CREATE FUNCTION doomed_attachments(p_after text, p_limit bigint)
RETURNS TABLE (tenant text, usr text, id text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT a.tenant_id, a.user_id, a.id FROM attachments a
        WHERE a.state = 'doomed' AND a.id > p_after ORDER BY a.id LIMIT p_limit;
END
$$;

-- Judgements in the order they were given, each with the question before its item.
CREATE FUNCTION list_feedback(p_after timestamptz, p_after_item text, p_limit bigint)
RETURNS TABLE (
    tenant text, usr text, thread text, item text, kind text, given_at timestamptz, body text,
    question text
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT f.tenant_id, f.user_id, f.thread_id, f.item_id, f.kind, f.created_at, i.body,
            (SELECT q.body FROM items q
                WHERE q.thread_id = i.thread_id AND q.seq < i.seq AND NOT q.hidden AND NOT q.pending
                  AND q.body LIKE '{"type":"user\_message"%' ORDER BY q.seq DESC LIMIT 1)
        FROM feedback f JOIN items i ON i.id = f.item_id
        WHERE (f.created_at, f.item_id) > (p_after, p_after_item)
        ORDER BY f.created_at, f.item_id LIMIT p_limit;
END
$$;

CREATE FUNCTION keep_alive(p_holder text, p_lease interval)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO holders (name, alive_until) VALUES (p_holder, clock_timestamp() + p_lease)
        ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until;
END
$$;

CREATE FUNCTION interrupt_orphans(p_holder text, p_lease interval, p_now timestamptz)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint := 0;
    v_turn text;
BEGIN
    PERFORM become_system();
    FOR v_turn IN
        SELECT r.id FROM turns r
            WHERE r.state = 'running' AND NOT is_alive(r.holder, p_holder, p_lease)
            ORDER BY r.id
            -- Another process is at it, or the turn writes after all.
            FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        IF interrupt_turn(v_turn, p_now) THEN v_count := v_count + 1; END IF;
    END LOOP;
    -- Processes that are long gone.
    DELETE FROM holders h WHERE h.alive_until < clock_timestamp() - interval '1 day';
    RETURN v_count;
END
$$;

CREATE FUNCTION keep_secret(p_name text, p_fresh bytea)
RETURNS bytea LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_value bytea;
BEGIN
    PERFORM become_system();
    SELECT s.value INTO v_value FROM secrets s WHERE s.name = p_name;
    IF NOT FOUND THEN
        INSERT INTO secrets (name, value) VALUES (p_name, p_fresh) ON CONFLICT DO NOTHING;
        SELECT s.value INTO v_value FROM secrets s WHERE s.name = p_name;
    END IF;
    RETURN v_value;
END
$$;
