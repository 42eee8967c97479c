const REFERENCE = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z][a-zA-Z\d]{1,31}));/g;

const named = new Map<string, string | null>([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', '\u00a0'],
]);

/** Replaces character references by the characters they stand for. The result is text, never markup. */
export function decodeEntities(text: string, doc: Document): string {
  if (!text.includes('&')) return text;
  return text.replace(REFERENCE, (whole: string, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return lookup(name, doc) ?? whole;
    const code = Number.parseInt(decimal ?? hex ?? '', decimal === undefined ? 16 : 10);
    if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
    return String.fromCodePoint(code);
  });
}

/** The end of the character reference that `index` falls into, or `index` itself. */
export function afterReference(text: string, index: number): number {
  const start = text.lastIndexOf('&', index - 1);
  if (start < 0 || index - start > 34) return index;
  REFERENCE.lastIndex = start;
  const match = REFERENCE.exec(text);
  REFERENCE.lastIndex = 0;
  return match && match.index === start && start + match[0].length > index ? start + match[0].length : index;
}

/**
 * Named references are looked up in the browser's own table (two thousand names are not worth their weight here):
 * a textarea's content is text to the parser, and the name is letters and digits only.
 */
function lookup(name: string, doc: Document): string | null {
  const known = named.get(name);
  if (known !== undefined) return known;
  let value: string | null = null;
  try {
    const area = doc.createElement('textarea');
    area.innerHTML = `&${name};`;
    value = area.value === `&${name};` ? null : area.value;
  } catch {
    // A page that enforces trusted types forbids the assignment; the reference stays as written.
  }
  named.set(name, value);
  return value;
}
