import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { violationsOf } from '../../../element/tests/browser/lab.js';
import { WidgetLab, type WidgetPage } from './widget-lab.js';

declare global {
  var seen: unknown[];
  var unmount: () => void;
}

let site: WidgetLab;
beforeAll(async () => {
  site = await WidgetLab.start();
});
afterEach(() => site.lab.closePages());
afterAll(() => site.stop());

const asked = () =>
  site.lab.world.requests.filter(
    ({ type }) => type === 'threads.create' || type === 'threads.add_user_message',
  );
const pageOf = (request: unknown) =>
  (request as { metadata: { pageContext: Record<string, unknown> } }).metadata.pageContext;

async function opened(
  props: object = {},
  options: Parameters<WidgetLab['open']>[1] = {},
): Promise<WidgetPage> {
  const widget = await site.open(props, options);
  await widget.launcher.click();
  await widget.input.waitFor();
  return widget;
}

async function ask(widget: WidgetPage, question: string, answers: number): Promise<void> {
  await widget.input.fill(question);
  await widget.input.press('Enter');
  await expect.poll(() => widget.chat.answers.count()).toBe(answers);
  await widget.page.locator('[part=stop-button]').waitFor({ state: 'detached' });
}

/** What has the focus, in whichever shadow tree. */
const focused = (page: Page) =>
  page.evaluate(() => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return active?.getAttribute('aria-label') ?? active?.className ?? '';
  });

