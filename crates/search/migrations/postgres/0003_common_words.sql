-- A word that is nearly everywhere is found by walking over the table until there are enough; a rare one by the index.
-- The planner knows which is which, from its statistics, if it is asked about each word for itself.

CREATE OR REPLACE FUNCTION search_count(p_queries tsquery[], p_most bigint)
RETURNS TABLE (found bigint) LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    v_query tsquery;
BEGIN
    FOREACH v_query IN ARRAY p_queries LOOP
        RETURN QUERY
            SELECT count(*) FROM (
                SELECT 1 FROM search_words AS w WHERE w.words @@ v_query LIMIT p_most
            ) AS matching;
    END LOOP;
END
$$;

ALTER FUNCTION search_rank_some(
    tsquery, bigint, tsquery[], float8[], float8[], float8, bigint, boolean, text, text, text[]
) SET plan_cache_mode = force_custom_plan;
