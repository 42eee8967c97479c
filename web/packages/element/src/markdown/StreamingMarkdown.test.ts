import { array, assert, constantFrom, nat, property, tuple } from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
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
  markdown.finish();
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

// A build tries the same texts every time. `RUNS=5000 SEED=random` looks for new ones, as a nightly job may; a
// failure prints its seed.
const numRuns = Number(process.env['RUNS'] ?? 150);
const seed = process.env['SEED'] ?? '20261122';
const RUNS = seed === 'random' ? { numRuns } : { numRuns, seed: Number(seed) };
const PATIENCE = Math.max(120_000, numRuns * 800);

const source = array(
  tuple(
    constantFrom(...PIECES),
    constantFrom('\n', '\n', '\n\n', ' ', ' ', '', '\n\n\n', '\r\n', '\n  ', '\n   '),
  ),
  { maxLength: 24 },
).map((parts) => parts.map(([piece, gap]) => piece + gap).join(''));

const cuts = array(nat(400), { maxLength: 14 });

/** Citations with the key `k0`, `k1`… at each `¤` of the text, which is removed. */
function cited(marked: string): { text: string; annotations: MarkdownAnnotation[] } {
  const parts = marked.split('¤');
  let index = 0;
  const annotations = parts.slice(0, -1).map((part, number) => {
    index += [...part].length;
    const key = `k${number}`;
    return {
      index,
      key,
      render() {
        const chip = document.createElement('b');
        chip.textContent = `⟦${number}⟧`;
        return chip;
      },
    };
  });
  return { text: parts.join(''), annotations };
}

/** The text content by top-level block, citations shown as ⟦n⟧. */
function words(marked: string): string[] {
  const { container, markdown } = open();
  const { text, annotations } = cited(marked);
  markdown.update(text, annotations, true);
  const blocks = [...container.children].map((child) => (child.textContent ?? '').trim());
  markdown.destroy();
  return blocks;
}

