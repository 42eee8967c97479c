// A backend for development and for the browser tests: it speaks the ChatKit
// protocol with scripted answers, keeps everything in memory, and serves the
// built element on a page with a strict Content-Security-Policy.
//
//   node dev/server.mjs [port]
//
// `/chatkit` announces Parlor's additions (numbered events, stop, resume);
// `/plain/chatkit` behaves like a server of the official SDK.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scriptFor } from './scripts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, '..', 'dist');

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; require-trusted-types-for 'script'";
const TYPES = {
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.json': 'application/json',
};

class Turn {
  constructor(world, thread, question, extra = {}) {
    Object.assign(this, { world, thread, question, ...extra });
    this.id = `turn_${randomUUID()}`;
    this.requestId = `req_${randomUUID().slice(0, 8)}`;
    this.events = [];
    this.outcome = null;
    this.stopped = false;
    this.partial = null;
    this.wakeUp = new Set();
    this.opened = null;
  }

  newItem(type, fields) {
    return {
      type,
      id: `item_${randomUUID()}`,
      thread_id: this.thread.id,
      created_at: new Date().toISOString(),
      ...fields,
    };
  }

  threadResponse() {
    return this.world.threadResponse(this.thread);
  }

  sleep(ms) {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  /** Waits until `/dev/release` or a stop. */
  gate() {
    return new Promise((resolve) => {
      this.opened = resolve;
    });
  }

  release() {
    this.opened?.();
    this.opened = null;
  }

  stop() {
    this.stopped = true;
    this.release();
  }

  push(event) {
    this.events.push(event);
    if (event.type === 'thread.item.done' || event.type === 'thread.item.replaced') {
      const { items } = this.thread;
      const at = items.findIndex((item) => item.id === event.item.id);
      if (at < 0) items.push(event.item);
      else items[at] = event.item;
    }
    this.wake();
  }

  wake() {
    for (const resolve of this.wakeUp) resolve();
    this.wakeUp.clear();
  }

  next() {
    return new Promise((resolve) => {
      this.wakeUp.add(resolve);
    });
  }

  async run(script) {
    this.world.running.set(this.thread.id, this);
    let failed = false;
    for await (const event of script(this)) {
      failed ||= event.type === 'error';
      this.push(event);
      if (this.stopped && event.type === 'thread.item.done') break;
    }
    this.outcome = this.stopped ? 'stopped' : failed ? 'failed' : 'done';
    this.world.running.delete(this.thread.id);
    this.wake();
  }
}

class World {
  threads = [];
  running = new Map();
  byKey = new Map();
  feedback = [];
  requests = [];
  failNext = [];
  /** What was uploaded: bytes, and what belongs to them, by id. */
  attachments = new Map();
  /** How coming uploads misbehave, one each: see `PlannedUpload` in server.d.mts. */
  uploadPlans = [];
  /** Requests that carried bytes. */
  uploads = [];
  held = [];
  /** Signs links; another number makes all earlier ones expire. */
  linkEpoch = 1;
  /** How many attachments are still given out with links that have expired. */
  staleLinks = 0;
  transcript = 'Hello from the microphone.';
  /** Address of this server, for absolute links. */
  origin = '';

  newAttachment({ name, size, mime_type }) {
    const id = `atc_${randomUUID()}`;
    const type = mime_type.startsWith('image/') ? 'image' : 'file';
    this.attachments.set(id, { id, type, name, mime_type, size, bytes: null });
    return id;
  }

  /** An attachment as clients get it, with links that are good right now. */
  signed(id, { upload = false } = {}) {
    const { type, name, mime_type } = this.attachments.get(id);
    const link = `${this.origin}/files/${id}`;
    const epoch = this.staleLinks > 0 ? this.linkEpoch - 1 : this.linkEpoch;
    this.staleLinks = Math.max(0, this.staleLinks - 1);
    return {
      type,
      id,
      name,
      mime_type,
      ...(type === 'image' ? { preview_url: `${link}/preview?epoch=${epoch}` } : {}),
      download_url: `${link}?epoch=${epoch}`,
      upload_descriptor: upload
        ? { url: `${link}?epoch=${epoch}`, method: 'PUT', headers: { 'X-Upload-Ticket': id } }
        : null,
    };
  }

