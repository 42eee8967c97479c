-- Counts what was used, and tells what was counted in each slot: by this server and by the others.
CREATE FUNCTION tally(
    p_ids bytea[], p_widths bigint[], p_slots int[], p_amounts bigint[], p_now bigint
) RETURNS TABLE (newest bigint, counts bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_counter record;
BEGIN
    PERFORM become_system();
    PERFORM lock_counters(p_ids);
    FOR i IN 1 .. coalesce(array_length(p_ids, 1), 0) LOOP
        SELECT * INTO v_counter FROM counter_at(p_ids[i], p_widths[i], p_slots[i], p_now);
        newest := v_counter.newest;
        counts := count_more(v_counter.counts, p_amounts[i]);
        PERFORM keep_counter(
            p_ids[i], p_widths[i], p_slots[i], newest, counts, v_counter.warned);
        RETURN NEXT;
    END LOOP;
END
$$;
