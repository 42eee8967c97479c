-- The same score, in floating point throughout: `0.9 * length` alone is a decimal number of any length, and slow.
CREATE OR REPLACE FUNCTION search_score(
    p_words tsvector, p_query tsquery, p_scale float8, p_rarity float8, p_length integer, p_average float8
) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT p_rarity * 2.2::float8 * (1::float8 - (0.3::float8 + 0.9::float8 * p_length / p_average) / (
        p_scale * ts_rank('{0.16666667, 0.083333333, 0.66666667, 1}', p_words, p_query)
            + (0.3::float8 + 0.9::float8 * p_length / p_average)))
$$;
