import { type UserMessageTag, UploadQueue } from '@parlor/client';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Composer, triggerAt } from '../../src/composer.js';
import { acceptAttribute, formatBytes, isAccepted, kindOf, maxBytes } from '../../src/files.js';
import { directionOfLocale, loadCatalogue, resolveLocale } from '../../src/locale.js';
import { english } from '../../src/strings.js';
import { englishWidgets } from '../../src/widgets/strings.js';

const tag = (text: string): UserMessageTag => ({ type: 'input_tag', id: text, text, data: {} });
const create = () =>
  new Composer(new UploadQueue({ upload: () => Promise.reject(new Error('no')), discard: () => undefined }));
const content = (composer: Composer) => composer.take(undefined).content;

function withTag(before: string, after: string): Composer {
  const composer = create();
  composer.setContent([
    { type: 'input_text', text: before },
    tag('Ada'),
    { type: 'input_text', text: after },
  ]);
  return composer;
}

/** Types as a user does: `insert` in place of what is from `start` to `end`. */
function type(composer: Composer, start: number, end: number, insert: string, composing = false) {
  const next = composer.text.slice(0, start) + insert + composer.text.slice(end);
  return composer.edit(next, start + insert.length, composing);
}

describe('tags in the text', () => {
  it('are sent in their place, without the white space around the message', () => {
    expect(content(withTag('  Ask ', ' now \n'))).toEqual([
      { type: 'input_text', text: 'Ask ' },
      tag('Ada'),
      { type: 'input_text', text: ' now' },
    ]);
  });

  it('move with the text around them', () => {
    const composer = withTag('Ask ', ' now');
    type(composer, 0, 0, 'Please: ');
    type(composer, composer.text.length, composer.text.length, '!');
    expect(content(composer)).toEqual([
      { type: 'input_text', text: 'Please: Ask ' },
      tag('Ada'),
      { type: 'input_text', text: ' now!' },
    ]);
  });

  it('go as a whole when a piece of them is deleted, wherever the deletion began', () => {
    // `Ask @Ada now`: the tag is from 4 to 8.
    for (const [start, end, left] of [
      [7, 8, 'Ask  now'],
      [4, 5, 'Ask  now'],
      [5, 7, 'Ask  now'],
      [2, 6, 'As now'],
      [6, 10, 'Ask ow'],
    ] as const) {
      const composer = withTag('Ask ', ' now');
      const { text } = type(composer, start, end, '');
      expect(text).toBe(left);
      expect(composer.tags).toEqual([]);
    }
  });

  it('become words when something is written into them, or an input method is at work', () => {
    const composer = withTag('Ask ', ' now');
    type(composer, 6, 6, 'X');
    expect(content(composer)).toEqual([{ type: 'input_text', text: 'Ask @AXda now' }]);
    const composed = withTag('Ask ', ' now');
    expect(type(composed, 7, 8, '', true).text).toBe('Ask @Ad now');
    expect(composed.tags).toEqual([]);
  });

  it('stand for exactly their words after any edits', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            at: fc.nat(60),
            length: fc.nat(8),
            insert: fc.constantFrom('', 'a', '@Ada', ' b ', 'ab\n'),
          }),
          { maxLength: 25 },
        ),
        (edits) => {
          const composer = create();
          composer.setContent([
            { type: 'input_text', text: 'aa ' },
            tag('Ada'),
            { type: 'input_text', text: ' ab @Ada ' },
            tag('Ada'),
            tag('Bob'),
          ]);
          for (const { at, length, insert } of edits) {
            const start = Math.min(at, composer.text.length);
            const { text, caret } = type(
              composer,
              start,
              Math.min(start + length, composer.text.length),
              insert,
            );
            expect(text).toBe(composer.text);
            expect(caret).toBeGreaterThanOrEqual(0);
            expect(caret).toBeLessThanOrEqual(text.length);
            let from = 0;
            for (const placed of composer.tags) {
              expect(placed.start).toBeGreaterThanOrEqual(from);
              expect(composer.text.slice(placed.start, placed.end)).toBe(`@${placed.tag.text}`);
              from = placed.end;
            }
          }
        },
      ),
    );
  });

  it('take the place of what was typed, with room behind them', () => {
    const composer = create();
    composer.edit('Ask @ad', 7);
    expect(composer.replace(4, 7, tag('Ada'))).toEqual({ text: 'Ask @Ada ', caret: 9 });
    expect(content(composer)).toEqual([{ type: 'input_text', text: 'Ask ' }, tag('Ada')]);
  });
});

describe('dictated words', () => {
  it('are set apart from the words around them', () => {
    const composer = create();
    composer.edit('I wantOslo', 10);
    expect(composer.insert('three nights in', 6, 6)).toEqual({
      text: 'I want three nights in Oslo',
      caret: 23,
    });
    const empty = create();
    expect(empty.insert('Hello', 0, 0).text).toBe('Hello');
  });
});

