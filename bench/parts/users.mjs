// Many users for a while: nothing goes wrong, memory stays, connections to the database stay.
import { check, Connection, newThread, nextMessage, threadOf } from '../lib/chat.mjs';
import { quantile, round } from '../lib/figures.mjs';
import { eachStore } from '../lib/postgres.mjs';
import { fakeModel, parlor } from '../lib/processes.mjs';

const USERS = 200;
const DELTAS = 20;
const DELTA_MS = 50;
const THINK_MS = 2000;
/** Turns that have ended are kept for a minute for those who lost the end: only then is memory what it is. */
const SETTLED_MS = 75_000;
/** Of the pool, one that listens for other servers, and those of searches. */
const CONNECTIONS = 15;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Megabytes a minute, by least squares. */
function slope(samples) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(samples.map((s) => s.minute)), mean(samples.map((s) => s.rss))];
  const above = samples.reduce((sum, s) => sum + (s.minute - x) * (s.rss - y), 0);
  return above / samples.reduce((sum, s) => sum + (s.minute - x) ** 2, 0);
}

export function measure({ minutes = 5, users = USERS, stores = ['PostgreSQL'] } = {}) {
  return eachStore(stores, async (store, postgres) => {
    const model = await fakeModel('--bench', String(DELTAS), '--delay-ms', String(DELTA_MS));
    const server = await parlor(postgres?.url ?? 'users.db', model);
    const connections = async () =>
      postgres
        ? Number(
            await postgres.sql(
              "SELECT count(*) FROM pg_stat_activity WHERE usename = 'parlor' AND backend_type = 'client backend'",
            ),
          )
        : 0;
    const before = { connections: await connections(), rss: server.memory().rss };

    const began = performance.now();
    const until = began + minutes * 60_000;
    const errors = [];
    const samples = [];
    const reads = [];
    let turns = 0;
    const user = async (n) => {
      const name = `user${n}`;
      await sleep((THINK_MS * n) / users);
      const connection = new Connection(server.port, name);
      let thread;
      for (let turn = 0; performance.now() < until; turn += 1) {
        try {
          const asked = turn % 5 === 0 ? newThread('Why?') : nextMessage(thread, 'And then?');
          const { text } = await connection.post('/chatkit', asked);
          check(text, DELTAS);
          if (turn % 5 === 0) thread = threadOf(text);
          turns += 1;
          for (const [type, params] of [
            ['threads.list', {}],
            ['items.list', { thread_id: thread }],
          ]) {
            const read = await connection.post('/chatkit', JSON.stringify({ type, params }));
            reads.push(read.took);
          }
        } catch (error) {
          errors.push(error);
          turn = -1;
        }
        await sleep(THINK_MS * (0.5 + Math.random()));
      }
      connection.close();
    };
    const watch = async () => {
      while (performance.now() < until) {
        samples.push({
          minute: (performance.now() - began) / 60_000,
          rss: server.memory().rss,
          connections: await connections(),
        });
        await sleep(2000);
      }
    };
    const cpu = server.cpu();
    await Promise.all([watch(), ...Array.from({ length: users }, (_, n) => user(n))]);
    const seconds = (performance.now() - began) / 1000;
    const spent = server.cpu() - cpu;
    const after = { connections: await connections(), rss: server.memory().rss };
    const output = server.output;
    await server.stop();
    await model.stop();
    if (errors.length > 0) console.error(`bench: users: ${errors[0]?.stack}\n${output}`);

    const settled = samples.filter((sample) => sample.minute * 60_000 > SETTLED_MS);
    const rows = [
      {
        name: `errors, ${users} users for ${round(seconds / 60)} min, ${store}`,
        value: errors.length,
        unit: '',
        most: 0,
        note:
          `${turns} turns, ${round(turns / seconds)} a second, ${round((spent / seconds) * 100)} % of a core; ` +
          `reads: median ${round(quantile(reads, 0.5))} ms, 99th percentile ${round(quantile(reads, 0.99))} ms`,
      },
    ];
    if (settled.length > 5) {
      rows.push({
        name: `memory's growth, ${store}`,
        value: slope(settled),
        unit: 'MB/min',
        most: 1,
        note:
          `by least squares over the last ${round((settled.at(-1).minute - settled[0].minute) * 60)} s, ` +
          `${round(slope(settled.slice(settled.length >> 1)))} over half of that; RSS before ` +
          `${round(before.rss)} MB, at most ${round(Math.max(...samples.map((s) => s.rss)))}, after ${round(after.rss)}`,
      });
    }
    if (postgres) {
      rows.push({
        name: `connections to ${store}, at most`,
        value: Math.max(...samples.map((sample) => sample.connections)),
        unit: '',
        most: CONNECTIONS,
        note: `before ${before.connections}, after ${after.connections}; the pool has 10, and searches four`,
      });
    }
    return rows;
  });
}
