import type { Labels } from '@parlor/react/labels';
import type { ChatKitWidgetProps, ProfileOptions } from '@parlor/react';
import { nearest } from './nearest.js';

/** An entry of the settings menu that needs no function; those that do come from `module`. */
export type PlainMenuEntry =
  { label: string; message: string } | { label: string; href: string; target?: '_blank' };

/** What `parlor ingest` is to do after a build. */
export interface IngestOptions {
  /**
   * The program, with arguments before its own: `parlor` by default, looked for as a shell would. `false`: only the list of
   * pages is written, for an ingest on another machine.
   */
  command?: string | readonly string[] | false | undefined;
  /** Its `--config`: a `parlor.toml`. */
  config?: string | undefined;
  /** Its `--database-url`. */
  database?: string | undefined;
  /**
   * Where the site is, as the beginning of every citation's address, such as `https://docs.example.com`. By default addresses
   * are paths, or, where the chat is at another origin (`server`), the site's own `url`.
   */
  url?: string | undefined;
  /** Which versions of the docs: the latest (`last`, the default), `all`, or these. */
  versions?: 'last' | 'all' | readonly string[] | undefined;
  /** Addresses to leave out, with what is below them, such as `/blog`. With the base URL. */
  exclude?: readonly string[] | undefined;
}

/** The options of the plugin. All of it reaches the browser but `proxy` and `ingest`: nothing of it may be secret. */
export interface Options {
  /** Docusaurus' name for this instance of the plugin. */
  id?: string | undefined;
  /** Where Parlor is, such as `https://chat.example.com`; the site's own origin by default. */
  server?: string | undefined;
  /** The ChatKit endpoint; `/chatkit` of the server by default. */
  url?: string | undefined;
  /** Another script for the element than the server's `/chatkit.js`. */
  script?: { src: string; type?: 'module' | 'classic'; integrity?: string } | undefined;
  /** `popup` (default), or `panel` along the side. */
  mode?: 'popup' | 'panel' | undefined;
  /** The first thing people read. */
  greeting?: string | undefined;
  /** Questions to begin with. */
  prompts?: readonly string[] | undefined;
  /** What stands in the empty field. */
  placeholder?: string | undefined;
  /** The name of the chat. */
  heading?: string | undefined;
  /** `site` (default): as the site is switched; `auto`: as the reader's system is; or one of both. */
  colorScheme?: 'site' | 'auto' | 'light' | 'dark' | undefined;
  /** A colour; the site's primary colour by default. `false`: the chat's own. */
  accent?: string | false | undefined;
  /** The language of the chat; the site's by default. */
  locale?: string | undefined;
  /** `session`: people sign in with Parlor before they chat. For the site's own login see `module`. */
  auth?: 'none' | 'session' | undefined;
  /** Whether cookies go along to another origin. */
  credentials?: 'include' | 'same-origin' | 'omit' | undefined;
  /** What the assistant may know of everybody who asks. */
  userInfo?: Record<string, unknown> | undefined;
  /** A button beside marked text; `true` by default. */
  ask?: boolean | undefined;
  /** Whether the assistant is told of the page; `true` by default. */
  pageContext?: boolean | undefined;
  menu?: readonly PlainMenuEntry[] | undefined;
  profile?: ProfileOptions | undefined;
  /** Texts of the widget in other words. */
  labels?: Partial<Labels> | undefined;
  /** When the chat is loaded: once the page has nothing to do (`idle`, default), or with the first click (`open`). */
  preload?: 'idle' | 'open' | undefined;
  /** Whether it is open at first. */
  defaultOpen?: boolean | undefined;
  /** Tells widgets of one origin apart in what the browser remembers. */
  widgetId?: string | undefined;
  /** Options of the element: tools, disclaimers, history, … */
  options?: NonNullable<ChatKitWidgetProps['options']> | undefined;
  /** A module of the site whose default export holds what needs functions, such as `./src/parlor.ts`. */
  module?: string | undefined;
  /** Where `docusaurus start` finds Parlor; `http://127.0.0.1:8000` by default. `false`: nothing is passed on. */
  proxy?: string | false | undefined;
  /** Indexes the site's pages after a build; `false` by default. */
  ingest?: boolean | IngestOptions | undefined;
}

export const DEFAULT_PROXY = 'http://127.0.0.1:8000';

/** What an option may be: null when the value is, else the words for what is. */
type Check = (value: unknown) => string | null;

const oneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value) ? null : `${choices(allowed.map((one) => JSON.stringify(one)))}`;
const text: Check = (value) => (typeof value === 'string' && value.trim() !== '' ? null : 'a text');
const flag: Check = (value) =>
  typeof value === 'boolean'
    ? null
    : `true or false${value === 'true' || value === 'false' ? ', not a text: with a variable of the environment, say process.env.NAME === "true"' : ''}`;
const record: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? null : 'an object';
const texts: Check = (value) =>
  Array.isArray(value) && value.every((one) => text(one) === null) ? null : 'a list of texts';
const origin: Check = (value) => {
  const wanted = 'an address such as "https://chat.example.com"; leave it out for the site’s own';
  if (typeof value !== 'string' || value === '') return wanted;
  return value.startsWith('/') || isHttp(value) ? null : wanted;
};
const address: Check = (value) =>
  typeof value === 'string' && (value.startsWith('/') || isHttp(value))
    ? null
    : 'a path such as "/chatkit" or an address such as "https://chat.example.com/chatkit"';
