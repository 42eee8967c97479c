-- Calls of client tools that wait for their output, found without reading every item.

-- 1 for a client tool call that is pending.
ALTER TABLE items ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;

UPDATE items SET waiting = 1
WHERE json_extract(body, '$.type') = 'client_tool_call'
  AND coalesce(json_extract(body, '$.status'), 'pending') = 'pending';

CREATE INDEX items_waiting ON items (thread_id) WHERE waiting = 1;
