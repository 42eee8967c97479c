import { UploadQueue, type Attachment, type UploadEntry, type UploadHooks } from '@parlor/client';
import type { AttachmentOptions } from './files.js';
import { sortOut, thumbnail, transferred } from './files.js';
import { describeUploadError } from './describe-error.js';
import type { Strings } from './strings.js';

export interface AttachingHost {
  /** Null where files can't be attached. */
  attachmentOptions(): AttachmentOptions | null;
  strings(): Strings;
  locale(): string;
  upload(file: File, hooks: UploadHooks): Promise<Attachment>;
  discard(attachmentId: string): void;
  announce(text: string): void;
  /** Shows what could not be attached. */
  complain(problems: readonly string[]): void;
  /** The files changed, or what is known of them. */
  changed(): void;
}

/** Brings files into the message that is being written: by button, drop and paste. */
export class Attaching {
  readonly uploads: UploadQueue;
  /** Files are being dragged over the element. */
  dragging = false;
  /** Small pictures of what is being uploaded, by the keys of the entries. */
  readonly #thumbs = new Map<string, ImageBitmap>();
  /** And of what was: for as long as somebody holds the attachment. */
  readonly #sent = new WeakMap<Attachment, ImageBitmap>();
  readonly #host: AttachingHost;

  constructor(host: AttachingHost) {
    this.#host = host;
    this.uploads = new UploadQueue({
      upload: (file, hooks) => host.upload(file, hooks),
      discard: (id) => host.discard(id),
      onSettled: (entry) => this.#settled(entry),
    });
    this.uploads.subscribe(() => {
      this.#forget();
      host.changed();
    });
  }

  /** Takes in what may be attached, and says why the rest may not. Returns the reasons. */
  add(files: readonly File[], folders: readonly string[] = []): string[] {
    const options = this.#host.attachmentOptions();
    if (options === null) return [];
    const strings = this.#host.strings();
    const { taken, problems } = sortOut(
      files,
      options,
      this.uploads.entries.length,
      strings,
      this.#host.locale(),
    );
    problems.push(...folders.map((name) => strings.folder(name)));
    this.#host.complain(problems);
    for (const file of taken) {
      const { key } = this.uploads.add(file);
      this.#host.announce(strings.uploadStarted(file.name));
      void this.#picture(key, file);
    }
    return problems;
  }

  thumbOf(file: UploadEntry | Attachment): ImageBitmap | null {
    if ('key' in file) {
      const sent = file.attachment === null ? undefined : this.#sent.get(file.attachment);
      return this.#thumbs.get(file.key) ?? sent ?? null;
    }
    return this.#sent.get(file) ?? null;
  }

  async #picture(key: string, file: File): Promise<void> {
    const picture = await thumbnail(file);
    const entry = this.uploads.entries.find((candidate) => candidate.key === key);
    if (picture === null || entry === undefined) return;
    this.#thumbs.set(key, picture);
    if (entry.attachment !== null) this.#sent.set(entry.attachment, picture);
    this.#host.changed();
  }

  #settled(entry: UploadEntry): void {
    const strings = this.#host.strings();
    const { name, error, attachment } = entry;
    if (error !== null) {
      this.#host.announce(strings.uploadFailed(name, describeUploadError(error, strings)));
    } else if (attachment !== null) {
      const picture = this.#thumbs.get(entry.key);
      if (picture !== undefined) this.#sent.set(attachment, picture);
      this.#host.announce(strings.uploadDone(name));
    }
  }

  /** Lets go of the pictures of files that are not there any more. */
  #forget(): void {
    const keys = new Set(this.uploads.entries.map(({ key }) => key));
    for (const key of this.#thumbs.keys()) if (!keys.has(key)) this.#thumbs.delete(key);
  }

  // -------------------------------------------------------------- dragging

  /** Makes an element a place to drop files on. */
  readonly onDragOver = (event: DragEvent): void => {
    if (!this.#takes(event)) return;
    event.preventDefault();
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = 'copy';
    this.#drag(true);
  };

  readonly onDragLeave = (event: DragEvent): void => {
    const inside =
      event.relatedTarget instanceof Node && (event.currentTarget as Node).contains(event.relatedTarget);
    if (!inside) this.#drag(false);
  };

  readonly onDrop = (event: DragEvent): void => {
    this.#drag(false);
    if (!this.#takes(event) || event.dataTransfer === null) return;
    event.preventDefault();
    const { files, folders } = transferred(event.dataTransfer);
    this.add(files, folders);
  };

  #takes(event: DragEvent): boolean {
    return this.#host.attachmentOptions() !== null && event.dataTransfer?.types.includes('Files') === true;
  }

  #drag(dragging: boolean): void {
    if (this.dragging === dragging) return;
    this.dragging = dragging;
    this.#host.changed();
  }
}