const other =
  (first: Check, literal: unknown): Check =>
  (value) => {
    if (value === literal) return null;
    const wanted = first(value);
    return wanted === null ? null : `${wanted}, or ${JSON.stringify(literal)}`;
  };
const listOf =
  (check: Check, wanted: string): Check =>
  (value) =>
    Array.isArray(value) && value.every((one) => check(one) === null) ? null : wanted;

const MENU =
  'a list of { label, message } and { label, href }; entries with functions come from the option "module"';
const entry: Check = (value) => {
  const { label, message, href } = (value ?? {}) as Record<string, unknown>;
  return text(label) ?? (text(message) === null || text(href) === null ? null : MENU);
};
const profile: Check = (value) => {
  const { fields } = (value ?? {}) as { fields?: unknown };
  const isField = (one: unknown) => {
    const { name, label } = (one ?? {}) as Record<string, unknown>;
    return text(name) ?? text(label);
  };
  return listOf(isField, '{ fields: [{ name, label }] }')(fields);
};
const script: Check = (value) =>
  (record(value) ?? address((value as { src?: unknown }).src)) ? '{ src: "https://…/chatkit.js" }' : null;

const CHECKS: { [name in keyof Required<Options>]: Check } = {
  id: text,
  server: origin,
  url: address,
  script,
  mode: oneOf('popup', 'panel'),
  greeting: text,
  prompts: texts,
  placeholder: text,
  heading: text,
  colorScheme: oneOf('site', 'auto', 'light', 'dark'),
  accent: other(text, false),
  locale: text,
  auth: oneOf('none', 'session'),
  credentials: oneOf('include', 'same-origin', 'omit'),
  userInfo: record,
  ask: flag,
  pageContext: flag,
  menu: listOf(entry, MENU),
  profile,
  labels: record,
  preload: oneOf('idle', 'open'),
  defaultOpen: flag,
  widgetId: text,
  options: record,
  module: text,
  proxy: other((value) => (isHttp(value) ? null : `an address such as "${DEFAULT_PROXY}"`), false),
  ingest: (value) =>
    typeof value === 'boolean' || record(value) === null ? null : 'true, false or an object of its options',
};

const INGEST_CHECKS: { [name in keyof Required<IngestOptions>]: Check } = {
  command: (value) =>
    value === false || text(value) === null || (texts(value) === null && (value as string[]).length > 0)
      ? null
      : 'the program as a text, a list of it and its arguments, or false',
  config: text,
  database: text,
  url: (value) => (isHttp(value) ? null : 'an address such as "https://docs.example.com"'),
  versions: (value) =>
    value === 'last' || value === 'all' || texts(value) === null
      ? null
      : '"last", "all" or a list of versions',
  exclude: listOf(
    (value) => (typeof value === 'string' && value.startsWith('/') ? null : 'a path'),
    'a list of paths such as ["/blog"]',
  ),
};

/**
 * The options of a site's configuration, checked.
 *
 * @throws Error that names all that is wrong with them: each option, what was given, and what is allowed.
 */
export function checkOptions(given: unknown): Options {
  const problems: string[] = [];
  const options = checkAll(given ?? {}, CHECKS, '', problems) as Options;
  if (options.ingest !== undefined && typeof options.ingest === 'object') {
    const ingest = checkAll(options.ingest, INGEST_CHECKS, 'ingest.', problems);
    options.ingest = ingest as IngestOptions;
  }
  if (problems.length > 0) {
    throw new Error(
      `The options of @parlor/docusaurus are not right:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  }
  return { ...options, id: options.id ?? 'default' };
}

function checkAll(
  given: object,
  checks: Record<string, Check>,
  prefix: string,
  problems: string[],
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    // What a variable of the environment does not hold.
    if (value === undefined) continue;
    const check = checks[name];
    if (check === undefined) {
      problems.push(unknown(name, Object.keys(checks), prefix));
      continue;
    }
    const hidden = functionIn(value, `${prefix}${name}`);
    const wanted = check(value);
    if (hidden !== null) {
      problems.push(
        `"${hidden}" is a function, and what is said here goes to the browser as data: put it into a module of your site, and name that in the option "module"`,
      );
    } else if (wanted !== null) {
      problems.push(`"${prefix}${name}" is ${shown(value)}; it has to be ${wanted}`);
    } else {
      options[name] = value;
    }
  }
  return options;
}

/** Options of the widget that need functions: whoever looks for them here is shown the way. */
const OF_THE_MODULE: ReadonlySet<string> = new Set([
  'token',
  'headers',
  'userId',
  'onOpenChange',
  'onAuthRequired',
  'handle',
]);

function unknown(name: string, known: readonly string[], prefix: string): string {
  if (prefix === '' && OF_THE_MODULE.has(name)) {
    return `"${name}" belongs into a module of your site, whose path is the option "module"`;
  }
  const meant = nearest(name, known);
  const hint = meant === null ? `there are ${known.join(', ')}` : `did you mean "${prefix}${meant}"?`;
  return `there is no option "${prefix}${name}"; ${hint}`;
}

/** Where in a value there is a function; null where there is none. */
function functionIn(value: unknown, name: string): string | null {
  if (typeof value === 'function') return name;
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, part] of Object.entries(value)) {
    const found = functionIn(part, `${name}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

function isHttp(value: unknown): boolean {
  return typeof value === 'string' && /^https?:$/.test(URL.canParse(value) ? new URL(value).protocol : '');
}

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}

function choices(all: readonly string[]): string {
  return all.length === 1 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}
