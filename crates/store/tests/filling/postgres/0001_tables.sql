INSERT INTO threads (id, tenant_id, user_id, title, titled_by_user, created_at, active, status, metadata)
VALUES
    ('{name}-thread', 'filled', '{name}', 'A title', true, '2100-01-01Z', true, '{"type":"active"}', '{"key":"value"}'),
    ('{name}-closed', 'filled', '{name}', NULL, false, '2100-01-01Z', false, '{"type":"closed","reason":"done"}', '{}');
INSERT INTO turns (id, thread_id, tenant_id, user_id, state, holder, idempotency_key, started_at, ended_at)
VALUES
    ('{name}-turn', '{name}-thread', 'filled', '{name}', 'done', 'gone', '{name}-key', '2100-01-01Z', '2100-01-01T00:00:01Z'),
    ('{name}-running', '{name}-thread', 'filled', '{name}', 'running', 'gone', NULL, '2100-01-01Z', NULL);
INSERT INTO items (thread_id, seq, id, tenant_id, user_id, turn_id, hidden, pending, waiting, body)
VALUES
    ('{name}-thread', 1, '{name}-question', 'filled', '{name}', '{name}-turn', false, false, false,
     '{"type":"user_message","id":"{name}-question","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":[{"type":"input_text","text":"How?"}],"attachments":[],"quoted_text":null,"inference_options":{}}'),
    ('{name}-thread', 2, '{name}-answer', 'filled', '{name}', '{name}-turn', false, false, false,
     '{"type":"assistant_message","id":"{name}-answer","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":[{"type":"output_text","text":"So.","annotations":[]}]}'),
    ('{name}-thread', 3, '{name}-hidden', 'filled', '{name}', '{name}-turn', true, false, false,
     '{"type":"hidden_context_item","id":"{name}-hidden","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":"x"}'),
    ('{name}-thread', 4, '{name}-call', 'filled', '{name}', '{name}-turn', false, false, true,
     '{"type":"client_tool_call","id":"{name}-call","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","status":"pending","call_id":"call","name":"look","arguments":{}}'),
    ('{name}-thread', 5, '{name}-half', 'filled', '{name}', '{name}-running', false, true, false,
     '{"type":"assistant_message","id":"{name}-half","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":[{"type":"output_text","text":"Hal","annotations":[]}]}');
INSERT INTO feedback (item_id, thread_id, tenant_id, user_id, kind, created_at)
VALUES ('{name}-answer', '{name}-thread', 'filled', '{name}', 'positive', '2100-01-01T00:00:03Z');
INSERT INTO attachments (id, tenant_id, user_id, thread_id, name, mime_type, size, state, has_preview, created_at)
VALUES
    ('{name}-sent', 'filled', '{name}', '{name}-thread', 'sent.txt', 'text/plain', 4, 'uploaded', false, '2100-01-01Z'),
    ('{name}-unsent', 'filled', '{name}', NULL, 'unsent.png', 'image/png', 5, 'uploaded', true, '2100-01-01Z'),
    ('{name}-waiting', 'filled', '{name}', NULL, 'waiting.txt', 'text/plain', 6, 'waiting', false, '2100-01-01Z'),
    ('{name}-doomed', 'filled', '{name}', NULL, '', 'text/plain', 7, 'doomed', false, '2100-01-01Z');
INSERT INTO holders (name, alive_until) VALUES ('{name}-process', '2100-01-01Z');
INSERT INTO secrets (name, value) VALUES ('{name}-key', '\x0102');
