import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GALLERY, QUESTIONS } from '../../../../../dev/gallery.mjs';
import { WidgetLab } from './harness.js';

let lab: WidgetLab;
beforeAll(async () => {
  lab = await WidgetLab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const card = (children: object[], more: object = {}) => ({ type: 'Card', children, ...more });
const act = (type: string, more: object = {}) => ({ type, ...more });
const sent = (page: Page) => page.evaluate(() => globalThis.widgets.sent);
const answer = (page: Page, how: 'done' | 'fail' | 'hold') =>
  page.evaluate((value) => {
    globalThis.widgets.answer = value;
  }, how);
const settle = (page: Page) => page.evaluate(() => globalThis.widgets.settle());

describe('every widget of the gallery', () => {
  it.each(['light', 'dark'] as const)(
    'has nothing that axe finds wrong, in the %s scheme',
    async (scheme) => {
      const page = await lab.open({ scheme, width: 700, context: { reducedMotion: 'reduce' } });
      await lab.show(page, ...Object.values(GALLERY));
      await expect.poll(() => lab.audit(page)).toEqual([]);
      await page.evaluate((items) => globalThis.widgets.ask(...(items as never[])), QUESTIONS as never);
      await page.getByText('Choose all that apply.').waitFor();
      await expect.poll(() => lab.audit(page)).toEqual([]);
    },
  );

  it.each([700, 360, 280])('fits into %i pixels, from the left and from the right', async (width) => {
    for (const rtl of [false, true]) {
      const page = await lab.open({ width, rtl });
      await lab.show(page, ...Object.values(GALLERY));
      const cut = () =>
        page.evaluate(() =>
          [...globalThis.widgets.root().querySelectorAll<HTMLElement>('.w-card, .w-list, .w-basic')].flatMap(
            (frame) => {
              const outer = frame.getBoundingClientRect();
              return [...frame.querySelectorAll<HTMLElement>('button, input, .w-text, .w-title, .w-select')]
                .filter((part) => part.checkVisibility() && !part.closest('.w-table-scroll, .w-popup'))
                .filter((part) => {
                  const { left, right } = part.getBoundingClientRect();
                  return right > outer.right + 1 || left < outer.left - 1;
                })
                .map((part) => part.outerHTML.slice(0, 120));
            },
          ),
        );
      await expect.poll(cut).toEqual([]);
    }
  });
});

describe('a form', () => {
  const form = {
    type: 'Card',
    asForm: true,
    confirm: { label: 'Save', action: act('save', { payload: { id: 7 } }) },
    children: [
      { type: 'Label', value: 'Mail', fieldName: 'user.mail' },
      { type: 'Input', name: 'user.mail', inputType: 'email', required: true },
      { type: 'Input', name: 'code', pattern: '[a-z]{2}\\d+' },
      { type: 'Textarea', name: 'note', pattern: 'n.*' },
      { type: 'Checkbox', name: 'terms', label: 'I agree', required: true },
      {
        type: 'RadioGroup',
        name: 'size',
        required: true,
        options: [
          { value: 's', label: 'Small' },
          { value: 'l', label: 'Large' },
        ],
      },
      { type: 'DatePicker', name: 'day', defaultValue: '2026-01-02T03:04:05Z' },
      { type: 'Text', value: 'Old title', editable: { name: 'user.title' } },
    ],
  };

  it('sends its values under their names, together with the payload', async () => {
    const page = await lab.open();
    await lab.show(page, form);
    await page.getByRole('textbox', { name: 'Mail' }).fill('ada@example.com');
    await page.getByRole('textbox', { name: 'Code' }).fill('ab1');
    await page.getByRole('checkbox', { name: 'I agree' }).check();
    await page.getByRole('radio', { name: 'Large' }).check();
    await page.getByRole('textbox', { name: 'Title' }).fill('New title');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect
      .poll(() => sent(page))
      .toEqual([
        {
          type: 'save',
          payload: {
            id: 7,
            user: { mail: 'ada@example.com', title: 'New title' },
            code: 'ab1',
            note: '',
            terms: true,
            size: 'l',
            day: '2026-01-02',
          },
          handler: 'server',
          streaming: true,
          source: 'Card',
        },
      ]);
  });

  it('says what is missing or wrong beside each field, goes to the first, and takes it back when it is put right', async () => {
    const page = await lab.open();
    await lab.show(page, form);
    await page.getByRole('textbox', { name: 'Code' }).fill('1');
    await page.getByRole('textbox', { name: 'Note' }).fill('x');
    await page.getByRole('button', { name: 'Save' }).click();
    const mail = page.getByRole('textbox', { name: 'Mail' });
    await expect.poll(() => mail.getAttribute('aria-invalid')).toBe('true');
    await expect
      .poll(() => page.locator('.w-error').allInnerTexts())
      .toEqual([
        'Please fill in this field.',
        'This is not in the expected format.',
        'This is not in the expected format.',
        'Please tick this box to go on.',
        'Please choose one of these.',
      ]);
    await expect
      .poll(() => mail.evaluate((field) => (field.getRootNode() as ShadowRoot).activeElement === field))
      .toBe(true);
    await mail.fill('ada');
    await expect.poll(() => mail.getAttribute('aria-invalid')).toBeNull();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Please enter an email address').waitFor();
    await expect.poll(() => lab.audit(page)).toEqual([]);
    await expect.poll(() => sent(page)).toEqual([]);
  });

  it('is sent by Enter, and every action inside it carries its values', async () => {
    const page = await lab.open();
    await lab.show(
      page,
      card([
        {
          type: 'Form',
          onSubmitAction: act('submit'),
          children: [
            { type: 'Input', name: 'q', defaultValue: 'tea' },
            {
              type: 'Select',
              name: 'kind',
              defaultValue: 'a',
              options: [{ value: 'a', label: 'A' }],
              onChangeAction: act('kind'),
            },
            { type: 'Button', label: 'Other', onClickAction: act('other') },
            { type: 'Button', label: 'Go', submit: true },
          ],
        },
      ]),
    );
    await page.getByRole('textbox', { name: 'Q' }).press('Enter');
    await page.getByRole('button', { name: 'Other' }).click();
    await expect
      .poll(async () => (await sent(page)).map(({ type, payload }) => [type, payload]))
      .toEqual([
        ['submit', { q: 'tea', kind: 'a' }],
        ['other', { q: 'tea', kind: 'a' }],
      ]);
  });

  it('leaves the fields of another form to that form', async () => {
    const page = await lab.open();
    const one = (name: string) => ({
      type: 'Form',
      onSubmitAction: act(name),
      children: [
        { type: 'Input', name: 'q', defaultValue: name },
        { type: 'Button', label: `Send ${name}`, submit: true },
      ],
    });
    await lab.show(page, card([one('first'), one('second')]));
    await page.getByRole('button', { name: 'Send second' }).click();
    await expect
      .poll(async () => (await sent(page)).map(({ payload }) => payload))
      .toEqual([{ q: 'second' }]);
  });

  it('reports a field whose name the payload has already', async () => {
    const page = await lab.open();
    await lab.show(page, {
      ...form,
      children: [{ type: 'Input', name: 'id', defaultValue: 'x' }],
    });
    await page.getByRole('button', { name: 'Save' }).click();
    await expect.poll(() => page.evaluate(() => globalThis.widgets.errors)).toHaveLength(1);
    await expect.poll(async () => (await sent(page))[0]?.payload).toEqual({ id: 7 });
  });
});

describe('an action', () => {
  it('shows that it runs, on its own button, which can not be pressed twice', async () => {
    const page = await lab.open();
    await lab.show(page, card([{ type: 'Button', label: 'Order', onClickAction: act('order') }]));
    await answer(page, 'hold');
    const button = page.getByRole('button', { name: 'Order' });
    await button.click();
    await expect.poll(() => button.getAttribute('aria-busy')).toBe('true');
    await button.click();
    await expect.poll(() => sent(page)).toHaveLength(1);
    await settle(page);
    await expect.poll(() => button.getAttribute('aria-busy')).toBeNull();
  });

  it('of a card holds the whole card still, and gives the focus back', async () => {
    const page = await lab.open();
    await lab.show(page, card([], { confirm: { label: 'Yes', action: act('yes') } }));
    await answer(page, 'hold');
    const button = page.getByRole('button', { name: 'Yes' });
    await button.press('Enter');
    const root = page.locator('.w-root');
    await expect.poll(() => root.getAttribute('inert')).toBe('');
    await settle(page);
    await expect.poll(() => root.getAttribute('inert')).toBeNull();
    await expect
      .poll(() =>
        button.evaluate((element) => (element.getRootNode() as ShadowRoot).activeElement === element),
      )
      .toBe(true);
  });

  it.each([
    ['none', null, null],
    ['self', 'true', null],
    ['container', 'true', ''],
  ])('with the loading behaviour "%s" does as it says', async (loadingBehavior, busy, inert) => {
    const page = await lab.open();
    await lab.show(
      page,
      card([{ type: 'Button', label: 'Order', onClickAction: act('order', { loadingBehavior }) }]),
    );
    await answer(page, 'hold');
    await page.getByRole('button', { name: 'Order' }).click();
    await expect.poll(async () => (await sent(page)).length).toBe(1);
    await expect.poll(() => page.locator('.w-button').getAttribute('aria-busy')).toBe(busy);
    await expect.poll(() => page.locator('.w-root').getAttribute('inert')).toBe(inert);
    await settle(page);
  });

  it('that fails says so, and can be tried again', async () => {
    const page = await lab.open();
    await lab.show(
      page,
      card([{ type: 'Button', label: 'Order', onClickAction: act('order', { payload: { a: 1 } }) }]),
    );
    await answer(page, 'fail');
    await page.getByRole('button', { name: 'Order' }).click();
    await page.getByRole('alert').getByText('The server had a problem.').waitFor();
    await expect.poll(() => lab.audit(page)).toEqual([]);
    await answer(page, 'done');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await expect
      .poll(async () => (await sent(page)).map(({ payload }) => payload))
      .toEqual([{ a: 1 }, { a: 1 }]);
  });

  it('of a row is run by the whole row, and leaves a button in the row its own', async () => {
    const page = await lab.open();
    await lab.show(page, {
      type: 'ListView',
      children: [
        {
          type: 'ListViewItem',
          onClickAction: act('row'),
          children: [
            { type: 'Text', value: 'Café Anselm' },
            { type: 'Button', label: 'Call', onClickAction: act('call') },
          ],
        },
      ],
    });
    await page.getByText('Café Anselm').click({ position: { x: 4, y: 4 }, force: true });
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await expect.poll(async () => (await sent(page)).map(({ type }) => type)).toEqual(['row', 'call']);
    await page.getByRole('button', { name: 'Café Anselm, Call' }).press('Enter');
    await expect.poll(async () => (await sent(page)).length).toBe(3);
  });

  it('of a changed field outside a form carries that field', async () => {
    const page = await lab.open();
    await lab.show(
      page,
      card([
        {
          type: 'Checkbox',
          name: 'a.done',
          label: 'Done',
          onChangeAction: act('toggle', { payload: { id: 1 } }),
        },
        { type: 'Input', name: 'other', defaultValue: 'not sent' },
      ]),
    );
    await page.getByRole('checkbox', { name: 'Done' }).check();
    await expect
      .poll(async () => (await sent(page)).map(({ payload }) => payload))
      .toEqual([{ id: 1, a: { done: true } }]);
  });
});

describe('a drop-down list', () => {
  const options = Array.from({ length: 20 }, (_, at) => ({
    value: `v${at}`,
    label: `Option ${at}`,
    disabled: at === 1,
  }));
  const list = (more: object = {}) =>
    card([{ type: 'Select', name: 'pick', options, onChangeAction: act('picked'), ...more }]);

  it('is opened, searched and chosen from with the keyboard', async () => {
    const page = await lab.open();
    await lab.show(page, list({ clearable: true }));
    const combobox = page.getByRole('combobox', { name: 'Pick', exact: true });
    await combobox.press('ArrowDown');
    const search = page.getByRole('combobox', { name: 'Search: Pick' });
    await search.fill('option 17');
    await expect.poll(() => page.getByRole('option').allInnerTexts()).toEqual(['Option 17']);
    await expect.poll(() => lab.audit(page)).toEqual([]);
    await search.press('Enter');
    await expect.poll(() => combobox.innerText()).toBe('Option 17');
    await expect
      .poll(() =>
        combobox.evaluate((element) => (element.getRootNode() as ShadowRoot).activeElement === element),
      )
      .toBe(true);
    await page.getByRole('button', { name: 'Clear Pick' }).click();
    await expect.poll(() => combobox.innerText()).toBe('Choose…');
    await expect
      .poll(async () => (await sent(page)).map(({ payload }) => payload))
      .toEqual([{ pick: 'v17' }, { pick: '' }]);
  });

  it('passes over disabled options, finds by typing, and closes by Escape', async () => {
    const page = await lab.open();
    await lab.show(page, list({ searchable: false }));
    const combobox = page.getByRole('combobox');
    // Keys belong to one word as long as no time passes between them.
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(10_000);
    await combobox.press('Enter');
    await expect.poll(() => combobox.getAttribute('aria-expanded')).toBe('true');
    await combobox.press('ArrowDown');
    const active = () =>
      page.evaluate(() => globalThis.widgets.root().querySelector('[data-active]')?.textContent?.trim());
    await expect.poll(() => active()).toBe('Option 2');
    await combobox.pressSequentially('option 12');
    await expect.poll(() => active()).toBe('Option 12');
    await combobox.press('Escape');
    await expect.poll(() => combobox.getAttribute('aria-expanded')).toBe('false');
    await expect.poll(() => sent(page)).toEqual([]);
  });

  it('closes when something else is pressed, and opens again', async () => {
    const page = await lab.open();
    await lab.show(page, list());
    const combobox = page.getByRole('combobox', { name: 'Pick', exact: true });
    await combobox.click();
    await page.getByRole('option', { name: 'Option 3' }).waitFor();
    await page.mouse.click(430, 700);
    await expect.poll(() => page.getByRole('option').count()).toBe(0);
    await combobox.click();
    await page.getByRole('option', { name: 'Option 3' }).click();
    await expect.poll(() => combobox.innerText()).toBe('Option 3');
  });
});

describe('an update from the server', () => {
  it('leaves focus, selection, typed text and an open list as they are', async () => {
    const page = await lab.open();
    const widget = (value: string) =>
      card([
        { type: 'Text', id: 'text', value, streaming: true },
        { type: 'Input', name: 'city' },
        {
          type: 'Select',
          name: 'kind',
          options: [
            { value: 'a', label: 'Apple' },
            { value: 'b', label: 'Pear' },
          ],
        },
      ]);
    await lab.show(page, widget('o'));
    const input = page.getByRole('textbox', { name: 'City' });
    await input.fill('Lisbon');
    await input.evaluate((field: HTMLInputElement) => field.setSelectionRange(1, 3));
    await lab.show(page, widget('on'));
    await expect
      .poll(() =>
        input.evaluate((field: HTMLInputElement) => [
          field.value,
          field.selectionStart,
          field.selectionEnd,
          (field.getRootNode() as ShadowRoot).activeElement === field,
        ]),
      )
      .toEqual(['Lisbon', 1, 3, true]);
    await page.getByRole('combobox').click();
    await lab.show(page, widget('one'));
    await page.getByText('one').waitFor();
    await page.getByRole('option', { name: 'Pear' }).click();
    await expect.poll(() => page.getByRole('combobox').innerText()).toBe('Pear');
  });
});

describe('lists and cards', () => {
  it('show more rows on demand, and go on there', async () => {
    const page = await lab.open();
    await lab.show(page, GALLERY['a list']);
    await expect.poll(() => page.locator('.w-item').count()).toBe(3);
    await page.getByRole('button', { name: 'Show 4 more' }).press('Enter');
    await expect.poll(() => page.locator('.w-item').count()).toBe(7);
    const focused = () =>
      page.evaluate(() => globalThis.widgets.root().activeElement?.getAttribute('aria-label'));
    await expect.poll(() => focused()).toMatch(/^Nordlicht/);
  });

  it('unfold', async () => {
    const page = await lab.open();
    await lab.show(page, GALLERY['a folded card']);
    const caption = page.getByText('Friday, 19:30');
    await expect.poll(() => caption.isVisible()).toBe(false);
    await page.getByRole('button', { name: /Show details/ }).click();
    await expect.poll(() => caption.isVisible()).toBe(true);
  });

  it('take the other theme where they force it', async () => {
    const page = await lab.open();
    await lab.show(page, card([{ type: 'Text', value: 'night' }], { theme: 'dark' }));
    const lightness = (property: 'backgroundColor' | 'color') =>
      page
        .locator('.w-card')
        .evaluate((element, name) => getComputedStyle(element)[name], property)
        .then((colour) => Number(/oklch\(([\d.]+)/.exec(colour)?.[1]));
    await expect.poll(() => lightness('backgroundColor')).toBeLessThan(0.4);
    await expect.poll(() => lightness('color')).toBeGreaterThan(0.8);
  });
});

describe('direction', () => {
  it('is the one of the words, for the whole widget', async () => {
    const page = await lab.open();
    const row = (value: string) =>
      card([
        {
          type: 'Row',
          children: [
            { type: 'Icon', name: 'star' },
            { type: 'Text', value },
          ],
        },
      ]);
    await lab.show(page, row('مرحبا بكم في المطعم'), row('Welcome to the restaurant'), row('2026'));
    const sides = () =>
      page.evaluate(() =>
        [...globalThis.widgets.root().querySelectorAll('.w-box')].map((box) => {
          const [icon, words] = [...box.children].map((part) => part.getBoundingClientRect().left);
          return (icon ?? 0) > (words ?? 0) ? 'rtl' : 'ltr';
        }),
      );
    await expect.poll(sides).toEqual(['rtl', 'ltr', 'ltr']);
  });
});

describe('a chart', () => {
  it('is read point by point with the arrow keys, and is a table for those who can not see it', async () => {
    const page = await lab.open();
    await lab.show(page, GALLERY['a chart of bars and a line']);
    const chart = page.getByRole('group', { name: /^Chart: Online, Stores, Target/ });
    await chart.press('ArrowRight');
    await chart.press('ArrowRight');
    await expect
      .poll(() => page.getByRole('status').innerText())
      .toBe('Feb: Online 180, Stores 70, Target 200');
    await expect.poll(() => page.locator('.w-tooltip').innerText()).toContain('180');
    await expect.poll(() => page.getByRole('row').count()).toBe(7);
    await chart.press('Escape');
    await expect.poll(() => page.locator('.w-tooltip').count()).toBe(0);
  });

  it('is drawn anew at another width', async () => {
    const page = await lab.open({ width: 440 });
    await lab.show(page, GALLERY['a chart of areas']);
    const width = () => page.locator('.w-svg').evaluate((element) => element.getBoundingClientRect().width);
    const before = await width();
    await page.evaluate(() =>
      (globalThis.widgets.root().host as HTMLElement).style.setProperty('width', '300px'),
    );
    await expect.poll(width).toBeLessThan(before - 100);
  });
});

describe('hostile widgets', () => {
  it('load nothing, run nothing and stay in their place', async () => {
    const page = await lab.open();
    await lab.show(
      page,
      card(
        [
          { type: 'Image', src: 'https://evil.example/pixel.gif', alt: 'pixel' },
          {
            type: 'Box',
            background: 'url(https://evil.example/a)',
            width: 'url(https://evil.example/b)',
            height: 20,
          },
          { type: 'Box', margin: -4000, height: 4000, background: 'red', position: 'fixed' },
          { type: 'Text', value: 'x', color: 'red; background: url(https://evil.example/c)' },
          { type: 'Markdown', value: '![](https://evil.example/d) <img src=https://evil.example/e>' },
        ],
        {
          background: 'image-set("https://evil.example/f" 1x)',
          status: { text: 'x', favicon: 'https://evil.example/g' },
        },
      ),
      { type: 'Text', value: 'after' },
    );
    const covered = () =>
      page.getByText('after').evaluate((element) => {
        const { left, top } = element.getBoundingClientRect();
        return (element.getRootNode() as ShadowRoot).elementFromPoint(left + 2, top + 4) !== element;
      });
    await expect.poll(covered).toBe(false);
  });
});

describe('questions', () => {
  const ask = async (page: Page, at: number) => {
    await page.evaluate((item) => globalThis.widgets.ask(item as never), QUESTIONS[at] as never);
    await page.locator('.w-card').waitFor();
  };
  const submissions = (page: Page) => page.evaluate(() => globalThis.widgets.submissions);

  it('are answered by choice, by several choices, by an own answer and by text', async () => {
    const page = await lab.open();
    await ask(page, 0);
    await page.getByRole('radio', { name: 'Something else' }).check();
    await page.getByRole('textbox', { name: 'Your own answer: Which database do you use?' }).fill('DuckDB');
    await page.getByRole('checkbox', { name: 'Widgets' }).check();
    await page.getByRole('checkbox', { name: 'Search' }).check();
    await page.getByRole('button', { name: 'Send' }).click();
    await expect
      .poll(() => submissions(page))
      .toEqual([
        {
          status: 'answered',
          answers: {
            db: { values: ['DuckDB'], skipped: false },
            need: { values: ['Search', 'Widgets'], skipped: false },
            why: { values: [], skipped: true },
          },
        },
      ]);
  });

  it('are not sent empty, but can be skipped', async () => {
    const page = await lab.open();
    await ask(page, 0);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('alert').waitFor();
    await expect.poll(() => submissions(page)).toEqual([]);
    await page.getByRole('button', { name: 'Skip' }).click();
    await expect.poll(async () => (await submissions(page)).map(({ status }) => status)).toEqual(['skipped']);
  });

  it('say when they could not be sent, and keep the answers', async () => {
    const page = await lab.open();
    await ask(page, 0);
    await answer(page, 'fail');
    await page.getByRole('radio', { name: 'SQLite' }).check();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('alert').getByText('The server had a problem.').waitFor();
    await expect.poll(() => page.getByRole('radio', { name: 'SQLite' }).isChecked()).toBe(true);
  });

  it('show their answers once they have them', async () => {
    const page = await lab.open();
    await ask(page, 1);
    const text = () => page.locator('.w-answers').innerText();
    await expect.poll(text).toContain('and a little Redis');
    await expect.poll(text).toContain('Skipped');
    await expect.poll(() => page.getByRole('textbox').count()).toBe(0);
  });
});
