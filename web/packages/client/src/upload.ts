import { ApiError, isAbort, readApiError } from './errors.js';
import type { Attachment } from './protocol.js';
import type { ChatKitClient } from './transport.js';

/** How files reach the server, as the published `FileUploadStrategy` says it. */
export type UploadStrategy = { type: 'two_phase' } | { type: 'direct'; uploadUrl: string };

/** What an upload tells while it runs, and how it is given up. */
export interface UploadHooks {
  signal: AbortSignal;
  /** 0 to 1 of the bytes that were sent; null where the transport can't tell. */
  onProgress(progress: number | null): void;
  /** The server made an attachment whose bytes are still to come: a given up one has to be deleted. */
  onCreated?(attachmentId: string): void;
}

/** One HTTP request that carries a file. */
export interface SendRequest {
  url: string;
  method: 'POST' | 'PUT';
  headers?: Readonly<Record<string, string>>;
  body: Blob | FormData;
  signal: AbortSignal;
  onProgress(progress: number | null): void;
  /** Sends it instead of `XMLHttpRequest`; tells nothing of its progress. */
  fetch?: typeof fetch | undefined;
  /** Milliseconds without progress after which the connection counts as dead. */
  patience?: number;
}

/** A server may look at a file for a while before it answers. */
const PATIENCE_MS = 90_000;
const UNKNOWN_TYPE = 'application/octet-stream';

/** Types of text files that some systems do not know. */
const TYPES_BY_EXTENSION: Readonly<Record<string, string>> = {
  md: 'text/markdown',
  markdown: 'text/markdown',
  csv: 'text/csv',
  json: 'application/json',
  log: 'text/plain',
  txt: 'text/plain',
  yaml: 'text/yaml',
  yml: 'text/yaml',
};

/** The MIME type of a file without parameters; by its name where the system knows none. */
export function mimeTypeOf(file: { name: string; type: string }): string {
  const type = file.type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type !== '') return type;
  const extension = /\.([a-z0-9]+)$/i.exec(file.name)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(TYPES_BY_EXTENSION, extension)
    ? (TYPES_BY_EXTENSION[extension] as string)
    : UNKNOWN_TYPE;
}

/**
 * Brings a file to the server by either strategy and returns the attachment to
 * send with a message.
 *
 * Two-phase: `attachments.create` describes a request (`upload_descriptor`),
 * which gets the raw bytes. A server that describes none has all it needs. The
 * descriptor may point to another host (a presigned URL of a storage service):
 * that one gets exactly the headers that were described, and never the host
 * page's `fetch`, whose credentials are not for it.
 *
 * @throws {ApiError} for every failure but an abort, which rejects as `fetch` does.
 */
export async function uploadFile(
  file: File,
  strategy: UploadStrategy,
  connection: { client: ChatKitClient; apiUrl: string; base: string; fetch?: typeof fetch | undefined },
  hooks: UploadHooks,
): Promise<Attachment> {
  const { signal } = hooks;
  const onProgress = (progress: number | null) => hooks.onProgress(progress);
  if (strategy.type === 'direct') {
    const body = new FormData();
    body.append('file', file, file.name);
    const { uploadUrl: url } = strategy;
    const answer = await send({ url, method: 'POST', body, signal, onProgress, fetch: connection.fetch });
    const attachment = asAttachment(answer);
    if (attachment === null) throw badAnswer(`The answer to the upload of "${file.name}" is no attachment.`);
    return attachment;
  }
  const mimeType = mimeTypeOf(file);
  const created = await connection.client.request(
    'attachments.create',
    { name: file.name, size: file.size, mime_type: mimeType },
    { signal },
  );
  const attachment = asAttachment(created.body);
  if (attachment === null) throw badAnswer('The answer to "attachments.create" is no attachment.');
  hooks.onCreated?.(attachment.id);
  const { upload_descriptor: descriptor, ...rest } = attachment;
  if (descriptor === undefined || descriptor === null) return attachment;
  const api = new URL(connection.apiUrl, connection.base);
  const target = new URL(descriptor.url, connection.base);
  const answer = await send({
    url: target.href,
    method: descriptor.method,
    headers: descriptor.headers ?? {},
    // The type travels in the described headers, or as the type of the body.
    body: file.type === mimeType ? file : file.slice(0, file.size, mimeType),
    signal,
    onProgress,
    fetch: target.origin === api.origin ? connection.fetch : undefined,
  });
  // A server may say more of what it got, a storage service answers with nothing.
  const stored = asAttachment(answer);
  return stored !== null && stored.id === attachment.id ? stored : (rest as Attachment);
}

