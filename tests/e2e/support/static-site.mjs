// A static site that a generator has built, as a web server shows it, with Parlor behind the same origin.
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import path from 'node:path';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};
/** What the guide has a web server pass on. */
const PARLORS = /^\/(chatkit|chatkit\.js|widget\.js|chunks\/.*|files(\/.*)?|auth\/.*)$/;

export class StaticSite {
  #server;
  #folder;
  #baseUrl;
  #parlor;

  /** `folder` is shown at `baseUrl`, which ends with a slash; `parlor` gives the address that the rest is passed on to. */
  static async start(folder, baseUrl, parlor) {
    const site = new StaticSite();
    site.#folder = folder;
    site.#baseUrl = baseUrl;
    site.#parlor = parlor;
    site.#server = createServer((incoming, outgoing) => void site.#answer(incoming, outgoing));
    site.#server.keepAliveTimeout = 0;
    await new Promise((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(incoming, outgoing) {
    const { pathname } = new URL(incoming.url, this.url);
    if (PARLORS.test(pathname)) {
      this.#forward(incoming, outgoing);
      return;
    }
    const found = pathname.startsWith(this.#baseUrl) ? await this.#find(decodeURIComponent(pathname.slice(this.#baseUrl.length))) : null;
    if (found !== null) outgoing.writeHead(200, { 'Content-Type': found.type }).end(found.content);
    else outgoing.writeHead(404, { 'Content-Type': TYPES['.html'] }).end(await readFile(path.join(this.#folder, '404.html')));
  }

  async #find(name) {
    for (const candidate of [name, path.posix.join(name, 'index.html'), `${name}.html`]) {
      const file = path.join(this.#folder, path.posix.normalize(`/${candidate}`));
      const content = await readFile(file).catch(() => null);
      if (content !== null) return { content, type: TYPES[path.extname(file)] ?? 'application/octet-stream' };
    }
    return null;
  }

  #forward(incoming, outgoing) {
    const { method, headers, url } = incoming;
    const onward = request(this.#parlor() + url, { method, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}
