// The site widget where people sign in, with a real OpenID provider: on the site's own address, with Parlor on another one,
// and for visitors who sign in when they like.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe } from 'node:test';
import { siteServer } from '../../examples/serve.mjs';
import { Visitor } from './support/browser.mjs';
import { eventually, FakeModel, OpenIdProvider, Parlor } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

const SECRET = 'a secret of Parlor & the provider, of some length';

const page = (attributes) => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Plans of Acme</title>
    <link rel="icon" href="data:," />
  </head>
  <body>
    <main><h1>Plans</h1><p id="passage">Every plan has a trial of fourteen days.</p></main>
    <script type="module" ${attributes} data-auth="session" data-greeting="Ask about Acme"></script>
  </body>
</html>`;

/** A site with the widget, Parlor behind it or beside it, and a provider that knows both. */
function withSite(kind, { beside = false, environment = {} } = {}) {
  return scenes(kind, async (here) => {
    here.provider = await OpenIdProvider.start();
    here.model = await FakeModel.start();
    const folder = await mkdtemp(path.join(tmpdir(), 'parlor-e2e-login-'));
    let parlor = 'http://127.0.0.1:1';
    const server = siteServer(folder, () => parlor);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    here.site = {
      stop: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
        await rm(folder, { recursive: true });
      },
    };
    here.parlor = await Parlor.start({
      ...modelSettings('responses', here.model),
      PARLOR_SEARCH__ENABLED: 'false',
      PARLOR_AUTH: 'session',
      PARLOR_AUTH__SESSION__ISSUER: here.provider.url,
      PARLOR_AUTH__SESSION__CLIENT_ID: 'parlor',
      PARLOR_AUTH__SESSION__CLIENT_SECRET: SECRET,
      ...(beside && { PARLOR_SITE__CORS_ORIGINS: url }),
      ...environment,
    });
    parlor = here.parlor.url;
    const script = beside ? `src="${parlor}/widget.js"` : 'src="/widget.js"';
    await writeFile(path.join(folder, 'plans.html'), page(script));
    await here.provider.control('client', {
      client_id: 'parlor',
      client_secret: SECRET,
      redirect_uris: [`${beside ? parlor : url}/auth/callback`],
      post_logout_redirect_uris: [`${beside ? parlor : url}/`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    });
    return url;
  });
}

const launcher = (visitor) => visitor.page.locator('.launcher');
const signInButton = (visitor) => visitor.page.getByRole('button', { name: 'Sign in', exact: true });

/** The provider is another origin; what the visitor asks of `/chatkit` is kept. */
function atHome(visitor, provider, parlor) {
  visitor.expected.push(new RegExp(`^request to ${provider.url}/`));
  if (parlor !== undefined) visitor.expected.push(new RegExp(`^request to ${parlor.url}/`));
  const asked = [];
  visitor.context.on('request', (request) => {
    if (new URL(request.url()).pathname === '/chatkit') asked.push(request.method());
  });
  return asked;
}

async function atProvider(visitor, name) {
  await visitor.page.getByLabel('Name').fill(name);
  await visitor.page.getByRole('button', { name: 'Sign in' }).click();
}

async function told(model, question) {
  return eventually(`the model is asked ${question}`, async () => {
    const asked = (await model.requests()).find((request) => JSON.stringify(request.body.input).includes(question));
    return asked && JSON.stringify(asked.body);
  });
}

/** Somebody else, in a browser of their own. */
async function another(visitor, browser, play) {
  const other = await Visitor.enter(browser, visitor.origin);
  try {
    await play(other);
    other.assertCalm();
  } finally {
    await other.leave();
  }
}

async function seesNothing(visitor) {
  await visitor.openHistory();
  assert.deepEqual(await visitor.threadTitles(), []);
  await visitor.closeHistory();
}

function signsIn({ scene }, isBeside) {
  scene('whoever has not signed in is asked to, comes back to the page with the chat open, and is known', async (visitor, { provider, parlor, model, browser }) => {
    const parlorHere = isBeside ? parlor : undefined;
    const asked = atHome(visitor, provider, parlorHere);
    const { page } = visitor;
    const address = `${visitor.origin}/plans.html?from=mail#passage`;
    await page.goto(address);
    await launcher(visitor).click();
    await page.getByRole('heading', { name: 'Sign in to chat' }).waitFor();
    assert.equal(await visitor.chat.count(), 0);
    await visitor.isAccessible('the prompt to sign in');
    await visitor.screenshot(`login-prompt${isBeside ? '-beside' : ''}`);
    // What is asked meanwhile is asked nobody.
    await page.evaluate(() => document.getSelection().selectAllChildren(document.getElementById('passage')));
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
    await visitor.settled();
    assert.deepEqual(asked, [], 'nothing is asked of the chat before');

    await signInButton(visitor).click();
    await atProvider(visitor, 'ada');
    await page.waitForURL(address);
    await visitor.ready();
    assert.equal(await launcher(visitor).getAttribute('aria-expanded'), 'true');
    await visitor.ask('/notools What is my name?');
    assert.ok((await told(model, 'What is my name?')).includes('Ada'), 'the model knows who asks');
    await visitor.screenshot(`login-signed-in${isBeside ? '-beside' : ''}`);

    await another(visitor, browser, async (other) => {
      atHome(other, provider, parlorHere);
      await other.page.goto(address);
      await launcher(other).click();
      await signInButton(other).click();
      await atProvider(other, 'linus');
      await other.page.waitForURL(address);
      await other.ready();
      await seesNothing(other);
      await other.ask('/notools And mine?');
      const body = await told(model, 'And mine?');
      assert.ok(body.includes('Linus') && !body.includes('Ada'));
    });

    // Out again: the next one at this browser sees nothing of it.
    await visitor.chat.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByRole('button', { name: 'Sign out (Ada)' }).click();
    visitor.expected.push(/status of 404/);
    await page.getByRole('button', { name: 'Yes, sign out' }).click();
    // Where the provider sends people is the beginning of the site, which this one does not have; or of Parlor.
    await page.waitForURL((url) => url.pathname === '/');
    const before = asked.length;
    await page.goto(address);
    await page.getByRole('heading', { name: 'Sign in to chat' }).waitFor();
    await visitor.settled();
    assert.equal(await visitor.chat.count(), 0);
    assert.equal(asked.length, before);
    await signInButton(visitor).click();
    await atProvider(visitor, 'grace');
    await visitor.ready();
    assert.equal(await visitor.answers.count(), 0);
    await seesNothing(visitor);
  });
}

