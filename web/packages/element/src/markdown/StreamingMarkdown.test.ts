import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type MarkdownAnnotation, type MarkdownOptions, StreamingMarkdown } from './StreamingMarkdown.js';

// The DOM of these tests is not a browser's, so the sanitiser is left to the tests in Chromium.
vi.mock('./sanitize.js', () => ({ sanitize: () => undefined }));

const options: MarkdownOptions = { strings: { copyCode: 'Copy', copied: 'Copied' } };

function open(overrides: Partial<MarkdownOptions> = {}) {
  const container = document.createElement('div');
  document.body.append(container);
  const markdown = new StreamingMarkdown(container, { ...options, ...overrides });
  return { container, markdown };
}

/** Markup with attributes in one order: the DOM does not care how it came about. */
function markup(node: Node): string {
  if (node.nodeType === Node.TEXT_NODE) return JSON.stringify(node.textContent);
  const element = node as Element;
  const attributes = [...element.attributes]
    .map(({ name, value }) => ` ${name}=${JSON.stringify(value)}`)
    .sort();
  return `<${element.localName}${attributes.join('')}>${[...element.childNodes].map(markup).join('')}</>`;
}

function oneShot(text: string, done = true, annotations: readonly MarkdownAnnotation[] = []): string {
  const { container, markdown } = open();
  markdown.update(text, annotations, done);
  const html = markup(container);
  markdown.destroy();
  container.remove();
  return html;
}

/** Pieces chosen so that their beginnings are ambiguous and their neighbours can change their meaning. */
const PIECES = [
  '# Title',
  '## A *b* c',
  'plain words',
  '**bold**',
  '**bold',
  '*em*',
  '_u_',
  '~~gone~~',
  '`code`',
  '`co',
  '``a`b``',
  '[link](https://example.com/a)',
  '[half](https://exa',
  '[ref][one]',
  '[one]',
  '![alt](https://img.example/x.png)',
  'https://example.com/x?a=b',
  'www.example.org',
  'me@example.com',
  '<https://example.com>',
  '<div>',
  '<br>',
  '&amp; &copy;',
  '- item',
  '* star',
  '1. first',
  '2. second',
  '  - nested',
  '    deep',
  '- [ ] todo',
  '- [x] done',
  '-',
  '*',
  '1',
  '+ plus',
  '> quote',
  '> - in quote',
  '>',
  '```js',
  '```',
  '~~~',
  'let x = 1;',
  '---',
  '***',
  '===',
  '| a | b |',
  '|---|---|',
  '| --- |',
  '| 1 | 2 |',
  '|',
  '[one]: https://example.com/one "One"',
  '[two]: /two',
  '$x^2$',
  '$5 and $10',
  '$$',
  '$$a+b$$',
  '\\(y\\)',
  '\\[',
  '\\]',
  '\\',
  'a\\*b',
  '\u{1F600}',
  'שלום',
  '\u{1F469}\u{200D}\u{1F4BB}',
  '\t',
  '!',
  '[',
  ']',
  '(',
  ')',
  '#',
  '####### no',
];

const source = fc
  .array(
    fc.tuple(
      fc.constantFrom(...PIECES),
      fc.constantFrom('\n', '\n', '\n\n', ' ', ' ', '', '\n\n\n', '\r\n', '\n  ', '\n   '),
    ),
    { maxLength: 24 },
  )
  .map((parts) => parts.map(([piece, gap]) => piece + gap).join(''));

const cuts = fc.array(fc.nat(400), { maxLength: 14 });

describe('streaming', () => {
  it('shows at every moment what a fresh renderer would show for the same text', () => {
    fc.assert(
      fc.property(source, cuts, (text, positions) => {
        const { container, markdown } = open();
        for (const at of [...new Set(positions)].sort((a, b) => a - b).filter((at) => at < text.length)) {
          markdown.update(text.slice(0, at), [], false);
          expect(markup(container)).toBe(oneShot(text.slice(0, at), false));
        }
        markdown.update(text, [], true);
        expect(markup(container)).toBe(oneShot(text));
        markdown.destroy();
        container.remove();
      }),
      { numRuns: Number(process.env['RUNS'] ?? 300) },
    );
  });
});
