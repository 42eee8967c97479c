INSERT INTO grants (tenant_id, user_id, server, name, sealed, revision, granted_at, refresh_at, claimed_until)
VALUES ('filled', '{name}', x'01', 'crm', x'00', x'02', 4102444800000000, NULL, NULL);
INSERT INTO grant_attempts (id, tenant_id, user_id, sealed, good_until)
VALUES (CAST('{name}' AS BLOB), 'filled', '{name}', x'00', 4102444800000000);
INSERT INTO oauth_clients (id, sealed, good_until) VALUES (CAST('{name}' AS BLOB), x'00', 4102444800000000);
