// Time to the first words: the model asked directly, and through Parlor, in turns.
import { check, Connection, newThread, nextMessage, threadOf } from '../lib/chat.mjs';
import { median, quantile, round } from '../lib/figures.mjs';
import { fakeModel, parlor } from '../lib/processes.mjs';

const DELTAS = 8;
const QUESTION = 'What does this page say?';

const apis = {
  responses: {
    path: '/v1/responses',
    marker: '"delta":"word',
    body: { model: 'fake-model', stream: true, input: QUESTION },
  },
  chat_completions: {
    path: '/v1/chat/completions',
    marker: '"content":"word',
    body: { model: 'fake-model', stream: true, messages: [{ role: 'user', content: QUESTION }] },
  },
};

export async function measure({ rounds = 200 } = {}) {
  const rows = [];
  for (const [api, { path, marker, body }] of Object.entries(apis)) {
    // A pause before each event, as from a model: else the answers' ends would compete with their beginnings.
    const model = await fakeModel('--bench', String(DELTAS), '--delay-ms', '2');
    const server = await parlor(`ttft-${api}.db`, model, { PARLOR_MODEL_API: api });
    const direct = new Connection(model.port);
    const through = new Connection(server.port);
    const thread = threadOf((await through.post('/chatkit', newThread(QUESTION))).text);
    // A thread with as much history as the prompt takes.
    for (let i = 0; i < 10; i += 1) await through.post('/chatkit', nextMessage(thread, QUESTION));
    const ask = {
      model: () => direct.post(path, JSON.stringify(body), { marker }),
      new: () => through.post('/chatkit', newThread(QUESTION), { marker: '"delta":"word' }),
      next: () => through.post('/chatkit', nextMessage(thread, QUESTION), { marker: '"delta":"word' }),
    };
    const times = { model: [], new: [], next: [] };
    for (let i = -20; i < rounds; i += 1) {
      for (const [kind, one] of Object.entries(ask)) {
        const { seen, text } = await one();
        if (kind !== 'model') check(text, DELTAS);
        if (i >= 0) times[kind].push(seen);
      }
    }
    direct.close();
    through.close();
    await Promise.all([server.stop(), model.stop()]);
    const base = median(times.model);
    for (const [kind, label] of [
      ['new', 'new thread'],
      ['next', 'follow-up'],
    ]) {
      rows.push({
        name: `first words, added: ${api}, ${label}`,
        value: median(times[kind]) - base,
        unit: 'ms',
        most: 5,
        note: `median of ${rounds}: ${round(median(times[kind]))} over the model's own ${round(base)}; at the 95th percentile +${round(quantile(times[kind], 0.95) - quantile(times.model, 0.95))}`,
      });
    }
  }
  return rows;
}
