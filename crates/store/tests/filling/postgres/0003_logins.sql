INSERT INTO logins (id, tenant_id, user_id, identity, sealed, ends_at, good_until, refresh_at)
VALUES (convert_to(rpad('{name}', 32, '0'), 'UTF8'), 'filled', '{name}',
        '{"name":"Somebody","email":null,"roles":[]}', '\x00', '2100-01-02Z', '2100-01-02Z', NULL);