  /** An item with fresh links. */
  fresh(item) {
    return item.type === 'user_message' && item.attachments.length > 0
      ? {
          ...item,
          attachments: item.attachments.map(({ id }) =>
            this.attachments.has(id)
              ? this.signed(id)
              : { id, type: 'file', name: 'gone', mime_type: 'text/plain' },
          ),
        }
      : item;
  }

  threadResponse(thread, items = []) {
    const { items: _all, ...metadata } = thread;
    return { ...metadata, items: { data: items, has_more: false, after: null } };
  }

  newThread(title = null) {
    const thread = {
      id: `thr_${randomUUID()}`,
      title,
      created_at: new Date().toISOString(),
      status: { type: 'active' },
      metadata: {},
      items: [],
    };
    this.threads.push(thread);
    return thread;
  }

  find(id) {
    return this.threads.find((thread) => thread.id === id);
  }

  /** Fills the world with threads of several days, and one with many messages. */
  seed() {
    const titles = [
      'Choosing between SQLite and PostgreSQL',
      'Why is my token rejected?',
      'Deploying behind nginx with long streams',
      'Ein Gespräch über Umlaute und sehr lange Titel, die nicht in die Zeile passen',
      'كيف أضبط قاعدة البيانات',
      'Rate limits',
      'Webhooks and retries',
    ];
    const days = [40, 20, 6, 3, 1, 0, 0];
    titles.reverse().forEach((title, at) => {
      const thread = this.newThread(title);
      thread.created_at = new Date(Date.now() - days[at] * 86_400_000 - 60_000).toISOString();
      this.fill(thread, 1);
    });
  }