const badAnswer = (message: string) => new ApiError({ status: 0, code: 'bad_response', message });

function asAttachment(value: unknown): Attachment | null {
  if (typeof value !== 'object' || value === null) return null;
  const { id, type, name } = value as Record<string, unknown>;
  return typeof id === 'string' && typeof name === 'string' && (type === 'file' || type === 'image')
    ? (value as Attachment)
    : null;
}

/**
 * Sends bytes and returns the JSON that was answered, or null for anything else.
 *
 * @throws {ApiError} when the answer says that it failed, or none came.
 */
export async function send(request: SendRequest): Promise<unknown> {
  const response =
    request.fetch === undefined && typeof XMLHttpRequest !== 'undefined'
      ? await sendWithProgress(request)
      : await sendWithFetch(request);
  if (!response.ok) throw await readApiError(response, Date.now());
  try {
    return JSON.parse(await response.text()) as unknown;
  } catch (error) {
    if (isAbort(error)) throw error;
    return null;
  }
}

async function sendWithFetch(request: SendRequest): Promise<Response> {
  const { url, method, headers, body, signal } = request;
  request.onProgress(null);
  try {
    return await (request.fetch ?? globalThis.fetch)(url, { method, headers: { ...headers }, body, signal });
  } catch (cause) {
    signal.throwIfAborted();
    if (isAbort(cause)) throw cause;
    throw unreachable(cause);
  }
}

/** `fetch` says nothing of what was sent already; this does. */
function sendWithProgress(request: SendRequest): Promise<Response> {
  const { url, method, headers = {}, body, signal, patience = PATIENCE_MS } = request;
  return new Promise<Response>((resolve, reject) => {
    signal.throwIfAborted();
    const xhr = new XMLHttpRequest();
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const settle = (end: () => void) => {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const onAbort = () => {
      xhr.abort();
      settle(() => reject(signal.reason as Error));
    };
    const feed = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        xhr.abort();
        settle(() => reject(unreachable(new Error(`No progress within ${patience / 1000} s.`))));
      }, patience);
    };
    xhr.upload.addEventListener('progress', (event) => {
      feed();
      request.onProgress(event.lengthComputable && event.total > 0 ? event.loaded / event.total : null);
    });
    xhr.addEventListener('load', () => settle(() => resolve(responseOf(xhr))));
    xhr.addEventListener('error', () => settle(() => reject(unreachable(undefined))));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      xhr.open(method, url);
      for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
      feed();
      xhr.send(body);
    } catch (error) {
      settle(() => reject(unreachable(error)));
    }
  });
}

/** Statuses that may have no body; `Response` refuses one. */
const EMPTY = new Set([204, 205, 304]);

function responseOf(xhr: XMLHttpRequest): Response {
  const headers: Record<string, string> = {};
  for (const name of ['retry-after', 'x-request-id', 'content-type']) {
    const value = xhr.getResponseHeader(name);
    if (value !== null) headers[name] = value;
  }
  return new Response(EMPTY.has(xhr.status) ? null : xhr.responseText, { status: xhr.status, headers });
}

function unreachable(cause: unknown): ApiError {
  const offline = typeof navigator !== 'undefined' && navigator.onLine === false;
  return new ApiError(
    {
      status: 0,
      code: offline ? 'offline' : 'network',
      message: offline ? 'This device is offline.' : 'The upload was cut off.',
    },
    { cause },
  );
}
