// Memory of open streams: many answers that stand still in the middle.
import { check, Connection, newThread } from '../lib/chat.mjs';
import { round } from '../lib/figures.mjs';
import { fakeModel, parlor, reference } from '../lib/processes.mjs';

const STREAMS = 500;

export async function measure({ streams = STREAMS } = {}) {
  const rows = [];
  for (const [name, start] of [
    ['Parlor', parlor],
    ['reference', reference],
  ]) {
    const model = await fakeModel();
    const control = new Connection(model.port);
    const script = {
      times: 0,
      steps: [
        { step: 'text', text: 'word ' },
        { step: 'hold', name: 'middle' },
        { step: 'text', text: 'word ' },
      ],
    };
    await control.post('/control/script', JSON.stringify(script));
    const server = await start(`open-${name}.db`, model);
    // Code and pages that are touched once are no stream's memory.
    const warm = new Connection(server.port);
    const warming = warm.post('/chatkit', newThread('Hello'), {
      marker: '"delta":"word',
      onMarker: () => control.post('/control/release', JSON.stringify({ name: 'middle' })),
    });
    check((await warming).text, 2);
    warm.close();
    await control.post('/control/reset', '{}');
    await control.post('/control/script', JSON.stringify(script));
    const before = server.memory().rss;
    const cpu = server.cpu();
    const connections = [];
    const answers = [];
    let reached = 0;
    let allReached;
    const all = new Promise((resolve) => {
      allReached = resolve;
    });
    for (let i = 0; i < streams; i += 1) {
      const connection = new Connection(server.port);
      connections.push(connection);
      answers.push(
        connection.post('/chatkit', newThread('Hello'), {
          marker: '"delta":"word',
          onMarker: () => {
            reached += 1;
            if (reached === streams) allReached();
          },
        }),
      );
    }
    const finished = Promise.all(answers);
    await Promise.race([all, finished]);
    const open = server.memory().rss;
    await control.post('/control/release', JSON.stringify({ name: 'middle' }));
    for (const { text } of await finished) check(text, 2);
    const spent = server.cpu() - cpu;
    for (const connection of [...connections, control]) connection.close();
    const after = server.memory();
    await Promise.all([server.stop(), model.stop()]);
    rows.push({
      name: `memory per open stream, ${name}`,
      value: ((open - before) * 1000) / streams,
      unit: 'kB',
      note: `${streams} streams, connections to client and model included; RSS ${round(before)} → ${round(open)} MB, ${round(after.rss)} MB when they were over; ${round(spent)} s of CPU`,
    });
  }
  return rows;
}
