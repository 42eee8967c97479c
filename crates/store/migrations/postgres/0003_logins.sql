-- Who has signed in with Parlor itself, a row for each browser.

CREATE TABLE logins (
    -- A hash of what the browser's cookie holds.
    id          bytea       PRIMARY KEY,
    tenant_id   text        COLLATE "C" NOT NULL,
    user_id     text        COLLATE "C" NOT NULL,
    -- Name, mail address and roles, JSON.
    identity    text        NOT NULL,
    -- The identity provider's tokens, encrypted by the server.
    sealed      bytea,
    ends_at     timestamptz NOT NULL,
    -- Never beyond `ends_at`; later with each use.
    good_until  timestamptz NOT NULL,
    refresh_at  timestamptz
);

CREATE INDEX logins_of_user ON logins (tenant_id, user_id);
CREATE INDEX logins_ending ON logins (good_until);

-- Looked up before it is known who asks, so there is no policy for owners: nothing that becomes
-- one sees who else has signed in.
ALTER TABLE logins ENABLE ROW LEVEL SECURITY;
ALTER TABLE logins FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON logins USING ((SELECT current_setting('parlor.system', true)) = 'on');

CREATE FUNCTION begin_login(
    p_id bytea, p_tenant text, p_user text, p_identity text, p_sealed bytea,
    p_ends_at timestamptz, p_good_until timestamptz, p_refresh_at timestamptz, p_instead_of bytea
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    DELETE FROM logins l WHERE l.id = p_instead_of;
    INSERT INTO logins (id, tenant_id, user_id, identity, sealed, ends_at, good_until, refresh_at)
        VALUES (p_id, p_tenant, p_user, p_identity, p_sealed, p_ends_at,
                least(p_good_until, p_ends_at), p_refresh_at);
END
$$;

CREATE FUNCTION get_login(p_id bytea, p_now timestamptz)
RETURNS SETOF logins LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT * FROM logins l WHERE l.id = p_id AND l.good_until > p_now;
END
$$;

CREATE FUNCTION extend_login(p_id bytea, p_good_until timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    UPDATE logins l SET good_until = least(greatest(l.good_until, p_good_until), l.ends_at)
        WHERE l.id = p_id;
END
$$;

CREATE FUNCTION claim_refresh(p_id bytea, p_due timestamptz, p_until timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    -- Whoever waited for the row sees the new time and leaves it.
    UPDATE logins l SET refresh_at = p_until WHERE l.id = p_id AND l.refresh_at = p_due;
    RETURN FOUND;
END
$$;

CREATE FUNCTION refresh_login(
    p_id bytea, p_identity text, p_sealed bytea, p_refresh_at timestamptz
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    UPDATE logins l SET identity = p_identity, sealed = p_sealed, refresh_at = p_refresh_at
        WHERE l.id = p_id;
    RETURN FOUND;
END
$$;

CREATE FUNCTION end_login(p_id bytea)
RETURNS SETOF logins LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY DELETE FROM logins l WHERE l.id = p_id RETURNING l.*;
END
$$;

CREATE FUNCTION sweep_logins(p_now timestamptz, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM become_system();
    DELETE FROM logins l WHERE l.id IN (
        SELECT e.id FROM logins e WHERE e.good_until <= p_now
            ORDER BY e.good_until LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
