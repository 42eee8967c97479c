INSERT INTO visitor_moves (tenant_id, visitor_id, user_id, moved_at)
VALUES ('filled', 'visitor:{name}', '{name}', '2100-01-01Z');
INSERT INTO audit (at, act, actor, subject, tenant, counts)
VALUES ('2100-01-01Z', 'users.export', '{name}', NULL, 'filled', '{"threads":2}');