  fill(thread, pairs) {
    for (let n = 1; n <= pairs; n++) {
      const base = { thread_id: thread.id, created_at: thread.created_at };
      thread.items.push(
        {
          ...base,
          type: 'user_message',
          id: `msg_${randomUUID()}`,
          content: [{ type: 'input_text', text: `Question ${n} about ${thread.title}` }],
          attachments: [],
          inference_options: {},
        },
        {
          ...base,
          type: 'assistant_message',
          id: `msg_${randomUUID()}`,
          content: [
            {
              type: 'output_text',
              text: `Answer ${n}. It has **two** sentences.\n\nAnd a paragraph.`,
              annotations: [],
            },
          ],
        },
      );
    }
  }
}

function page(list, { order = 'desc', limit, after } = {}) {
  const sorted = order === 'desc' ? [...list].reverse() : [...list];
  const from = after == null ? 0 : sorted.findIndex((entry) => entry.id === after) + 1;
  const size = Math.min(limit ?? 20, 100);
  const data = sorted.slice(from, from + size);
  const has_more = from + size < sorted.length;
  return { data, has_more, after: has_more ? data.at(-1).id : null };
}

const readBytes = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const readBody = async (request) => (await readBytes(request)).toString('utf8');

/** The one file of a multipart body. */
async function readFormFile(request) {
  const body = await readBytes(request);
  const form = await new Response(body, {
    headers: { 'Content-Type': request.headers['content-type'] },
  }).formData();
  const file = form.get('file');
  return {
    name: file.name,
    mime_type: file.type,
    size: file.size,
    bytes: Buffer.from(await file.arrayBuffer()),
  };
}

/** Takes files in by both strategies, and gives them out again. */
function filesHandler(world) {
  const json = (response, status, body) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const fail = (response, status, code, message) =>
    json(response, status, { error: { code, message, request_id: 'req_dev' } });

  async function planned(request, response) {
    const plan = world.uploadPlans.shift();
    if (plan === undefined) return false;
    if (plan.cut) {
      // Some of the bytes, and then nobody is there; nor when the browser tries again by itself.
      world.uploadPlans.unshift(plan);
      request.once('data', () => request.socket.destroy());
      return true;
    }
    if (plan.hold) {
      await new Promise((resolve) => {
        world.held.push(resolve);
      });
      if (plan.status === undefined) return false;
    }
    await readBytes(request);
    if (plan.code === undefined) response.writeHead(plan.status).end('<h1>A proxy says no</h1>');
    else fail(response, plan.status, plan.code, plan.message ?? 'A planned failure.');
    return true;
  }

  return async function files(request, response, url) {
    const [, , id, part] = url.pathname.split('/');
    const good = url.searchParams.get('epoch') === String(world.linkEpoch);
    if (request.method === 'GET') {
      const stored = world.attachments.get(id);
      if (stored?.bytes == null) return fail(response, 404, 'not_found', 'There is no such file.');
      if (!good) return fail(response, 403, 'link_expired', 'This link has expired.');
      const disposition =
        part === 'preview' ? 'inline' : `attachment; filename*=UTF-8''${encodeURIComponent(stored.name)}`;
      response.writeHead(200, {
        'Content-Type': stored.mime_type,
        'Content-Disposition': disposition,
        'Cache-Control': 'no-store',
      });
      return response.end(stored.bytes);
    }
    world.uploads.push({ method: request.method, path: url.pathname, headers: request.headers });
    if (await planned(request, response)) return;
    if (request.method === 'POST' && id === undefined) {
      const { bytes, ...file } = await readFormFile(request);
      const created = world.newAttachment(file);
      world.attachments.get(created).bytes = bytes;
      return json(response, 200, world.signed(created));
    }
    const stored = world.attachments.get(id);
    if (stored === undefined) return fail(response, 404, 'not_found', 'There is no such file.');
    if (!good || request.headers['x-upload-ticket'] !== id)
      return fail(response, 403, 'link_expired', 'This upload has expired.');
    const bytes = await readBytes(request);
    if (bytes.length !== stored.size)
      return fail(response, 422, 'size_mismatch', 'The file is not as large as it was said to be.');
    stored.bytes = bytes;
    json(response, 200, world.signed(id));
  };
}

function handler(world, late) {
  const json = (response, status, body, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
  const fail = (response, status, code, message, headers = {}) =>
    json(response, status, { error: { code, message, request_id: 'req_dev' } }, headers);

  async function follow(response, turn, after, parlor, { cutAfter = 0 } = {}) {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      ...(parlor ? { 'Parlor-Protocol': '1', 'Parlor-Turn': turn.id } : {}),
    });
    let sent = after;
    let open = true;
    response.on('close', () => {
      open = false;
      turn.wake();
      // The official SDK takes a closed connection for a cancelled turn.
      if (!parlor && turn.outcome === null) turn.stop();
    });
    while (open) {
      if (sent < turn.events.length) {
        // Of very many, not before each: a long answer would take minutes.
        if (sent < 30 || sent % 60 === 0) await late();
        if (!open) return;
        const event = turn.events[sent++];
        const frame = `${parlor ? `id: ${sent}\n` : ''}data: ${JSON.stringify(event)}\n\n`;
        if (cutAfter > 0 && sent === cutAfter) {
          // Only when the page has shown it, which the test says: a connection that is cut before the thread
          // has a name is another story.
          response.write(frame);
          world.held.push(() => response.destroy());
          return;
        }
        response.write(frame);
      } else if (turn.outcome !== null) {
        await late();
        if (parlor) response.write(`: end ${turn.outcome}\n\n`);
        response.end();
        return;
      } else {
        await turn.next();
      }
    }
  }

  function start(response, thread, question, parlor, extra = {}, first = []) {
    const turn = new Turn(world, thread, question, extra);
    for (const event of first) turn.push(event);
    void turn.run(scriptFor(question));
    return {
      turn,
      answer: follow(response, turn, 0, parlor, { cutAfter: /\bcut\b/.test(question) ? 7 : 0 }),
    };
  }

  const textOf = (content) => content.map((part) => part.text).join(' ');

  function message(thread, input) {
    return {
      type: 'user_message',
      id: `msg_${randomUUID()}`,
      thread_id: thread.id,
      created_at: new Date().toISOString(),
      content: input.content,
      attachments: (input.attachments ?? []).map((id) => world.signed(id)),
      quoted_text: input.quoted_text ?? null,
      inference_options: input.inference_options,
    };
  }

