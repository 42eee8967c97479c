// The Next.js app in `examples/next`, as it was built: people sign in there, and the chat's requests go through it. Browsers
// reach nothing else.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { describe } from 'node:test';
import { eventually, FakeModel, NextApp, Parlor } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

const TOKEN_SECRET = randomBytes(32).toString('base64');
const HANDLER = '/api/parlor';
const PASSWORDS = { ada: 'analytical-engine', linus: 'chemical-bond' };

async function startServers(here) {
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start({
    ...modelSettings('responses', here.model),
    PARLOR_SEARCH__ENABLED: 'false',
    PARLOR_TITLES__ENABLED: 'false',
    // So that it can be seen when a reader has left.
    PARLOR_TURNS__ON_DISCONNECT: 'cancel',
    PARLOR_AUTH: 'jwt',
    PARLOR_AUTH__JWT__ISSUER: 'https://coffee.example',
    PARLOR_AUTH__JWT__AUDIENCE: 'parlor',
    PARLOR_AUTH__JWT__SECRET: TOKEN_SECRET,
    PARLOR_AUTH__JWT__LEEWAY_SECONDS: '0',
  });
  here.app = await NextApp.start({
    SESSION_SECRET: randomBytes(32).toString('base64'),
    PARLOR_TOKEN_SECRET: TOKEN_SECRET,
    PARLOR_URL: here.parlor.url,
  });
  return here.app.url;
}

const launcher = (visitor) => visitor.page.locator('.launcher');
const panel = (visitor) => visitor.page.getByRole('dialog', { name: 'Chat', exact: true });

async function fillLogin(visitor, name) {
  await visitor.page.getByLabel('Mail address').fill(`${name}@example.com`);
  await visitor.page.getByLabel('Password').fill(PASSWORDS[name]);
  await visitor.page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
}

async function signIn(visitor, name, page = '/help') {
  await visitor.page.goto(`/login?return_to=${page}`);
  await fillLogin(visitor, name);
  await visitor.page.waitForURL(`**${page}`);
  // The address is there before the page is, and the title with it.
  await visitor.page.getByTestId('account').waitFor();
  await visitor.page.waitForFunction(() => document.title !== '' && !document.title.startsWith('Sign in'));
}

async function openChat(visitor) {
  await launcher(visitor).click();
  await visitor.ready();
}

/** Asks the handler as a script of the page would. */
const api = (visitor, type, params) =>
  visitor.page.evaluate(
    async ([address, body]) => {
      const response = await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      return { status: response.status, body: await response.json() };
    },
    [`${HANDLER}/chatkit`, JSON.stringify({ type, params })],
  );

const cookies = async (visitor) =>
  Object.fromEntries((await visitor.context.cookies()).map((cookie) => [cookie.name, cookie]));

/** Everything that a script of the page could have read: bodies of answers, storage, cookies, the document. */
async function watchWhatIsReadable(visitor) {
  const bodies = [];
  // Chromium keeps documents for its debugger, and not everything that a script has fetched: that is read where it is used.
  visitor.context.on('response', (response) => {
    bodies.push(response.body().then((body) => body.toString('latin1'), () => ''));
  });
  await visitor.context.exposeFunction('keepBody', (body) => bodies.push(body));
  await visitor.context.addInitScript(() => {
    const { fetch, keepBody } = window;
    window.fetch = async (...request) => {
      const response = await fetch(...request);
      void response.clone().text().then(keepBody, () => {});
      return response;
    };
  });
  return async () => {
    const inPage = await visitor.page.evaluate(() =>
      JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML]),
    );
    return [inPage, ...(await Promise.all(bodies))].join('\n');
  };
}

