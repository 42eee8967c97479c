// Memory of a server that does nothing: after its start, and after some turns.
import { load } from '../lib/chat.mjs';
import { round } from '../lib/figures.mjs';
import { fakeModel, parlor, reference } from '../lib/processes.mjs';

const DELTAS = 100;
const TURNS = 100;

export async function measure() {
  const model = await fakeModel('--bench', String(DELTAS));
  const rows = [];
  for (const [name, start, most] of [
    ['Parlor', parlor, 40],
    ['reference', reference, undefined],
  ]) {
    const server = await start(`memory-${name}.db`, model);
    const fresh = server.memory();
    await load(server.port, { turns: TURNS, concurrency: 4, deltas: DELTAS });
    const used = server.memory();
    await server.stop();
    const row = (when, memory) => ({
      name: `idle memory, ${name}, ${when}`,
      value: memory.rss,
      unit: 'MB',
      most,
      note: `RSS; PSS ${round(memory.pss)}`,
    });
    rows.push(row('started', fresh), row(`after ${TURNS} turns`, used));
  }
  await model.stop();
  return rows;
}
