INSERT INTO counters (id, newest, counts, warned, over_at)
VALUES (convert_to(rpad('{name}', 16, '0'), 'UTF8'), 1139568, '{1,0,2}', false, 4102534800);

INSERT INTO open_now (counter, id, holder)
VALUES (convert_to(rpad('{name}', 16, '0'), 'UTF8'), convert_to(rpad('{name}', 16, '1'), 'UTF8'), 'gone');
