import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { readFixtures } from '../../../../client/tests/unit/fixtures.js';
import { imageSource } from '../../../src/widgets/components/image-source.js';
import { type WidgetAction, WidgetView } from '../../../src/widgets/index.js';

const errors: string[] = [];
const sent: WidgetAction[] = [];
let opened: WidgetView[] = [];

afterEach(() => {
  for (const view of opened) {
    view.destroy();
    view.container.remove();
  }
  opened = [];
  errors.length = 0;
  sent.length = 0;
});

function open(domains: string[] | null = null, onAction = async () => undefined as void): WidgetView {
  const container = document.createElement('div');
  document.body.append(container);
  const view = new WidgetView(container, {
    theme: 'light',
    markdown: { allowedImageDomains: domains, strings: { copyCode: 'Copy', copied: 'Copied' } },
    onError: (error) => errors.push(error.message),
    onAction: (action) => {
      sent.push(action);
      return onAction();
    },
  });
  opened.push(view);
  return view;
}

function show(widget: unknown, domains: string[] | null = null): HTMLElement {
  const view = open(domains);
  view.update(widget);
  return view.container;
}

const card = (...children: unknown[]) => ({ type: 'Card', children });

describe('the official components', () => {
  const cases = [...readFixtures('widgets'), ...readFixtures('widgets_js')].filter(
    ({ json }) => typeof json === 'object' && json !== null && 'type' in json,
  );

  it('are all in the fixtures', () => {
    const types = new Set(cases.map(({ json }) => (json as { type: string }).type));
    expect(types.size).toBeGreaterThanOrEqual(29);
  });

  it.each(cases.map(({ name, json }) => [name, json] as const))('%s is drawn', (_name, json) => {
    const container = show(json);
    expect(container.querySelector('.w-root')).not.toBeNull();
    expect(errors).toEqual([]);
    // And inside a form, where most of them live.
    show({ type: 'Card', asForm: true, children: [json] });
    expect(errors).toEqual([]);
  });

  it('show their words', () => {
    const container = show(
      card(
        { type: 'Title', value: 'Title words' },
        { type: 'Text', value: 5 },
        { type: 'Badge', label: 'badge words' },
        {
          type: 'Table',
          children: [
            {
              type: 'Table.Row',
              children: [{ type: 'Table.Cell', children: [{ type: 'Text', value: 'cell words' }] }],
            },
          ],
        },
      ),
    );
    for (const words of ['Title words', '5', 'badge words', 'cell words']) {
      expect(container.textContent).toContain(words);
    }
  });

  it('of unknown types show what is in them, or nothing', () => {
    const container = show(
      card(
        { type: 'Hologram', children: [{ type: 'Text', value: 'inside' }] },
        { type: 'constructor' },
        null,
        7,
        'x',
      ),
    );
    expect(container.textContent?.trim()).toBe('inside');
  });
});

