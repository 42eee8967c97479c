INSERT INTO attachments (id, tenant_id, user_id, thread_id, name, mime_type, size, state, has_preview, created_at)
VALUES
    ('{name}-sent', 'filled', '{name}', '{name}-thread', 'sent.txt', 'text/plain', 4, 'uploaded', 0, 4102444800000000),
    ('{name}-unsent', 'filled', '{name}', NULL, 'unsent.png', 'image/png', 5, 'uploaded', 1, 4102444800000000),
    ('{name}-waiting', 'filled', '{name}', NULL, 'waiting.txt', 'text/plain', 6, 'waiting', 0, 4102444800000000),
    ('{name}-doomed', 'filled', '{name}', NULL, '', 'text/plain', 7, 'doomed', 0, 4102444800000000);
