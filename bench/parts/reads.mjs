// Reading where much is stored: pages of a user's threads and of a thread's items, by many users in turn.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '../lib/chat.mjs';
import { quantile, round } from '../lib/figures.mjs';
import { eachStore } from '../lib/postgres.mjs';
import { folder, parlor, run } from '../lib/processes.mjs';

const USERS = 1000;
const ITEMS = 10;
const AT_ONCE = 2;
const WARM = 500;

/** SQL that both databases understand, but for what is given. */
function filling(threads, { numbers, time, no, status, owned }) {
  const answer = 'It is covered for two years, as the documents say. '.repeat(8);
  const head = (id, type) =>
    `'{"type":"${type}","id":"' || ${id} || '","thread_id":"thr_' || i || '","created_at":"2026-01-01T00:00:00Z",'`;
  const id = `'msg_' || i || '_' || k`;
  const question = `${head(id, 'user_message')} || '"content":[{"type":"input_text","text":"How long is it covered?"}],"attachments":[],"quoted_text":null,"inference_options":{}}'`;
  const reply = `${head(id, 'assistant_message')} || '"content":[{"type":"output_text","text":"${answer}","annotations":[]}]}'`;
  const owner = owned ? `'default', 'user' || (i % ${USERS}), ` : '';
  return `
    INSERT INTO threads (id, tenant_id, user_id, title, created_at, ${status ? 'active, ' : ''}status, metadata)
      SELECT 'thr_' || i, 'default', 'user' || (i % ${USERS}), 'How long is it covered? ' || i, ${time},
        ${status}'{"type":"active"}', '{}' FROM ${numbers('i', threads)} ORDER BY i;
    INSERT INTO items (thread_id, seq, id, ${owned ? 'tenant_id, user_id, ' : ''}turn_id, hidden, pending, waiting, body)
      SELECT 'thr_' || i, k, ${id}, ${owner}'turn_' || i, ${no}, ${no}, ${no},
        CASE k % 2 WHEN 1 THEN ${question} ELSE ${reply} END
      FROM ${numbers('i', threads)}, ${numbers('k', ITEMS)};`;
}

async function fillSqlite(file, threads) {
  const numbers = (name, count) =>
    `(WITH RECURSIVE n(${name}) AS (SELECT 1 UNION ALL SELECT ${name} + 1 FROM n WHERE ${name} < ${count}) SELECT ${name} FROM n)`;
  const sql = filling(threads, { numbers, time: '1767225600000000', no: '0', status: '', owned: false });
  const script = join(folder, 'fill.sql');
  writeFileSync(script, `BEGIN;${sql}COMMIT;`);
  const program =
    'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.executescript(open(sys.argv[2]).read()); c.close()';
  await run('python3', ['-c', program, join(folder, file), script]);
}

async function fillPostgres(postgres, threads) {
  const numbers = (name, count) => `generate_series(1, ${count}) AS ${name}`;
  const sql = filling(threads, {
    numbers,
    time: "'2026-01-01Z'::timestamptz",
    no: 'false',
    status: 'true, ',
    owned: true,
  });
  await postgres.sql(`SET search_path TO parlor; ${sql}`);
  await postgres.sql('VACUUM ANALYZE');
}

export function measure({ threads = 100_000, asked = 10_000, stores = ['SQLite', 'PostgreSQL'] } = {}) {
  return eachStore(stores, async (store, postgres) => {
    const database = postgres?.url ?? 'reads.db';
    // Makes the tables.
    await (await parlor(database)).stop();
    await (postgres ? fillPostgres(postgres, threads) : fillSqlite(database, threads));

    const server = await parlor(database);
    const rows = [];
    const kinds = {
      // What a request costs that finds nothing: the control.
      'threads.list of nobody': () => ({ limit: 20 }),
      'threads.list': () => ({ limit: 20 }),
      'threads.list, a later page': (i) => ({ limit: 20, after: `thr_${i}` }),
      'items.list': (i) => ({ thread_id: `thr_${i}`, limit: 20, order: 'desc' }),
    };
    for (const [name, params] of Object.entries(kinds)) {
      const type = /^[a-z.]+/.exec(name)[0];
      const found = type === name;
      const control = name.endsWith('nobody');
      // The same threads in each run, far from each other.
      let n = 0;
      const next = () => ((n += 1) * 48_271) % threads;
      const times = [];
      const cpu = server.cpu();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const connection = new Connection(server.port);
          while (n < WARM + asked) {
            const i = next() || threads;
            const late = n > WARM;
            const body = JSON.stringify({ type, params: params(i) });
            const { text, took } = await connection.post('/chatkit', body, {
              user: control ? 'nobody' : `user${i % USERS}`,
            });
            if (found && !text.includes('"data":[{')) throw new Error(text);
            if (late) times.push(took);
          }
          connection.close();
        }),
      );
      rows.push({
        name: `${name}, ${threads} threads, ${store}`,
        value: quantile(times, 0.99),
        unit: 'ms',
        most: control ? undefined : 5,
        note:
          `99th percentile of ${times.length}, ${AT_ONCE} at a time; median ${round(quantile(times, 0.5))} ms, ` +
          `99.9th ${round(quantile(times, 0.999))} ms; ${round(((server.cpu() - cpu) / (WARM + asked)) * 1000)} ms of CPU each`,
      });
    }
    await server.stop();
    return rows;
  });
}
