import type { ChatKitOptions, OpenAIChatKit } from '@openai/chatkit';
import { ApiError, type AssistantMessageItem, type Source, type Thread, UploadQueue } from '@parlor/client';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { readFixtures } from '../../../client/tests/unit/fixtures.js';
import { Composer } from '../../src/composer.js';
import { describeError } from '../../src/describe-error.js';
import { ChatKitElement } from '../../src/element.js';
import { hasIcon } from '../../src/icons.js';
import { safeHref, SourceList, sourcePlace } from '../../src/sources.js';
import { english } from '../../src/strings.js';
import { themeProperties } from '../../src/theme.js';
import { headerActionName } from '../../src/views/header.js';
import { groupByDate } from '../../src/views/history.js';
import { secondsLeft } from '../../src/views/banner.js';
import { describeWait } from '../../src/waiting.js';

describe('the published interface', () => {
  it('is implemented with its own types', () => {
    expectTypeOf<ChatKitElement>().toExtend<OpenAIChatKit>();
    expectTypeOf<Parameters<ChatKitElement['setOptions']>[0]>().toEqualTypeOf<ChatKitOptions>();
    expectTypeOf<ChatKitElement['sendUserMessage']>().toEqualTypeOf<OpenAIChatKit['sendUserMessage']>();
    expectTypeOf<ChatKitElement['setComposerValue']>().toEqualTypeOf<OpenAIChatKit['setComposerValue']>();
  });

  it('can be imported without registering the tag', () => {
    expect(customElements.get('openai-chatkit')).toBeUndefined();
    expect(ChatKitElement.name).toBe('ChatKitElement');
  });

  it('draws every icon of the official models', () => {
    const names = readFixtures('misc')
      .filter(({ model }) => model === 'IconName')
      .map(({ json }) => json as string)
      .filter((name) => !name.startsWith('vendor:'));
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !hasIcon(name) && !name.startsWith('lucide:'))).toEqual([]);
  });
});

describe('buttons of the page in the header', () => {
  it('are named by what their icon stands for, and by the icon where that is not known', () => {
    const names = ['settings-cog', 'close', 'home-alt', 'hamburger', 'star-filled'].map((icon) =>
      headerActionName(icon, english),
    );
    expect(names).toEqual(['Settings', 'Close', 'Home', 'Menu', 'star filled']);
  });
});

describe('themes', () => {
  it('are light unless dark is asked for, in either form of the option', () => {
    expect(themeProperties(undefined)['color-scheme']).toBe('light');
    expect(themeProperties('dark')['color-scheme']).toBe('dark');
    expect(themeProperties({ colorScheme: 'dark' })).toEqual(themeProperties('dark'));
  });

  it('name the same properties in both schemes', () => {
    expect(Object.keys(themeProperties('dark')).sort()).toEqual(Object.keys(themeProperties('light')).sort());
  });

  it('follow every published option', () => {
    const properties = themeProperties({
      radius: 'sharp',
      density: 'spacious',
      typography: { baseSize: 17, fontFamily: 'Inter', fontFamilyMono: 'Fira' },
      color: {
        accent: { primary: '#ff0000', level: 3 },
        surface: { background: '#111', foreground: '#eee' },
        grayscale: { hue: 120, tint: 9, shade: -2 },
      },
    });
    expect(properties).toMatchObject({
      '--ck-radius-md': '0px',
      '--ck-font-size': '17px',
      '--ck-font': 'Inter',
      '--ck-font-mono': 'Fira',
      '--ck-primary': '#ff0000',
      '--ck-bubble': '#ff0000',
      '--ck-surface': '#111',
      '--ck-text': '#eee',
      '--ck-space': '4.88px',
    });
    expect(themeProperties({ color: { grayscale: { hue: 120, tint: 9 } } })['--ck-border']).toContain('120)');
  });
});

const message = (...annotations: { source: Source; index?: number }[]): AssistantMessageItem => ({
  id: 'a',
  thread_id: 't',
  created_at: '',
  type: 'assistant_message',
  content: [
    {
      type: 'output_text',
      text: 'text',
      annotations: annotations.map((annotation) => ({ type: 'annotation', ...annotation })),
    },
  ],
});

describe('sources', () => {
  const url = (address: string): Source => ({ type: 'url', title: address, url: address });

  it('are numbered in reading order, and the same one once', () => {
    const sources = new SourceList(
      message(
        { source: url('/b'), index: 9 },
        { source: url('/a'), index: 3 },
        { source: url('/b'), index: 12 },
        { source: url('/c') },
      ),
    );
    expect(sources.list.map(({ source, number }) => [source.title, number])).toEqual([
      ['/a', 1],
      ['/b', 2],
      ['/c', 3],
    ]);
    expect(sources.numberOf(url('/b'))).toBe(2);
  });

  it('link to http and to this site only', () => {
    const base = 'https://site.example/docs/';
    expect(safeHref('https://a.example/x', base)).toBe('https://a.example/x');
    expect(safeHref('../guide#top', base)).toBe('https://site.example/guide#top');
    for (const bad of [
      'javascript:alert(1)',
      ' JavaScript:alert(1)',
      'data:text/html,x',
      'vbscript:x',
      'file:///etc',
      'https://',
    ]) {
      expect(safeHref(bad, base), bad).toBeNull();
    }
  });

  it('say where they come from', () => {
    const base = 'https://site.example/docs/';
    expect(sourcePlace(url('https://www.a.example/x'), base)).toBe('a.example');
    expect(sourcePlace(url('/guide/#t%C3%BCr'), base)).toBe('');
    expect(sourcePlace({ type: 'file', title: 'T', filename: 'f.md' }, base)).toBe('f.md');
    expect(sourcePlace({ ...url('/x'), attribution: 'Manual' } as Source, base)).toBe('Manual');
  });
});