describe('the widget', () => {
  it('opens, answers, closes with Escape, and gives the focus back', async () => {
    const widget = await site.open();
    await widget.launcher.waitFor();
    expect(await widget.panel.count()).toBe(0);
    await widget.launcher.click();
    await widget.page.getByText('Ask about Acme').waitFor();
    await expect.poll(() => focused(widget.page)).toBe('Message');
    await ask(widget, 'hello', 1);
    await widget.input.press('Escape');
    await expect.poll(() => widget.panel.isVisible()).toBe(false);
    await expect.poll(() => focused(widget.page)).toBe('Open chat');
    expect(await widget.launcher.getAttribute('aria-expanded')).toBe('false');
    // It is still there when it is opened again.
    await widget.page.keyboard.press('Enter');
    await expect.poll(() => widget.chat.answers.isVisible()).toBe(true);
    await widget.page.locator('[part~=header-action-right]').click();
    await expect.poll(() => widget.panel.isVisible()).toBe(false);
    expect(await widget.page.evaluate(() => globalThis.seen)).toEqual([true, false, true, false]);
  });

  it('is after a reload as it was, and takes nobody’s focus', async () => {
    const widget = await opened();
    await ask(widget, 'hello', 1);
    await widget.page.reload();
    await expect.poll(() => widget.chat.answers.count()).toBe(1);
    expect(await focused(widget.page)).toBe('');
    await widget.launcher.click();
    await widget.page.reload();
    await widget.launcher.waitFor();
    await expect.poll(() => widget.launcher.getAttribute('aria-expanded')).toBe('false');
  });

  it('tells the page and the user with every question, as they are then', async () => {
    const widget = await opened({ userId: 'ada', userInfo: { name: 'Ada', plan: 'pro' } });
    await ask(widget, 'first', 1);
    await widget.page.evaluate(() => {
      history.pushState(null, '', '/extra/other.html');
      document.title = 'Other page';
    });
    await ask(widget, 'second', 2);
    const [first, second] = asked();
    expect(first?.metadata).toMatchObject({
      userId: 'ada',
      userInfo: { name: 'Ada', plan: 'pro' },
      pageContext: {
        title: 'Plans of Acme',
        path: '/extra/page.html',
        description: 'What each plan includes.',
        headings: ['Plans', 'Free', 'Team'],
        language: 'en',
      },
    });
    expect(second?.type).toBe('threads.add_user_message');
    expect(pageOf(second)).toMatchObject({ title: 'Other page', path: '/extra/other.html' });
  });

  it('asks about marked text: opens, waits until it is ready, sends, takes the mark away', async () => {
    const widget = await site.open();
    await widget.launcher.waitFor();
    await widget.mark();
    await widget.page.getByRole('button', { name: 'Ask', exact: true }).click();
    await expect.poll(() => widget.chat.answers.count()).toBe(1);
    const [request] = asked();
    expect(request?.params.input).toMatchObject({
      content: [{ type: 'input_text', text: 'Can you explain this passage of “Plans of Acme”?' }],
      quoted_text: 'Every plan has a trial of fourteen days, and no card is needed.',
    });
    expect(pageOf(request).selectedText).toBe(
      'Every plan has a trial of fourteen days, and no card is needed.',
    );
    await expect.poll(() => widget.page.evaluate(() => document.getSelection()?.isCollapsed)).toBe(true);
    await expect.poll(() => widget.page.locator('.ask').count()).toBe(0);
    // Again, with the chat open: the same thread, and each question its own passage.
    await widget.page.locator('[part=stop-button]').waitFor({ state: 'detached' });
    await widget.mark('link');
    await widget.page.getByRole('button', { name: 'Ask', exact: true }).click();
    await expect.poll(() => asked().length).toBe(2);
    expect(pageOf(asked()[1]).selectedText).toBe('A link');
  });

  it('tells of what is marked though the mark goes when one types', async () => {
    const widget = await opened();
    await widget.mark();
    await widget.page.locator('.ask').waitFor();
    await ask(widget, 'what does this mean?', 1);
    expect(pageOf(asked()[0]).selectedText).toContain('Every plan');
    // What the reader takes back is not told any more.
    await widget.page.locator('h1').click();
    await expect.poll(() => widget.page.locator('.ask').count()).toBe(0);
    await ask(widget, 'and now?', 2);
    expect(pageOf(asked()[1])).not.toHaveProperty('selectedText');
  });

  it('has a menu of the site’s own, and a profile that is told', async () => {
    const widget = await opened({ userInfo: { plan: 'pro' } }, { menu: true });
    const { page } = widget;
    const settings = page.locator('[part~=header-action-left]');
    await settings.click();
    await page.getByRole('button', { name: 'Call me' }).click();
    expect(await page.evaluate(() => globalThis.seen)).toContain('called');
    await settings.click();
    await page.getByRole('button', { name: 'About you' }).click();
    await page.getByLabel('Name').fill('Ada');
    await page.getByLabel('Role').selectOption('Developer');
    await page.getByRole('button', { name: 'Save' }).click();
    await settings.click();
    await page.getByRole('button', { name: 'What is new?' }).click();
    await expect.poll(() => widget.chat.answers.count()).toBe(1);
    expect(asked()[0]?.metadata).toMatchObject({ userInfo: { name: 'Ada', role: 'Developer', plan: 'pro' } });
    // It is kept; Escape leaves the form, then the menu, then the chat.
    await page.reload();
    await settings.click();
    await page.getByRole('button', { name: 'About you' }).click();
    await expect.poll(() => page.getByLabel('Name').inputValue()).toBe('Ada');
    await page.getByLabel('Name').press('Escape');
    await page.getByRole('link', { name: 'Handbook' }).press('Escape');
    await expect.poll(() => widget.chat.answers.isVisible()).toBe(true);
    expect(await widget.panel.isVisible()).toBe(true);
  });

  it('shows a login in place of the chat, and asks the server nothing', async () => {
    const widget = await site.open({ auth: { signedIn: false, login: '#login-{return_to}' } });
    await widget.launcher.click();
    await widget.page.getByText('Sign in to chat').waitFor();
    expect(await widget.page.locator('openai-chatkit').count()).toBe(0);
    await widget.page.getByRole('button', { name: 'Sign in' }).click();
    await expect
      .poll(() => widget.page.evaluate(() => location.hash))
      .toContain(`#login-${encodeURIComponent('http')}`);
    expect(site.lab.world.requests).toEqual([]);
  });

  it('lets in whom Parlor knows, and opens the chat when they come back from the login', async () => {
    const widget = await site.open({ auth: 'session', preload: 'open' });
    const { page } = widget;
    let signedIn = false;
    const logins: string[] = [];
    await page.route('**/auth/session', (route) =>
      route.fulfill({
        json: signedIn
          ? { authenticated: true, user: { id: 'ada', name: 'Ada' } }
          : { authenticated: false, anonymous: false },
      }),
    );
    await page.route('**/auth/login?*', (route) => {
      const back = new URL(route.request().url()).searchParams.get('return_to') ?? '';
      logins.push(back);
      signedIn = true;
      return route.fulfill({ status: 303, headers: { location: back } });
    });
    await widget.launcher.click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    // Back on the page: the chat is open.
    await widget.input.waitFor();
    expect(logins).toHaveLength(1);
    expect(logins[0]).toMatch(/^\/extra\/page\.html\?props=/);
    await page.locator('[part~=header-action-left]').click();
    await page.getByRole('button', { name: 'Sign out (Ada)' }).waitFor();
  });

  it('says that the login could not be checked, and tries again', async () => {
    const widget = await site.open({ auth: 'session', preload: 'open' });
    let down = true;
    await widget.page.route('**/auth/session', (route) =>
      down
        ? route.fulfill({ status: 503 })
        : route.fulfill({ json: { authenticated: false, anonymous: true } }),
    );
    await widget.launcher.click();
    await widget.page.getByText('The login could not be checked.').waitFor();
    down = false;
    await widget.page.getByRole('button', { name: 'Try again' }).click();
    await widget.input.waitFor();
  });

  it('says on its button that the script did not come, and tries again', async () => {
    const widget = await site.open({}, { block: /chatkit\.js/ });
    await widget.page.locator('.badge').waitFor();
    await widget.launcher.click();
    await widget.page.getByText('The chat could not be loaded.').waitFor();
    expect(await violationsOf(widget.page)).toEqual([]);
    await widget.page.unroute(/chatkit\.js/);
    await widget.page.getByRole('button', { name: 'Try again' }).click();
    await widget.input.waitFor();
  });

  it('shows that it loads, and sends then what was asked meanwhile', async () => {
    const widget = await site.open({ preload: 'open', script: { timeoutMs: 600_000 } });
    let release: (() => void) | undefined;
    await widget.page.route(/chatkit\.js/, async (route) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await route.continue();
    });
    await widget.mark();
    await widget.page.locator('.ask').click();
    await widget.page.getByText('Loading the chat').waitFor();
    await expect.poll(() => release !== undefined).toBe(true);
    release?.();
    await expect.poll(() => widget.chat.answers.count()).toBe(1);
  });

  it('says when the browser is offline', async () => {
    const widget = await opened();
    const notice = widget.page.getByText('You are offline.');
    await widget.page.context().setOffline(true);
    await notice.waitFor();
    await widget.page.context().setOffline(false);
    await notice.waitFor({ state: 'hidden' });
  });

  it('can be used with the keyboard alone, and made larger', async () => {
    const widget = await site.open();
    const { page } = widget;
    await widget.launcher.waitFor();
    await page.locator('#link').focus();
    await page.keyboard.press('Tab');
    await expect.poll(() => focused(page)).toBe('Open chat');
    await page.keyboard.press('Enter');
    await expect.poll(() => focused(page)).toBe('Message');
    const resizer = page.getByRole('button', { name: 'Resize the chat with the arrow keys' });
    const before = await widget.panel.boundingBox();
    await resizer.press('ArrowLeft');
    await resizer.press('ArrowDown');
    await expect.poll(async () => (await widget.panel.boundingBox())?.width).toBe((before?.width ?? 0) + 24);
    await expect
      .poll(async () => (await widget.panel.boundingBox())?.height)
      .toBe((before?.height ?? 0) - 24);
    await resizer.press('Escape');
    await expect.poll(() => focused(page)).toBe('Open chat');
    // By mouse, and remembered.
    await page.keyboard.press('Enter');
    const box = await resizer.boundingBox();
    const [x, y] = [(box?.x ?? 0) + 8, (box?.y ?? 0) + 8];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 50, y + 60, { steps: 3 });
    await page.mouse.up();
    const width = (before?.width ?? 0) + 24 - 50;
    await expect.poll(async () => (await widget.panel.boundingBox())?.width).toBe(width);
    await page.reload();
    await expect.poll(async () => (await widget.panel.boundingBox())?.width).toBe(width);
  });

  it.each(['popup', 'panel', 'inline'])(
    'is accessible as %s, in light and dark, at every step',
    async (mode) => {
      for (const scheme of ['light', 'dark'] as const) {
        const widget = await site.open(
          { mode, colorScheme: scheme },
          { menu: true, context: { reducedMotion: 'reduce' } },
        );
        if (mode !== 'inline') {
          await widget.launcher.waitFor();
          expect(await violationsOf(widget.page)).toEqual([]);
          await widget.launcher.click();
        }
        await widget.input.waitFor();
        expect(await violationsOf(widget.page)).toEqual([]);
        // In the page, the panel has a bar of its own.
        const settings =
          mode === 'inline'
            ? widget.page.getByRole('button', { name: 'Settings', exact: true })
            : widget.page.locator('[part~=header-action-left]');
        await settings.click();
        expect(await violationsOf(widget.page)).toEqual([]);
        await widget.page.getByRole('button', { name: 'About you' }).click();
        expect(await violationsOf(widget.page)).toEqual([]);
      }
    },
  );

  it.each([
    ['page', 320],
    ['rtl', 900],
    ['rtl', 320],
  ])('fits a page %s of %i pixels, and moves nothing in it', async (page, width) => {
    const widget = await site.open({}, { page, width, height: 640 });
    await widget.launcher.waitFor();
    const button = await widget.launcher.boundingBox();
    // At the end of the line.
    if (page === 'rtl') expect(button?.x).toBe(20);
    else expect((button?.x ?? 0) + (button?.width ?? 0)).toBe(width - 20);
    await widget.launcher.click();
    await widget.input.waitFor();
    const box = await widget.panel.boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
    if (width === 320) expect(box).toMatchObject({ x: 0, y: 0, width: 320, height: 640 });
    const shifts = await widget.page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const observer = new PerformanceObserver((list) => resolve(list.getEntries().length));
          observer.observe({ type: 'layout-shift', buffered: true });
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(observer.takeRecords().length)));
        }),
    );
    expect(shifts).toBe(0);
  });

  it('keeps its looks on a page that styles everything, and leaves the page its own', async () => {
    const widget = await opened();
    const style = (selector: string, property: string) =>
      widget.page
        .locator(selector)
        .first()
        .evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property);
    expect(await style('.launcher', 'float')).toBe('none');
    expect(await style('.launcher', 'background-color')).toBe('rgb(35, 86, 216)');
    expect(await style('.launcher', 'text-transform')).toBe('none');
    expect(await style('.panel', 'box-sizing')).toBe('border-box');
    expect(await style('h1', 'font-family')).toContain('Georgia');
    // What a page may set is a variable.
    await widget.page.evaluate(() =>
      document.documentElement.style.setProperty('--parlor-accent', 'rgb(1, 2, 3)'),
    );
    await expect.poll(() => style('.launcher', 'background-color')).toBe('rgb(1, 2, 3)');
  });

  it('is computed the same in every detail on a page that is hostile to it', async () => {
    const plain = await stylesOf('page', '[data-parlor-widget]');
    expect(plain.length).toBeGreaterThan(40 * 300);
    const hostile = new Set(await stylesOf('hostile', '[data-parlor-widget]'));
    expect(plain.filter((style) => !hostile.has(style))).toEqual([]);
  });

  it('changes nothing of what its page looks like', async () => {
    const bare = await stylesOf('bare', 'body > main');
    expect(bare.length).toBeGreaterThan(8 * 300);
    const withIt = new Set(await stylesOf('page', 'body > main'));
    expect(bare.filter((style) => !withIt.has(style))).toEqual([]);
  });

  /** Every computed property of everything within, shadow trees included, with the chat open where there is one. */
  async function stylesOf(name: string, selector: string): Promise<string[]> {
    const { page, launcher, input } = await site.open(
      {},
      { page: name, menu: true, context: { reducedMotion: 'reduce' } },
    );
    if (name !== 'bare') {
      await launcher.click();
      await input.waitFor();
      // The pointer is over nothing, and nothing is on its way.
      await page.mouse.move(1, 1);
      await expect.poll(() => focused(page)).toBe('Message');
      await expect
        .poll(() =>
          page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length),
        )
        .toBe(0);
    }
    return page.evaluate((of) => {
      const found: string[] = [];
      const read = (element: Element, path: string) => {
        const style = getComputedStyle(element);
        for (const property of style) {
          if (!property.startsWith('--'))
            found.push(`${path} { ${property}: ${style.getPropertyValue(property)} }`);
        }
        [...(element.shadowRoot?.children ?? []), ...element.children].forEach((child, index) =>
          read(child, `${path} > ${child.localName}:${index}`),
        );
      };
      const root = document.querySelector(of);
      for (const child of root?.shadowRoot?.children ?? root?.children ?? []) read(child, child.localName);
      return found;
    }, selector);
  }

  it('tells a screen reader what it is, and what is open', async () => {
    const widget = await site.open({}, { menu: true });
    const tree = () => widget.page.locator('.widget').ariaSnapshot();
    await expect.poll(tree).toBe('- button "Open chat"');
    await widget.launcher.click();
    await widget.input.waitFor();
    await expect.poll(tree).toMatch(/^- button "Close chat" \[expanded\]\n- dialog "Chat":\n/);
    for (const part of [
      'button "Settings"',
      'button "Chat history"',
      'button "Close"',
      'heading "Ask about Acme" [level=2]',
      'textbox "Message"',
      'button "Send message" [disabled]',
    ]) {
      expect(await tree()).toContain(part);
    }
    await widget.page.getByRole('button', { name: 'Settings', exact: true }).click();
    await expect.poll(tree).toContain('heading "Settings" [level=2]');
    expect(await tree()).toContain('- list:');
    // What is behind the menu is not there for anybody.
    expect(await tree()).not.toContain('textbox');
  });

  it('is gone when its page takes it away', async () => {
    const widget = await opened();
    await widget.page.evaluate(() => globalThis.unmount());
    await expect.poll(() => widget.page.locator('[data-parlor-widget], .ask').count()).toBe(0);
    await widget.mark();
    expect(await widget.page.evaluate(() => document.getSelection()?.isCollapsed)).toBe(false);
  });

  it.each(['popup', 'inline'])(
    'takes over what the server has rendered as %s without a complaint',
    async (mode) => {
      const complaints: string[] = [];
      const widget = await site.open({ mode }, { page: `server-${mode}` });
      widget.page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      await widget.page.reload();
      if (mode === 'popup') await widget.launcher.click();
      await widget.input.waitFor();
      const seen = await widget.page.evaluate(() => globalThis.seen);
      expect(seen).toEqual(mode === 'popup' ? [true] : []);
      expect(complaints).toEqual([]);
    },
  );
});