describe('what asks for suggestions', () => {
  const both = { tag: true, command: true };
  const at = (text: string, kinds = both) => triggerAt(text, text.length, [], kinds);

  it('is an @ or a / at the beginning of a word', () => {
    expect(at('@')).toEqual({ kind: 'tag', from: 0, query: '' });
    expect(at('Ask @ada lo')).toEqual({ kind: 'tag', from: 4, query: 'ada lo' });
    expect(at('(@ada')).toMatchObject({ kind: 'tag', query: 'ada' });
    expect(at('hello\n/su')).toEqual({ kind: 'command', from: 6, query: 'su' });
    expect(at('Ask @ada /su')).toMatchObject({ kind: 'command', query: 'su' });
  });

  it('is not in addresses, fractions and long texts', () => {
    for (const text of [
      'ada@example.com',
      'https://a/b',
      '1/2',
      'a @ b',
      '@one two three four',
      `@${'x'.repeat(60)}`,
    ]) {
      expect(at(text), text).toBeNull();
    }
    expect(at('@ada', { tag: false, command: true })).toBeNull();
    expect(at('/sum', { tag: true, command: false })).toBeNull();
  });

  it('is not in a tag that is there already', () => {
    const composer = withTag('Ask ', '');
    expect(triggerAt(composer.text, 8, composer.tags, both)).toBeNull();
    expect(triggerAt(`${composer.text} /x`, 11, composer.tags, both)).toMatchObject({ kind: 'command' });
  });
});

describe('files', () => {
  const pdf = { name: 'a.PDF', type: 'application/pdf' };

  it('are accepted by type, by kind or by the end of their name', () => {
    const accepts = (accept: Record<string, string[]> | undefined, file = pdf) =>
      isAccepted({ enabled: true, ...(accept === undefined ? {} : { accept }) }, file);
    expect(accepts(undefined)).toBe(true);
    expect(accepts({ 'application/pdf': [] })).toBe(true);
    expect(accepts({ 'application/*': [] })).toBe(true);
    expect(accepts({ '*/*': [] })).toBe(true);
    expect(accepts({ 'x/y': ['.pdf'] })).toBe(true);
    expect(accepts({ 'image/*': ['.png'] })).toBe(false);
    expect(accepts({ 'image/*': [] }, { name: 'a', type: 'imagex/png' })).toBe(false);
    expect(acceptAttribute({ enabled: true, accept: { '*': [], 'text/plain': ['.txt', '.log'] } })).toBe(
      '*/*,text/plain,.txt,.log',
    );
  });

  it('have the limit of their own type before that of their kind and that of all', () => {
    const limit = (maxSize: number | Record<string, number> | undefined, type = 'image/png') =>
      maxBytes({ enabled: true, ...(maxSize === undefined ? {} : { maxSize }) }, { name: 'a', type });
    expect(limit(undefined)).toBe(100 * 1024 * 1024);
    expect(limit(5)).toBe(5);
    const record = { '*': 1, 'image/*': 2, 'image/png': 3 };
    expect(limit(record)).toBe(3);
    expect(limit(record, 'image/gif')).toBe(2);
    expect(limit(record, 'text/plain')).toBe(1);
    expect(limit({ '': 4 })).toBe(4);
    expect(limit({ 'text/plain': 4 })).toBe(100 * 1024 * 1024);
  });

  it('are described as people do', () => {
    expect(formatBytes(999, 'en')).toBe('999 bytes');
    expect(formatBytes(1400, 'en')).toBe('1.4 kB');
    expect(formatBytes(1_234_567, 'de')).toBe('1,2 MB');
    expect(formatBytes(52_000_000, 'en')).toBe('52 MB');
    expect(kindOf({ name: 'notes.md', mime_type: 'text/markdown' })).toBe('MD');
    expect(kindOf({ name: 'notes', mime_type: 'application/pdf' })).toBe('PDF');
  });
});

describe('languages', () => {
  it('are the option’s, else the first of the browser’s that is there, else English', () => {
    expect(resolveLocale('de-DE', ['fr'])).toBe('de');
    expect(resolveLocale('pl-PL', ['fr'])).toBe('en');
    expect(resolveLocale('zh-Hant', ['ja'])).toBe('en');
    expect(resolveLocale(undefined, ['pl', 'fr-CA', 'de'])).toBe('fr');
    expect(resolveLocale(undefined, ['pl', 'en-GB', 'de'])).toBe('en');
    expect(resolveLocale(undefined, [])).toBe('en');
    expect(resolveLocale('toString', [])).toBe('en');
  });

  it('are written from their side', () => {
    expect(directionOfLocale('ar')).toBe('rtl');
    expect(directionOfLocale('ja')).toBe('ltr');
    expect(directionOfLocale('en')).toBeUndefined();
  });

  /** Every text with its path; functions are called with a name, or a number where they count. */
  function texts(table: object, path = ''): [string, string][] {
    return Object.entries(table).flatMap(([key, value]): [string, string][] => {
      const name = `${path}${key}`;
      if (typeof value === 'function') {
        return [0, 1, 2, 5, 11, 100].map((count) => [
          `${name}(${count})`,
          (value as (...values: unknown[]) => string)(count, '‹B›'),
        ]);
      }
      return typeof value === 'object' ? texts(value as object, `${name}.`) : [[name, value as string]];
    });
  }

  it.each(['ar', 'de', 'es', 'fr', 'ja'] as const)('%s says everything, in its own words', async (locale) => {
    const catalogue = await loadCatalogue(locale);
    const there = { strings: english, widgets: englishWidgets };
    const translated = texts(catalogue ?? {});
    const original = texts(there);
    expect(translated.map(([name]) => name)).toEqual(original.map(([name]) => name));
    for (const [name, text] of translated) {
      expect(text.trim(), name).not.toBe('');
      expect(text, name).not.toMatch(/undefined|\bNaN\b|\[object/);
    }
    // Some words are the same in two languages; most are not.
    const same = translated.filter(([, text], at) => text === original[at]?.[1] && /[a-z]{3}/i.test(text));
    expect(same.length).toBeLessThan(25);
    // What is named is in the text.
    const names = translated.filter(
      ([, text], at) => original[at]?.[1].includes('‹B›') && !text.includes('‹B›'),
    );
    expect(names).toEqual([]);
  });
});