describe('signing in on the site', () => signsIn(withSite('login'), false));

describe('signing in with a Parlor on another origin', () => signsIn(withSite('login-beside', { beside: true }), true));

describe('visitors of a site, who may sign in', () => {
  const { scene } = withSite('login-visitors', { environment: { PARLOR_AUTH__SESSION__ANONYMOUS: 'true' } });

  scene('chat at once, and take their conversation with them into their account', async (visitor, { provider, model, browser }) => {
    atHome(visitor, provider);
    const { page } = visitor;
    await page.goto('/plans.html');
    await launcher(visitor).click();
    await visitor.ask('/notools A question of a visitor');
    await visitor.chat.getByRole('button', { name: 'Settings', exact: true }).click();
    await visitor.isAccessible('the menu of a visitor');
    await visitor.screenshot('login-visitor-menu');
    await signInButton(visitor).click();
    await atProvider(visitor, 'ada');
    await page.waitForURL('**/plans.html');
    await visitor.answered(1);
    assert.match(await visitor.questions.last().innerText(), /A question of a visitor/);
    await visitor.ask('/notools And as Ada');
    const body = await told(model, 'And as Ada');
    assert.ok(body.includes('Ada') && body.includes('A question of a visitor'));

    await another(visitor, browser, async (other) => {
      atHome(other, provider);
      await other.page.goto('/plans.html');
      await launcher(other).click();
      await other.ready();
      await seesNothing(other);
      await other.chat.getByRole('button', { name: 'Settings', exact: true }).click();
      await signInButton(other).click();
      await atProvider(other, 'ada');
      await other.ready();
      await other.openHistory();
      assert.equal((await other.threadTitles()).length, 1, 'the account has it everywhere');
    });
  });
});
