// A site of somebody's own: its pages, the built element, and a ChatKit server behind the same origin.
// What comes between them can be lost.
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import path from 'node:path';
import { ROOT } from './processes.mjs';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };

export class Site {
  #server;
  #backends;
  #folders;
  #policy = POLICY;
  #away = false;
  #losing = false;
  #open = new Set();

  /**
   * `backends`: the address behind each `/chatkit/NAME`, and `files` behind `/files`. `folders` are looked into for everything else,
   * before the site's own pages and the built element.
   */
  static async start(backends, folders = []) {
    const site = new Site();
    site.#backends = backends;
    site.#folders = [...folders, path.join(ROOT, 'tests/e2e/site'), path.join(ROOT, 'web/dist')];
    site.#server = createServer((incoming, outgoing) => void site.#answer(incoming, outgoing));
    // Only a scene closes connections: not the clock, just when a slow page sends a request.
    site.#server.keepAliveTimeout = 0;
    await new Promise((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Lets pages call another origin. */
  allow(origin) {
    this.#policy = `${POLICY} ${origin}`;
  }

  /** Loses every connection to a ChatKit server, and the next ones too until `reconnect`. */
  disconnect() {
    this.#away = true;
    for (const { socket } of this.#open) socket.resetAndDestroy();
  }

  reconnect() {
    this.#away = false;
    this.#losing = false;
  }

  /** Passes requests on, and loses their answers before a byte of them has come, until `reconnect`. */
  loseAnswers() {
    this.#losing = true;
  }

  async stop() {
    this.disconnect();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(incoming, outgoing) {
    const { pathname } = new URL(incoming.url, this.url);
    const backend = /^\/chatkit\/(\w+)$/.exec(pathname)?.[1];
    if (backend !== undefined) this.#forward(incoming, outgoing, this.#backends[backend]);
    else if (/^\/files(\/|$)/.test(pathname)) this.#forward(incoming, outgoing, this.#backends.files + incoming.url);
    else await this.#serve(pathname, outgoing);
  }

  #forward(incoming, outgoing, target) {
    if (this.#away) {
      incoming.socket.resetAndDestroy();
      return;
    }
    this.#open.add(incoming);
    // The site knows its users: here there is one.
    // The host stays the one that the browser knows.
    const headers = { 'x-user-id': 'ada', ...incoming.headers };
    const onward = request(target, { method: incoming.method, headers, agent: false }, (answer) => {
      if (this.#losing) {
        incoming.socket.resetAndDestroy();
        return;
      }
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => {
      this.#open.delete(incoming);
      onward.destroy();
    });
    incoming.pipe(onward);
  }

  async #serve(pathname, outgoing) {
    const name = path.posix.normalize(pathname === '/' ? '/index.html' : pathname);
    for (const folder of this.#folders) {
      try {
        const file = await readFile(path.join(folder, name));
        const type = TYPES[path.extname(name)] ?? 'application/octet-stream';
        outgoing.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': this.#policy }).end(file);
        return;
      } catch {
        // In the next folder, then.
      }
    }
    outgoing.writeHead(name === '/favicon.ico' ? 204 : 404).end();
  }
}
