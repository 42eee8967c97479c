-- Which process holds a turn: for requests that reach another one.

-- A thread, and the turn that is running in it, if there is one: for what reads the thread anyway.
CREATE FUNCTION get_thread_and_turn(
    p_tenant text, p_user text, p_thread text, p_lease interval
) RETURNS TABLE (
    id text, title text, created_at timestamptz, status text, allowed_image_domains text,
    metadata text, turn text, state text, holder text, alive boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT t.id, t.title, t.created_at, t.status, t.allowed_image_domains, t.metadata,
            r.id, r.state, r.holder,
            CASE WHEN r.id IS NULL THEN false ELSE is_alive(r.holder, '', p_lease) END
        FROM threads t LEFT JOIN turns r ON r.thread_id = t.id AND r.state = 'running'
            AND r.tenant_id = p_tenant AND r.user_id = p_user
        WHERE t.id = p_thread AND t.tenant_id = p_tenant AND t.user_id = p_user;
END
$$;

-- A turn of a thread: the one that is named, or the one that is running.
CREATE FUNCTION held_turn(
    p_tenant text, p_user text, p_thread text, p_turn text, p_lease interval
) RETURNS TABLE (turn text, state text, holder text, alive boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM become(p_tenant, p_user);
    IF p_turn IS NULL THEN
        RETURN QUERY SELECT r.id, r.state, r.holder, is_alive(r.holder, '', p_lease) FROM turns r
            WHERE r.thread_id = p_thread AND r.state = 'running'
              AND r.tenant_id = p_tenant AND r.user_id = p_user;
    ELSE
        RETURN QUERY SELECT r.id, r.state, r.holder, is_alive(r.holder, '', p_lease) FROM turns r
            WHERE r.id = p_turn AND r.thread_id = p_thread
              AND r.tenant_id = p_tenant AND r.user_id = p_user;
    END IF;
END
$$;
