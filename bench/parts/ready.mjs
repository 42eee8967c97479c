// From the start of the process to the first 200 of /readyz, on a database that is in use.
import { load } from '../lib/chat.mjs';
import { median, round } from '../lib/figures.mjs';
import { fakeModel, parlor } from '../lib/processes.mjs';

export async function measure({ threads = 10_000, starts = 7 } = {}) {
  const model = await fakeModel('--bench', '5');
  let server = await parlor('ready.db', model);
  await load(server.port, { turns: threads, concurrency: 16, deltas: 5 });
  const clean = [];
  const killed = [];
  for (let i = 0; i < starts; i += 1) {
    await server.stop();
    server = await parlor('ready.db', model);
    clean.push(server.readyAfter);
    // The log of the database is read again after a crash.
    await load(server.port, { turns: 20, concurrency: 4, deltas: 5 });
    server.child.kill('SIGKILL');
    await server.ended;
    server = await parlor('ready.db', model);
    killed.push(server.readyAfter);
  }
  await server.stop();
  await model.stop();
  const row = (name, times) => ({
    name: `ready, ${threads} threads${name}`,
    value: median(times) / 1000,
    unit: 's',
    most: 1,
    note: `median of ${starts} starts, slowest ${round(Math.max(...times))} ms`,
  });
  return [row('', clean), row(', after a crash', killed)];
}
