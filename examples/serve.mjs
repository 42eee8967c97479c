// A web server for a site that is made of files, with Parlor behind the same address: what nginx or Caddy do for a real
// one, in one file and without anything to install.
//
//   node examples/serve.mjs examples/html        http://127.0.0.1:5170, with the Parlor of http://127.0.0.1:8000
//
// PORT and PARLOR_URL change the two addresses.
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The addresses that belong to Parlor. */
export const PARLOR_PATHS = /^\/(chatkit(\.js)?|widget\.js|(chunks|files|auth|connect)(\/.*)?)$/;

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** A server for the files of `folder` that passes on what belongs to the server at the address that `parlor` gives. */
export function siteServer(folder, parlor) {
  return createServer((incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, 'http://site');
    if (PARLOR_PATHS.test(pathname)) passOn(incoming, outgoing, parlor());
    else void serve(folder, pathname, outgoing);
  });
}

function passOn(incoming, outgoing, parlor) {
  // The header `Host` stays the browser's: Parlor makes the links to files, and back from a login, from it.
  const onward = request(
    new URL(incoming.url, parlor),
    { method: incoming.method, headers: incoming.headers },
    (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    },
  );
  onward.on('error', () => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502, { 'Content-Type': 'text/plain' }).end(`No Parlor at ${parlor}.\n`);
  });
  // Whoever leaves in the middle of an answer is gone for Parlor as well.
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

async function serve(folder, pathname, outgoing) {
  const name = path.posix.normalize(decodeURIComponent(pathname.replace(/\/$/, '/index.html')));
  try {
    const file = await readFile(path.join(folder, name));
    outgoing.writeHead(200, { 'Content-Type': TYPES[path.extname(name)] ?? 'application/octet-stream' }).end(file);
  } catch {
    outgoing.writeHead(404, { 'Content-Type': 'text/plain' }).end('Not found\n');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? '.';
  const parlor = process.env.PARLOR_URL ?? 'http://127.0.0.1:8000';
  const server = siteServer(folder, () => parlor);
  server.listen(Number(process.env.PORT ?? 5170), '127.0.0.1', () =>
    console.log(`${folder} is at http://127.0.0.1:${server.address().port}, with ${parlor} behind it`),
  );
}
