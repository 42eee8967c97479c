// Mode `session`: people sign in with a real OpenID provider, in a real browser.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually, FakeModel, OpenIdProvider, Parlor } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

/** Parlor and a provider that knows it. */
function withProvider(kind, environment = {}) {
  return scenes(kind, async (here) => {
    here.provider = await OpenIdProvider.start();
    here.model = await FakeModel.start();
    here.parlor = await Parlor.start({
      ...modelSettings('responses', here.model),
      PARLOR_AUTH: 'session',
      PARLOR_AUTH__SESSION__ISSUER: here.provider.url,
      PARLOR_AUTH__SESSION__CLIENT_ID: 'parlor',
      PARLOR_AUTH__SESSION__CLIENT_SECRET: 'a secret of Parlor & the provider, of some length',
      ...environment,
    });
    await here.provider.control('client', {
      client_id: 'parlor',
      client_secret: 'a secret of Parlor & the provider, of some length',
      redirect_uris: [`${here.parlor.url}/auth/callback`],
      post_logout_redirect_uris: [`${here.parlor.url}/`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    });
    return here.parlor.url;
  });
}

const account = (visitor) => visitor.page.locator('#account');
const signInLink = (visitor) => visitor.page.getByRole('link', { name: 'Sign in', exact: true });

/** The provider is another origin, and a request without a login is refused. */
function atHome(visitor, provider) {
  visitor.expected.push(new RegExp(`^request to ${provider.url}/`), /status of 401/);
}

async function signInHere(visitor, name) {
  await signInLink(visitor).click();
  await visitor.page.getByLabel('Name').fill(name);
  await visitor.page.getByRole('button', { name: 'Sign in' }).click();
  await visitor.ready();
}

async function signIn(visitor, name, from = '/') {
  await visitor.page.goto(from);
  await signInHere(visitor, name);
}

describe('signing in with Parlor', () => {
  const { scene } = withProvider('session');

  scene('whoever signs in finds their conversations, and nobody else does', async (visitor, { provider, parlor }) => {
    atHome(visitor, provider);
    await visitor.page.goto('/docs/models/');
    await account(visitor).getByText('Not signed in').waitFor();
    assert.equal(await visitor.chat.count(), 0, 'no chat that nobody may use');
    await visitor.isAccessible('the page before signing in');
    await visitor.screenshot('session-signed-out');
    assert.equal((await visitor.api('threads.list', {})).body.error.code, 'login_required');

    await signIn(visitor, 'ada', '/docs/models/?from=here#no-model');
    assert.equal(visitor.page.url(), `${parlor.url}/docs/models/?from=here#no-model`, 'back where it began');
    await account(visitor).getByText('Signed in as Ada').waitFor();
    await visitor.ask('/notools A question of Ada');
    await visitor.isAccessible('the page of somebody who has signed in');
    await visitor.screenshot('session-signed-in');
    const cookies = await visitor.context.cookies(parlor.url);
    const session = cookies.find(({ name }) => name === 'parlor_session');
    assert.equal(session.httpOnly, true);
    assert.equal(session.sameSite, 'Lax');
    assert.deepEqual(cookies.filter(({ name }) => name.startsWith('parlor_login')), []);
    await visitor.page.reload();
    await visitor.ready();
    await visitor.answered(1);
    const { data } = (await visitor.api('threads.list', {})).body;
    assert.equal(data.length, 1);

    await account(visitor).getByRole('button', { name: 'Sign out' }).click();
    await visitor.page.getByRole('button', { name: 'Yes, sign out' }).click();
    await account(visitor).getByText('Not signed in').waitFor();
    assert.equal(visitor.page.url(), `${parlor.url}/`);
    // The cookie was worth something until just now.
    await visitor.context.addCookies([session]);
    assert.equal((await visitor.api('threads.list', {})).status, 401);
    await visitor.context.clearCookies();

    await signIn(visitor, 'linus');
    await account(visitor).getByText('Signed in as Linus').waitFor();
    assert.deepEqual((await visitor.api('threads.list', {})).body.data, []);
    visitor.expected.push(/status of 404/);
    assert.equal((await visitor.api('threads.get_by_id', { thread_id: data[0].id })).status, 404);
    const log = parlor.log;
    for (const secret of [session.value, 'a secret of Parlor']) assert.ok(!log.includes(secret), 'no secret is logged');
  });

  scene('a login is refreshed, and ends when the provider says so', async (visitor, { provider }) => {
    atHome(visitor, provider);
    const asked = async () => (await provider.control('asked'))['/token'] ?? 0;
    const list = async () => (await visitor.api('threads.list', {})).status;
    await provider.control('set', { tokenSeconds: 1 });
    try {
      await signIn(visitor, 'grace');
      const before = await asked();
      // Each refresh token is good once: several in a row show that the new ones are kept.
      await eventually('it was refreshed three times', async () => {
        assert.equal(await list(), 200);
        return (await asked()) >= before + 3;
      });
      await provider.control('rotate', { drop: true });
      const rotated = await asked();
      await eventually('it was refreshed with a new key', async () => {
        assert.equal(await list(), 200);
        return (await asked()) > rotated;
      });
      await provider.control('revoke', { account: 'grace' });
      await eventually('the login has ended', async () => (await list()) === 401);
    } finally {
      await provider.control('set', { tokenSeconds: 3600 });
    }
    await visitor.send('/notools Still there?');
    await account(visitor).getByText('Not signed in').waitFor();
    await signInLink(visitor).waitFor();
  });

  scene('whoever says no is told what to do', async (visitor, { provider }) => {
    atHome(visitor, provider);
    await visitor.page.goto('/');
    await signInLink(visitor).click();
    await visitor.page.getByRole('button', { name: 'Cancel' }).click();
    await visitor.page.getByRole('heading', { name: 'You are not signed in' }).waitFor();
    await visitor.isAccessible('the page of somebody who said no');
    await visitor.screenshot('session-cancelled');
    await visitor.page.getByRole('link', { name: 'Try again' }).click();
    await visitor.page.getByRole('heading', { name: 'Sign in to the provider' }).waitFor();
  });

  scene(
    'it works on a narrow, dark screen',
    async (visitor, { provider }) => {
      atHome(visitor, provider);
      await visitor.page.goto('/');
      await visitor.page.getByRole('button', { name: 'Ask' }).click();
      await signInLink(visitor).waitFor();
      await visitor.isAccessible('the sheet before signing in');
      await visitor.screenshot('session-narrow-signed-out');
      await signInLink(visitor).click();
      await visitor.page.getByLabel('Name').fill('somebody-with-an-extraordinarily-long-name');
      await visitor.page.getByRole('button', { name: 'Sign in' }).click();
      await visitor.page.getByRole('button', { name: 'Ask' }).click();
      await visitor.ready();
      await visitor.page.getByRole('button', { name: 'Sign out' }).waitFor();
      await visitor.screenshot('session-narrow-signed-in');
      await visitor.page.goto('/auth/callback?state=x&code=y');
      await visitor.page.getByRole('heading', { name: 'Signing in did not work' }).waitFor();
      await visitor.isAccessible('the page of a sign-in that did not work');
      await visitor.screenshot('session-narrow-failed');
    },
    { viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
  );

  scene('while the provider is away those who are signed in stay so, and nobody else comes', async (visitor, { provider, parlor }) => {
    atHome(visitor, provider);
    visitor.expected.push(/status of 503/);
    await signIn(visitor, 'ada');
    await provider.control('set', { away: true });
    try {
      assert.equal((await visitor.api('threads.list', {})).status, 200);
      await parlor.down();
      await parlor.up();
      assert.equal((await visitor.api('threads.list', {})).status, 200, 'and after a restart');
      await visitor.page.goto('/auth/login');
      await visitor.page.getByRole('heading', { name: 'not possible at the moment' }).waitFor();
    } finally {
      await provider.control('set', { away: false });
    }
  });
});

describe('visitors who sign in', () => {
  const { scene } = withProvider('visitors', { PARLOR_AUTH__SESSION__ANONYMOUS: 'true' });

  scene('what was asked as a visitor is still open after signing in, and the account’s', async (visitor, { provider, parlor }) => {
    atHome(visitor, provider);
    const cookies = async () => (await visitor.context.cookies(parlor.url)).map(({ name }) => name);
    const threads = async () => (await visitor.api('threads.list', {})).body.data.map(({ id }) => id);
    await visitor.page.goto('/docs/models/');
    await account(visitor).getByText('Asking as a visitor').waitFor();
    await visitor.ask('/notools A question of a visitor');
    const asked = await threads();
    assert.equal(asked.length, 1);
    assert.ok((await cookies()).includes('parlor_visitor'));
    const [old] = (await visitor.context.cookies(parlor.url)).filter(({ name }) => name === 'parlor_visitor');

    await signInHere(visitor, 'ada');
    await account(visitor).getByText('Signed in as Ada').waitFor();
    await visitor.answered(1);
    assert.match(await visitor.questions.last().innerText(), /A question of a visitor/);
    await visitor.isAccessible('the page of a visitor who has signed in');
    await visitor.screenshot('visitor-signed-in');
    assert.deepEqual(await threads(), asked);
    assert.ok(!(await cookies()).includes('parlor_visitor'), 'the visitor is no more');
    await visitor.ask('/notools And another one');
    assert.equal(await visitor.questions.count(), 2, 'it goes on in the same conversation');
    assert.deepEqual(await threads(), asked);

    await account(visitor).getByRole('button', { name: 'Sign out' }).click();
    await visitor.page.getByRole('button', { name: 'Yes, sign out' }).click();
    await account(visitor).getByText('Asking as a visitor').waitFor();
    // The copy that somebody kept of the cookie is worth nothing.
    await visitor.context.addCookies([old]);
    assert.deepEqual(await threads(), []);
    await signIn(visitor, 'linus');
    await account(visitor).getByText('Signed in as Linus').waitFor();
    assert.deepEqual(await threads(), []);
    await visitor.context.clearCookies();
    await signIn(visitor, 'ada');
    assert.deepEqual(await threads(), asked);
  });
});
