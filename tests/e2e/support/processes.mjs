// Starts the real binaries on free ports, with everything they keep in a folder of their own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../../..');

/** How many times slower than it is a page is made: `SLOW`, 1 by default. Time limits grow with it. */
export const SLOW = Math.max(1, Number(process.env.SLOW) || 1);

/** How long a condition may take to come true on a machine that is small and busy; what takes longer never comes. */
export const PATIENCE_MS = 30_000 * SLOW;

// Python's imports take long on a busy machine; what takes longer is a hang.
const START_MS = 120_000;

function binary(variable, name) {
  const file = process.env[variable] ?? path.join(ROOT, 'target/debug', name);
  if (!existsSync(file)) {
    throw new Error(
      `${file} is missing: build it as \`make e2e\` does, or set ${variable}.`,
    );
  }
  return file;
}

/** What still runs; it must not outlive the tests, however they end. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** A program that says its address when it is ready. */
class Program {
  log = '';
  #child = null;
  #ended = null;

  constructor(name, file, args, { cwd, env }) {
    this.name = name;
    this.#child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.log += text;
        this.#check();
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.on('exit', resolve);
      this.#child.on('error', (error) => {
        this.log += `${error}\n`;
        resolve();
      });
    }).finally(() => running.delete(this.#child));
  }

  #check = () => {};

  /** The first match in the output, or an error with the output. */
  async says(pattern) {
    return new Promise((resolve, reject) => {
      const give = (error) => {
        clearTimeout(timer);
        this.#check = () => {};
        // Nobody has it to end it later, and the tests would wait for it.
        this.#child.kill('SIGKILL');
        reject(new Error(`${this.name} ${error}; it said:\n${this.log}`));
      };
      const timer = setTimeout(() => give(`did not say ${pattern}`), START_MS);
      this.#check = () => {
        const match = pattern.exec(this.log);
        if (match === null) return;
        clearTimeout(timer);
        this.#check = () => {};
        resolve(match);
      };
      this.#ended.then(() => give('has ended'));
      this.#check();
    });
  }

  get ended() {
    return this.#ended;
  }

  async end(signal = 'SIGTERM') {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    await this.#ended;
  }
}

