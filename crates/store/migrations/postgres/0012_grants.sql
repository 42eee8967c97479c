-- What users have let Parlor do at servers of tools: the tokens that they got there, encrypted.

CREATE TABLE grants (
    tenant_id      text        COLLATE "C" NOT NULL,
    user_id        text        COLLATE "C" NOT NULL,
    -- A hash of the server's name and address.
    server         bytea       NOT NULL,
    -- What the server is called.
    name           text        NOT NULL,
    -- Tokens, encrypted by the server.
    sealed         bytea       NOT NULL,
    -- Another one with each change of the tokens.
    revision       bytea       NOT NULL,
    granted_at     timestamptz NOT NULL,
    refresh_at     timestamptz,
    -- Until when somebody is getting new tokens.
    claimed_until  timestamptz,
    PRIMARY KEY (tenant_id, user_id, server)
);

ALTER TABLE grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE grants FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON grants USING (
    tenant_id = (SELECT nullif(current_setting('parlor.tenant', true), ''))
    AND user_id = (SELECT current_setting('parlor.user', true)));
CREATE POLICY system ON grants USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- Sign-ins that are under way: links that were shown, and visits of the authorization server.
CREATE TABLE grant_attempts (
    -- A hash of what the link or the visit is known by.
    id             bytea       PRIMARY KEY,
    tenant_id      text        COLLATE "C" NOT NULL,
    user_id        text        COLLATE "C" NOT NULL,
    sealed         bytea       NOT NULL,
    good_until     timestamptz NOT NULL
);

CREATE INDEX grant_attempts_of_user ON grant_attempts (tenant_id, user_id);
CREATE INDEX grant_attempts_ending ON grant_attempts (good_until);

-- Looked up before it is known who asks, so there is no policy for owners.
ALTER TABLE grant_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE grant_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON grant_attempts
    USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- As whom Parlor is registered with authorization servers.
CREATE TABLE oauth_clients (
    -- A hash of the authorization server and the address that it sends people back to.
    id             bytea       PRIMARY KEY,
    sealed         bytea       NOT NULL,
    good_until     timestamptz NOT NULL
);

ALTER TABLE oauth_clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_clients FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON oauth_clients
    USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- A visitor who has become an account is nobody any more. The account signs in itself.
CREATE FUNCTION end_grants() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM grants g WHERE g.tenant_id = NEW.tenant_id AND g.user_id = NEW.visitor_id;
    DELETE FROM grant_attempts a WHERE a.tenant_id = NEW.tenant_id AND a.user_id = NEW.visitor_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER grants_end_with_visitors AFTER INSERT ON visitor_moves
    FOR EACH ROW EXECUTE FUNCTION end_grants();

CREATE FUNCTION keep_grant(
    p_tenant text, p_user text, p_server bytea, p_name text, p_sealed bytea, p_revision bytea,
    p_granted_at timestamptz, p_refresh_at timestamptz
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    INSERT INTO grants (tenant_id, user_id, server, name, sealed, revision, granted_at, refresh_at)
        VALUES (p_tenant, p_user, p_server, p_name, p_sealed, p_revision, p_granted_at,
                p_refresh_at)
        ON CONFLICT (tenant_id, user_id, server) DO UPDATE
            SET name = excluded.name, sealed = excluded.sealed, revision = excluded.revision,
                granted_at = excluded.granted_at, refresh_at = excluded.refresh_at,
                claimed_until = NULL;
END
$$;

CREATE FUNCTION get_grant(p_tenant text, p_user text, p_server bytea)
RETURNS SETOF grants LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT * FROM grants g
        WHERE g.tenant_id = p_tenant AND g.user_id = p_user AND g.server = p_server;
END
$$;

CREATE FUNCTION list_grants(p_tenant text, p_user text)
RETURNS SETOF grants LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    RETURN QUERY SELECT * FROM grants g
        WHERE g.tenant_id = p_tenant AND g.user_id = p_user ORDER BY g.name, g.server;
END
$$;

CREATE FUNCTION claim_grant(
    p_tenant text, p_user text, p_server bytea, p_revision bytea, p_now timestamptz,
    p_until timestamptz
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    -- Whoever waited for the row sees the claim and leaves it.
    UPDATE grants g SET claimed_until = p_until
        WHERE g.tenant_id = p_tenant AND g.user_id = p_user AND g.server = p_server
          AND g.revision = p_revision AND coalesce(g.claimed_until <= p_now, true);
    RETURN FOUND;
END
$$;

CREATE FUNCTION refresh_grant(
    p_tenant text, p_user text, p_server bytea, p_revision bytea, p_sealed bytea,
    p_new_revision bytea, p_refresh_at timestamptz
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    UPDATE grants g SET sealed = p_sealed, revision = p_new_revision, refresh_at = p_refresh_at,
                        claimed_until = NULL
        WHERE g.tenant_id = p_tenant AND g.user_id = p_user AND g.server = p_server
          AND g.revision = p_revision;
    RETURN FOUND;
END
$$;

CREATE FUNCTION end_grant(p_tenant text, p_user text, p_server bytea, p_revision bytea)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    DELETE FROM grants g
        WHERE g.tenant_id = p_tenant AND g.user_id = p_user AND g.server = p_server
          AND g.revision = p_revision;
    RETURN FOUND;
END
$$;

CREATE FUNCTION begin_attempt(
    p_id bytea, p_tenant text, p_user text, p_sealed bytea, p_good_until timestamptz
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    INSERT INTO grant_attempts (id, tenant_id, user_id, sealed, good_until)
        VALUES (p_id, p_tenant, p_user, p_sealed, p_good_until);
END
$$;

CREATE FUNCTION get_attempt(p_id bytea, p_now timestamptz)
RETURNS SETOF grant_attempts LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT * FROM grant_attempts a WHERE a.id = p_id AND a.good_until > p_now;
END
$$;

CREATE FUNCTION take_attempt(p_id bytea)
RETURNS SETOF grant_attempts LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY DELETE FROM grant_attempts a WHERE a.id = p_id RETURNING a.*;
END
$$;

CREATE FUNCTION sweep_attempts(p_now timestamptz, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM become_system();
    DELETE FROM grant_attempts a WHERE a.id = ANY (ARRAY(
        SELECT e.id FROM grant_attempts e WHERE e.good_until <= p_now
            ORDER BY e.good_until LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

CREATE FUNCTION keep_client(p_id bytea, p_sealed bytea, p_good_until timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    INSERT INTO oauth_clients (id, sealed, good_until) VALUES (p_id, p_sealed, p_good_until)
        ON CONFLICT (id) DO UPDATE
            SET sealed = excluded.sealed, good_until = excluded.good_until;
END
$$;

CREATE FUNCTION get_client(p_id bytea, p_now timestamptz)
RETURNS SETOF oauth_clients LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT * FROM oauth_clients c WHERE c.id = p_id AND c.good_until > p_now;
END
$$;
