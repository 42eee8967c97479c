import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const GREETING = { startScreen: {} };

describe('the language', () => {
  it.each([
    ['de-AT', 'de', 'ltr', 'Womit kann ich heute helfen?'],
    ['fr-CA', 'fr', 'ltr', 'Comment puis-je vous aider aujourd’hui ?'],
    ['es-419', 'es', 'ltr', '¿En qué puedo ayudarte hoy?'],
    ['ja-JP', 'ja', 'ltr', '今日はどのようなご用件ですか？'],
    ['ar', 'ar', 'rtl', 'كيف يمكنني مساعدتك اليوم؟'],
  ])('of a %s browser is spoken', async (locale, lang, dir, greeting) => {
    const chat = await lab.open({ options: GREETING, context: { locale } });
    await chat.page.getByText(greeting).waitFor();
    const root = chat.page.locator('section.root');
    await expect.poll(() => root.getAttribute('lang')).toBe(lang);
    await expect.poll(() => root.getAttribute('dir')).toBe(dir);
    await expect.poll(() => chat.audit()).toEqual([]);
    for (const width of [1280, 320]) await chat.fits(width);
  });

  it('never shows another one first', async () => {
    const chat = await lab.open({
      options: GREETING,
      context: { locale: 'de-DE' },
      before: () => {
        const seen: string[] = [];
        Object.assign(globalThis, { seen });
        const look = () => {
          const text = document
            .querySelector('openai-chatkit')
            ?.shadowRoot?.querySelector('.greeting')?.textContent;
          if (text != null && seen.at(-1) !== text) seen.push(text);
          requestAnimationFrame(look);
        };
        look();
      },
    });
    await chat.page.getByText('Womit kann ich heute helfen?').waitFor();
    await expect
      .poll(() => chat.page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen))
      .toEqual(['Womit kann ich heute helfen?']);
  });

  it('is the option’s before the browser’s, and changes with it in the middle of a conversation', async () => {
    const chat = await lab.open({ options: { ...GREETING, locale: 'fr-FR' }, context: { locale: 'de-DE' } });
    await chat.page.getByText('Comment puis-je vous aider').waitFor();
    await chat.page.evaluate(() => globalThis.chat.sendUserMessage({ text: 'entities' }));
    await chat.page.getByRole('button', { name: 'Copier la réponse' }).waitFor();
    const change = (locale: string) =>
      chat.page.evaluate(
        (wanted) => globalThis.chat.setOptions({ ...globalThis.optionsFor(), locale: wanted as 'ja' }),
        locale,
      );
    await change('ja-JP');
    await chat.page.getByRole('button', { name: '回答をコピー' }).waitFor();
    await expect.poll(() => chat.page.locator('.sources-title').innerText()).toMatch(/^出典 \d 件$/);
    await change('pl-PL');
    await chat.page.getByRole('button', { name: 'Copy answer' }).waitFor();
    await expect.poll(() => chat.page.locator('section.root').getAttribute('dir')).toBeNull();
  });

  it('is also that of widgets, questions and numbers', async () => {
    const chat = await lab.open({
      options: { locale: 'de', composer: { attachments: { enabled: true, maxSize: 1500 } } },
    });
    await chat.page.evaluate(() => globalThis.chat.sendUserMessage({ text: 'questions' }));
    await chat.page.getByRole('button', { name: 'Überspringen' }).first().waitFor();
    await chat.page
      .locator('.file-field')
      .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.alloc(2000) });
    await chat.page.getByText('„a.txt“ ist zu groß. Dateien dürfen bis zu 1,5 kB haben.').waitFor();
  });

  it('falls back to English where its texts cannot be loaded', async () => {
    const chat = await lab.open({
      options: GREETING,
      context: { locale: 'de-DE' },
      block: /chunks\/de-/,
    });
    await chat.page.getByText('What can I help with today?').waitFor();
    await chat.event('chatkit.error');
  });

  it('is loaded by those alone who speak it', async () => {
    const loaded = (chat: ChatPage) =>
      chat.page.evaluate(() =>
        performance
          .getEntriesByType('resource')
          .map(({ name }) => /chunks\/(ar|de|es|fr|ja)-/.exec(name)?.[1])
          .filter((language) => language !== undefined),
      );
    const german = await lab.open({ context: { locale: 'de-DE' } });
    await expect.poll(() => loaded(german)).toEqual(['de']);
    const chat = await lab.open();
    await chat.askAndWait('hello');
    expect(await loaded(chat)).toEqual([]);
  });
});

describe('right to left', () => {
  it('turns the whole surface round', async () => {
    const chat = await lab.open({ options: { locale: 'ar' }, width: 800 });
    const box = (selector: string) => chat.page.locator(selector).boundingBox();
    await chat.page.evaluate(() => globalThis.chat.sendUserMessage({ text: 'hello' }));
    await expect
      .poll(async () => {
        const bubble = await box('.bubble');
        return (bubble?.x ?? 999) + (bubble?.width ?? 999);
      })
      .toBeLessThan(400);
    await expect.poll(async () => (await box('[data-focus=history]'))?.x).toBeGreaterThan(700);
  });
});
