-- What limits are counted with.

CREATE TABLE counters (
    -- A keyed hash of what is counted and for whom.
    id       bytea    PRIMARY KEY,
    -- Number of the newest slot.
    newest   bigint   NOT NULL,
    -- How much in each slot, the newest first.
    counts   bigint[] NOT NULL,
    -- Somebody was told that the limit is near.
    warned   boolean  NOT NULL,
    -- When nothing of it counts any more, in seconds since 1970.
    over_at  bigint   NOT NULL
);

CREATE INDEX counters_over ON counters (over_at);

-- What is open at the moment, a row for each counter that it counts at.
CREATE TABLE open_now (
    counter  bytea NOT NULL,
    id       bytea NOT NULL,
    -- The process that has it: see `holders`.
    holder   text  COLLATE "C" NOT NULL,
    PRIMARY KEY (counter, id)
);

CREATE INDEX open_now_by_id ON open_now (id);

-- Nothing here says whose it is; owners see none of it.
ALTER TABLE counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE counters FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON counters USING ((SELECT current_setting('parlor.system', true)) = 'on');
ALTER TABLE open_now ENABLE ROW LEVEL SECURITY;
ALTER TABLE open_now FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON open_now USING ((SELECT current_setting('parlor.system', true)) = 'on');

-- Counts so much more or less in slots, the newest first.
CREATE FUNCTION count_more(p_counts bigint[], p_amount bigint)
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    v_less bigint := -p_amount;
    v_taken bigint;
BEGIN
    IF p_amount >= 0 THEN
        p_counts[1] := least(p_counts[1] + least(p_amount, 281474976645120), 281474976645120);
        RETURN p_counts;
    END IF;
    FOR i IN 1 .. array_length(p_counts, 1) LOOP
        v_taken := least(v_less, p_counts[i]);
        p_counts[i] := p_counts[i] - v_taken;
        v_less := v_less - v_taken;
    END LOOP;
    RETURN p_counts;
END
$$;

