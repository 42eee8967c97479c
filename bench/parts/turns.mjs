// Turns per second of processor time, Parlor and the official Python SDK side by side on the same model server.
import { load } from '../lib/chat.mjs';
import { round } from '../lib/figures.mjs';
import { fakeModel, parlor, reference } from '../lib/processes.mjs';

const DELTAS = 100;
const CONCURRENCY = 8;

export async function measure({ turns = 2000, rounds = 3 } = {}) {
  const model = await fakeModel('--bench', String(DELTAS));
  const sides = {
    parlor: { server: await parlor('turns.db', model), turns },
    reference: { server: await reference('reference.db', model), turns: Math.max(8, turns / 20) },
  };
  const setting = { concurrency: CONCURRENCY, deltas: DELTAS };
  for (const side of Object.values(sides)) {
    await load(side.server.port, { ...setting, turns: Math.max(8, side.turns / 5) });
    Object.assign(side, { cpu: 0, seconds: 0, done: 0, rounds: [] });
  }
  for (let i = 0; i < rounds; i += 1) {
    for (const side of Object.values(sides)) {
      const before = side.server.cpu();
      side.seconds += await load(side.server.port, { ...setting, turns: side.turns });
      const cpu = side.server.cpu() - before;
      side.cpu += cpu;
      side.done += side.turns;
      side.rounds.push(side.turns / cpu);
    }
  }
  const memory = Object.fromEntries(
    Object.entries(sides).map(([name, side]) => [name, side.server.memory()]),
  );
  for (const side of Object.values(sides)) await side.server.stop();
  await model.stop();

  const rate = (side) => side.done / side.cpu;
  const ratios = sides.parlor.rounds.map((value, i) => value / sides.reference.rounds[i]);
  const rows = [
    {
      name: 'turns per CPU second, Parlor over reference',
      value: rate(sides.parlor) / rate(sides.reference),
      unit: 'x',
      least: 20,
      note: `${DELTAS} deltas a turn, ${CONCURRENCY} at a time; each of ${rounds} rounds: ${ratios.map(round).join(', ')}`,
    },
  ];
  for (const [name, side] of Object.entries(sides)) {
    rows.push(
      {
        name: `  ${name}: turns per CPU second`,
        value: rate(side),
        unit: '1/s',
        note: `${round((side.cpu / side.done) * 1000)} ms of CPU a turn; ${round(side.done / side.seconds)} turns and ${round((side.done * DELTAS) / side.seconds)} deltas a second of wall time`,
      },
      {
        name: `  ${name}: memory after that`,
        value: memory[name].rss,
        unit: 'MB',
        note: `RSS; PSS ${round(memory[name].pss)}, peak ${round(memory[name].peak)}`,
      },
    );
  }
  return rows;
}
