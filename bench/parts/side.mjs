// Parlor and the official Python SDK side by side in one run, as a table of ratios for the README.
import { check, Connection, newThread } from '../lib/chat.mjs';
import { median, round } from '../lib/figures.mjs';
import { fakeModel, parlor, reference } from '../lib/processes.mjs';
import { measure as measureOpen } from './open.mjs';
import { measure as measureTurns } from './turns.mjs';

const DELTAS = 8;
const QUESTION = 'What does this page say?';

export async function measure({ rounds = 3, turns = 1_000, streams = 500, asked = 100 } = {}) {
  const [ratio, ours, theirs, pacedRatio, pacedOurs, pacedTheirs] = await measureTurns({ turns, rounds });
  const added = await addedTime(asked);
  const [openOurs, openTheirs] = await measureOpen({ streams });
  const rows = [
    ['turns per CPU second, as fast as the model can', ours.value, theirs.value, '', ratio.value, 'more'],
    [
      'turns per CPU second, a word each 5 ms',
      pacedOurs.value,
      pacedTheirs.value,
      '',
      pacedRatio.value,
      'more',
    ],
    [
      'added time to the first words, median',
      added.ours,
      added.theirs,
      ' ms',
      added.theirs / added.ours,
      'less',
    ],
    [
      'memory per open stream',
      openOurs.value,
      openTheirs.value,
      ' kB',
      openTheirs.value / openOurs.value,
      'less',
    ],
  ];
  const results = rows.map(([name, our, their, unit, times, sense]) => ({
    name: `side by side: ${name}`,
    value: times,
    unit: `x ${sense}`,
    note: `Parlor ${round(our)}${unit}, official SDK ${round(their)}${unit}`,
  }));
  const date = new Date().toISOString().slice(0, 10);
  results.markdown = [
    '| | Parlor | official Python SDK | ratio |',
    '| --- | ---: | ---: | --- |',
    ...rows.map(
      ([name, our, their, unit, times, sense]) =>
        `| ${name} | ${round(our)}${unit} | ${round(their)}${unit} | **${round(times)} times ${sense}** |`,
    ),
    '',
    `${date}, \`bench/run side\`: both servers in one run on one machine, the same fake model, the same questions, SQLite with`,
    `the same durability; ${rounds} alternating rounds of turns of 100 words, ${asked} questions one after the other, ${streams} streams.`,
    'See [`bench/`](bench/README.md).',
  ].join('\n');
  return results;
}

/** Time to the first words over the model's own, for both servers, asked in turns. */
async function addedTime(asked) {
  const model = await fakeModel('--bench', String(DELTAS), '--delay-ms', '2');
  const servers = [await parlor('side-ttft.db', model), await reference('side-ttft-reference.db', model)];
  const direct = new Connection(model.port);
  const through = servers.map((server) => new Connection(server.port));
  const body = JSON.stringify({ model: 'fake-model', stream: true, input: QUESTION });
  const times = [[], [], []];
  for (let i = -20; i < asked; i += 1) {
    const answers = [await direct.post('/v1/responses', body, { marker: '"delta":"word' })];
    for (const connection of through) {
      const answer = await connection.post('/chatkit', newThread(QUESTION), { marker: '"delta":"word' });
      check(answer.text, DELTAS);
      answers.push(answer);
    }
    if (i >= 0) answers.forEach(({ seen }, which) => times[which].push(seen));
  }
  for (const connection of [direct, ...through]) connection.close();
  await Promise.all([...servers, model].map((server) => server.stop()));
  const [base, ours, theirs] = times.map(median);
  return { ours: ours - base, theirs: theirs - base };
}
