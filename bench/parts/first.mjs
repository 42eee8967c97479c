// The first request after a start against the tenth: whether the server is as fast as it gets when it says it is ready.
import { check, Connection, load, newThread } from '../lib/chat.mjs';
import { median, round } from '../lib/figures.mjs';
import { eachStore } from '../lib/postgres.mjs';
import { fakeModel, parlor } from '../lib/processes.mjs';

const DELTAS = 20;
const REQUESTS = 10;

export function measure({ starts = 20, stores = ['SQLite', 'PostgreSQL'] } = {}) {
  return eachStore(stores, async (store, postgres) => {
    const model = await fakeModel('--bench', String(DELTAS));
    const database = postgres?.url ?? 'first.db';
    const filling = await parlor(database, model);
    await load(filling.port, { turns: 500, concurrency: 8, deltas: DELTAS });
    await filling.stop();

    const body = newThread('What does this page say?');
    const times = Array.from({ length: REQUESTS }, () => []);
    for (let i = 0; i < starts; i += 1) {
      const server = await parlor(database, model);
      for (const nth of times) {
        // As visitors come: each with a connection of their own.
        const connection = new Connection(server.port);
        const began = performance.now();
        const { text } = await connection.post('/chatkit', body);
        nth.push(performance.now() - began);
        check(text, DELTAS);
        connection.close();
      }
      await server.stop();
    }
    await model.stop();
    const [first, last] = [median(times[0]), median(times.at(-1))];
    return [
      {
        name: `first request after a start over the tenth, ${store}`,
        value: first / last,
        unit: 'x',
        most: 1.5,
        note: `medians of ${starts} starts: ${times.map((nth) => round(median(nth))).join(', ')} ms`,
      },
    ];
  });
}
