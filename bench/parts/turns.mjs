// Turns per second of processor time, Parlor and the official Python SDK side by side on the same model server.
import { load } from '../lib/chat.mjs';
import { round } from '../lib/figures.mjs';
import { eachStore } from '../lib/postgres.mjs';
import { fakeModel, parlor, reference } from '../lib/processes.mjs';

const DELTAS = 100;
const LEAST = { SQLite: 20, PostgreSQL: 15 };

export function measure({ turns = 2000, rounds = 3, stores = ['SQLite'] } = {}) {
  return eachStore(stores, async (store, postgres) => {
    const setting = { store, postgres, rounds, concurrency: 8 };
    const label = postgres ? ` on ${store}` : '';
    return [
      ...(await compare({ ...setting, label, delay: 0, least: LEAST[store], turns })),
      // As a model would send them: each delta is read, written and waited for on its own.
      ...(await compare({ ...setting, label: `${label}, paced`, delay: 5, turns: turns / 10 })),
    ];
  });
}

async function compare({ postgres, label, delay, least, turns, rounds, concurrency }) {
  const model = await fakeModel('--bench', String(DELTAS), '--delay-ms', String(delay));
  const few = Math.max(8, delay ? turns / 4 : turns / 20);
  const sides = {
    // The same PostgreSQL, a database each.
    Parlor: {
      server: await parlor((await postgres?.database(`parlor_${delay}`)) ?? `turns-${delay}.db`, model),
      turns,
    },
    reference: {
      server: await reference(
        (await postgres?.database(`reference_${delay}`)) ?? `reference-${delay}.db`,
        model,
      ),
      turns: few,
    },
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
