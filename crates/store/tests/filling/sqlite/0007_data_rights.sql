INSERT INTO visitor_moves (tenant_id, visitor_id, user_id, moved_at)
VALUES ('filled', 'visitor:{name}', '{name}', 4102444800000000);
INSERT INTO audit (at, act, actor, subject, tenant, counts)
VALUES (4102444800000000, 'users.export', '{name}', NULL, 'filled', '{"threads":2}');
