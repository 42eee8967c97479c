// Does a turn cost more in a long thread? Processor time of turns in a thread of 10,000 items and in threads of ten.
import { check, Connection, newThread, nextMessage, threadOf } from '../lib/chat.mjs';
import { round } from '../lib/figures.mjs';
import { fakeModel, parlor } from '../lib/processes.mjs';

const DELTAS = 20;
const QUESTION = 'What does this page say?';
/** Items of a short thread before it is measured: as many as a prompt takes. A turn adds two. */
const SHORT = 10;
/** Turns in a short thread before the next one takes its place. */
const TURNS_EACH = 5;

export async function measure({ items = 10_000, rounds = 4, turns = 500 } = {}) {
  const model = await fakeModel('--bench', String(DELTAS));
  const server = await parlor('thread.db', model);
  const connection = new Connection(server.port);
  const say = async (body) => {
    const { text } = await connection.post('/chatkit', body);
    check(text, DELTAS);
    return text;
  };
  const threadOfItems = async (count) => {
    const id = threadOf(await say(newThread(QUESTION)));
    for (let made = 2; made < count; made += 2) await say(nextMessage(id, QUESTION));
    return id;
  };
  const long = await threadOfItems(items);
  const short = [];
  for (let i = 0; i < Math.ceil((rounds * turns) / TURNS_EACH); i += 1)
    short.push(await threadOfItems(SHORT));

  const cost = { long: [], short: [] };
  let used = 0;
  const sides = {
    long: () => long,
    short: () => short[Math.floor(used++ / TURNS_EACH)],
  };
  for (let i = 0; i < rounds; i += 1) {
    for (const [side, thread] of Object.entries(sides)) {
      const before = server.cpu();
      for (let turn = 0; turn < turns; turn += 1) await say(nextMessage(thread(), QUESTION));
      cost[side].push(((server.cpu() - before) * 1_000) / turns);
    }
  }
  connection.close();
  await Promise.all([server.stop(), model.stop()]);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const ratios = cost.long.map((value, i) => value / cost.short[i]);
  return [
    {
      name: `cost of a turn, ${items} items over ${SHORT}`,
      value: mean(cost.long) / mean(cost.short),
      unit: 'x',
      most: 1.2,
      note: `${round(mean(cost.long))} ms and ${round(mean(cost.short))} ms of CPU, ${turns} turns a round in alternation; rounds ${ratios.map(round).join(', ')}`,
    },
  ];
}