describe('the language of the widget', () => {
  it.each([
    ['de', 'Chat öffnen', 'Nachricht', 'Einstellungen', 'Über dich', 'Fragen'],
    ['fr-CA', 'Ouvrir la discussion', 'Message', 'Paramètres', 'À propos de vous', 'Demander'],
    ['es', 'Abrir el chat', 'Mensaje', 'Ajustes', 'Sobre ti', 'Preguntar'],
    ['ja', 'チャットを開く', 'メッセージ', '設定', 'プロフィール', '質問する'],
    ['ar', 'فتح الدردشة', 'الرسالة', 'الإعدادات', 'نبذة عنك', 'اسأل'],
  ])(
    'of a page in %s is its own, with that of the chat',
    async (lang, open, message, settings, you, question) => {
      const { page, mark } = await inLanguage(lang, 'en-US');
      await page.getByRole('button', { name: open }).click();
      await page.getByRole('textbox', { name: message, exact: true }).waitFor();
      await page.getByRole('button', { name: settings, exact: true }).click();
      await page.getByRole('button', { name: you, exact: true }).waitFor();
      await mark();
      await page.getByRole('button', { name: question, exact: true }).waitFor();
      expect(await violationsOf(page)).toEqual([]);
    },
  );

  it('of a page that does not say is the browser’s, and changes with the page', async () => {
    const { page } = await inLanguage('', 'de-AT');
    await page.getByRole('button', { name: 'Chat öffnen' }).click();
    await page.getByLabel('Nachricht', { exact: true }).waitFor();
    await page.evaluate(() => document.documentElement.setAttribute('lang', 'fr'));
    await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Fermer', exact: true }).waitFor();
    // One that is not there is English, whatever the browser speaks.
    await page.evaluate(() => document.documentElement.setAttribute('lang', 'pl'));
    await page.getByRole('button', { name: 'Close chat' }).waitFor();
  });

  it('gives way to the texts of the site', async () => {
    const { page } = await inLanguage('de', 'de-DE', { labels: { open: 'Frag uns', ask: 'Was heißt das?' } });
    await page.getByRole('button', { name: 'Frag uns' }).waitFor();
  });

  async function inLanguage(lang: string, locale: string, props: object = {}) {
    const widget = await site.open(props, {
      menu: true,
      context: { locale, reducedMotion: 'reduce' },
      query: new URLSearchParams({ lang }),
    });
    return { page: widget.page, mark: () => widget.mark() };
  }
});

