// Mode `jwt` with tokens of a real OpenID provider, found by its discovery document.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, OpenIdProvider, Parlor } from './support/processes.mjs';

const CLIENTS = ['backend', 'other'].map((name) => ({
  client_id: name,
  client_secret: `${name}-has-a-secret-of-some-length`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}));

describe('tokens of an OpenID provider', () => {
  let provider;
  let parlor;

  before(async () => {
    provider = await OpenIdProvider.start();
    for (const client of CLIENTS) await provider.control('client', client);
    parlor = await Parlor.start({
      PARLOR_AUTH: 'jwt',
      PARLOR_AUTH__JWT__ISSUER: provider.url,
      PARLOR_AUTH__JWT__AUDIENCE: 'urn:parlor:test',
    });
  });
  after(async () => {
    await parlor?.stop();
    await provider?.stop();
  });

  const call = async (token, type, params = {}, headers = {}) => {
    const response = await fetch(`${parlor.url}/chatkit`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...headers },
      body: JSON.stringify({ type, params }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  const list = (token, headers) => call(token, 'threads.list', {}, headers);
  const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());

  test('say who asks, and keep those apart', async () => {
    const [mine, others] = await Promise.all(CLIENTS.map((client) => provider.token(client)));
    const content = [{ type: 'input_text', text: 'What is Parlor?' }];
    const asked = await call(mine, 'threads.create', { input: { content, attachments: [], inference_options: {} } });
    assert.equal(asked.status, 200);
    const { body } = await list(mine);
    assert.equal(body.data.length, 1);
    assert.equal((await list(others)).body.data.length, 0);
    assert.equal((await call(others, 'threads.get_by_id', { thread_id: body.data[0].id })).status, 404);
    assert.equal((await list(mine, { 'x-user-id': claims(mine).sub })).status, 200);
    assert.equal((await list(mine, { 'x-user-id': 'other' })).status, 403);
  });

  test('are needed, and not to be changed', async () => {
    const token = await provider.token(CLIENTS[0]);
    assert.equal((await list(undefined)).status, 401);
    const [header, , signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ ...claims(token), sub: 'other' })).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const bad of [`${header}.${forged}.${signature}`, `${none}.${forged}.`]) {
      const { status, body } = await list(bad);
      assert.equal(status, 401);
      assert.equal(body.error.message, 'the access token is not valid here, or no longer; sign in again');
      assert.ok(!parlor.log.includes(bad), 'no token is logged');
    }
  });

  test('are checked with the keys that the provider has now', async () => {
    const before = await provider.token(CLIENTS[0]);
    assert.equal((await list(before)).status, 200);
    await provider.control('rotate');
    const after = await provider.token(CLIENTS[0]);
    assert.equal((await list(after)).status, 200, 'a key that is met for the first time is fetched');
    assert.equal((await list(before)).status, 200, 'the provider still publishes the earlier key');
    await provider.control('rotate', { drop: true });
    const last = await provider.token(CLIENTS[0]);
    assert.equal((await list(last)).status, 200);
    assert.equal((await list(before)).status, 401, 'its key is withdrawn');
    assert.equal((await list(after)).status, 401);
  });

  test('are good while the provider is away, and again when it is back', async () => {
    const token = await provider.token(CLIENTS[0]);
    assert.equal((await list(token)).status, 200);
    await provider.control('set', { away: true });
    try {
      assert.equal((await list(token)).status, 200, 'the keys are known');
      await parlor.down();
      await parlor.up();
      const { status, headers } = await list(token);
      assert.equal(status, 503, 'nobody can be told apart, and it may pass');
      assert.ok(headers.has('retry-after'));
    } finally {
      await provider.control('set', { away: false });
    }
    await eventually('tokens are checked again', async () => (await list(token)).status === 200, 30_000);
  });
});
