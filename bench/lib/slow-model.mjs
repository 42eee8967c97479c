// A model server that says a word now and then, each at its time, and says in the word when that was:
// node slow-model.mjs PORT DELTAS PAUSE_MS. A process of its own, so that its work is not counted as anybody else's.
import { createServer } from 'node:http';

const [port, deltas, pause] = process.argv.slice(2).map(Number);

/** Milliseconds of the clock that all processes of a machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
const item = { type: 'message', id: 'msg_1', role: 'assistant', content: [] };
const BEGINNING =
  event({ type: 'response.created', response: { id: 'resp_1', status: 'in_progress' } }) +
  event({ type: 'response.output_item.added', output_index: 0, item });
const END = event({
  type: 'response.completed',
  response: { id: 'resp_1', status: 'completed', usage: { input_tokens: 1, output_tokens: deltas } },
});

/** Streams by when they say their next word: all pauses are the same, so a queue is in order. */
const queue = [];
let head = 0;

function work() {
  const time = now();
  while (head < queue.length && queue[head].due <= time) {
    const stream = queue[head];
    head += 1;
    stream.answer.write(
      event({ type: 'response.output_text.delta', item_id: 'msg_1', delta: `${stream.due.toFixed(3)};` }),
    );
    stream.said += 1;
    stream.due += pause;
    if (stream.said === deltas) stream.answer.end(END);
    else if (!stream.answer.destroyed) queue.push(stream);
  }
  if (head > 100_000) {
    queue.splice(0, head);
    head = 0;
  }
  const next = queue[head];
  // A timer is up to a millisecond late; that is in the control's figures as well.
  setTimeout(work, next ? Math.max(0, Math.min(5, next.due - now())) : 5);
}
work();

createServer((request, answer) => {
  if (request.method === 'GET') return answer.end('{"data": []}');
  request.resume();
  request.on('end', () => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.write(BEGINNING);
    queue.push({ answer, due: now() + pause, said: 0 });
  });
}).listen({ port, host: '127.0.0.1', backlog: 4096 });
