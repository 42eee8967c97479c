import { sanitize } from './sanitize.js';

type Temml = (typeof import('temml'))['default'];

const CACHE_SIZE = 200;
/** Longer sources are not worth the wait. */
const MAX_LENGTH = 4000;

let temml: Temml | undefined;
let loading: Promise<boolean> | undefined;
const cache = new Map<string, Element | null>();

/** Loads the formula renderer once. Resolves to false when it could not be fetched; formulas then show as source. */
export function loadMath(): Promise<boolean> {
  loading ??= import('temml').then(
    (module) => {
      temml = module.default;
      return true;
    },
    () => {
      loading = undefined;
      return false;
    },
  );
  return loading;
}

/** Whether `renderMath` can answer now. */
export function isMathReady(): boolean {
  return temml !== undefined;
}

/** The formula as MathML for `doc`, or null when the source cannot be rendered. */
export function renderMath(tex: string, display: boolean, doc: Document): Node | null {
  const key = `${display ? 'd' : 'i'}${tex}`;
  let math = cache.get(key);
  if (math === undefined) {
    math = build(tex, display);
    cache.set(key, math);
    if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value as string);
  }
  const child = math?.firstElementChild;
  return child ? doc.importNode(child, true) : null;
}

function build(tex: string, display: boolean): Element | null {
  if (!temml || tex.length > MAX_LENGTH) return null;
  const root = document.createElement('span');
  try {
    temml.render(tex, root, {
      displayMode: display,
      throwOnError: true,
      trust: false,
      maxExpand: 200,
      maxSize: [30, 30],
    });
  } catch {
    return null;
  }
  sanitize(root);
  return root.firstElementChild?.localName === 'math' ? root : null;
}
