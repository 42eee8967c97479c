import type { HLJSApi, LanguageFn } from 'highlight.js';
import { sanitize } from './sanitize.js';

/** One lazy chunk for each language. */
const loaders: Record<string, () => Promise<{ default: LanguageFn }>> = {
  bash: () => import('highlight.js/lib/languages/bash'),
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  csharp: () => import('highlight.js/lib/languages/csharp'),
  css: () => import('highlight.js/lib/languages/css'),
  diff: () => import('highlight.js/lib/languages/diff'),
  dockerfile: () => import('highlight.js/lib/languages/dockerfile'),
  go: () => import('highlight.js/lib/languages/go'),
  ini: () => import('highlight.js/lib/languages/ini'),
  java: () => import('highlight.js/lib/languages/java'),
  javascript: () => import('highlight.js/lib/languages/javascript'),
  json: () => import('highlight.js/lib/languages/json'),
  makefile: () => import('highlight.js/lib/languages/makefile'),
  markdown: () => import('highlight.js/lib/languages/markdown'),
  nginx: () => import('highlight.js/lib/languages/nginx'),
  powershell: () => import('highlight.js/lib/languages/powershell'),
  python: () => import('highlight.js/lib/languages/python'),
  rust: () => import('highlight.js/lib/languages/rust'),
  // A session: prompts, commands and what they print. highlight.js calls it shell; most who write shell mean bash.
  session: () => import('highlight.js/lib/languages/shell'),
  sql: () => import('highlight.js/lib/languages/sql'),
  typescript: () => import('highlight.js/lib/languages/typescript'),
  xml: () => import('highlight.js/lib/languages/xml'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
};

/** Grammars used inside others. */
const needs: Record<string, readonly string[]> = { dockerfile: ['bash'], session: ['bash'] };

const aliases: Record<string, string> = {
  'c#': 'csharp',
  'c++': 'cpp',
  cc: 'cpp',
  cfg: 'ini',
  conf: 'ini',
  console: 'session',
  cs: 'csharp',
  docker: 'dockerfile',
  dotenv: 'bash',
  env: 'bash',
  golang: 'go',
  h: 'c',
  hpp: 'cpp',
  html: 'xml',
  js: 'javascript',
  json5: 'json',
  jsonc: 'json',
  jsx: 'javascript',
  make: 'makefile',
  md: 'markdown',
  mdx: 'markdown',
  mjs: 'javascript',
  patch: 'diff',
  ps1: 'powershell',
  pwsh: 'powershell',
  py: 'python',
  python3: 'python',
  rs: 'rust',
  sh: 'bash',
  shell: 'bash',
  'shell-session': 'session',
  shellsession: 'session',
  svg: 'xml',
  toml: 'ini',
  ts: 'typescript',
  tsx: 'typescript',
  vue: 'xml',
  yml: 'yaml',
  zsh: 'bash',
};

/** Longer code stays plain: colouring it would block the page for longer than a frame or two. */
const MAX_LENGTH = 20_000;
const CACHE_SIZE = 60;

let core: HLJSApi | undefined;
const ready = new Set<string>();
const loading = new Map<string, Promise<boolean>>();
const cache = new Map<string, Element>();

/** The grammar for a fence's language, or undefined when there is none. */
export function languageOf(info: string): string | undefined {
  const name = info.toLowerCase();
  if (Object.hasOwn(loaders, name)) return name;
  return Object.hasOwn(aliases, name) ? aliases[name] : undefined;
}

/** Loads a grammar once. Resolves to false when it could not be fetched; the code then stays plain. */
export function loadLanguage(language: string): Promise<boolean> {
  const running = loading.get(language);
  if (running) return running;
  const load = (async () => {
    try {
      const [hljs, grammar, ...inner] = await Promise.all([
        import('highlight.js/lib/core'),
        loaders[language]?.(),
        ...(needs[language] ?? []).map(loadLanguage),
      ]);
      if (!grammar || inner.includes(false)) {
        loading.delete(language);
        return false;
      }
      core = hljs.default;
      core.registerLanguage(language, grammar.default);
      ready.add(language);
      return true;
    } catch {
      loading.delete(language);
      return false;
    }
  })();
  loading.set(language, load);
  return load;
}

/** Whether `highlight` can answer now. */
export function isLanguageReady(language: string): boolean {
  return ready.has(language);
}

/** Fills `target` with coloured code. False: too long, or the grammar gave up, and nothing was changed. */
export function highlight(target: Element, code: string, language: string): boolean {
  if (!core || code.length > MAX_LENGTH) return false;
  const key = `${language}\n${code}`;
  let coloured = cache.get(key);
  if (!coloured) {
    try {
      const doc = document.implementation.createHTMLDocument('');
      coloured = doc.createElement('code');
      if (!spansToDom(core.highlight(code, { language, ignoreIllegals: true }).value, coloured)) return false;
    } catch {
      return false;
    }
    sanitize(coloured);
    cache.set(key, coloured);
    if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value as string);
  }
  target.replaceChildren(
    ...[...coloured.childNodes].map((node) => target.ownerDocument.importNode(node, true)),
  );
  return true;
}

const CHARACTERS: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#x27': "'" };

/**
 * highlight.js answers with text, spans of classes and five character references. Reading just those keeps HTML
 * parsing out (and works where trusted types are enforced); anything else means refusing the result.
 */
function spansToDom(html: string, root: Element): boolean {
  const piece = /<span class="([\w\- ]*)">|(<\/span>)|&(amp|lt|gt|quot|#x27);|([^<&]+)/y;
  let at: Element = root;
  let text = '';
  const flush = () => {
    if (text !== '') at.append(text);
    text = '';
  };
  while (piece.lastIndex < html.length) {
    const match = piece.exec(html);
    if (!match) return false;
    if (match[1] !== undefined) {
      flush();
      const span = root.ownerDocument.createElement('span');
      span.className = match[1];
      at.append(span);
      at = span;
    } else if (match[2] !== undefined) {
      flush();
      if (at === root || !at.parentElement) return false;
      at = at.parentElement;
    } else text += match[3] === undefined ? (match[4] ?? '') : (CHARACTERS[match[3]] ?? '');
  }
  flush();
  return at === root;
}