  return async function chatkit(request, response, parlor) {
    let body;
    try {
      body = JSON.parse(await readBody(request));
    } catch {
      return fail(response, 400, 'bad_json', 'The body is not JSON.');
    }
    const headers = parlor ? { 'Parlor-Protocol': '1' } : {};
    const { type, params } = body;
    const key = request.headers['idempotency-key'];
    world.requests.push({ type, params, key, metadata: body.metadata });
    const planned = world.failNext.findIndex((plan) => plan.type === type);
    if (planned >= 0) {
      const [plan] = world.failNext.splice(planned, 1);
      if (plan.destroy) return response.destroy();
      return fail(response, plan.status, plan.code ?? 'planned', plan.message ?? 'A planned failure.', {
        ...headers,
        ...plan.headers,
      });
    }
    const thread = params.thread_id === undefined ? undefined : world.find(params.thread_id);
    if (params.thread_id !== undefined && thread === undefined) {
      return fail(response, 404, 'not_found', 'There is no such conversation.', headers);
    }
    switch (type) {
      case 'threads.create':
      case 'threads.add_user_message': {
        const known = key === undefined ? undefined : world.byKey.get(key);
        if (known !== undefined) return follow(response, known, 0, parlor);
        const question = textOf(params.input.content);
        if (thread !== undefined && world.running.has(thread.id)) {
          return fail(
            response,
            409,
            'thread_busy',
            'An answer is still being written in this conversation.',
            headers,
          );
        }
        const target = thread ?? world.newThread();
        const item = message(target, params.input);
        for (const left of target.items) {
          if (left.type === 'client_tool_call') left.status = 'completed';
        }
        const first = [{ type: 'thread.item.done', item }];
        if (thread === undefined)
          first.unshift({ type: 'thread.created', thread: world.threadResponse(target) });
        const { turn, answer } = start(response, target, question, parlor, {}, first);
        if (key !== undefined) world.byKey.set(key, turn);
        return answer;
      }
      case 'threads.retry_after_item': {
        const at = thread.items.findIndex((item) => item.id === params.item_id);
        const question = textOf(thread.items[at].content);
        const removed = thread.items.splice(at + 1);
        const first = removed.map((item) => ({ type: 'thread.item.removed', item_id: item.id }));
        return start(response, thread, question, parlor, { isRetry: true }, parlor ? first : []).answer;
      }
      case 'threads.add_client_tool_output': {
        const call = thread.items.findLast(
          (item) => item.type === 'client_tool_call' && item.status === 'pending',
        );
        if (call === undefined) {
          return fail(
            response,
            409,
            'no_pending_tool_call',
            'No client tool call waits for output.',
            headers,
          );
        }
        Object.assign(call, { status: 'completed', output: params.result });
        return start(response, thread, 'tool', parlor, { toolOutput: params.result }, [
          { type: 'thread.item.replaced', item: call },
        ]).answer;
      }
      case 'threads.add_structured_input': {
        const asked = thread.items.find((item) => item.id === params.item_id);
        const inputs = asked.inputs.map((input) => ({ ...input, answer: params.input.answers[input.id] }));
        const item = { ...asked, status: params.input.status, inputs };
        return start(response, thread, 'hello answers', parlor, {}, [{ type: 'thread.item.replaced', item }])
          .answer;
      }
      case 'threads.sync_custom_action': {
        const acted = thread.items.find((item) => item.id === params.item_id);
        if (params.action.type === 'vote') {
          acted.widget = { type: 'Card', children: [{ type: 'Text', value: 'Voted, thank you.' }] };
        }
        return json(response, 200, { updated_item: acted }, headers);
      }
      case 'threads.custom_action':
        return start(response, thread, `hello ${params.action.type}`, parlor).answer;
      case 'threads.resume': {
        const turn = world.running.get(thread.id);
        if (!parlor || turn === undefined) {
          return fail(
            response,
            404,
            'no_running_turn',
            'No answer is being written in this conversation.',
            headers,
          );
        }
        const same = params.turn_id === undefined || params.turn_id === turn.id;
        return follow(response, turn, same ? (params.after ?? 0) : 0, parlor);
      }
      case 'threads.stop': {
        const turn = world.running.get(thread.id);
        turn?.stop();
        return json(response, 200, { stopped: turn !== undefined }, headers);
      }
      case 'threads.get_by_id': {
        const turn = world.running.get(thread.id);
        const listed = page(thread.items, { order: 'asc' });
        const items = { ...listed, data: listed.data.map((item) => world.fresh(item)) };
        return json(
          response,
          200,
          { ...world.threadResponse(thread), items },
          { ...headers, ...(parlor && turn !== undefined ? { 'Parlor-Turn': turn.id } : {}) },
        );
      }
      case 'items.list': {
        const listed = page(thread.items, params);
        return json(
          response,
          200,
          { ...listed, data: listed.data.map((item) => world.fresh(item)) },
          headers,
        );
      }
      case 'attachments.create':
        return json(response, 200, world.signed(world.newAttachment(params), { upload: true }), headers);
      case 'attachments.delete':
        world.attachments.delete(params.attachment_id);
        return json(response, 200, {}, headers);
      case 'input.transcribe':
        return json(response, 200, { text: world.transcript }, headers);
      case 'threads.list': {
        const listed = page(world.threads, params);
        return json(
          response,
          200,
          { ...listed, data: listed.data.map((entry) => world.threadResponse(entry)) },
          headers,
        );
      }
      case 'threads.update':
        thread.title = params.title;
        return json(response, 200, world.threadResponse(thread), headers);
      case 'threads.delete':
        world.threads.splice(world.threads.indexOf(thread), 1);
        return json(response, 200, {}, headers);
      case 'items.feedback':
        world.feedback.push(params);
        return json(response, 200, {}, headers);
      default:
        return fail(response, 422, 'unknown_operation', `There is no operation "${type}".`, headers);
    }
  };
}

