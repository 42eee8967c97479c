import type { AssistantMessageItem, Source } from '@parlor/client';

/** A source with the number it is cited by in one message. */
export interface NumberedSource {
  number: number;
  source: Source;
}

function identity(source: Source): string {
  switch (source.type) {
    case 'url':
      return `url ${source.url}`;
    case 'file':
      return `file ${source.filename}`;
    case 'entity':
      return `entity ${source.id}`;
    default:
      return JSON.stringify(source);
  }
}

/** The sources of a message in order of their first citation; the same source is listed once. */
export class SourceList {
  readonly list: NumberedSource[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(item: AssistantMessageItem) {
    for (const part of item.content) {
      // In reading order, wherever the server put them in its list.
      const annotations = [...(part.annotations ?? [])].sort(
        (a, b) => (a.index ?? Number.MAX_SAFE_INTEGER) - (b.index ?? Number.MAX_SAFE_INTEGER),
      );
      for (const { source } of annotations) {
        const key = identity(source);
        if (this.#numbers.has(key)) continue;
        this.#numbers.set(key, this.list.length + 1);
        this.list.push({ number: this.list.length + 1, source });
      }
    }
  }

  numberOf(source: Source): number {
    return this.#numbers.get(identity(source)) ?? 0;
  }
}

/**
 * The address a source may link to, or null. Only http and https, and addresses
 * relative to the page: a model must not be able to make a `javascript:` link.
 */
export function safeHref(url: string, base: string = document.baseURI): string | null {
  try {
    const parsed = new URL(url.trim(), base);
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : null;
  } catch {
    return null;
  }
}

/** What to show as the place a source comes from: its attribution, its host, or nothing for this site. */
export function sourcePlace(source: Source, base: string = document.baseURI): string {
  if (source.type === 'file') return source.filename;
  if (source.type === 'entity') return source.label ?? '';
  if (source.attribution) return source.attribution;
  const href = safeHref(source.url, base);
  if (href === null) return '';
  return isHere(href, base) ? '' : new URL(href).host.replace(/^www\./, '');
}

/** Whether an address is on the site that shows the chat: such links open in place, as Markdown's do. */
export function isHere(href: string, base: string = document.baseURI): boolean {
  return new URL(href, base).origin === new URL(base).origin;
}
