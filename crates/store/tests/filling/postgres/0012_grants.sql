INSERT INTO grants (tenant_id, user_id, server, name, sealed, revision, granted_at, refresh_at, claimed_until)
VALUES ('filled', '{name}', '\x01', 'crm', '\x00', '\x02', '2100-01-01Z', NULL, NULL);
INSERT INTO grant_attempts (id, tenant_id, user_id, sealed, good_until)
VALUES (convert_to('{name}', 'UTF8'), 'filled', '{name}', '\x00', '2100-01-01Z');
INSERT INTO oauth_clients (id, sealed, good_until)
VALUES (convert_to('{name}', 'UTF8'), '\x00', '2100-01-01Z');
