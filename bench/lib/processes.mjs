// Starts and stops the programs that are measured, and reads what they cost.
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** `debug` only to try the benchmarks themselves; its figures say nothing. */
export const profile = process.env.BENCH_PROFILE ?? 'release';
export const binary = (name) => join(root, 'target', profile, name);

/** Clock ticks of /proc a second; Linux has had 100 on every platform since 2.6. */
const TICKS = 100;

const running = new Set();
mkdirSync(join(root, 'target', 'bench'), { recursive: true });
/** Holds databases and generated documents; beside the build, so on a real disk and not in memory. */
export const folder = mkdtempSync(join(root, 'target', 'bench', 'run-'));

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

export class Program {
  /** Nothing of the caller's environment that could configure the program goes along. */
  constructor(command, args, env = {}) {
    this.spawned = performance.now();
    this.child = spawn(command, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_PROXY: '*', no_proxy: '*', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.output = '';
    const keep = (chunk) => {
      this.output = (this.output + chunk).slice(-4000);
    };
    this.child.stdout.on('data', keep);
    this.child.stderr.on('data', keep);
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('exit', (code, signal) => {
        running.delete(this.child);
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    this.ended.catch(() => {});
    running.add(this.child);
  }

  /** Waits until `GET path` gives 200; resolves to milliseconds since the program was started. */
  async ready(port, path, seconds = 60) {
    const until = performance.now() + seconds * 1000;
    while (performance.now() < until) {
      if (this.exit) break;
      if (await answers(port, path)) {
        this.port = port;
        return performance.now() - this.spawned;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`${this.child.spawnargs.join(' ')} is not ready:\n${this.output}`);
  }

  /** Seconds of processor time, user and system, all threads. */
  cpu() {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
    // The name before it is in parentheses and may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  }

  /** Megabytes (10^6) resident, and the share of them that is this process's own. */
  memory() {
    const field = (file, name) => {
      const text = readFileSync(`/proc/${this.child.pid}/${file}`, 'utf8');
      return (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1e6;
    };
    return {
      rss: field('status', 'VmRSS'),
      peak: field('status', 'VmHWM'),
      pss: field('smaps_rollup', 'Pss'),
    };
  }

  async stop() {
    if (!this.exit) this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await this.ended;
    clearTimeout(late);
  }
}

/** Runs a program to its end; resolves to its standard output. */
export async function run(command, args, env) {
  const program = new Program(command, args, env);
  let stdout = '';
  program.child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const { code } = await program.ended;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${program.output}`);
  return { stdout, seconds: (performance.now() - program.spawned) / 1000 };
}

function answers(port, path) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
    );
    socket.once('data', (data) => {
      resolve(data.toString('latin1').startsWith('HTTP/1.1 200'));
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}

/** A port that is free now. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The fake model server; see crates/fake-model. */
export async function fakeModel(...args) {
  const port = await freePort();
  const model = new Program(binary('parlor-fake-model'), ['--listen', `127.0.0.1:${port}`, ...args]);
  await model.ready(port, '/v1/models');
  return model;
}

/** A model that says one word in each pause, each at its time; see slow-model.mjs. */
export async function slowModel(deltas, pauseMs) {
  const port = await freePort();
  const script = join(root, 'bench', 'lib', 'slow-model.mjs');
  const model = new Program(process.execPath, [script, port, deltas, pauseMs].map(String));
  await model.ready(port, '/v1/models');
  return model;
}

/** Files that a program started from here may have open. */
export function filesAllowed() {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? Infinity : Number(hard);
}

const modelUrl = (model) => (model ? { OPENAI_BASE_URL: `http://127.0.0.1:${model.port}/v1` } : {});

/** A file of SQLite's under a name, or what is a URL already. */
const databaseUrl = (database) => (database.includes('://') ? database : `sqlite://${join(folder, database)}`);

/** `parlor serve`. Quiet, and told by a header who asks, like the reference. */
export async function parlor(database, model, env = {}) {
  const port = await freePort();
  const server = new Program(
    binary('parlor'),
    ['serve', '--listen', `127.0.0.1:${port}`, '--database-url', databaseUrl(database)],
    // The reference asks for no titles: the model is asked for the same on both sides.
    {
      PARLOR_AUTH: 'trusted-header',
      PARLOR_LOG__FILTER: 'warn',
      PARLOR_TITLES__ENABLED: 'false',
      ...modelUrl(model),
      ...env,
    },
  );
  server.readyAfter = await server.ready(port, '/readyz');
  return server;
}

export const parlorBinary = binary('parlor');

/** The official Python SDK's server; see bench/reference. */
export async function reference(database, model) {
  const port = await freePort();
  const server = new Program(
    join(root, '.cache', 'bench-venv', 'bin', 'python'),
    [
      join(root, 'bench', 'reference', 'server.py'),
      '--listen',
      `127.0.0.1:${port}`,
      '--database',
      database.includes('://') ? database : join(folder, database),
    ],
    modelUrl(model),
  );
  server.readyAfter = await server.ready(port, '/readyz');
  return server;
}