describe('hostile widgets', () => {
  it('nested 200 and 20,000 levels deep are cut, not thrown', () => {
    for (const depth of [200, 20_000]) {
      let node: object = { type: 'Text', value: 'deepest' };
      for (let level = 0; level < depth; level++) node = { type: 'Col', children: [node] };
      expect(show({ type: 'Card', children: [node] }).querySelectorAll('.w-box').length).toBeLessThanOrEqual(
        100,
      );
    }
  });

  it('of a hundred thousand components draw a bounded number of them', () => {
    const children = Array.from({ length: 100_000 }, () => ({ type: 'Divider' }));
    expect(show(card(...children)).querySelectorAll('.w-divider').length).toBeLessThan(4001);
  });

  it('with huge texts draw a bounded part', () => {
    const container = show(card({ type: 'Text', value: 'x'.repeat(3_000_000) }));
    expect(container.textContent?.length).toBeLessThan(110_000);
  });

  it('never carry markup, scripts or addresses over into the page', () => {
    const evil = '"><img src=x onerror=alert(1)><script>alert(1)</script>';
    const container = show({
      type: 'Card',
      size: evil,
      background: 'url(https://evil.example)',
      status: { text: evil, favicon: 'javascript:alert(1)', icon: evil },
      confirm: { label: evil, action: { type: evil } },
      children: [
        { type: 'Text', value: evil, color: 'url(https://evil.example)', width: 'url(x)' },
        { type: 'Image', src: 'javascript:alert(1)', alt: evil },
        { type: 'Image', src: 'data:image/svg+xml;base64,PHN2Zy8+' },
        { type: 'Image', src: 'data:text/html;base64,PGI+' },
        { type: 'Image', src: 'https://evil.example/pixel.gif' },
        { type: 'Markdown', value: `[x](javascript:alert(1)) ![](https://evil.example/pixel.gif) ${evil}` },
        { type: 'Input', name: evil, defaultValue: evil, placeholder: evil, pattern: evil },
        { type: 'Select', name: evil, options: [{ value: evil, label: evil }] },
        { type: 'Icon', name: '__proto__' },
        { type: 'Button', label: evil, iconStart: 'constructor', onClickAction: { type: 'x' } },
      ],
    });
    expect(container.querySelector('script')).toBeNull();
    expect(container.querySelector('img')).toBeNull();
    const markup = container.innerHTML;
    expect(markup).not.toMatch(/href="javascript|src="javascript|url\(/i);
    for (const element of container.querySelectorAll('*')) {
      for (const name of element.getAttributeNames()) expect(name).not.toMatch(/^on/);
    }
    expect(errors).toEqual([]);
  });
});

describe('whatever a server sends', () => {
  const types = [
    ...new Set(
      [...readFixtures('widgets'), ...readFixtures('widgets_js')].flatMap(({ json }) =>
        typeof json === 'object' && json !== null && 'type' in json ? [String(json.type)] : [],
      ),
    ),
  ];
  /** The properties that renderers read, each with a value of any shape. */
  const names = [
    'value label name options children confirm cancel status theme size width gap padding border background color',
    'data series xAxis editable limit onClickAction fieldName defaultValue min max rows colSpan icon src radius flex id key',
  ].flatMap((line) => line.split(' '));
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('__proto__', 'constructor', 'md', 'red-500', -1, 1e308, true, ''),
  );
  const nodeOf = fc.memo((depth: number) =>
    fc
      .record({
        type: fc.constantFrom(...types),
        properties: fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 8 }),
        below: depth > 1 ? fc.array(nodeOf(depth - 1), { maxLength: 3 }) : fc.constant([]),
      })
      .map(({ type, properties, below }): object => ({ children: below, ...properties, type })),
  ) as (depth: number) => fc.Arbitrary<object>;
  const node = nodeOf(4);

  it('is drawn, updated and drawn again without an error', () => {
    fc.assert(
      fc.property(node, node, (first, second) => {
        const view = open();
        view.update({ type: 'Card', asForm: true, children: [first] });
        view.update({ type: 'Card', asForm: true, children: [second] });
        view.update(second);
        view.update(first);
        view.destroy();
      }),
      { numRuns: 150 },
    );
    expect(errors).toEqual([]);
  });
});

describe('images', () => {
  it('come from listed hosts or are part of the widget, else they are not loaded', () => {
    const data = 'data:image/png;base64,iVBORw0KGgo=';
    expect(imageSource(data, null)).toBe(data);
    expect(imageSource('https://cdn.example/a.png', null)).toBeNull();
    expect(imageSource('https://cdn.example/a.png', ['cdn.example'])).toBe('https://cdn.example/a.png');
    expect(imageSource('data:image/svg+xml;base64,AAAA', ['cdn.example'])).toBeNull();
    expect(imageSource('blob:https://x/1', null)).toBeNull();
    expect(imageSource({ evil: 1 }, null)).toBeNull();
  });
});

describe('updates', () => {
  const withText = (value: string, more: object = {}) => ({
    type: 'Card',
    asForm: true,
    children: [
      { type: 'Text', id: 't', value, streaming: true },
      { type: 'Input', name: 'city', ...more },
    ],
  });

  it('keep the fields, and what was typed into them', () => {
    const view = open();
    view.update(withText('a'));
    const input = view.container.querySelector('input') as HTMLInputElement;
    input.value = 'Lisbon';
    view.update(withText('ab'));
    expect(view.container.querySelector('input')).toBe(input);
    expect(input.value).toBe('Lisbon');
    expect(view.container.textContent).toContain('ab');
  });

  it('keep a component that moves among its siblings by its key', () => {
    const view = open();
    const field = { type: 'Input', key: 'f', name: 'city' };
    view.update(card(field));
    const input = view.container.querySelector('input');
    view.update(card({ type: 'Text', key: 'new', value: 'before it' }, field));
    expect(view.container.querySelector('input')).toBe(input);
  });

  it('draw a component anew when it becomes another one', () => {
    const view = open();
    view.update(card({ type: 'Text', id: 'a', value: 'text' }));
    view.update(card({ type: 'Button', id: 'a', label: 'button' }));
    expect(view.container.querySelector('.w-text')).toBeNull();
    expect(view.container.querySelector('button')?.textContent).toContain('button');
  });
});
