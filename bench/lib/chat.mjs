// A load generator: few lines and little processor time, so that it does not stand in the servers' way.
import { connect } from 'node:net';

const END_OF_CHUNKS = Buffer.from('\r\n0\r\n\r\n');

/** One kept-alive connection with one request at a time. */
export class Connection {
  constructor(port, user = 'bench') {
    this.port = port;
    this.user = user;
  }

  open() {
    return new Promise((resolve, reject) => {
      this.socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true }, resolve);
      this.socket.on('error', (error) => {
        reject(error);
        this.fail?.(error);
      });
      this.socket.on('close', () => {
        this.closed = true;
        this.fail?.(new Error('the server closed the connection in the middle of an answer'));
      });
      this.socket.on('data', (data) => this.receive?.(data));
    });
  }

  close() {
    this.fail = undefined;
    this.socket?.destroy();
  }

  /**
   * Sends a POST and reads the whole answer. `marker` is looked for in the stream, `seen` is when it came, in
   * milliseconds after sending; `onMarker` is called then.
   */
  async post(path, body, { marker, onMarker, user = this.user } = {}) {
    if (!this.socket || this.closed) {
      this.closed = false;
      await this.open();
    }
    const bytes = Buffer.from(body);
    const head =
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nX-User-ID: ${user}\r\nContent-Type: application/json\r\n` +
      `Accept: text/event-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`;
    const request = Buffer.concat([Buffer.from(head), bytes]);
    return new Promise((resolve, reject) => {
      const chunks = [];
      let length = 0;
      let wanted;
      let seen;
      const sent = performance.now();
      const done = () => {
        this.receive = undefined;
        this.fail = undefined;
        const text = Buffer.concat(chunks).toString('latin1');
        const status = Number(text.slice(9, 12));
        if (status >= 300) reject(new Error(`status ${status}: ${text.slice(0, 600)}`));
        else resolve({ text, seen, took: performance.now() - sent });
      };
      this.fail = reject;
      this.receive = (data) => {
        chunks.push(data);
        length += data.length;
        if (marker && seen === undefined) {
          // The marker comes among the first events: what was read until then is short.
          const soFar = chunks.length === 1 ? data : Buffer.concat(chunks);
          if (soFar.includes(marker)) {
            seen = performance.now() - sent;
            onMarker?.();
          }
        }
        if (wanted === undefined) {
          const text = Buffer.concat(chunks).toString('latin1');
          const end = text.indexOf('\r\n\r\n');
          if (end < 0) return;
          const size = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end));
          const empty = text.startsWith('HTTP/1.1 204');
          wanted = size || empty ? end + 4 + Number(size?.[1] ?? 0) : Infinity;
        }
        if (length >= wanted || (wanted === Infinity && endsChunks(chunks))) done();
      };
      this.socket.write(request);
    });
  }
}

function endsChunks(chunks) {
  const size = END_OF_CHUNKS.length;
  let tail = chunks[chunks.length - 1];
  for (let at = chunks.length - 2; tail.length < size && at >= 0; at -= 1)
    tail = Buffer.concat([chunks[at], tail]);
  return tail.subarray(-size).equals(END_OF_CHUNKS);
}

const input = (text) => ({ content: [{ type: 'input_text', text }], attachments: [], inference_options: {} });

export const newThread = (text) => JSON.stringify({ type: 'threads.create', params: { input: input(text) } });
export const nextMessage = (threadId, text) =>
  JSON.stringify({ type: 'threads.add_user_message', params: { thread_id: threadId, input: input(text) } });

/** The id of the thread that an answer to `newThread` made. */
export const threadOf = (text) => /"type":"thread\.created","thread":\{[^}]*?"id":"([^"]+)"/.exec(text)?.[1];

/** Fails unless the turn ended well and said all that the model did: `deltas` times "word ", no fewer deltas. */
export function check(text, deltas) {
  const count = text.split('"assistant_message.content_part.text_delta"').length - 1;
  const whole =
    text.lastIndexOf(`"text":"${'word '.repeat(deltas)}"`) > text.lastIndexOf('"thread.item.done"');
  // A space that is held back (a citation might follow) may make one delta more.
  if (count < deltas || !whole || text.includes('"type":"error"')) {
    throw new Error(`a turn went wrong (${count} deltas for ${deltas}): …${text.slice(-600)}`);
  }
}

/** Asks `turns` times in new threads, `concurrency` at a time; resolves to seconds. */
export async function load(port, { turns, concurrency, deltas, question = 'What does this page say?' }) {
  const body = newThread(question);
  const began = performance.now();
  let left = turns;
  await Promise.all(
    Array.from({ length: Math.min(concurrency, turns) }, async () => {
      const connection = new Connection(port);
      while (left > 0) {
        left -= 1;
        const { text } = await connection.post('/chatkit', body);
        check(text, deltas);
      }
      connection.close();
    }),
  );
  return (performance.now() - began) / 1000;
}
