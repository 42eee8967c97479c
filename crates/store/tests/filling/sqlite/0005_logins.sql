INSERT INTO logins (id, tenant_id, user_id, identity, sealed, ends_at, good_until, refresh_at)
VALUES (CAST(substr('{name}' || '00000000000000000000000000000000', 1, 32) AS BLOB), 'filled', '{name}', '{"name":"Somebody","email":null,"roles":[]}', x'00', 4102444900000000, 4102444900000000, NULL);