/** Settings of the surrounding shell must not reach the programs. */
function cleanEnvironment() {
  const keep = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH', 'RUST_BACKTRACE'];
  return Object.fromEntries(keep.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
}

/** Runs a program to its end, which must be a good one; gives what it said. */
async function run(name, file, args, options) {
  const program = new Program(name, file, args, options);
  const code = await program.ended;
  if (code !== 0) throw new Error(`${name} ended with ${code}; it said:\n${program.log}`);
  return program.log;
}

/** A ChatKit server of the conformance tests. */
export class Server {
  #program;
  #folder;

  /** The server on the official Python SDK; it asks the model. Its files are reached at `publicUrl`. */
  static async reference(model, publicUrl) {
    const python = path.join(ROOT, '.cache/venv/bin/python');
    if (!existsSync(python)) throw new Error(`${python} is missing: run \`make setup\`.`);
    return Server.#start('reference', python, [path.join(ROOT, 'tests/conformance/reference_server.py')], {
      OPENAI_BASE_URL: `${model.url}/v1`,
      OPENAI_API_KEY: 'none',
      PUBLIC_URL: publicUrl,
    });
  }

  /** Parlor's SDK with a responder that plays scripts. */
  static async scripted() {
    return Server.#start('scripted', binary('SCRIPTED_BIN', 'examples/scripted'), ['scripted.db'], {});
  }

  /** One of the programs in `examples/`. */
  static async example(name, environment = {}) {
    return Server.#start(name, binary(`EXAMPLE_${name.toUpperCase().replaceAll('-', '_')}_BIN`, `example-${name}`), ['127.0.0.1:0'], environment);
  }

  static async #start(name, file, args, environment) {
    const server = new Server();
    server.#folder = await mkdtemp(path.join(tmpdir(), `parlor-e2e-${name}-`));
    server.#program = new Program(name, file, args, { cwd: server.#folder, env: { ...cleanEnvironment(), ...environment } });
    [, server.url] = await server.#program.says(/(?:listening on|Open) (http:\S+)/);
    // It has said where it will listen, and may not listen yet.
    await eventually(`${name} answers`, () => fetch(server.url).then(() => true, () => false));
    return server;
  }

  get log() {
    return this.#program.log;
  }

  async stop() {
    // Asked kindly, uvicorn waits for answers that nobody reads any more. Nothing is kept.
    await this.#program.end('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The fake model server, and the ways to steer it. */
export class FakeModel {
  #program;

  static async start() {
    const model = new FakeModel();
    model.#program = new Program('fake model', binary('FAKE_MODEL_BIN', 'parlor-fake-model'), ['--listen', '127.0.0.1:0'], {
      env: cleanEnvironment(),
    });
    [, model.url] = await model.#program.says(/listening on (http:\S+)/);
    return model;
  }

  get log() {
    return this.#program.log;
  }

  async #control(name, body) {
    const response = await fetch(`${this.url}/control/${name}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`/control/${name}: ${response.status} ${await response.text()}`);
    return response.headers.get('content-type')?.includes('json') ? response.json() : null;
  }

  /** Queues behaviours for the requests to come. */
  script(...behaviours) {
    return this.#control('script', behaviours);
  }

  release(name) {
    return this.#control('release', { name });
  }

  reset() {
    return this.#control('reset', {});
  }

  async requests() {
    const answer = await this.#control('requests');
    return answer.requests ?? answer;
  }

  /** The recorded requests, once they satisfy a condition. */
  requestsWhen(what, condition) {
    return eventually(what, async () => {
      const requests = await this.requests();
      return condition(requests) ? requests : null;
    });
  }

  /** Once a request waits at the hold, everything before it has been sent. */
  held(name) {
    return eventually(`a request holds at ${name}`, async () => {
      const { holding } = await this.#control('state');
      return (holding[name] ?? 0) > 0;
    });
  }

  stop() {
    return this.#program.end();
  }
}

/** The real server with a database of its own. */
export class Parlor {
  #folder;
  #environment;
  #program = null;
  #earlier = '';
  port = 0;

  /** Makes the database, indexes the documentation, or what `documents` says, starts the server. */
  static async start(environment = {}, documents = [path.join(ROOT, 'docs'), '--base-url', '/docs/']) {
    const parlor = new Parlor();
    parlor.#folder = await mkdtemp(path.join(tmpdir(), 'parlor-e2e-'));
    parlor.#environment = { ...cleanEnvironment(), PARLOR_LOG__FILTER: 'info,parlor=debug', NO_COLOR: '1', ...environment };
    try {
      parlor.#earlier += await run('parlor ingest', binary('PARLOR_BIN', 'parlor'), ['ingest', ...documents], {
        cwd: parlor.#folder,
        env: parlor.#environment,
      });
      await parlor.up();
    } catch (error) {
      await parlor.stop();
      throw error;
    }
    return parlor;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get log() {
    return this.#earlier + (this.#program?.log ?? '');
  }

  /** Starts the server, on the same port as before if it ran before; settings may change. */
  async up(environment = {}) {
    Object.assign(this.#environment, environment);
    this.#program = new Program('parlor', binary('PARLOR_BIN', 'parlor'), ['serve', '--listen', `127.0.0.1:${this.port}`], {
      cwd: this.#folder,
      env: this.#environment,
    });
    const [, port] = await this.#program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)/);
    this.port = Number(port);
  }

  async down(signal = 'SIGTERM') {
    await this.#program?.end(signal);
    this.#earlier += this.log.slice(this.#earlier.length) + `--- ended by ${signal}\n`;
    this.#program = null;
  }

  async stop() {
    if (this.#program !== null) await this.down();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** An OpenID provider, and the ways to make it difficult (`tests/oidc/README.md`). */
export class OpenIdProvider {
  #program;

  static async start() {
    const provider = new OpenIdProvider();
    const folder = path.join(ROOT, 'tests/oidc');
    if (!existsSync(path.join(folder, 'node_modules'))) throw new Error(`${folder}/node_modules is missing: run \`make setup\`.`);
    provider.#program = new Program('OpenID provider', process.execPath, ['provider.mjs'], { cwd: folder, env: cleanEnvironment() });
    [, provider.url] = await provider.#program.says(/listening on (http:\S+)/);
    return provider;
  }

  get log() {
    return this.#program.log;
  }

  async control(name, body = {}) {
    const response = await fetch(`${this.url}/control/${name}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`/control/${name}: ${response.status}`);
    return response.json();
  }

  /** A token for a machine. */
  async token(client) {
    const response = await fetch(`${this.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(`no token: ${JSON.stringify(body)}`);
    return body.access_token;
  }

  async stop() {
    await this.#program.end();
  }
}

/** The app in `examples/next`, as it was built. */
export class NextApp {
  #program;

  static async start(environment) {
    const app = new NextApp();
    const folder = path.join(ROOT, 'examples/next');
    const built = path.join(folder, '.next/BUILD_ID');
    if (!existsSync(built)) throw new Error(`${built} is missing: run \`make examples-web\`.`);
    app.#program = new Program('Next.js', process.execPath, ['node_modules/next/dist/bin/next', 'start', '-p', '0', '-H', '127.0.0.1'], {
      cwd: folder,
      env: { ...cleanEnvironment(), NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1', ...environment },
    });
    [, app.url] = await app.#program.says(/Local: +(http:\S+)/);
    await eventually('Next.js answers', () => fetch(app.url).then(() => true, () => false));
    return app;
  }

  get log() {
    return this.#program.log;
  }

  stop() {
    // Asked kindly, it waits for connections that browsers keep open.
    return this.#program.end('SIGKILL');
  }
}

/** Polls until the condition gives something true, and returns that. */
export async function eventually(what, condition, patience = PATIENCE_MS) {
  const until = Date.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > until) throw new Error(`did not happen within ${patience} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