describe('the Next.js app', () => {
  const { scene } = scenes('next', startServers);

  scene('signed out, a login is offered; then the chat is open on the same page, and no script can read a token', async (visitor, { model }) => {
    const readable = await watchWhatIsReadable(visitor);
    const { page } = visitor;
    const asked = [];
    page.on('request', (request) => {
      if (new URL(request.url()).pathname === `${HANDLER}/chatkit`) asked.push(request);
    });
    const html = await (await page.goto('/help?from=mail#returns')).text();
    assert.match(html.slice(0, html.indexOf('</head>')), /<script async="" type="module" src="\/api\/parlor\/chatkit\.js"/);
    await launcher(visitor).click();
    await panel(visitor).getByText('Sign in to chat').waitFor();
    await visitor.isAccessible('the login in place of the chat');
    await visitor.screenshot('next-signed-out');
    assert.equal(asked.length, 0);

    await panel(visitor).getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/login?**');
    await visitor.isAccessible('the login');
    await fillLogin(visitor, 'ada');
    await page.waitForURL('**/help?from=mail#returns');
    // Nobody had to open it again.
    await visitor.ready();
    await visitor.chat.getByText('Hello Ada').waitFor();
    await model.script({ steps: [{ step: 'text', text: 'Within **thirty days**.' }] });
    await visitor.ask('Can I return a bag?');
    await visitor.isAccessible('the chat');
    await visitor.screenshot('next-chat');

    const told = JSON.stringify((await model.requests()).at(-1).body);
    for (const known of ['Ada Lovelace', 'ada@example.com', 'C-1815', 'Help · Harbour Coffee', '/help?from=mail', 'Returns']) {
      assert.ok(told.includes(known), `the model knows ${known}`);
    }

    const { session, parlor_token: token } = await cookies(visitor);
    let everything;
    await eventually("the page's own data and the answer are among what is searched", async () => {
      everything = await readable();
      return everything.includes('C-1815') && everything.includes('thirty days');
    });
    for (const cookie of [session, token]) {
      assert.equal(cookie.httpOnly, true);
      assert.equal(cookie.sameSite, 'Lax');
      const [, claims, signature] = cookie.value.split('.');
      for (const part of [claims, signature]) assert.ok(!everything.includes(part), `${cookie.name} is readable`);
      assert.ok(!told.includes(signature));
    }
  });

  scene('answers stream, can be stopped, and end with their reader', async (visitor, { model }) => {
    await model.script(
      { steps: [{ step: 'text', text: 'The first words, ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'and the rest.' }] },
      { steps: [{ step: 'text', text: 'Only half of ' }, { step: 'hold', name: 'never' }] },
    );
    await signIn(visitor, 'ada');
    await openChat(visitor);
    await visitor.send('Tell me a story');
    await model.held('rest');
    await visitor.says('The first words');
    assert.ok(!(await visitor.lastAnswer.innerText()).includes('the rest'));
    await model.release('rest');
    await visitor.says('and the rest.');
    await visitor.answered(1);
    await visitor.send('And another one');
    await visitor.says('Only half of');
    await visitor.stopButton.click();
    await visitor.answered(2);
    await model.requestsWhen('the connection to the model is closed', (requests) => requests.at(-1)?.finished === false);

    await model.script({ steps: [{ step: 'text', text: 'Nobody reads ' }, { step: 'hold', name: 'ever' }] });
    await visitor.send('And a third one');
    await visitor.says('Nobody reads');
    await visitor.page.goto('about:blank');
    await model.requestsWhen('it has ended, too', (requests) => requests.at(-1)?.finished === false && requests.length === 3);
  });

  scene('a second user sees nothing of the first', async (visitor, { browser }) => {
    await signIn(visitor, 'ada');
    await openChat(visitor);
    await visitor.ask('A question of Ada');
    const mine = (await api(visitor, 'threads.list', {})).body.data;
    assert.ok(mine.length > 0);

    const other = await browser.newContext({ baseURL: visitor.origin });
    try {
      const theirs = { page: await other.newPage() };
      await signIn(theirs, 'linus', '/orders');
      assert.equal(await theirs.page.getByTestId('account').innerText(), 'Linus Pauling');
      assert.deepEqual((await api(theirs, 'threads.list', {})).body.data, []);
      const { status, body } = await api(theirs, 'threads.get_by_id', { thread_id: mine[0].id });
      assert.deepEqual([status, body.error.code], [404, 'not_found']);
      await theirs.page.goto('/orders/20417');
      await theirs.page.getByText('404').waitFor();
    } finally {
      await other.close();
    }
    // The same browser, and somebody else: nothing is left over, neither in the chat nor in what it remembers.
    await visitor.page.getByRole('button', { name: 'Sign out' }).click();
    await panel(visitor).getByText('Sign in to chat').waitFor();
    await signIn(visitor, 'linus');
    await visitor.ready();
    await visitor.chat.getByText('Hello Linus').waitFor();
    assert.equal(await visitor.questions.count(), 0);
  });

  scene('a token that has expired is renewed once, and a login that has ended is offered again', async (visitor, { parlor }) => {
    await signIn(visitor, 'ada');
    await openChat(visitor);
    const { parlor_token: good } = await cookies(visitor);
    const [header, claims] = good.value.split('.');
    const now = Math.floor(Date.now() / 1000);
    const old = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), iat: now - 900, exp: now - 600 };
    const signed = `${header}.${Buffer.from(JSON.stringify(old)).toString('base64url')}`;
    const value = `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
    const refused = () => parlor.log.split('ExpiredSignature').length - 1;
    await visitor.context.addCookies([{ ...good, value }]);
    const before = refused();
    await visitor.ask('Still there?');
    const { parlor_token: renewed } = await cookies(visitor);
    assert.notEqual(renewed.value, value);
    assert.equal(renewed.httpOnly, true);
    await visitor.ask('And now?');
    assert.equal(refused(), before + 1, 'it was refused once, and then renewed');

    visitor.expected.push(/status of 401/);
    await visitor.context.clearCookies();
    await visitor.send('And without a login?');
    await panel(visitor).getByText('Sign in to chat').waitFor();
  });

  scene('files go through it, and links to them lead back', async (visitor) => {
    await signIn(visitor, 'ada');
    await openChat(visitor);
    const picture = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    const [chooser] = await Promise.all([
      visitor.page.waitForEvent('filechooser'),
      visitor.chat.getByRole('button', { name: 'Attach files' }).click(),
    ]);
    await chooser.setFiles([{ name: 'bag.png', mimeType: 'image/png', buffer: picture }]);
    await visitor.chat.locator('[part~="attachment"][data-state="done"]').waitFor();
    await visitor.ask('What is in the picture?');
    await visitor.page.reload();
    await visitor.ready();
    const images = visitor.chat.locator('[part~="image-attachment"] img');
    await eventually('the picture is shown', async () =>
      (await images.evaluateAll((all) => all.map((image) => image.naturalWidth))).join() === '1',
    );

    // Larger than what is kept of a request, here and in Next.js: it is passed on as it comes.
    const answer = await visitor.page.evaluate(async (address) => {
      const form = new FormData();
      form.append('file', new File(['0123456789abcde\n'.repeat(750_000)], 'long.txt', { type: 'text/plain' }));
      const uploaded = await (await fetch(`${address}/files`, { method: 'POST', body: form })).json();
      const downloaded = await fetch(uploaded.download_url);
      return { url: uploaded.download_url, size: (await downloaded.arrayBuffer()).byteLength };
    }, HANDLER);
    assert.equal(answer.size, 12_000_000);
    assert.ok(answer.url.startsWith(`${visitor.origin}${HANDLER}/files/`), answer.url);
    const outside = await fetch(answer.url);
    assert.equal(outside.status, 401, 'the link is of no use to who has not signed in');
  });

  scene('the chat stays open from page to page, says when Parlor is away, and goes on', async (visitor, { model, parlor }) => {
    await signIn(visitor, 'ada');
    await openChat(visitor);
    await visitor.ask('The first question');
    await visitor.page.getByRole('link', { name: 'Orders', exact: true }).click();
    await visitor.page.waitForURL('**/orders');
    await visitor.page.getByRole('heading', { name: 'Your orders' }).waitFor();
    await visitor.ask('The second question');
    assert.ok(JSON.stringify((await model.requests()).at(-1).body).includes('Orders · Harbour Coffee'));

    visitor.expected.push(/status of 502/);
    await parlor.down();
    await visitor.send('The third question');
    await visitor.banner.getByText('cannot be reached').waitFor();
    await parlor.up();
    await visitor.tryAgain();
    await visitor.answered(3);
  });

  for (const [name, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    narrow: { viewport: { width: 360, height: 740 } },
  })) {
    scene(
      `it can be looked at: ${name}`,
      async (visitor, { model }) => {
        await signIn(visitor, 'ada', '/orders');
        await visitor.isAccessible(`the orders, ${name}`);
        await visitor.screenshot(`next-${name}-orders`);
        await openChat(visitor);
        await model.script({ steps: [{ step: 'text', text: 'Order **20417** left us on Friday, and should be with you *today*.' }] });
        await visitor.ask('Where is my last order?');
        await visitor.isAccessible(`the chat, ${name}`);
        await visitor.screenshot(`next-${name}-chat`);
        const wide = await visitor.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.equal(wide, false, 'nothing sticks out');
      },
      options,
    );
  }
});