describe('citations', () => {
  it.each([
    ['after a sentence', 'One.¤ Two.¤', ['One.⟦0⟧ Two.⟦1⟧']],
    [
      'after an emoji',
      'Done \u{1F600}¤ and \u{1F469}\u{200D}\u{1F4BB}¤ too',
      ['Done \u{1F600}⟦0⟧ and \u{1F469}\u{200D}\u{1F4BB}⟦1⟧ too'],
    ],
    ['in right-to-left text', 'שלום עולם¤ עוד', ['שלום עולם⟦0⟧ עוד']],
    ['inside and after bold', '**bold¤ words**¤ rest', ['bold⟦0⟧ words⟦1⟧ rest']],
    ['inside markup, moved past it', '*¤*bold*¤* rest', ['⟦0⟧bold⟦1⟧ rest']],
    ['inside a link, moved past it', 'see [the¤ docs](https://¤example.com) now', ['see the docs⟦0⟧⟦1⟧ now']],
    ['inside code, moved past it', 'run `make¤ it`, then', ['run make it⟦0⟧, then']],
    ['inside a character reference', 'a &a¤mp; b', ['a &⟦0⟧ b']],
    ['after a Windows line end', 'One\r\ntwo.¤\r\n\r\nThree.¤', ['One\ntwo.⟦0⟧', 'Three.⟦1⟧']],
    ['at the end of a heading', '## Title¤\n\ntext', ['Title⟦0⟧', 'text']],
    ['between paragraphs, with the words before', 'One.\n\n¤Two.', ['One.⟦0⟧', 'Two.']],
    ['beyond the end', 'One.\n\nTwo **three**\n\n¤', ['One.', 'Two three⟦0⟧']],
    ['at the very beginning', '¤One.', ['⟦0⟧One.']],
    ['after a rule', 'One.\n\n---¤\n\nTwo.', ['One.⟦0⟧', '', 'Two.']],
  ])('stand %s', (_where, marked, expected) => {
    expect(words(marked)).toEqual(expected);
  });

  it('inside a line break of a cell are moved past it', () => {
    const { container, markdown } = open();
    const { text, annotations } = cited('| a |\n|---|\n| one<b¤r>two |');
    markdown.update(text, annotations, true);
    expect(container.querySelector('td')?.innerHTML).toMatch(/^one<br><span class="ck-cite">.*two$/);
  });

  it('stand in list items, nested ones and quotes', () => {
    const { container, markdown } = open();
    const { text, annotations } = cited(
      '- one¤\n- **two¤** more¤\n  - deep¤ er\n    text¤\n- [x] task¤\n\n> quoted¤ words\n> on¤',
    );
    markdown.update(text, annotations, true);
    const of = (selector: string) =>
      [...container.querySelectorAll(selector)].map((e) => e.textContent?.trim());
    expect(of('ul > li > p')).toEqual(['one⟦0⟧', 'two⟦1⟧ more⟦2⟧', 'deep⟦3⟧ er\ntext⟦4⟧', 'task⟦5⟧']);
    expect(of('strong')).toEqual(['two⟦1⟧']);
    expect(of('blockquote p')).toEqual(['quoted⟦6⟧ words\non⟦7⟧']);
  });

  it('stand in table cells', () => {
    const { container, markdown } = open();
    const { text, annotations } = cited('| a¤ | b |\n|---|---|\n| x \\| y¤ | **z¤** |\n| p | q |¤');
    markdown.update(text, annotations, true);
    const cells = [...container.querySelectorAll('th, td')].map((e) => e.textContent);
    expect(cells).toEqual(['a⟦0⟧', 'b', 'x | y⟦1⟧', 'z⟦2⟧', 'p', 'q⟦3⟧']);
  });

  it('follow code blocks and formulas as a line of their own', () => {
    const { container, markdown } = open();
    const { text, annotations } = cited(
      '```\nlet¤ x\n```\n\n$$\na¤ + b\n$$\n\n- item\n  ```\n  in¤ner\n  ```\n',
    );
    markdown.update(text, annotations, true);
    expect(
      [...container.querySelectorAll('.ck-cites')].map(
        (e) => `${e.parentElement?.className} ${e.textContent}`,
      ),
    ).toEqual(['ck-code ⟦0⟧', 'ck-math-block ⟦1⟧', 'ck-code ⟦2⟧']);
    expect(container.querySelector('code')?.textContent).toBe('let x');
  });

  it('arrive late and touch only their own block', () => {
    const { container, markdown } = open();
    const { text, annotations } = cited('First *one*.¤\n\nSecond *two*.¤ Rest');
    markdown.update(text, [], true);
    const [first, second] = [...container.children] as [Element, Element];
    const observer = new MutationObserver(() => undefined);
    observer.observe(first, { childList: true, characterData: true, subtree: true });
    markdown.update(text, annotations.slice(1), true);
    expect(observer.takeRecords()).toHaveLength(0);
    expect(second.isConnected).toBe(true);
    expect(container.textContent).toBe('First one.Second two.⟦1⟧ Rest');
    const chip = container.querySelector('.ck-cite')?.firstChild;
    markdown.update(text, annotations, true);
    expect(container.querySelectorAll('.ck-cite')[1]?.firstChild).toBe(chip);
    markdown.update(text, [], true);
    expect(container.textContent).toBe('First one.Second two. Rest');
  });

  it(
    'never change the text around them, wherever they are',
    () => {
      assert(
        property(
          source,
          array(nat(400), { maxLength: 6 }),
          array(nat(400), { maxLength: 4 }),
          (text, indexes, positions) => {
            const annotations: MarkdownAnnotation[] = indexes.map((index, number) => ({
              index,
              key: String(number),
              render: () => document.createElement('b'),
            }));
            const { container, markdown } = open();
            for (const at of positions.sort((a, b) => a - b))
              markdown.update(text.slice(0, at), annotations, false);
            markdown.update(text, annotations, true);
            expect(markup(container)).toBe(oneShot(text, true, annotations));
            // A text of nothing but rules has no words to cite.
            if (container.querySelector(':scope > :not(hr)'))
              expect(container.querySelectorAll('.ck-cite')).toHaveLength(annotations.length);
            for (const chip of container.querySelectorAll('.ck-cite, .ck-cites')) chip.remove();
            const plain = open();
            plain.markdown.update(text, [], true);
            expect(container.textContent).toBe(plain.container.textContent);
            markdown.destroy();
            container.remove();
            plain.markdown.destroy();
            plain.container.remove();
          },
        ),
        RUNS,
      );
    },
    PATIENCE,
  );
});

