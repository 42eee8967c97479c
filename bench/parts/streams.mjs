// Thousands of answers at a time that come slowly: are they whole, how late are their words, what does each hold?
import { connect } from 'node:net';
import { newThread } from '../lib/chat.mjs';
import { quantile, round } from '../lib/figures.mjs';
import { filesAllowed, parlor, slowModel } from '../lib/processes.mjs';

const PAUSE_MS = 1_000;
/** Asked directly, in the same seconds, to see what the model, the loopback and this generator do themselves. */
const CONTROLS = 500;

export async function measure({ streams = 5_000, seconds = 30, starts = 200 } = {}) {
  const needed = 2 * streams + CONTROLS + 200;
  if (filesAllowed() < needed) {
    throw new Error(
      `${streams} streams need ${needed} open files in one process, ${filesAllowed()} are allowed: raise the hard limit ` +
        '(`ulimit -Hn`, LimitNOFILE, or `docker run --ulimit nofile=20000`), or ask for fewer with --streams',
    );
  }
  const model = await slowModel(seconds, PAUSE_MS);
  const server = await parlor('streams.db', model);
  const body = newThread('What does this page say?');
  // Code and pages that are touched once are no stream's memory.
  const warm = Array.from({ length: 20 }, () => new Follower(server.port, '/chatkit', body));
  await Promise.all(warm.map((follower) => follower.reached(1)));
  const before = server.memory().rss;

  const served = [];
  const controls = [];
  const cpu = [server.cpu(), model.cpu(), process.cpuUsage()];
  const began = performance.now();
  // As they would come: so many a second, the controls among them.
  for (let i = 0; i < streams; i += 1) {
    const wait = began + (i * 1_000) / starts - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    served.push(new Follower(server.port, '/chatkit', body));
    if ((i * CONTROLS) % streams < CONTROLS) {
      controls.push(new Follower(model.port, '/v1/responses', '{"model": "slow", "stream": true}'));
    }
  }
  // All are open once the last has said its first word; the first must not have ended by then.
  await Promise.all(served.map((follower) => follower.reached(1)));
  const together = served.filter((follower) => !follower.over).length;
  const open = server.memory().rss;
  const outcomes = await Promise.allSettled([...served, ...controls].map((follower) => follower.ended));
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  const took = (performance.now() - began) / 1_000;
  const used = [server.cpu() - cpu[0], model.cpu() - cpu[1], process.cpuUsage(cpu[2])];
  const peak = server.memory().peak;
  await Promise.all([server.stop(), model.stop()]);

  const whole = served.filter((follower) => follower.whole && follower.late.length === seconds).length;
  const late = served.flatMap((follower) => follower.late);
  const control = controls.flatMap((follower) => follower.late);
  const at = (q) => [quantile(late, q), quantile(control, q)];
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map(at);
  const [mine, models] = [(used[2].user + used[2].system) / 1e6, used[1]];
  return [
    {
      name: `slow streams that came whole, of ${streams}`,
      value: whole,
      unit: '',
      least: streams,
      note: `${together} open at a time; ${seconds} words each, one a second; ${starts} begun a second; ${round(took)} s${failed.length ? `; ${failed[0].reason.message}` : ''}`,
    },
    {
      name: 'lateness of a word, 99th percentile',
      value: p99[0],
      unit: 'ms',
      most: 100,
      note: `after the time at which the model was to say it, all ${late.length} words, also while streams begin; median ${round(p50[0])}, 99.9 % ${round(p999[0])}`,
    },
    {
      name: '  control, without Parlor',
      value: p99[1],
      unit: 'ms',
      note: `${controls.length} streams straight from the model in the same seconds, ${control.length} words; median ${round(p50[1])}, 99.9 % ${round(p999[1])}`,
    },
    {
      name: '  added by Parlor',
      value: p99[0] - p99[1],
      unit: 'ms',
      note: `difference of the two; at the median ${round(p50[0] - p50[1])}`,
    },
    {
      name: 'memory per slow stream',
      value: ((open - before) * 1_000) / streams,
      unit: 'kB',
      most: 32,
      note: `growth of RSS over ${streams} streams, connections to client and model included; ${round(before)} → ${round(open)} MB, most ${round(peak)} MB`,
    },
    {
      name: 'processor time of the server',
      value: (used[0] * 1e6) / (late.length || 1),
      unit: 'us a word',
      note: `${round(used[0])} s with beginnings, ends and saving; the model ${round(models)} s, the generator ${round(mine)} s`,
    },
  ];
}

/** Reads one stream and notes how late each word is. Keeps nothing else. */
class Follower {
  constructor(port, path, body) {
    this.late = [];
    this.over = false;
    this.whole = false;
    this.waiting = [];
    let tail = '';
    this.ended = new Promise((resolve, reject) => {
      const end = (error) => {
        this.over = true;
        for (const waiting of this.waiting) waiting.reject(error ?? new Error('the stream was over before'));
        this.waiting = [];
        if (error) reject(error);
        else resolve();
      };
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: localhost\r\nX-User-ID: bench\r\nContent-Type: application/json\r\n` +
            `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      });
      socket.on('error', end);
      socket.on('close', () =>
        end(this.whole ? undefined : new Error(`a stream was cut: …${tail.slice(-300)}`)),
      );
      socket.on('data', (data) => {
        const time = Number(process.hrtime.bigint()) / 1e6;
        const text = tail + data.toString('latin1');
        let from = 0;
        for (;;) {
          const word = text.indexOf('"delta":"', from);
          const stop = word < 0 ? -1 : text.indexOf(';"', word);
          if (stop < 0) break;
          this.late.push(time - Number(text.slice(word + 9, stop)));
          from = stop;
        }
        tail = text.slice(Math.max(from, text.length - 400));
        if (text.includes('"type":"error"') || (!this.head && !text.startsWith('HTTP/1.1 200'))) {
          socket.destroy();
          return end(new Error(`a stream went wrong: ${text.slice(-400)}`));
        }
        this.head = true;
        this.waiting = this.waiting.filter(({ count, resolve: reached }) => {
          if (this.late.length < count) return true;
          reached();
          return false;
        });
        if (tail.endsWith('\r\n0\r\n\r\n')) {
          this.whole = true;
          socket.destroy();
          end();
        }
      });
    });
    this.ended.catch(() => {});
  }

  /** Waits until so many words have come. */
  reached(count) {
    if (this.late.length >= count) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiting.push({ count, resolve, reject }));
  }
}
