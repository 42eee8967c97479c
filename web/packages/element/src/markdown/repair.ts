import type { Token, Tokens } from 'marked';
import { matchInlineMath } from './mathSyntax.js';

/**
 * What the growing end of a text should look like on screen.
 *
 * Only the display is repaired: block boundaries are always found on the real text. Markup that has been opened is
 * closed, markup that cannot be judged yet (half a link, half a table) is shown as its words or held back for the
 * moment, so that nothing flashes as raw syntax and no half address becomes a link.
 */
export function repairTail(
  raw: string,
  kind: 'block' | 'item' | 'head' | 'row',
  token: Token | null,
  afterItem: boolean,
): string {
  if (kind === 'head') return raw;
  const leaf = token ? lastLeaf(token) : null;
  if (leaf?.type === 'code') return repairCode(raw, leaf as Tokens.Code);
  if (leaf?.type === 'math') return raw;

  if (kind === 'row') {
    const start = lastCell(raw);
    return raw.slice(0, start) === '' && raw.trim() === '|'
      ? ''
      : raw.slice(0, start) + repairInline(raw.slice(start));
  }

  let cut = raw;
  let leafText = leaf && 'text' in leaf ? String(leaf.text) : '';
  const marker = /(?:^|\n)[ \t>]*(?:([-+*_=~`#|$]+|\\[[(]?)|\d{1,9}[.)]?)$/.exec(raw);
  if (marker && (marker[1] !== undefined || marker.index > 0 || raw.startsWith('\n') || afterItem)) {
    cut = raw.slice(0, marker.index);
    if (cut.trim() === '') return '';
    const lineBreak = leafText.lastIndexOf('\n');
    if (lineBreak < 0) return cut;
    leafText = leafText.slice(0, lineBreak);
  }

  if (kind === 'block' && token?.type === 'paragraph') {
    const table = repairTable(cut);
    if (table !== null) return table;
  }
  if (kind === 'item' && /^\[(?:[ xX](?:\][ \t]*)?)?$/.test(leafText)) {
    return cut.trimEnd().endsWith(leafText.trimEnd())
      ? cut.trimEnd().slice(0, -leafText.trimEnd().length)
      : cut;
  }

  const repaired = repairInline(leafText);
  if (repaired === leafText) return cut;
  return replaceEnd(cut, leafText, repaired);
}

/** The block a growing text is being added to. */
export function lastLeaf(token: Token): Token | null {
  let at: Token = token;
  for (;;) {
    let children: Token[] | undefined;
    if (at.type === 'list') children = (at as Tokens.List).items;
    else if (at.type === 'list_item' || at.type === 'blockquote') children = at.tokens;
    else return at;
    const next = children?.findLast((child) => child.type !== 'space' && child.type !== 'checkbox');
    if (!next) return at;
    at = next;
  }
}

const CLOSED_FENCE = /\n[ \t>]*(`{3,}|~{3,})[ \t]*\n*$/;

/** Whether a fenced code block has met its closing fence. */
export function isFenceClosed(raw: string): boolean {
  const open = /^[ \t]*(`{3,}|~{3,})/.exec(raw)?.[1];
  if (open === undefined) return true;
  const close = CLOSED_FENCE.exec(raw)?.[1];
  return close !== undefined && close[0] === open[0] && close.length >= open.length;
}

/** The part of an open fence's content that is safe to show: a last line that may become the closing fence waits. */
export function visibleCode(code: string): string {
  return code.replace(/(^|\n)[ \t]*(?:`+|~+)$/, '$1').replace(/\n+$/, '');
}

function repairCode(raw: string, code: Tokens.Code): string {
  if (code.codeBlockStyle === 'indented' || isFenceClosed(code.raw)) return raw;
  if (!code.raw.includes('\n')) {
    // The language is still being written.
    return raw.replace(/((?:`{3,}|~{3,}))[^\n]*$/, '$1');
  }
  return raw.replace(/\n[ \t>]*(?:`+|~+)$/, '\n');
}

function lastCell(row: string): number {
  for (let i = row.length - 1; i >= 0; i -= 1) {
    if (row[i] === '|' && row[i - 1] !== '\\') return i + 1;
  }
  return 0;
}

/** A table header whose delimiter row is missing or unfinished is shown as the table it will be. */
function repairTable(raw: string): string | null {
  const lines = raw.replace(/\n$/, '').split('\n');
  const last = lines.at(-1) ?? '';
  const before = lines.at(-2);
  if (before !== undefined && /^ {0,3}\|/.test(before)) {
    if (lines.length > 2 && /^ {0,3}\|/.test(lines.at(-3) ?? '')) return null;
    if (!/^ {0,3}\|?[ \t:|-]*$/.test(last)) return null;
    const columns = countCells(before);
    return columns === 0 ? null : [...lines.slice(0, -1), delimiterRow(columns)].join('\n');
  }
  if (!/^ {0,3}\|/.test(last)) return null;
  const columns = countCells(last);
  // One pipe says too little: it may be an absolute value.
  if ((last.match(/\|/g) ?? []).length < 2 || columns === 0) return lines.slice(0, -1).join('\n');
  const cell = lastCell(last);
  const header = last.slice(0, cell) + repairInline(last.slice(cell));
  return [...lines.slice(0, -1), header, delimiterRow(countCells(header))].join('\n');
}

function countCells(row: string): number {
  const cells = row.replace(/\\\|/g, '').split('|');
  if (cells[0]?.trim() === '') cells.shift();
  if (cells.at(-1)?.trim() === '') cells.pop();
  return cells.length;
}

function delimiterRow(columns: number): string {
  return `|${' --- |'.repeat(columns)}`;
}

/** Applies a change of a leaf's text to the raw source of the block it ends. */
function replaceEnd(raw: string, before: string, after: string): string {
  let common = 0;
  while (common < before.length && before[common] === after[common]) common += 1;
  const tail = before.slice(common).trimEnd();
  const body = raw.trimEnd();
  // Inside a container a changed region may span prefixed lines; then the text is left as it is.
  return body.endsWith(tail) ? body.slice(0, body.length - tail.length) + after.slice(common).trimEnd() : raw;
}

interface Opener {
  char: string;
  count: number;
  at: number;
}

const SPACE = /\s/;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const WORD = /[\p{L}\p{N}]/u;

/** Closes, hides or unwraps what is open at the end of inline text. */
export function repairInline(text: string): string {
  const openers: Opener[] = [];
  const brackets: { at: number; image: boolean; depth: number }[] = [];
  const removed: { from: number; to: number }[] = [];
  let closing = '';
  let end = text.length;
  let i = 0;

  scan: while (i < end) {
    const char = text[i] ?? '';
    switch (char) {
      case '\\': {
        const next = text[i + 1];
        if (next === undefined) {
          end = i;
          break scan;
        }
        if (next === '(' || next === '[') {
          const math = matchInlineMath(text.slice(i), text[i - 1] ?? '');
          if (math) {
            i += math.raw.length;
            continue;
          }
          if (next === '(' && text.indexOf('\\)', i) < 0) {
            end = i;
            break scan;
          }
          if (
            next === '[' &&
            text.indexOf('\\]', i) < 0 &&
            /^\\\[\s*(?:$|\\|.*[\\^_{}=])/.test(text.slice(i))
          ) {
            end = i;
            break scan;
          }
        }
        i += 2;
        continue;
      }
      case '`': {
        const run = runLength(text, i);
        const close = closingTicks(text, i + run, run);
        if (close < 0) {
          if (text.slice(i + run).trim() === '') end = i;
          else if (text.endsWith('`')) {
            // Part of the closing run is here already.
            const partial = trailingRun(text, '`');
            end = text.length - partial;
            closing = '`'.repeat(run);
          } else closing = '`'.repeat(run);
          break scan;
        }
        i = close;
        continue;
      }
      case '$': {
        const math = matchInlineMath(text.slice(i), text[i - 1] ?? '');
        if (math) {
          i += math.raw.length;
          continue;
        }
        const rest = text.slice(i);
        const certain = rest.startsWith('$$') && !rest.includes('$$', 2);
        const likely = /^\$[^\s\d$`][^$`\n]*$/.test(rest) && /[\\^_{}=]/.test(rest);
        if (certain || likely) {
          end = i;
          break scan;
        }
        i += 1;
        continue;
      }
      case '<': {
        const rest = text.slice(i);
        const whole = /^<[a-z][a-z\d+.-]*:[^\s<>]*>/i.exec(rest);
        if (whole) {
          i += whole[0].length;
          continue;
        }
        if (/^<[a-z][a-z\d+.-]*:[^\s<>]*$/i.test(rest)) removed.push({ from: i, to: i + 1 });
        i += 1;
        continue;
      }
      case '[':
        brackets.push({ at: i, image: text[i - 1] === '!', depth: openers.length });
        i += 1;
        continue;
      case ']': {
        const open = brackets.pop();
        i += 1;
        if (!open) continue;
        const next = text[i];
        let stop = i;
        if (next === '(') stop = destinationEnd(text, i);
        else if (next === '[') stop = text.indexOf(']', i) + 1 || -1;
        else if (next === undefined) stop = -1;
        if (stop < 0) {
          if (open.image) end = open.at - 1;
          else {
            removed.push({ from: open.at, to: open.at + 1 });
            end = i - 1;
          }
          brackets.length = 0;
          break scan;
        }
        if (stop > i) openers.length = Math.min(openers.length, open.depth);
        i = stop;
        continue;
      }
      case '*':
      case '_':
      case '~': {
        const run = runLength(text, i);
        const next = text[i + run] ?? '';
        const previous = text[i - 1] ?? '';
        if (next === '') {
          const top = openers.at(-1);
          if (top && top.char === char && top.count === run) openers.pop();
          else if (closes(openers, char, run)) openers.splice(firstOf(openers, char, run));
          else end = i;
          break scan;
        }
        delimiter(openers, char, run, previous, next, i);
        i += run;
        continue;
      }
      default:
        i += 1;
    }
  }

  const pending = brackets[0];
  if (pending) {
    const label = text.slice(pending.at + 1, end);
    if (pending.image) end = Math.min(end, pending.at - 1);
    else if (!label.includes('\n')) removed.push({ from: pending.at, to: pending.at + 1 });
  }

  let out = '';
  let from = 0;
  const opened = openers.filter((opener) => opener.at < end);
  let bodyEnd = end;
  // An opener with nothing after it is dropped: closing it would make literal delimiters.
  while (opened.length > 0) {
    const top = opened.at(-1);
    if (!top || text.slice(top.at + top.count, bodyEnd).replace(/[[\s]/g, '') !== '') break;
    removed.push({ from: top.at, to: top.at + top.count });
    opened.pop();
  }
  for (const { from: start, to } of removed.sort((a, b) => a.from - b.from)) {
    if (start >= bodyEnd) continue;
    out += text.slice(from, Math.max(from, start));
    from = Math.max(from, to);
  }
  out += text.slice(from, bodyEnd);
  if (opened.length === 0 && closing === '') return out === text ? text : out;
  const trimmed = closing === '' ? out.trimEnd() : out;
  const suffix = opened
    .reverse()
    .map((opener) => opener.char.repeat(opener.count))
    .join('');
  return trimmed + closing + suffix;
}

function delimiter(
  openers: Opener[],
  char: string,
  run: number,
  previous: string,
  next: string,
  at: number,
): void {
  if (char === '~' && run > 2) return;
  const left =
    !SPACE.test(next) &&
    (!PUNCTUATION.test(next) || previous === '' || SPACE.test(previous) || PUNCTUATION.test(previous));
  const right =
    previous !== '' &&
    !SPACE.test(previous) &&
    (!PUNCTUATION.test(previous) || SPACE.test(next) || PUNCTUATION.test(next));
  const canOpen = left && (char !== '_' || !WORD.test(previous));
  const canClose = right && (char !== '_' || !WORD.test(next));
  let rest = run;
  for (;;) {
    const index = openers.findLastIndex((opener) => opener.char === char);
    const opener = openers[index];
    if (!canClose || rest === 0 || !opener) break;
    const take = Math.min(rest, opener.count);
    opener.count -= take;
    rest -= take;
    openers.length = opener.count === 0 ? index : index + 1;
  }
  if (rest > 0 && canOpen) openers.push({ char, count: rest, at });
}

/** Whether a run at the very end closes a row of openers exactly, as `***` closes `**` and `*`. */
function closes(openers: readonly Opener[], char: string, run: number): boolean {
  return firstOf(openers, char, run) >= 0;
}

function firstOf(openers: readonly Opener[], char: string, run: number): number {
  let sum = 0;
  for (let i = openers.length - 1; i >= 0; i -= 1) {
    const opener = openers[i];
    if (!opener || opener.char !== char) return -1;
    sum += opener.count;
    if (sum === run) return i;
    if (sum > run) return -1;
  }
  return -1;
}

function runLength(text: string, at: number): number {
  let i = at;
  while (text[i] === text[at]) i += 1;
  return i - at;
}

function trailingRun(text: string, char: string): number {
  let i = text.length;
  while (i > 0 && text[i - 1] === char) i -= 1;
  return text.length - i;
}

/** The index after the run of exactly `count` backticks that closes a code span, or -1. */
function closingTicks(text: string, from: number, count: number): number {
  let i = text.indexOf('`', from);
  while (i >= 0) {
    const run = runLength(text, i);
    if (run === count) return i + run;
    i = text.indexOf('`', i + run);
  }
  return -1;
}

/** The index after the parenthesis that closes a link destination starting at `open`, or -1. */
function destinationEnd(text: string, open: number): number {
  let depth = 0;
  let quote = '';
  for (let i = open; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (char === '\\') i += 1;
    else if (quote !== '') {
      if (char === quote) quote = '';
    } else if ((char === '"' || char === "'") && SPACE.test(text[i - 1] ?? '')) quote = char;
    else if (char === '(') depth += 1;
    else if (char === ')') {
      depth -= 1;
      if (depth === 0) return i + 1;
    } else if (char === '\n' && text[i + 1] === '\n') return open;
  }
  return -1;
}