describe('half-written markup', () => {
  const shown = (text: string) => {
    const { container, markdown } = open();
    markdown.update(text, [], false);
    return container;
  };

  it.each([
    ['an unclosed bold', 'a **bold wor', '<p dir="ltr">a <strong>bold wor</strong></p>'],
    ['a bare opener', 'a **', '<p dir="ltr">a</p>'],
    ['half a closer', 'a **bold*', '<p dir="ltr">a <strong>bold</strong></p>'],
    ['nested emphasis', '**b *i', '<p dir="ltr"><strong>b <em>i</em></strong></p>'],
    ['unclosed code', 'run `make', '<p dir="ltr">run <code dir="ltr">make</code></p>'],
    ['half a link', 'see [the docs](https://exam', '<p dir="ltr">see the docs</p>'],
    ['a link label', 'see [the do', '<p dir="ltr">see the do</p>'],
    ['half an image', 'see ![alt](https://x', '<p dir="ltr">see</p>'],
    [
      'a bare address',
      'see https://example.co',
      '<p dir="ltr">see <span class="ck-link-pending">https://example.co</span></p>',
    ],
    ['a heading marker', 'text\n\n##', '<p dir="ltr">text</p>'],
    ['a setext line that may be a list', 'text\n-', '<p dir="ltr">text</p>'],
    ['the number of the next item', '1. a\n2', '<ol dir="ltr"><li><p dir="ltr">a</p></li></ol>'],
    ['a strikethrough', 'is ~~gone', '<p dir="ltr">is <del>gone</del></p>'],
    ['an unclosed formula', 'is \\(x^', '<p dir="ltr">is</p>'],
    ['a price', 'costs $5', '<p dir="ltr">costs $5</p>'],
    ['snake case', 'the snake_case_na', '<p dir="ltr">the snake_case_na</p>'],
    ['a multiplication', '2 * 3', '<p>2 * 3</p>'],
  ])('shows %s calmly', (_what, text, expected) => {
    expect(shown(text).innerHTML.replace(/\s+<\//g, '</')).toBe(expected);
  });

  it('shows a table from its header on', () => {
    expect(shown('| Na').children).toHaveLength(0);
    for (const text of [
      '| Name | Va',
      '| Name | Value |',
      '| Name | Value |\n',
      '| Name | Value |\n|-',
      '| Name | Value |\n|---|--',
    ]) {
      expect(
        [...shown(text).querySelectorAll('th')].map((cell) => cell.textContent?.slice(0, 2)),
        text,
      ).toEqual(['Na', 'Va']);
    }
  });

  it('shows code from its fence on, without the fences', () => {
    for (const text of [
      '```',
      '```py',
      '```python\nprint(1)',
      '```python\nprint(1)\n`',
      '```python\nprint(1)\n``',
    ]) {
      expect(shown(text).textContent?.includes('`'), text).toBe(false);
    }
    expect(shown('```python\nprint(1)\n``').querySelector('code')?.textContent).toBe('print(1)');
  });
});

describe('formulas', () => {
  it.each([
    ['$x^2$', 1],
    ['\\(a\\)', 1],
    ['$$a+b$$', 1],
    ['\\[a = b\\]', 1],
    ['$$\na\n- b\n= c\n$$', 1],
    ['$5 and $10', 0],
    ['US$5 and US$6', 0],
    ['`$x$` and $5', 0],
    ['\\$x$', 0],
    ['**$5** to **$6**', 0],
    ['$5 (about 4€ in $)', 0],
    ['\\[note\\]', 0],
  ])('%j holds %i', (text, count) => {
    const { container, markdown } = open();
    markdown.update(text, [], true);
    expect(container.querySelectorAll('.ck-math')).toHaveLength(count);
  });
});

describe('links and images', () => {
  const first = (text: string, domains?: string[]) => {
    const { container, markdown } = open(domains ? { allowedImageDomains: domains } : {});
    markdown.update(text, [], true);
    return container.querySelector('a, img');
  };

  it('open foreign places in a tab of their own and nothing else', () => {
    expect(first('[a](https://example.com)')?.getAttribute('target')).toBe('_blank');
    expect(first('[a](https://example.com)')?.getAttribute('rel')).toBe('noopener noreferrer');
    expect(first('[a](#part)')?.getAttribute('href')).toBe('#part');
    for (const link of ['[a](#part)', '[a](mailto:a@b.example)', '[a](tel:+1)', '[a](chatkit-link:x)']) {
      expect(first(link)?.hasAttribute('target'), link).toBe(false);
    }
  });

  it('open places of the same site in a tab of their own where that is wanted', () => {
    const { container, markdown } = open({ newTabs: true });
    markdown.update('[a](/b) [a](#part) [a](mailto:a@b.example)', [], true);
    const targets = [...container.querySelectorAll('a')].map((link) => link.getAttribute('target'));
    expect(targets).toEqual(['_blank', null, null]);
  });

  it('loads images only from listed hosts', () => {
    expect(first('![a](https://img.example/x.png)')?.localName).toBe('a');
    expect(first('![a](https://img.example/x.png)', ['img.example'])?.localName).toBe('img');
    expect(first('![a](https://cdn.img.example/x.png)', ['img.example'])?.localName).toBe('img');
    expect(first('![a](https://evilimg.example/x.png)', ['img.example'])?.localName).toBe('a');
    expect(first('![a](https://img.example@evil.example/x.png)', ['img.example'])?.localName).toBe('a');
  });

  it('shows raw HTML as the text it is', () => {
    const { container, markdown } = open();
    markdown.update('<b onclick="x()">hi</b> <script>x</script>', [], true);
    expect(container.textContent).toBe('<b onclick="x()">hi</b> <script>x</script>');
    expect(container.querySelector('b, script')).toBeNull();
  });
});

describe('direction', () => {
  /** The outermost blocks with what of them has a direction, as `name:dir`. */
  const directions = (text: string, done = true) => {
    const { container, markdown } = open();
    markdown.update(text, [], done);
    return [...container.querySelectorAll('*')]
      .filter((element) => !element.closest('.ck-code, code'))
      .filter((element) => /^(?:p|h\d|ul|ol|blockquote|div|th|td)$/.test(element.localName))
      .map((element) => `${element.localName}:${element.getAttribute('dir') ?? ''}`)
      .join(' ');
  };

  it.each([
    ['a paragraph by most of its words', 'Docker הוא כלי', 'p:rtl'],
    ['a foreign word in other text', 'The word שלום means peace', 'p:ltr'],
    ['a heading', '## כותרת', 'h2:rtl'],
    ['no words at all', '12.5 %', 'p:'],
    ['code and addresses, which say nothing', '`npm install` https://example.com/x עם', 'p:rtl'],
    ['a list as one', '- פריט ראשון\n- Docker\n- 3', 'ul:rtl p:rtl p:ltr p:'],
    ['a list that begins with a name', '1. Docker\n2. זה הפריט השני', 'ol:rtl p:ltr p:rtl'],
    ['a nested list with its outer one', '- פריט\n  - Docker', 'ul:rtl p:rtl ul: p:ltr'],
    ['a quote with what is in it', '> ציטוט\n>\n> - פריט', 'blockquote:rtl p:rtl ul: p:rtl'],
    ['a table', '| שם | b |\n|---|---|\n| ערך | 1 |', 'div:rtl th:rtl th:ltr td:rtl td:'],
  ])('is that of %s', (_what, text, expected) => {
    expect(directions(text)).toBe(expected);
  });

  it('of a list is settled by its beginning', () => {
    const text = `- ${'פריט '.repeat(40)}\n${'- english words in an item\n'.repeat(30)}`;
    expect(directions(text)).toMatch(/^ul:rtl /);
  });
});

describe('streaming', () => {
  it(
    'shows at every moment what a fresh renderer would show for the same text',
    () => {
      assert(
        property(source, cuts, (text, positions) => {
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
        RUNS,
      );
    },
    PATIENCE,
  );

  describe('of a lot of text at once', { timeout: PATIENCE }, () => {
    const paragraph = 'Some *words* and [a link][one] with `code`.\n\n- item\n- item\n\n';
    const long = `# Title\n\n${paragraph.repeat(250)}[one]: https://example.com\n`;
    const cites = [{ index: 20, key: 'a', render: () => document.createElement('b') }];

    /** Time that is over at every look: each step is a task of its own. */
    const hurry = () => {
      vi.useFakeTimers();
      let now = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => (now += 15));
    };
    afterEach(() => {
      vi.useRealTimers();
      vi.restoreAllMocks();
    });

    it('leaves room for other tasks and ends the same', () => {
      const whole = oneShot(long, true, cites);
      hurry();
      const { container, markdown } = open();
      markdown.update(long, cites, true);
      const first = container.textContent?.length ?? 0;
      expect(first).toBeGreaterThan(500);
      expect(first).toBeLessThan(6000);
      let tasks = 0;
      for (; vi.getTimerCount() > 0; tasks += 1) vi.advanceTimersToNextTimer();
      expect(tasks).toBeGreaterThan(2);
      expect(markup(container)).toBe(whole);
    });

    it('goes on with what was asked for last', () => {
      const other = oneShot('Other', true);
      const more = oneShot(`${long}more`, false);
      hurry();
      const { container, markdown } = open();
      markdown.update(long, [], true);
      markdown.update(`${long}more`, [], false);
      vi.runAllTimers();
      expect(markup(container)).toBe(more);
      markdown.update('', [], false);
      markdown.update(long, [], true);
      markdown.update('Other', [], true);
      vi.runAllTimers();
      expect(markup(container)).toBe(other);
    });

    it('is over after finish and after destroy', () => {
      const whole = oneShot(long, true);
      hurry();
      const { container, markdown } = open();
      markdown.update(long, [], true);
      markdown.finish();
      expect(vi.getTimerCount()).toBe(0);
      expect(markup(container)).toBe(whole);
      markdown.update('', [], false);
      markdown.update(long, [], true);
      markdown.destroy();
      expect(vi.getTimerCount()).toBe(0);
      expect(container.childNodes).toHaveLength(0);
    });
  });

  it.each([
    ['a definition that goes, before an open formula', '[two]: /two\n', '\\[\n\n'],
    ['an open formula that becomes words of the same source', '\\[\n\n\n', '\\['],
    [
      'a table whose columns are aligned anew',
      '| a | b |\n|---|---|\n| 1 | 2 |',
      '| a | b |\n|--:|---|\n| 1 | 2 |',
    ],
    ['a table that loses a column', '| a | b |\n|---|---|\n| 1 | 2 |', '| a     |\n|-------|\n| 1 | 2 |'],
    [
      'a list item whose reference is defined later',
      '- [x] see [one]\n\nend',
      '- [x] see [one]\n\n[one]: /two\n',
    ],
  ])('follows %s', (_what, before, after) => {
    const { container, markdown } = open();
    for (const done of [false, true]) {
      markdown.update(before, [], done);
      markdown.update(after, [], done);
      expect(markup(container)).toBe(oneShot(after, done));
    }
  });

  it('takes a line that was underlined for a moment back into its paragraph', () => {
    const text = '**bold\n2. second # Title\n  - nested\n';
    const { container, markdown } = open();
    for (let at = 28; at <= text.length; at += 1) {
      markdown.update(text.slice(0, at), [], false);
      expect(markup(container)).toBe(oneShot(text.slice(0, at), false));
    }
  });

  it('keeps long lists and tables in order when several members arrive at once', () => {
    const rows = Array.from({ length: 40 }, (_, i) => i);
    for (const text of [
      rows.map((i) => `- item ${i}\n`).join(''),
      `| n |\n|---|\n${rows.map((i) => `| item ${i} |\n`).join('')}`,
    ]) {
      const { container, markdown } = open();
      for (let at = 7; at < text.length; at += 47) {
        markdown.update(text.slice(0, at), [], false);
        expect(markup(container)).toBe(oneShot(text.slice(0, at), false));
      }
      markdown.destroy();
    }
  });

  it(
    'follows a text that is replaced or shortened',
    () => {
      assert(
        property(source, source, (before, after) => {
          const { container, markdown } = open();
          markdown.update(before, [], false);
          markdown.update(after, [], false);
          expect(markup(container)).toBe(oneShot(after, false));
          markdown.update(before, [], true);
          markdown.update(after, [], true);
          expect(markup(container)).toBe(oneShot(after));
          markdown.destroy();
          container.remove();
        }),
        RUNS,
      );
    },
    PATIENCE,
  );
});