describe('for people who want no motion', () => {
  for (const reducedMotion of ['no-preference', 'reduce'] as const) {
    it(`the button ${reducedMotion === 'reduce' ? 'stays as it is' : 'moves'} under the pointer`, async () => {
      const { launcher } = await site.open({}, { context: { reducedMotion } });
      await launcher.hover();
      const style = () =>
        launcher.evaluate((button) => {
          const { transform, transitionProperty } = getComputedStyle(button);
          return { moved: transform !== 'none', inTime: transitionProperty.includes('transform') };
        });
      const moves = reducedMotion === 'no-preference';
      await expect.poll(style).toEqual({ moved: moves, inTime: moves });
    });
  }
});

describe('on a small screen', () => {
  const PHONE = { width: 360, height: 640, context: { hasTouch: true, isMobile: true } };

  it('the page behind does not scroll, and gets the focus back only with the end', async () => {
    const widget = await site.open({}, PHONE);
    const { page } = widget;
    const overflow = () => page.evaluate(() => getComputedStyle(document.documentElement).overflowY);
    await widget.launcher.click();
    await widget.input.waitFor();
    await expect.poll(overflow).toBe('hidden');
    expect(await widget.panel.getAttribute('aria-modal')).toBe('true');
    expect(await widget.launcher.isVisible()).toBe(false);
    await page.evaluate(() => document.getElementById('link')?.focus());
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.matches('[data-parlor-widget]')))
      .toBe(true);
    // Round the page with the keyboard, and never out of the chat.
    for (let key = 0; key < 12; key += 1) {
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.closest('main') == null)).toBe(true);
    }
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect.poll(overflow).not.toBe('hidden');
    await expect.poll(() => focused(page)).toBe('Open chat');
    await page.evaluate(() => document.getElementById('link')?.focus());
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('link');
  });

  it('the chat is above the keyboard of the screen', async () => {
    const widget = await site.open({}, PHONE);
    await widget.launcher.click();
    await widget.input.waitFor();
    expect(await widget.panel.boundingBox()).toMatchObject({ y: 0, height: 640 });
    const keyboard = (height: number, top: number) =>
      widget.page.evaluate(
        ([tall, offset]) => {
          const view = window.visualViewport;
          if (view === null) return;
          Object.defineProperties(view, {
            height: { value: innerHeight - tall, configurable: true },
            offsetTop: { value: offset, configurable: true },
          });
          view.dispatchEvent(new Event('resize'));
        },
        [height, top] as const,
      );
    await keyboard(260, 0);
    await expect.poll(() => widget.panel.boundingBox()).toMatchObject({ y: 0, height: 380 });
    const input = await widget.input.boundingBox();
    expect((input?.y ?? 0) + (input?.height ?? 0)).toBeLessThanOrEqual(380);
    // The browser has pushed the page up to show the field.
    await keyboard(260, 40);
    await expect.poll(() => widget.panel.boundingBox()).toMatchObject({ y: 40, height: 380 });
    await keyboard(0, 0);
    await expect.poll(() => widget.panel.boundingBox()).toMatchObject({ y: 0, height: 640 });
  });

  it('a phone held sideways has the whole screen for the chat as well', async () => {
    const widget = await site.open({}, { ...PHONE, width: 740, height: 360 });
    await widget.launcher.click();
    await widget.input.waitFor();
    expect(await widget.panel.boundingBox()).toMatchObject({ x: 0, y: 0, width: 740, height: 360 });
  });
});

