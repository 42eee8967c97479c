import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Generated } from '../../src/client/generated-module.js';
import { propsFrom } from '../../src/client/props.js';
import { generatedModule, siteModulePath } from '../../src/site-module.js';
import { textsOf, translated, translationFile } from '../../src/texts.js';

describe('the texts', () => {
  it('are the site’s own; the widget has the others', () => {
    const texts = textsOf({ greeting: 'Bonjour', heading: 'Aide', labels: { ask: 'Interroger' } });
    expect(texts).toEqual({ greeting: 'Bonjour', prompts: [], labels: { title: 'Aide', ask: 'Interroger' } });
  });

  it('are translated as the site’s other texts are', () => {
    const texts = textsOf({ greeting: 'Hello', prompts: ['One', 'Two'], labels: { title: 'Help' } });
    const file = translationFile(texts);
    expect(file.path).toBe('chat');
    expect(file.content.greeting).toEqual({ message: 'Hello', description: expect.any(String) });
    expect(file.content['prompts.2']).toEqual({ message: 'Two' });
    const italian = {
      path: 'chat',
      content: {
        greeting: { message: 'Ciao' },
        'prompts.2': { message: 'Due' },
        'labels.ask': { message: 'Chiedi' },
      },
    };
    const now = translated(texts, italian);
    expect([now.greeting, ...now.prompts, now.labels.ask]).toEqual(['Ciao', 'One', 'Due', 'Chiedi']);
    expect(now.labels.title).toBe('Help');
    expect(translated(texts, undefined)).toEqual(texts);
    // Written and not translated yet: what is English stays with the widget, which knows the language of the page.
    expect(Object.keys(file.content)).toContain('labels.save');
    expect(translated(texts, file)).toEqual(texts);
  });
});

describe('what reaches the browser', () => {
  it('is the options as data, without those of the build', () => {
    const options = {
      id: 'x',
      mode: 'panel' as const,
      proxy: 'http://10.0.0.1',
      ingest: { database: 'postgres://secret' },
    };
    const source = generatedModule(options, textsOf(options), '/docs/', null);
    expect(source).toContain('"mode":"panel"');
    for (const kept of ['secret', '10.0.0.1', 'process.env']) expect(source).not.toContain(kept);
  });

  it('and the module of the site, if there is one', () => {
    const siteDir = mkdtempSync(join(tmpdir(), 'parlor-site-'));
    try {
      writeFileSync(join(siteDir, 'chat.tsx'), 'export default {};');
      const path = siteModulePath('./chat', siteDir);
      expect(path).toBe(join(siteDir, 'chat.tsx'));
      expect(siteModulePath('@site/chat.tsx', siteDir)).toBe(path);
      expect(generatedModule({}, textsOf({}), '/docs/', path)).toContain(
        `import * as own from ${JSON.stringify(path)}`,
      );
      expect(() => siteModulePath('./none.ts', siteDir)).toThrow(
        /"module" is "\.\/none\.ts", and there is no .*none\.ts/,
      );
      expect(siteModulePath(undefined, siteDir)).toBe(null);
    } finally {
      rmSync(siteDir, { recursive: true });
    }
  });

  it('becomes the properties of the widget; the module of the site wins', () => {
    const data: Generated['data'] = {
      locale: 'de',
      baseUrl: '/',
      widgetId: 'docs',
      pageContext: false,
      texts: textsOf({ greeting: 'Hallo', prompts: ['Wie?'], labels: { open: 'Auf' } }),
      options: { disclaimer: { text: 'Ohne Gewähr' } },
    };
    const token = () => 'x';
    const props = propsFrom(data, { token, labels: { ask: 'Los' }, options: { locale: 'en' } });
    expect(props).toMatchObject({ id: 'docs', pageContext: false, token });
    expect(props.labels?.ask).toBe('Los');
    expect(props.labels?.open).toBe('Auf');
    expect(props.options).toMatchObject({
      locale: 'en',
      disclaimer: { text: 'Ohne Gewähr' },
      startScreen: { greeting: 'Hallo', prompts: [{ label: 'Wie?', prompt: 'Wie?' }] },
      theme: { color: { accent: { primary: 'var(--ifm-color-primary, #2356d8)' } } },
    });
    expect(propsFrom({ ...data, accent: false }, {}).options?.theme).toBe(undefined);
  });
});
