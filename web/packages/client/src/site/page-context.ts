import { elementOf, FIELDS, PRIVATE, touchesPrivate, WIDGET } from './private.js';
import { withoutSecrets } from './secrets.js';

/**
 * What the assistant is told about the page that its reader has open. The names are those that
 * Parlor's server reads; it cuts what is longer than it takes.
 */
export interface PageContext {
  /** Without fragments and parameters that look like a secret. */
  url?: string;
  path?: string;
  title?: string;
  description?: string;
  keywords?: string;
  /** Of the main content, in the order of the page. */
  headings?: string[];
  /** The page's language, as a BCP 47 tag. */
  language?: string;
  /** What the reader has marked. */
  selectedText?: string;
  /** When it was read, in the reader's own time: ISO 8601 with the offset from UTC. */
  time?: string;
  /** Whatever else the site adds. */
  [field: string]: unknown;
}

export interface PageContextOptions {
  /** The page; this one by default. */
  document?: Document | undefined;
  /** How many headings; 5 by default. */
  headings?: number | undefined;
  /** What the reader has marked, where the page knows it better than the browser does. */
  selectedText?: string | undefined;
  /** Names of URL parameters to leave out, beside those that look like a secret. */
  secretParameters?: readonly string[] | undefined;
  /** Adds fields, or takes some away. Returning null says nothing of the page at all. */
  refine?: ((context: PageContext) => PageContext | null) | undefined;
  /** The time; now by default. */
  now?: (() => Date) | undefined;
}

/** The longest of each, in UTF-16 code units: what Parlor's server keeps. */
const LIMITS = {
  url: 2_000,
  path: 1_000,
  title: 300,
  description: 1_000,
  keywords: 500,
  heading: 200,
  language: 35,
  selectedText: 4_000,
} as const;
const HEADINGS = 5;

/**
 * Reads what there is to know of the page, as it is at this moment: call it for every question, as
 * pages change without being loaded anew.
 *
 * Parts with the attribute `data-parlor-private` are not read; with it on `<html>`, nothing is.
 * Fields that the page does not have are absent. Null: nothing is to be said.
 */
export function getPageContext(options: PageContextOptions = {}): PageContext | null {
  const page = options.document ?? document;
  if (page.documentElement.matches(PRIVATE)) return null;
  const address = withoutSecrets(page.location?.href ?? page.URL, options.secretParameters);
  // Names of metadata are written in any case.
  const tags = Array.from(page.querySelectorAll<HTMLMetaElement>('meta[name]'));
  const meta = (name: string) => tags.find((tag) => tag.name.toLowerCase() === name)?.content;
  const context: PageContext = {};
  const set = (field: keyof typeof LIMITS & keyof PageContext, text: string | null | undefined) => {
    const tidy = tidied(text, LIMITS[field]);
    if (tidy !== '') context[field] = tidy;
  };
  set('url', address?.href);
  set('path', address?.pathname);
  set('title', page.title);
  set('description', meta('description'));
  set('keywords', meta('keywords'));
  const headings = headingsOf(page, options.headings ?? HEADINGS);
  if (headings.length > 0) context.headings = headings;
  set('language', page.documentElement.lang || page.body?.lang);
  // Its lines stay: it may be code.
  const marked = cut((options.selectedText ?? selectedText(page)).trim(), LIMITS.selectedText);
  if (marked !== '') context.selectedText = marked;
  context.time = localTime((options.now ?? (() => new Date()))());
  return options.refine === undefined ? context : options.refine(context);
}

/**
 * The text that is marked in a page; empty when there is none. What is marked in fields, in the chat itself, and what
 * touches a private part, counts as nothing.
 */
export function selectedText(page: Document = document): string {
  const selection = page.getSelection?.() ?? null;
  if (selection === null || selection.isCollapsed || selection.rangeCount === 0) return '';
  const ends = [selection.anchorNode, selection.focusNode];
  if (ends.some((end) => elementOf(end)?.closest(`${WIDGET}, ${FIELDS}`) != null)) return '';
  return touchesPrivate(selection.getRangeAt(0)) ? '' : selection.toString();
}

/** The headings of the article, else of the main part, else of the body. */
function headingsOf(page: Document, most: number): string[] {
  // A page of a blog's front may have many articles: then they are no one's main content.
  const articles = page.querySelectorAll('article');
  const main = articles.length === 1 ? articles[0] : page.querySelector('main, [role="main"]');
  const found: string[] = [];
  for (const heading of (main ?? page.body)?.querySelectorAll<HTMLElement>('h1, h2, h3') ?? []) {
    if (found.length >= most) break;
    if (heading.closest(PRIVATE) !== null || heading.closest('nav, aside, footer') !== null) continue;
    if (heading.closest('[hidden], [aria-hidden="true"]') !== null) continue;
    const text = tidied(headingText(heading), LIMITS.heading);
    if (text !== '') found.push(text);
  }
  return found;
}

/** A heading's words, without the signs of links to it that generators of sites put there. */
function headingText(heading: HTMLElement): string {
  const copy = heading.cloneNode(true) as HTMLElement;
  const links = 'a.hash-link, a.headerlink, a.anchor, a[aria-hidden="true"], [aria-hidden="true"]';
  for (const part of copy.querySelectorAll(`${links}, ${PRIVATE}, button, script, style`)) part.remove();
  return copy.textContent ?? '';
}

function tidied(text: string | null | undefined, longest: number): string {
  return cut((text ?? '').replace(/\s+/g, ' ').trim(), longest);
}

function cut(text: string, longest: number): string {
  // Not through the middle of a character that takes two code units.
  return text.length <= longest ? text : text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, '');
}

/** `2026-11-22T14:05:09+01:00` */
function localTime(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const two = (value: number) => String(Math.trunc(Math.abs(value))).padStart(2, '0');
  const local = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, 19);
  return `${local}${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`;
}
