import { ApiError } from './errors.js';
import type { Attachment } from './protocol.js';
import { mimeTypeOf, type UploadHooks } from './upload.js';

/** A file on its way to the server, or there. A value: every change makes a new one. */
export interface UploadEntry {
  /** Ours, and stable from the choice of the file on. */
  readonly key: string;
  readonly name: string;
  readonly mimeType: string;
  /** Bytes; null for an attachment that was uploaded elsewhere. */
  readonly size: number | null;
  readonly state: 'waiting' | 'uploading' | 'done' | 'failed';
  /** 0 to 1 while it is uploaded; null where nobody can tell. */
  readonly progress: number | null;
  readonly error: ApiError | null;
  readonly attachment: Attachment | null;
}

export interface UploadQueueOptions {
  upload(file: File, hooks: UploadHooks): Promise<Attachment>;
  /** Tells the server that an attachment is not going to be sent. */
  discard(attachmentId: string): void;
  /** Told when an upload came to its end, for announcements. */
  onSettled?(entry: UploadEntry): void;
}

/** As many as a connection carries without starving the chat itself. */
const PARALLEL = 3;

interface Job {
  entry: UploadEntry;
  readonly file: File | null;
  /** Whether this queue brought it to the server, so that it may be deleted there. */
  readonly own: boolean;
  abort: AbortController | null;
  /** An attachment that the server made and whose bytes may be missing. */
  created: string | null;
}

/**
 * The files of a message that is being written: uploads them, a few at a time,
 * and hands the attachments over when the message is sent.
 */
export class UploadQueue {
  #jobs: Job[] = [];
  #entries: readonly UploadEntry[] = [];
  #count = 0;
  readonly #options: UploadQueueOptions;
  readonly #listeners = new Set<() => void>();

  constructor(options: UploadQueueOptions) {
    this.#options = options;
  }

  /** A snapshot, in the order in which the files were chosen. */
  get entries(): readonly UploadEntry[] {
    return this.#entries;
  }

  /** Whether a file is still on its way. */
  get busy(): boolean {
    return this.#entries.some(({ state }) => state === 'waiting' || state === 'uploading');
  }

  get failed(): boolean {
    return this.#entries.some(({ state }) => state === 'failed');
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to upload a file. Returns its entry. */
  add(file: File): UploadEntry {
    const entry: UploadEntry = {
      key: `upload-${++this.#count}`,
      name: file.name,
      mimeType: mimeTypeOf(file),
      size: file.size,
      state: 'waiting',
      progress: null,
      error: null,
      attachment: null,
    };
    this.#jobs.push({ entry, file, own: true, abort: null, created: null });
    this.#changed();
    this.#pump();
    return entry;
  }

  /** Takes attachments in that the server has already. `own`: they came from a queue like this one. */
  adopt(attachments: readonly Attachment[], { own = false } = {}): void {
    for (const attachment of attachments) {
      const entry: UploadEntry = {
        key: `upload-${++this.#count}`,
        name: attachment.name,
        mimeType: attachment.mime_type,
        size: null,
        state: 'done',
        progress: null,
        error: null,
        attachment,
      };
      this.#jobs.push({ entry, file: null, own, abort: null, created: null });
    }
    if (attachments.length > 0) this.#changed();
  }

  /** Gives a file up, wherever it is on its way. */
  remove(key: string): void {
    const job = this.#jobs.find(({ entry }) => entry.key === key);
    if (job === undefined) return;
    this.#jobs = this.#jobs.filter((other) => other !== job);
    this.#drop(job);
    this.#changed();
    this.#pump();
  }

  /** Gives every file up. */
  clear(): void {
    const jobs = this.#jobs;
    if (jobs.length === 0) return;
    this.#jobs = [];
    for (const job of jobs) this.#drop(job);
    this.#changed();
  }

  /** Uploads a file again that could not be uploaded. */
  retry(key: string): void {
    const job = this.#jobs.find(({ entry }) => entry.key === key);
    if (job?.file == null || job.entry.state !== 'failed') return;
    this.#update(job, { state: 'waiting', progress: null, error: null });
    this.#pump();
  }

  /** Hands over what is there to be sent, and forgets it. Files that are not there yet are given up. */
  take(): Attachment[] {
    const jobs = this.#jobs;
    this.#jobs = [];
    const attachments: Attachment[] = [];
    for (const job of jobs) {
      if (job.entry.attachment === null) this.#drop(job);
      else attachments.push(job.entry.attachment);
    }
    if (jobs.length > 0) this.#changed();
    return attachments;
  }

  #drop(job: Job): void {
    job.abort?.abort();
    const id = job.entry.attachment?.id ?? job.created;
    if (job.own && id !== null) this.#options.discard(id);
  }

  #pump(): void {
    let running = this.#jobs.filter(({ entry }) => entry.state === 'uploading').length;
    for (const job of this.#jobs) {
      if (running >= PARALLEL) return;
      if (job.entry.state !== 'waiting' || job.file === null) continue;
      running += 1;
      void this.#run(job, job.file);
    }
  }

  async #run(job: Job, file: File): Promise<void> {
    const abort = (job.abort = new AbortController());
    // What an earlier attempt left at the server is of no use any more.
    if (job.created !== null) this.#options.discard(job.created);
    job.created = null;
    this.#update(job, { state: 'uploading' });
    try {
      const attachment = await this.#options.upload(file, {
        signal: abort.signal,
        onProgress: (progress) => {
          if (this.#jobs.includes(job)) this.#update(job, { progress });
        },
        onCreated: (id) => {
          job.created = id;
          // Given up while the server was making it.
          if (abort.signal.aborted) this.#options.discard(id);
        },
      });
      if (abort.signal.aborted) {
        if (job.created === null) this.#options.discard(attachment.id);
        return;
      }
      job.created = null;
      this.#update(job, { state: 'done', progress: null, attachment });
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#update(job, { state: 'failed', progress: null, error: asApiError(error) });
    } finally {
      this.#pump();
    }
    if (this.#jobs.includes(job)) this.#options.onSettled?.(job.entry);
  }

  #update(job: Job, change: Partial<UploadEntry>): void {
    job.entry = { ...job.entry, ...change };
    this.#changed();
  }

  #changed(): void {
    this.#entries = this.#jobs.map(({ entry }) => entry);
    for (const listener of this.#listeners) listener();
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError({ status: 0, code: 'unexpected', message }, { cause: error });
}
