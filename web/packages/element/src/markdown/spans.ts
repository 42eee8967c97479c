/**
 * A piece of source text that remembers where each of its characters came from, so that a citation's position in
 * the source can be found again after list indentation, quote markers or table pipes were stripped.
 */
export class Span {
  private constructor(
    readonly text: string,
    private readonly base: number,
    private readonly map: readonly number[] | null,
  ) {}

  /** `text` stands in the source at `base`, unchanged. */
  static at(text: string, base: number): Span {
    return new Span(text, base, null);
  }

  /** `text` with the source position of each character, and one more for its end. */
  static mapped(text: string, map: readonly number[]): Span {
    return new Span(text, 0, map);
  }

  /** The source position of character `index` (the end's for anything beyond). */
  position(index: number): number {
    const clamped = Math.max(0, Math.min(index, this.text.length));
    return this.map ? (this.map[clamped] ?? 0) : this.base + clamped;
  }

  get end(): number {
    return this.position(this.text.length);
  }

  sub(start: number, length: number): Span {
    const text = this.text.slice(start, start + length);
    if (!this.map) return new Span(text, this.base + start, null);
    return new Span(text, 0, this.map.slice(start, start + text.length + 1));
  }

  /** Where `raw` is found from `from` on; `from` itself when it is not (a rewritten piece). */
  find(raw: string, from: number): number {
    if (this.text.startsWith(raw, from)) return from;
    const index = this.text.indexOf(raw, from);
    return index < 0 ? Math.min(from, this.text.length) : index;
  }

  /**
   * The span of a container's content, whose lines are this span's lines without their prefixes: each line of
   * `inner` is matched to the end of the next line that ends with it.
   */
  lines(inner: string): Span {
    const outerLines: { text: string; start: number }[] = [];
    let offset = 0;
    for (const line of this.text.split('\n')) {
      outerLines.push({ text: line, start: offset });
      offset += line.length + 1;
    }
    const map: number[] = [];
    let row = 0;
    let last = this.position(0);
    const innerLines = inner.split('\n');
    innerLines.forEach((line, number) => {
      const wanted = line.trim();
      const at = outerLines.findIndex(({ text }, index) => index >= row && text.trimEnd().endsWith(wanted));
      const outer = outerLines[at];
      if (outer) {
        row = at + 1;
        const lead = line.length - line.trimStart().length;
        const start = outer.start + outer.text.trimEnd().length - wanted.length;
        for (let i = 0; i < line.length; i += 1) {
          map.push(this.position(Math.max(outer.start, Math.min(start - lead + i, offset))));
        }
        last = this.position(start + wanted.length);
      } else {
        for (let i = 0; i < line.length; i += 1) map.push(last);
      }
      if (number < innerLines.length - 1) map.push(last);
    });
    map.push(last);
    return new Span(inner, 0, map);
  }
}

/** The cells of a table row as marked splits them, each with the position of its characters. */
export function cellSpans(row: Span): Span[] {
  const cells: { start: number; end: number }[] = [];
  let start = 0;
  const { text } = row;
  for (let i = 0; i <= text.length; i += 1) {
    if (i < text.length && text[i] === '\\') {
      i += 1;
      continue;
    }
    if (i >= text.length || text[i] === '|') {
      cells.push({ start, end: Math.min(i, text.length) });
      start = i + 1;
    }
  }
  const blank = (cell?: { start: number; end: number }) =>
    cell && text.slice(cell.start, cell.end).trim() === '';
  if (blank(cells[0])) cells.shift();
  if (blank(cells.at(-1))) cells.pop();
  return cells.map(({ start: from, end: to }) => {
    const raw = text.slice(from, to);
    const lead = raw.length - raw.trimStart().length;
    const trimmed = raw.trim();
    const map: number[] = [];
    let out = '';
    for (let i = 0; i < trimmed.length; i += 1) {
      if (trimmed[i] === '\\' && trimmed[i + 1] === '|') continue;
      out += trimmed[i];
      map.push(row.position(from + lead + i));
    }
    map.push(row.position(from + lead + trimmed.length));
    return Span.mapped(out, map);
  });
}