/** Starts the backend; resolves when it listens. `root` is an extra folder of static files under `/extra/`. */
export async function startDevServer({
  port = 0,
  root = null,
  seed = false,
  late = async () => undefined,
} = {}) {
  const world = new World();
  if (seed) world.seed();
  const chatkit = handler(world, late);
  const files = filesHandler(world);

  const file = (response, base, name) => {
    const path = normalize(join(base, name));
    if (!path.startsWith(base)) return void response.writeHead(404).end();
    try {
      const body = readFileSync(path);
      response.writeHead(200, {
        'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
        'Content-Security-Policy': CSP,
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  };

  const answer = async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname === '/files' || url.pathname.startsWith('/files/')) return files(request, response, url);
    if (request.method === 'POST') {
      if (url.pathname === '/chatkit') return chatkit(request, response, true);
      if (url.pathname === '/plain/chatkit') return chatkit(request, response, false);
      if (url.pathname === '/dev/release') {
        for (const turn of world.running.values()) turn.release();
        return void response.writeHead(204).end();
      }
      return void response.writeHead(404).end();
    }
    if (url.pathname === '/' || url.pathname === '/index.html') return file(response, here, 'index.html');
    if (url.pathname === '/page.js' || url.pathname === '/page.css')
      return file(response, here, url.pathname);
    if (root !== null && url.pathname.startsWith('/extra/'))
      return file(response, root, url.pathname.slice(7));
    if (url.pathname === '/favicon.ico') return void response.writeHead(204).end();
    return file(response, dist, url.pathname);
  };

  let busy = 0;
  const server = createServer(async (request, response) => {
    busy += 1;
    try {
      await late();
      // Whoever asked may have gone meanwhile.
      if (!request.socket.destroyed) await answer(request, response);
    } catch (error) {
      // A connection that was cut in the middle of what it sent is nothing to report.
      if (!request.socket.destroyed) throw error;
    } finally {
      busy -= 1;
    }
  });
  await new Promise((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  world.origin = `http://127.0.0.1:${address.port}`;
  const release = () => {
    for (const turn of world.running.values()) turn.release();
    for (const go of world.held.splice(0)) go();
  };
  return {
    world,
    url: world.origin,
    release,
    settle: async () => {
      server.closeAllConnections();
      do {
        release();
        await new Promise((resolve) => {
          setTimeout(resolve, 1);
        });
      } while (busy > 0 || world.running.size > 0);
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startDevServer({ port: Number(process.argv[2] ?? 5180), seed: true });
  console.log(`${url}/?scheme=light (say "table", "hold", "error", "workflow", …; see dev/scripts.mjs)`);
}