describe('the colours of the widget', () => {
  it.each(['light', 'dark'] as const)('are those of the chat in %s', async (colorScheme) => {
    const widget = await opened({ colorScheme }, { menu: true });
    const background = (selector: string) =>
      widget.page.locator(selector).evaluate((element) => getComputedStyle(element).backgroundColor);
    expect(await background('.panel')).toBe(await background('openai-chatkit'));
  });

  it('follow the theme of the chat', async () => {
    const widget = await opened({
      options: {
        theme: {
          color: {
            accent: { primary: '#b5e853', level: 1 },
            surface: { background: '#fff8e7', foreground: '#302010' },
          },
        },
      },
    });
    const style = (selector: string, property: string) =>
      widget.page
        .locator(selector)
        .evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property);
    expect(await style('.launcher', 'background-color')).toBe('rgb(181, 232, 83)');
    // Black on a light colour.
    expect(await style('.launcher', 'color')).toBe('oklch(0 0 0)');
    expect(await style('.panel', 'background-color')).toBe('rgb(255, 248, 231)');
  });
});

describe('with React 18', () => {
  let older: WidgetLab;
  beforeAll(async () => {
    older = await WidgetLab.start(join(import.meta.dirname, '../../../../tests/react-18'));
  });
  afterEach(() => older.lab.closePages());
  afterAll(() => older.stop());

  it('opens, answers and closes', async () => {
    const widget = await older.open();
    await widget.launcher.click();
    await widget.input.fill('hello');
    await widget.input.press('Enter');
    await expect.poll(() => widget.chat.answers.count()).toBe(1);
    await widget.input.press('Escape');
    await expect.poll(() => widget.panel.isVisible()).toBe(false);
    expect(await widget.page.evaluate(() => globalThis.seen)).toEqual([true, false]);
  });
});
