/** A widget component as it came off the wire: its `type`, and whatever else was sent. */
export type WidgetNode = Readonly<Record<string, unknown>> & { readonly type: string };

/** Longest text that is drawn; a server that sends more is at fault, and the page has to stay usable. */
const MAX_TEXT = 100_000;

/** More children than anyone reads through. */
const MAX_CHILDREN = 1000;

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value as a component, or null when it is none. */
export function asNode(value: unknown): WidgetNode | null {
  return isRecord(value) && typeof value.type === 'string' ? (value as WidgetNode) : null;
}

/** The components below a node, whether `children` is a list, a single one or missing. */
export function childrenOf(node: WidgetNode): WidgetNode[] {
  const { children } = node;
  return (Array.isArray(children) ? children.slice(0, MAX_CHILDREN) : [children])
    .map(asNode)
    .filter((child) => child !== null);
}

/** A property that is to be read. Numbers count: templates produce them where text is meant. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** A text, or undefined for an absent or empty one. */
export function optionalText(value: unknown): string | undefined {
  const read = text(value);
  return read === '' ? undefined : read;
}

/** A whole number within bounds, or undefined. */
export function count(value: unknown, least: number, most: number): number | undefined {
  return typeof value === 'number' && Number.isFinite(value)
    ? Math.min(most, Math.max(least, Math.round(value)))
    : undefined;
}

/** The value where it is one of the tokens, else the fallback. */
export function token<T extends string, F extends T | undefined>(
  value: unknown,
  tokens: readonly T[],
  fallback: F,
): T | F {
  return tokens.find((candidate) => candidate === value) ?? fallback;
}

/** All texts of a component in reading order, to name it by. */
export function textsOf(node: WidgetNode, depth = 0): string[] {
  const own = [node.title, node.value, node.label].map(text).filter((value) => value.trim() !== '');
  return depth > 20 ? own : [...own, ...childrenOf(node).flatMap((child) => textsOf(child, depth + 1))];
}

/** The identity of a child among its siblings: its id or key, else its place. Each is unique. */
export function keysOf(nodes: readonly WidgetNode[]): string[] {
  const seen = new Map<string, number>();
  return nodes.map((node, at) => {
    const own = optionalText(node.id) ?? optionalText(node.key);
    const name = `${node.type}:${own === undefined ? `#${at}` : own}`;
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return before === 0 ? name : `${name}~${before}`;
  });
}

/** More components than any form has. */
const MAX_LABEL_SEARCH = 4000;

/** The names of the fields that labels below a node are for; those of inner forms included, which does no harm. */
export function labelsIn(root: WidgetNode): ReadonlySet<string> {
  const names = new Set<string>();
  const stack: unknown[] = [root];
  let left = MAX_LABEL_SEARCH;
  while (stack.length > 0 && left-- > 0) {
    const node = asNode(stack.pop());
    if (node === null) continue;
    if (node.type === 'Label' && typeof node.fieldName === 'string') names.add(node.fieldName);
    if (Array.isArray(node.children)) for (const child of node.children) stack.push(child);
    else stack.push(node.children);
  }
  return names;
}

const LETTER = /\p{L}/u;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
/** Words that are looked at, and the share of right-to-left ones that turns a layout round. */
const ENOUGH_WORDS = 60;
const SHARE = 0.4;

/**
 * The direction that texts as a whole run in, or null where they have none.
 * A widget is laid out in one direction: with each text deciding for itself,
 * labels would leave the fields they belong to.
 */
export function directionOf(texts: readonly string[]): 'ltr' | 'rtl' | null {
  let all = 0;
  let rtl = 0;
  for (const words of texts) {
    for (const [word] of words.slice(0, 2000).matchAll(/\S+/g)) {
      const letter = LETTER.exec(word)?.[0];
      if (letter === undefined) continue;
      all += 1;
      if (RIGHT_TO_LEFT.test(letter)) rtl += 1;
      if (all === ENOUGH_WORDS) break;
    }
    if (all === ENOUGH_WORDS) break;
  }
  return all === 0 ? null : rtl / all >= SHARE ? 'rtl' : 'ltr';
}