-- One counter as it is at a time: without what no longer counts. A clock that is a little behind
-- counts into the newest slot; one that has been set back by more than the window begins anew.
CREATE FUNCTION counter_at(
    p_id bytea, p_width bigint, p_slots int, p_now bigint,
    OUT newest bigint, OUT counts bigint[], OUT warned boolean
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_slot bigint := floor(p_now::numeric / p_width);
    v_ahead bigint;
BEGIN
    SELECT c.newest, c.counts, c.warned INTO newest, counts, warned
        FROM counters c WHERE c.id = p_id;
    v_ahead := v_slot - newest;
    IF v_ahead IS NULL OR v_ahead >= p_slots OR v_ahead <= -p_slots THEN
        newest := v_slot;
        counts := array_fill(0::bigint, ARRAY[p_slots]);
        warned := coalesce(warned, false);
    ELSIF v_ahead > 0 THEN
        newest := v_slot;
        counts := array_fill(0::bigint, ARRAY[v_ahead::int]) || counts[1:p_slots - v_ahead::int];
    END IF;
END
$$;

CREATE FUNCTION keep_counter(
    p_id bytea, p_width bigint, p_slots int, p_newest bigint, p_counts bigint[], p_warned boolean
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO counters (id, newest, counts, warned, over_at)
        VALUES (p_id, p_newest, p_counts, p_warned, (p_newest + p_slots) * p_width)
        ON CONFLICT (id) DO UPDATE SET newest = excluded.newest, counts = excluded.counts,
            warned = excluded.warned, over_at = excluded.over_at;
END
$$;

-- Whoever counts with the same counters waits for the end of this transaction. Always in the same
-- order, so that nobody waits for each other.
CREATE FUNCTION lock_counters(p_ids bytea[])
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_key bigint;
BEGIN
    FOR v_key IN
        SELECT DISTINCT ('x' || encode(substring(u.id FOR 8), 'hex'))::bit(64)::bigint AS key
            FROM unnest(p_ids) u (id) ORDER BY key
    LOOP
        PERFORM pg_advisory_xact_lock(v_key);
    END LOOP;
END
$$;

-- Counts all, or nothing when a limit is reached: then one row says which, with `place` from 1 on,
-- and with a negative one for what is open. `second` is when something is free again.
CREATE FUNCTION charge(
    p_ids bytea[], p_widths bigint[], p_slots int[], p_limits bigint[], p_costs bigint[],
    p_near bigint[], p_open bytea, p_holder text, p_lease interval, p_open_ids bytea[],
    p_open_limits bigint[], p_now bigint
) RETURNS TABLE (refused boolean, place int, remaining bigint, warn boolean, second bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_length int := coalesce(array_length(p_ids, 1), 0);
    v_newest bigint[] := '{}';
    v_warned boolean[] := '{}';
    v_all text[] := '{}';
    v_counter record;
    v_counts bigint[];
    v_used bigint;
    v_rest bigint;
    v_near boolean;
BEGIN
    PERFORM become_system();
    PERFORM lock_counters(p_ids || coalesce(p_open_ids, '{}'));
    refused := false;
    FOR i IN 1 .. v_length LOOP
        SELECT * INTO v_counter FROM counter_at(p_ids[i], p_widths[i], p_slots[i], p_now);
        v_newest := v_newest || v_counter.newest;
        v_warned := v_warned || v_counter.warned;
        v_all := v_all || v_counter.counts::text;
        SELECT coalesce(sum(c), 0)::bigint INTO v_used FROM unnest(v_counter.counts) c;
        CONTINUE WHEN v_used + greatest(p_costs[i], 1) <= p_limits[i];
        -- When enough of it is gone: the one that takes longest is told.
        v_rest := v_used;
        FOR age IN REVERSE p_slots[i] - 1 .. 0 LOOP
            v_rest := v_rest - v_counter.counts[age + 1];
            IF v_rest < p_limits[i] OR age = 0 THEN
                IF NOT refused
                    OR (v_counter.newest + p_slots[i] - age) * p_widths[i] > second
                THEN
                    place := i;
                    second := (v_counter.newest + p_slots[i] - age) * p_widths[i];
                END IF;
                refused := true;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    IF refused THEN
        RETURN NEXT;
        RETURN;
    END IF;
    FOR i IN 1 .. coalesce(array_length(p_open_ids, 1), 0) LOOP
        SELECT count(*) INTO v_used FROM open_now o
            WHERE o.counter = p_open_ids[i] AND is_alive(o.holder, p_holder, p_lease);
        IF v_used >= p_open_limits[i] THEN
            refused := true;
            place := -i;
            RETURN NEXT;
            RETURN;
        END IF;
    END LOOP;
    INSERT INTO open_now (counter, id, holder)
        SELECT u.counter, p_open, p_holder FROM unnest(p_open_ids) u (counter)
        ON CONFLICT DO NOTHING;
    FOR i IN 1 .. v_length LOOP
        v_counts := v_all[i]::bigint[];
        IF p_costs[i] > 0 THEN v_counts := count_more(v_counts, p_costs[i]); END IF;
        SELECT coalesce(sum(c), 0)::bigint INTO v_used FROM unnest(v_counts) c;
        v_near := coalesce(v_used >= p_near[i], false);
        place := i;
        remaining := greatest(p_limits[i] - v_used, 0);
        warn := v_near AND NOT v_warned[i];
        second := NULL;
        FOR age IN REVERSE p_slots[i] - 1 .. 0 LOOP
            IF v_counts[age + 1] > 0 THEN
                second := (v_newest[i] + p_slots[i] - age) * p_widths[i];
                EXIT;
            END IF;
        END LOOP;
        IF p_costs[i] > 0 OR v_near <> v_warned[i] THEN
            PERFORM keep_counter(
                p_ids[i], p_widths[i], p_slots[i], v_newest[i], v_counts, v_near);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE FUNCTION settle(
    p_ids bytea[], p_widths bigint[], p_slots int[], p_amounts bigint[], p_closed bytea[],
    p_now bigint
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_counter record;
BEGIN
    PERFORM become_system();
    PERFORM lock_counters(p_ids);
    FOR i IN 1 .. coalesce(array_length(p_ids, 1), 0) LOOP
        SELECT * INTO v_counter FROM counter_at(p_ids[i], p_widths[i], p_slots[i], p_now);
        PERFORM keep_counter(
            p_ids[i], p_widths[i], p_slots[i], v_counter.newest,
            count_more(v_counter.counts, p_amounts[i]), v_counter.warned);
    END LOOP;
    DELETE FROM open_now o WHERE o.id = ANY (p_closed);
END
$$;

CREATE FUNCTION sweep_limits(p_holder text, p_lease interval, p_now bigint, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM become_system();
    DELETE FROM counters c WHERE c.id IN (
        SELECT e.id FROM counters e WHERE e.over_at <= p_now
            ORDER BY e.over_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
        AND c.over_at <= p_now;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    DELETE FROM open_now o WHERE NOT is_alive(o.holder, p_holder, p_lease);
    RETURN v_count;
END
$$;
