UPDATE items SET waiting = 1 WHERE id = '{name}-call';
