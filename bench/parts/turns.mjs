// Turns per second of processor time, Parlor and the official Python SDK side by side on the same model server.
import { load } from '../lib/chat.mjs';
import { round } from '../lib/figures.mjs';
import { fakeModel, parlor, reference } from '../lib/processes.mjs';

const DELTAS = 100;

export async function measure({ turns = 2000, rounds = 3 } = {}) {
  return [
    ...(await compare({ label: '', delay: 0, least: 20, turns, rounds, concurrency: 8 })),
    // As a model would send them: each delta is read, written and waited for on its own.
    ...(await compare({ label: ', paced', delay: 5, turns: turns / 10, rounds, concurrency: 8 })),
  ];
}

async function compare({ label, delay, least, turns, rounds, concurrency }) {
  const model = await fakeModel('--bench', String(DELTAS), '--delay-ms', String(delay));
  const few = Math.max(8, delay ? turns / 4 : turns / 20);
  const sides = {
    Parlor: { server: await parlor(`turns-${delay}.db`, model), turns },
    reference: { server: await reference(`reference-${delay}.db`, model), turns: few },
  };
  const setting = { concurrency, deltas: DELTAS };
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
  for (const side of Object.values(sides)) {
    side.memory = side.server.memory();
    await side.server.stop();
  }
  await model.stop();

  const rate = (side) => side.done / side.cpu;
  const ratios = sides.Parlor.rounds.map((value, i) => value / sides.reference.rounds[i]);
  const rows = [
    {
      name: `turns per CPU second${label}, Parlor over reference`,
      value: rate(sides.Parlor) / rate(sides.reference),
      unit: 'x',
      least,
      note: `${DELTAS} deltas a turn${delay ? `, ${delay} ms apart` : ''}, ${concurrency} at a time; each of ${rounds} rounds: ${ratios.map(round).join(', ')}`,
    },
  ];
  for (const [name, side] of Object.entries(sides)) {
    rows.push({
      name: `  ${name}`,
      value: rate(side),
      unit: '1/s',
      note: `${round((side.cpu / side.done) * 1000)} ms of CPU a turn; ${round(side.done / side.seconds)} turns and ${round((side.done * DELTAS) / side.seconds)} deltas a second of wall time; RSS afterwards ${round(side.memory.rss)} MB`,
    });
  }
  return rows;
}
