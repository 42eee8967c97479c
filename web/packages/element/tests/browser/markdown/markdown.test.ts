import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MarkdownLab } from './harness.js';
import { PAYLOADS } from './payloads.js';

let lab: MarkdownLab;

beforeAll(async () => {
  lab = await MarkdownLab.start();
});

afterAll(async () => {
  await lab.stop();
});

/** A long, ordinary answer with everything in it. */
const SAMPLE = readFileSync(join(import.meta.dirname, 'sample.md'), 'utf8');

/** What must never be in rendered model text, whatever was asked for. */
async function dangers(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const allowed = /^(?:https?:|mailto:|tel:|chatkit-link:|#)/;
    for (const element of md.root().querySelectorAll('*')) {
      if (
        /^(?:script|style|iframe|object|embed|form|svg|link|meta|base|video|audio|template)$/.test(
          element.localName,
        )
      ) {
        found.push(element.localName);
      }
      for (const { name, value } of element.attributes) {
        if (/^on|^(?:id|name|srcdoc|formaction|action|ping|srcset|background)$/.test(name))
          found.push(`${name}=${value}`);
        if ((name === 'href' || name === 'src') && !allowed.test(value)) found.push(`${name}=${value}`);
        if (name === 'style' && /url|expression/i.test(value)) found.push(`${name}=${value}`);
      }
    }
    return found;
  });
}

