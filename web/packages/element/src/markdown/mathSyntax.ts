import type { MarkedOptions, Token, Tokens } from 'marked';

/** A formula in the token tree. */
export interface MathToken extends Tokens.Generic {
  type: 'math';
  /** The TeX source without its delimiters. */
  text: string;
  display: boolean;
  /** False while the closing delimiter of a block formula has not arrived. */
  closed: boolean;
}

/** Operators that make a `$…$` beginning with a number a formula and not a price. */
const OPERATOR = /[\\^_{}=+*/<>|]/;

/** What tells a formula in `\[…\]` from words in escaped brackets. */
const FORMULA = /[\\^_{}=+*/<>|\d]/;

/**
 * Matches an inline formula at the start of `src`: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`.
 *
 * Single dollars follow Pandoc's rule (no space inside the delimiters, no digit after the closing one), and a
 * number with words after it is a price: "$5 and $10" and "US$5" are text.
 */
export function matchInlineMath(src: string, previousChar: string): MathToken | undefined {
  if (src.startsWith('\\(')) return delimited(src, '\\)', false);
  if (src.startsWith('\\[')) {
    const token = delimited(src, '\\]', true);
    // `\[` is also Markdown's escaped bracket, so plain words between them stay words.
    return token && FORMULA.test(token.text) ? token : undefined;
  }
  if (src.startsWith('$$')) return delimited(src, '$$', true);
  if (src[0] !== '$' || /[\p{L}\p{N}$]/u.test(previousChar)) return undefined;
  const match = /^\$((?:\\[\s\S]|[^$\\`])+)\$(?!\d)/.exec(src);
  const tex = match?.[1];
  if (!match || tex === undefined || /^\s|\s$|\n[ \t]*\n/.test(tex)) return undefined;
  if (/^[\d.,]+\s*[^\d.,\s]/.test(tex) && !OPERATOR.test(tex) && /\s/.test(tex)) return undefined;
  return { type: 'math', raw: match[0], text: tex, display: false, closed: true };
}

function delimited(src: string, close: string, display: boolean): MathToken | undefined {
  const end = src.indexOf(close, 2);
  if (end < 0) return undefined;
  const tex = src.slice(2, end);
  if (tex.trim() === '' || /\n[ \t]*\n/.test(tex)) return undefined;
  return { type: 'math', raw: src.slice(0, end + close.length), text: tex.trim(), display, closed: true };
}

const BLOCK_START = /^ {0,3}(?:\$\$|\\\[)/;

/**
 * Matches a block formula. One that opens on a line of its own runs to its closing delimiter or, unclosed, to the
 * next blank line: lines such as `- b` or `= c` in it are then never taken for lists or headings.
 */
function matchBlockMath(src: string): MathToken | undefined {
  const start = BLOCK_START.exec(src);
  if (!start) return undefined;
  const open = start[0].trimStart();
  const close = open === '$$' ? '$$' : '\\]';
  const from = start[0].length;
  const blank = /\n[ \t]*(?=\n)/.exec(src.slice(from));
  const limit = blank ? from + blank.index : src.length;
  const end = src.indexOf(close, from);
  if (end >= 0 && end < limit) {
    const rest = /^[ \t]*(?:\n|$)/.exec(src.slice(end + close.length, end + close.length + 200));
    const tex = src.slice(from, end).trim();
    if (!rest || tex === '' || (open === '\\[' && !FORMULA.test(tex))) return undefined;
    return {
      type: 'math',
      raw: src.slice(0, end + close.length + rest[0].length).replace(/\n$/, ''),
      text: tex,
      display: true,
      closed: true,
    };
  }
  if (!/^[ \t]*\n/.test(src.slice(from, from + 200))) return undefined;
  const raw = src.slice(0, limit);
  return {
    type: 'math',
    raw: raw.replace(/\n+$/, ''),
    text: src.slice(from, limit).trim(),
    display: true,
    closed: false,
  };
}

/** marked's extension table: how formulas enter the token tree. */
export const mathExtensions: NonNullable<MarkedOptions['extensions']> = {
  renderers: {},
  childTokens: {},
  block: [(src: string) => matchBlockMath(src)],
  startBlock: [
    (src: string): number | undefined => {
      // Only the paragraph at hand can be interrupted; looking further would make lexing quadratic.
      const blank = /\n[ \t]*\n/.exec(src);
      const paragraph = blank ? src.slice(0, blank.index) : src;
      const match = /\n {0,3}(?:\$\$|\\\[)/.exec(paragraph);
      return match ? match.index + 1 : undefined;
    },
  ],
  inline: [
    (src: string, tokens: Token[]): MathToken | undefined => {
      const first = src.charCodeAt(0);
      if (first !== 36 && first !== 92) return undefined;
      return matchInlineMath(src, tokens.at(-1)?.raw.slice(-1) ?? '');
    },
  ],
  startInline: [
    (src: string): number | undefined => {
      const index = src.indexOf('$');
      return index < 0 ? undefined : index;
    },
  ],
};