describe('the history', () => {
  it('is grouped by the days of the viewer, in the given order', () => {
    const now = new Date(2026, 2, 15, 10).getTime();
    const at = (daysAgo: number, hour = 12): Thread => ({
      id: `${daysAgo}-${hour}`,
      created_at: new Date(2026, 2, 15 - daysAgo, hour).toISOString(),
      status: { type: 'active' },
      metadata: {},
      items: { data: [], has_more: false },
    });
    const groups = groupByDate(
      [at(0, 1), at(1, 23), at(1, 0), at(5), at(20), at(90), { ...at(0), created_at: 'soon' }],
      now,
      english,
    );
    expect(groups.map(({ label, threads }) => [label, threads.length])).toEqual([
      ['Today', 1],
      ['Yesterday', 2],
      ['Previous 7 days', 1],
      ['Previous 30 days', 1],
      ['Older', 2],
    ]);
  });
});

describe('errors', () => {
  const error = (status: number, code: string, text = '') => new ApiError({ status, code, message: text });

  it('read as the server wrote them where it wrote for people', () => {
    expect(describeError(error(422, 'invalid', 'The title is empty.'), english)).toBe('The title is empty.');
    expect(
      describeError({ type: 'error', code: 'custom', message: 'Model gone.', allow_retry: false }, english),
    ).toBe('Model gone.');
  });

  it('have words of their own where only a status came', () => {
    expect(describeError(error(503, 'http_503', 'x'), english)).toBe(english.errors.unavailable);
    expect(describeError(error(0, 'network'), english)).toBe(english.errors.network);
    expect(describeError(error(429, 'http_429'), english)).toBe(english.errors.rateLimited);
    expect(describeError({ type: 'error', code: 'stream.error', allow_retry: true }, english)).toBe(
      english.errors.stream,
    );
  });

  it('count down to the moment a retry is welcome', () => {
    expect(secondsLeft(10_500, 8_000)).toBe(3);
    expect(secondsLeft(10_500, 11_000)).toBe(0);
    expect(secondsLeft(undefined, 0)).toBe(0);
  });
});

const noUploads = () =>
  new UploadQueue({ upload: () => Promise.reject(new Error('not here')), discard: () => undefined });

describe('the composer', () => {
  const tools = [
    { id: 'web', label: 'Web', icon: 'globe' as const },
    { id: 'deep', label: 'Deep', icon: 'compass' as const, persistent: true },
  ];

  it('sends what it holds and is empty afterwards', () => {
    const composer = new Composer(noUploads());
    composer.text = '  Hi \n';
    composer.quote = 'said';
    composer.toolId = 'web';
    expect(composer.take({ tools })).toEqual({
      content: [{ type: 'input_text', text: 'Hi' }],
      attachments: [],
      quotedText: 'said',
      inference: { tool_choice: { id: 'web' } },
    });
    expect(composer.isEmpty).toBe(true);
    expect(composer.toolId).toBeNull();
  });

  it('keeps a persistent tool selected', () => {
    const composer = new Composer(noUploads());
    composer.toolId = 'deep';
    composer.text = 'x';
    composer.take({ tools });
    expect(composer.toolId).toBe('deep');
  });

  it('selects the default model that can be used, and drops what is no longer offered', () => {
    const composer = new Composer(noUploads());
    composer.reconcile({
      tools,
      models: [
        { id: 'a', label: 'A', default: true, disabled: true },
        { id: 'b', label: 'B' },
        { id: 'c', label: 'C', default: true },
      ],
    });
    expect(composer.modelId).toBe('c');
    composer.toolId = 'web';
    expect(composer.reconcile({ tools: [] })).toBe(true);
    expect(composer).toMatchObject({ toolId: null, modelId: null });
  });

  it('does not count white space as a message', () => {
    const composer = new Composer(noUploads());
    composer.text = ' \n\t';
    expect(composer.isEmpty).toBe(true);
  });
});

describe('a wait', () => {
  const now = new Date(2026, 10, 22, 10, 0, 0).getTime();
  const after = (hours: number, minutes = 0, seconds = 0) =>
    now + ((hours * 60 + minutes) * 60 + seconds) * 1000;
  const inEnglish = (until: number) => describeWait(until, now, 'en-GB');

  it('is a clock below an hour, and over at zero', () => {
    expect(inEnglish(after(0, 0, 42))).toEqual({ in: '0:42' });
    expect(inEnglish(after(0, 0, 42) - 999)).toEqual({ in: '0:42' });
    expect(inEnglish(after(0, 59, 59))).toEqual({ in: '59:59' });
    expect(inEnglish(after(0, 0, 1))).toEqual({ in: '0:01' });
    expect(inEnglish(now)).toBeNull();
    expect(inEnglish(now - 5000)).toBeNull();
  });

  it('is hours and minutes below six hours', () => {
    expect(inEnglish(after(3, 12))).toEqual({ in: '3 hrs 12 mins' });
    expect(inEnglish(after(1))).toEqual({ in: '1 hr' });
    expect(describeWait(after(3, 12), now, 'de')).toEqual({ in: '3 Std. 12 Min.' });
  });

  it('is a time of day beyond that, with the day if it is another', () => {
    expect(inEnglish(after(9))).toEqual({ at: '19:00', day: null });
    expect(inEnglish(after(23))).toEqual({ at: '09:00', day: 'tomorrow' });
    expect(inEnglish(after(14))).toEqual({ at: '00:00', day: 'tomorrow' });
    expect(inEnglish(after(48))).toEqual({ at: '10:00', day: 'Tuesday 24 November' });
    expect(describeWait(after(23), now, 'de')).toEqual({ at: '09:00', day: 'morgen' });
  });
});
