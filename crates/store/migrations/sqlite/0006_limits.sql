-- What limits are counted with.

CREATE TABLE counters (
    -- A keyed hash of what is counted and for whom.
    id       BLOB    NOT NULL PRIMARY KEY,
    -- Number of the newest slot.
    newest   INTEGER NOT NULL,
    -- How much in each slot, the newest first: a JSON array.
    counts   TEXT    NOT NULL,
    -- Somebody was told that the limit is near.
    warned   INTEGER NOT NULL,
    -- When nothing of it counts any more, in seconds since 1970.
    over_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX counters_over ON counters (over_at);

-- What is open at the moment, a row for each counter that it counts at.
CREATE TABLE open_now (
    counter  BLOB NOT NULL,
    id       BLOB NOT NULL,
    -- The process that has it.
    holder   TEXT NOT NULL,
    PRIMARY KEY (counter, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX open_now_by_id ON open_now (id);