describe('hostile answers', () => {
  it.each([
    ['as a whole', 100_000],
    ['one character at a time', 1],
  ])('run nothing and request nothing when rendered %s', async (_how, step) => {
    const { page, foreign, errors } = await lab.page();
    for (const payload of PAYLOADS) {
      await page.evaluate(
        ([text, by]) => {
          md.open(['images.example']);
          md.stream(text, by);
        },
        [payload, step] as const,
      );
      expect(await dangers(page), payload).toEqual([]);
    }
    await page.evaluate(
      async ([text, by]) => {
        md.open(['images.example']);
        md.stream(text, by);
        // Whatever was started late has had its chance when the page has been idle for a while.
        for (let i = 0; i < 20; i += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
        await new Promise((resolve) => requestIdleCallback(resolve));
      },
      [PAYLOADS.join('\n\n'), step === 1 ? 3 : step] as const,
    );
    expect(await dangers(page)).toEqual([]);
    for (const link of await page.locator('a').all()) await link.click({ force: true, noWaitAfter: true });
    expect(await page.evaluate(() => md.pwned)).toBe(0);
    expect(foreign).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  it('would notice: the checks see a script that runs and an image that loads', async () => {
    const { page, foreign } = await lab.page();
    await page.evaluate(() => {
      md.open();
      const bad = document.createElement('div');
      md.root().append(bad);
      bad.innerHTML = '<img src="https://evil.example/x.png" onload="md.pwned++">';
    });
    await page.waitForFunction(() => md.pwned === 1);
    expect(foreign).toEqual(['https://evil.example/x.png']);
    expect(await dangers(page)).toEqual(['onload=md.pwned++']);
    await page.close();
  });

  it('loads an image of a listed host once, however often its paragraph is rendered again', async () => {
    const { page, foreign } = await lab.page();
    await page.evaluate(() => {
      md.open(['images.example']);
      md.stream('See ![a cat](https://cdn.images.example/cat.png) and **more** words after it', 1);
      md.root().querySelector('img')?.setAttribute('loading', 'eager');
    });
    await expect.poll(() => foreign).toEqual(['https://cdn.images.example/cat.png']);
    await page.waitForFunction(() => md.root().querySelector('img')?.complete);
    expect(foreign).toHaveLength(1);
    await page.close();
  });
});

describe('in a browser', () => {
  it('ends the same whether streamed or rendered at once, lazy parts included', async () => {
    const { page, errors } = await lab.page();
    const streamed = async (step: number) => {
      await page.evaluate(
        ([text, by]) => {
          md.open();
          md.stream(text, by);
        },
        [SAMPLE, step] as const,
      );
      await page.waitForFunction(() => {
        const root = md.root();
        const plain = [...root.querySelectorAll('.ck-code')].filter((block) => {
          const known = /^(?:ts|python|bash|json|rust)$/.test(
            block.querySelector('.ck-code-language')?.textContent ?? '',
          );
          return known && !block.querySelector('[class^=hljs]');
        });
        return (
          plain.length === 0 &&
          [...root.querySelectorAll('.ck-math:not(.ck-math-failed)')].every((m) => m.querySelector('math'))
        );
      });
      return page.evaluate(async () => {
        // What depends on sizes is put in after the layout.
        let before = '';
        for (let same = 0; same < 10; same += 1) {
          await new Promise((resolve) => requestAnimationFrame(resolve));
          const now = md.html();
          if (now !== before) same = -1;
          before = now;
        }
        // Attribute order depends on when an attribute was set; the DOM does not care.
        for (const element of md.root().querySelectorAll('*')) {
          const attributes = [...element.attributes].sort((a, b) => (a.name < b.name ? -1 : 1));
          for (const { name } of attributes) element.removeAttribute(name);
          for (const { name, value } of attributes) element.setAttribute(name, value);
        }
        return md.html();
      });
    };
    const whole = await streamed(1_000_000);
    expect(whole).toContain('<math');
    expect(whole).toContain('hljs-keyword');
    for (const step of [1, 7, 61]) expect(await streamed(step)).toBe(whole);
    expect(errors).toEqual([]);
    await page.close();
  });

  it('keeps the nodes of finished blocks and of a growing paragraph', async () => {
    const { page } = await lab.page();
    const kept = await page.evaluate(() => {
      md.open();
      md.update('# Title\n\n- one\n- two **bold** [link](https://example.com) and', false);
      const nodes = [...md.root().querySelectorAll('h1, ul, li, strong, a')];
      md.update(
        '# Title\n\n- one\n- two **bold** [link](https://example.com) and more\n- three\n\nEnd.',
        false,
      );
      md.update(
        '# Title\n\n- one\n- two **bold** [link](https://example.com) and more\n- three\n\nEnd.',
        true,
      );
      return nodes.length === 6 && nodes.every((node) => node.isConnected);
    });
    expect(kept).toBe(true);
    await page.close();
  });

  it('never shows a live link to a half address', async () => {
    const { page } = await lab.page();
    const seen = await page.evaluate(() => {
      md.open();
      const text =
        'See https://example.com/path and [docs](https://example.com/docs_(a)) or <https://example.com/x> or [r][1].\n\n[1]: https://example.com/ref\n\nEnd';
      const links = new Set<string>();
      for (let at = 1; at <= text.length; at += 1) {
        md.update(text.slice(0, at), at === text.length);
        for (const link of md.root().querySelectorAll('a')) links.add(link.getAttribute('href') ?? '');
      }
      return [...links];
    });
    expect(seen.sort()).toEqual([
      'https://example.com/docs_(a)',
      'https://example.com/path',
      'https://example.com/ref',
      'https://example.com/x',
    ]);
    await page.close();
  });

  it('colours code and sets formulas under a strict policy with trusted types', async () => {
    const { page, errors } = await lab.page('/strict');
    await page.evaluate(() => {
      md.open();
      md.stream('```ts\nconst a = "x";\n```\n\n$\\frac{a}{b}$ &copy;', 1);
    });
    await page.waitForFunction(
      () => md.root().querySelector('.hljs-keyword') && md.root().querySelector('mfrac'),
    );
    expect(errors).toEqual([]);
    await page.close();
  });

  it.each([
    ['sh', 'export A="x"'],
    ['shell', 'for f in *; do echo "$f"; done'],
    ['console', '$ echo "hi"\nhi'],
    ['shell-session', '$ echo "hi"\nhi'],
    ['toml', '[database]\nurl = "sqlite://x"'],
    ['yml', 'key: "value"'],
    ['Dockerfile', 'FROM debian\nRUN echo "x"'],
    ['make', 'all: ; echo "x"'],
    ['nginx', 'server { listen 80; }'],
  ])('colours a fence called %s with the properties of the theme', async (language, code) => {
    const { page, errors } = await lab.page();
    const names = ['keyword', 'string', 'comment', 'number', 'title', 'attr'];
    const theme = Object.fromEntries(
      names.map((name, i) => [`--ck-syntax-${name}`, `rgb(${i + 1}, ${i + 1}, ${i + 1})`]),
    );
    await page.evaluate(
      ([text, properties]) => {
        md.open([], properties);
        md.update(text, true);
      },
      [`\`\`\`${language}\n${code}\n\`\`\`\n`, theme] as const,
    );
    await page.waitForFunction(() => md.root().querySelector('[class^=hljs]'));
    const colours = await page.evaluate(() =>
      [...md.root().querySelectorAll('[class^=hljs]')].map((span) => getComputedStyle(span).color),
    );
    expect(colours.some((colour) => Object.values(theme).includes(colour))).toBe(true);
    await expect.poll(() => page.evaluate(() => md.root().querySelector('pre')?.textContent)).toBe(code);
    expect(errors).toEqual([]);
    await page.close();
  });

  it.each([
    ['whole', 100_000],
    ['in pieces', 3],
  ])(
    'puts bullets, numbers, bars and first columns on the right of text written %s from there',
    async (_how, step) => {
      const { page } = await lab.page();
      const sides = await page.evaluate((by) => {
        md.open([], { '--ck-border': '#ccc' });
        md.stream(
          [
            '- العنصر الأول\n- Docker Compose.\n  - عنصر متداخل',
            '1. שלב ראשון\n2. שלב שני',
            '> اقتباس عربي\n>\n> - قائمة',
            '| الاسم | القيمة |\n|---|---|\n| المهلة | 30 |',
            '- left\n- items',
          ].join('\n\n---\n\n'),
          by,
        );
        const root = md.root();
        const frame = (root.firstElementChild as HTMLElement).getBoundingClientRect();
        const gaps = (element: Element) => {
          const range = document.createRange();
          range.selectNodeContents(element);
          const { left, right } = range.getBoundingClientRect();
          return { left: left - frame.left, right: frame.right - right };
        };
        const texts = [...root.querySelectorAll('li > p')].map((p) => {
          const { left, right } = gaps(p);
          return left < right ? 'left' : 'right';
        });
        const direction = (selector: string) =>
          [...root.querySelectorAll(selector)].map((element) => getComputedStyle(element).direction);
        const headers = [...root.querySelectorAll('th')].map((cell) => gaps(cell).right);
        return {
          texts,
          markers: direction('li'),
          quote: getComputedStyle(root.querySelector('blockquote') as Element).borderRightWidth,
          firstColumnFirst: Number(headers[0]) < Number(headers[1]),
          tableAtRight: Number(headers[0]) < 40,
        };
      }, step);
      expect(sides).toEqual({
        texts: ['right', 'right', 'right', 'right', 'right', 'right', 'left', 'left'],
        markers: ['rtl', 'rtl', 'rtl', 'rtl', 'rtl', 'rtl', 'ltr', 'ltr'],
        quote: '3px',
        firstColumnFirst: true,
        tableAtRight: true,
      });
      await page.close();
    },
  );

  it('copies code from the keyboard and says so', async () => {
    const { page } = await lab.page('/', { permissions: ['clipboard-read', 'clipboard-write'] });
    await page.evaluate(() => {
      md.open();
      md.stream('```python\nprint("<&>")\n```', 4);
    });
    // It says so for two seconds, which pass when the test has seen it.
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(10_000);
    await page.getByRole('button', { name: 'Copy code' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    await expect.poll(() => page.getByRole('status').textContent()).toBe('Copied');
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('print("<&>")');
    await page.clock.runFor(2000);
    await page.getByRole('button', { name: 'Copy code' }).waitFor();
    await page.close();
  });

  it('reports link clicks with the address', async () => {
    const { page } = await lab.page();
    await page.evaluate(() => {
      md.open();
      md.update('[a](https://example.com/a) [b](#b) [c](chatkit-link:entity/1)', true);
    });
    for (const name of ['a', 'b', 'c']) await page.getByRole('link', { name, exact: true }).click();
    await expect
      .poll(() => page.evaluate(() => md.links))
      .toEqual(['https://example.com/a', '#b', 'chatkit-link:entity/1']);
    await page.close();
  });

  it('lets a wide table be scrolled by keyboard, and only a wide one', async () => {
    const { page } = await lab.page('/', { viewport: { width: 360, height: 700 } });
    const wide = `| ${'Column name '.repeat(1)}| ${Array.from({ length: 9 }, (_, i) => `Second${i}`).join(' | ')} |\n|${' --- |'.repeat(10)}\n`;
    await page.evaluate((text) => {
      md.open();
      md.stream(text, 3);
    }, `${wide}\nand\n\n| a | b |\n|---|---|\n| 1 | 2 |\n`);
    const region = page.getByRole('group');
    await region.waitFor();
    await expect.poll(() => region.count()).toBe(1);
    await expect.poll(() => region.getAttribute('aria-label')).toContain('Column name, Second0');
    await region.focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => (md.root().querySelector('.ck-table')?.scrollLeft ?? 0) > 0);
    await page.close();
  });

  it('keeps a focused citation focused while its paragraph grows', async () => {
    const { page } = await lab.page();
    const focused = await page.evaluate(() => {
      md.open();
      const cites = [{ index: 7, key: 'k' }];
      md.update('A fact. And', false, cites);
      (md.root().querySelector('.chip') as HTMLElement).focus();
      md.update('A fact. And **more', false, cites);
      md.update('A fact. And **more** of it.\n\nNext', true, cites);
      return md.root().activeElement?.className;
    });
    expect(focused).toBe('chip');
    await page.close();
  });

  it('survives input made to be slow', async () => {
    const { page, errors } = await lab.page();
    const inputs = [
      '> '.repeat(3000),
      `${'- '.repeat(3000)}x`,
      '[a](b'.repeat(3000),
      '*a _b '.repeat(3000),
      '[['.repeat(5000),
      '`'.repeat(9000),
      '$a'.repeat(5000),
      '**a '.repeat(4000),
      '| a '.repeat(4000),
      `${'\\('.repeat(5000)}`,
    ];
    for (const input of inputs) {
      const length = await page.evaluate((text) => {
        md.open();
        md.update(text.slice(0, -7), false);
        md.update(text, true);
        return md.text().length;
      }, input);
      expect(length, input.slice(0, 10)).toBeGreaterThan(0);
    }
    expect(errors).toEqual([]);
    await page.close();
  });
});
