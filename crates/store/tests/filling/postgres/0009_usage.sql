INSERT INTO model_usage (tenant_id, user_id, thread_id, at, purpose, model, requests, input_tokens, cached_tokens, output_tokens, cost)
VALUES ('filled', '{name}', '{name}-thread', '2100-01-01Z', 'answer', 'model', 1, 10, 0, 10, NULL);
