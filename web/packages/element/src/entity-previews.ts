import type { ChatKitOptions, Entity } from '@openai/chatkit';
import type { EntityPreview } from './views/context.js';

type Request = NonNullable<NonNullable<ChatKitOptions['entities']>['onRequestPreview']>;

/** A pointer that only passes by asks for nothing. Milliseconds. */
const OPEN_DELAY_MS = 250;
/** Time to get from the mark into its preview. */
const CLOSE_DELAY_MS = 180;

/** Asks the host what it has to say of an entity, once each, and shows it for as long as it is looked at. */
export class EntityPreviews {
  preview: EntityPreview | null = null;
  anchor: HTMLElement | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  readonly #known = new Map<string, Promise<{ preview: unknown }>>();
  readonly #host: { request(): Request | undefined; changed(): void; report(error: Error): void };

  constructor(host: { request(): Request | undefined; changed(): void; report(error: Error): void }) {
    this.#host = host;
  }

  show(entity: Entity, anchor: HTMLElement): void {
    clearTimeout(this.#timer);
    if (this.preview?.entity.id === entity.id && this.anchor === anchor) return;
    this.#timer = setTimeout(() => void this.#open(entity, anchor), OPEN_DELAY_MS);
  }

  /** The pointer is in the preview itself. */
  keep(): void {
    clearTimeout(this.#timer);
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.#timer = setTimeout(() => this.close(), CLOSE_DELAY_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#asked += 1;
    if (this.preview === null) return;
    this.preview = null;
    this.anchor = null;
    this.#host.changed();
  }

  async #open(entity: Entity, anchor: HTMLElement): Promise<void> {
    const request = this.#host.request();
    if (request === undefined) return;
    const asked = ++this.#asked;
    let answer = this.#known.get(entity.id);
    if (answer === undefined) {
      answer = Promise.resolve().then(() => request(entity));
      this.#known.set(entity.id, answer);
    }
    try {
      const { preview } = await answer;
      if (asked !== this.#asked || !anchor.isConnected) return;
      this.preview = preview === null ? null : { entity, widget: preview };
      this.anchor = preview === null ? null : anchor;
      this.#host.changed();
    } catch (error) {
      // The next look asks again.
      this.#known.delete(entity.id);
      this.#host.report(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** Puts a preview above its anchor, or below where there is no room, within the root. */
export function place(preview: HTMLElement, anchor: HTMLElement, root: HTMLElement): void {
  const frame = root.getBoundingClientRect();
  const mark = anchor.getBoundingClientRect();
  const { width, height } = preview.getBoundingClientRect();
  const gap = 8;
  const above = mark.top - frame.top - height - gap;
  const top = above >= gap ? above : Math.min(mark.bottom - frame.top + gap, frame.height - height - gap);
  const left = Math.min(Math.max(mark.left - frame.left, gap), frame.width - width - gap);
  preview.style.setProperty('top', `${Math.max(gap, top)}px`);
  preview.style.setProperty('left', `${Math.max(gap, left)}px`);
}
