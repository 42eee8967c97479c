INSERT INTO counters (id, newest, counts, warned, over_at)
VALUES (CAST(substr('{name}' || '0000000000000000', 1, 16) AS BLOB), 1139568, '[1,0,2]', 0, 4102534800);

INSERT INTO open_now (counter, id, holder)
VALUES (CAST(substr('{name}' || '0000000000000000', 1, 16) AS BLOB), CAST(substr('{name}' || '1111111111111111', 1, 16) AS BLOB), 'gone');
