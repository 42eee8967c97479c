-- What answers took of models: a row for each turn and model.
CREATE TABLE model_usage (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id      text        COLLATE "C" NOT NULL,
    user_id        text        COLLATE "C" NOT NULL,
    -- No reference: what was used stays known when the thread is deleted.
    thread_id      text        COLLATE "C" NOT NULL,
    at             timestamptz NOT NULL,
    -- `answer` or `title`.
    purpose        text        NOT NULL,
    model          text        COLLATE "C" NOT NULL,
    requests       bigint      NOT NULL,
    input_tokens   bigint      NOT NULL,
    cached_tokens  bigint      NOT NULL,
    output_tokens  bigint      NOT NULL,
    -- In billionths of a currency; NULL: the price was not known.
    cost           bigint
);

CREATE INDEX model_usage_of_owner ON model_usage (tenant_id, user_id, at);
CREATE INDEX model_usage_of_thread ON model_usage (thread_id);
CREATE INDEX model_usage_by_time ON model_usage (at);

-- The operator's, as what is charged is.
ALTER TABLE model_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE model_usage FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON model_usage USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- A visitor's thread that becomes an account's takes along what was used for it.
CREATE FUNCTION move_usage() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE model_usage u SET user_id = NEW.user_id WHERE u.thread_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER model_usage_moves AFTER UPDATE OF user_id ON threads
    FOR EACH ROW WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id) EXECUTE FUNCTION move_usage();

-- Adds what turns took, for whoever has their threads now: of one that is gone, with its user
-- perhaps, nothing is kept.
CREATE FUNCTION add_usage(
    p_tenants text[], p_threads text[], p_at timestamptz[], p_purposes text[], p_models text[],
    p_requests bigint[], p_input bigint[], p_cached bigint[], p_output bigint[], p_costs bigint[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become_system();
    INSERT INTO model_usage (tenant_id, user_id, thread_id, at, purpose, model, requests,
                             input_tokens, cached_tokens, output_tokens, cost)
        SELECT t.tenant_id, t.user_id, t.id, n.at, n.purpose, n.model, n.requests, n.input,
               n.cached, n.output, n.cost
            FROM unnest(p_tenants, p_threads, p_at, p_purposes, p_models, p_requests, p_input,
                        p_cached, p_output, p_costs)
                AS n (tenant, thread, at, purpose, model, requests, input, cached, output, cost)
            JOIN threads t ON t.id = n.thread AND t.tenant_id = n.tenant;
END
$$;

CREATE FUNCTION list_usage(
    p_tenant text, p_user text, p_since timestamptz,
    p_after_tenant text, p_after_user text, p_after_model text, p_limit bigint
) RETURNS TABLE (
    tenant text, usr text, model text, turns bigint, requests bigint, input bigint, cached bigint,
    output bigint, cost bigint, unpriced bigint
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM become_system();
    RETURN QUERY SELECT u.tenant_id, u.user_id, u.model,
            count(*) FILTER (WHERE u.purpose = 'answer'), sum(u.requests)::bigint,
            sum(u.input_tokens)::bigint, sum(u.cached_tokens)::bigint,
            sum(u.output_tokens)::bigint, sum(u.cost)::bigint,
            count(*) FILTER (WHERE u.cost IS NULL)
        FROM model_usage u
        WHERE (p_tenant IS NULL OR u.tenant_id = p_tenant)
          AND (p_user IS NULL OR u.user_id = p_user)
          AND (p_since IS NULL OR u.at >= p_since)
          AND (u.tenant_id, u.user_id, u.model) > (p_after_tenant, p_after_user, p_after_model)
        GROUP BY u.tenant_id, u.user_id, u.model
        ORDER BY u.tenant_id, u.user_id, u.model LIMIT p_limit;
END
$$;

CREATE FUNCTION expire_usage(p_before timestamptz, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM become_system();
    DELETE FROM model_usage u WHERE u.id = ANY (ARRAY(
        SELECT o.id FROM model_usage o WHERE o.at < p_before ORDER BY o.at LIMIT p_limit));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
