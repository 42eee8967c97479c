INSERT INTO threads (id, tenant_id, user_id, title, titled_by_user, created_at, status, metadata)
VALUES
    ('{name}-thread', 'filled', '{name}', 'A title', 1, 4102444800000000, '{"type":"active"}', '{"key":"value"}'),
    ('{name}-closed', 'filled', '{name}', NULL, 0, 4102444800000000, '{"type":"closed","reason":"done"}', '{}');
INSERT INTO turns (id, thread_id, tenant_id, user_id, state, holder, idempotency_key, started_at, ended_at)
VALUES
    ('{name}-turn', '{name}-thread', 'filled', '{name}', 'done', 'gone', '{name}-key', 4102444800000000, 4102444801000000),
    ('{name}-running', '{name}-thread', 'filled', '{name}', 'running', 'gone', NULL, 4102444802000000, NULL);
INSERT INTO items (thread_id, seq, id, turn_id, hidden, pending, body)
VALUES
    ('{name}-thread', 1, '{name}-question', '{name}-turn', 0, 0,
     '{"type":"user_message","id":"{name}-question","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":[{"type":"input_text","text":"How?"}],"attachments":[],"quoted_text":null,"inference_options":{}}'),
    ('{name}-thread', 2, '{name}-answer', '{name}-turn', 0, 0,
     '{"type":"assistant_message","id":"{name}-answer","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":[{"type":"output_text","text":"So.","annotations":[]}]}'),
    ('{name}-thread', 3, '{name}-hidden', '{name}-turn', 1, 0,
     '{"type":"hidden_context_item","id":"{name}-hidden","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":"x"}'),
    ('{name}-thread', 4, '{name}-call', '{name}-turn', 0, 0,
     '{"type":"client_tool_call","id":"{name}-call","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","status":"pending","call_id":"call","name":"look","arguments":{}}'),
    ('{name}-thread', 5, '{name}-half', '{name}-running', 0, 1,
     '{"type":"assistant_message","id":"{name}-half","thread_id":"{name}-thread","created_at":"2100-01-01T00:00:00Z","content":[{"type":"output_text","text":"Hal","annotations":[]}]}');
INSERT INTO feedback (item_id, thread_id, kind, created_at)
VALUES ('{name}-answer', '{name}-thread', 'positive', 4102444803000000);
INSERT INTO secrets (name, value) VALUES ('{name}-key', x'0102');
