// A server of tools that each user signs in to: the card, the sign-in in a tab of its own, and the way back.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe } from 'node:test';
import { FakeModel, Parlor } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

/** A server of tools with people's data, and the authorization server that lets them in. */
class Crm {
  /** Whose token each call came with. */
  calls = [];
  #codes = new Map();
  #tokens = new Map();
  #server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { pathname, searchParams } = new URL(request.url, this.url);
    const answer = this[`${request.method} ${pathname}`]?.(Buffer.concat(chunks).toString(), request, searchParams) ?? { status: 404 };
    response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'application/json', ...answer.headers });
    response.end(answer.page ?? (answer.json && JSON.stringify(answer.json)));
  });

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    this.folder = await mkdtemp(path.join(tmpdir(), 'parlor-connect-'));
    this.config = path.join(this.folder, 'parlor.toml');
    await writeFile(
      this.config,
      `[[tools]]\nkind = "mcp"\nname = "crm"\nurl = "${this.url}/mcp"\nconnect_seconds = 60\n\n[tools.sign_in]\ntitle = "Acme CRM"\n`,
    );
    return this;
  }

  codes() {
    return [...this.#codes.keys()];
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  'GET /.well-known/oauth-protected-resource/mcp'() {
    return { json: { resource: `${this.url}/mcp`, authorization_servers: [this.url] } };
  }

  'GET /.well-known/oauth-authorization-server'() {
    return {
      json: {
        issuer: this.url,
        authorization_endpoint: `${this.url}/authorize`,
        token_endpoint: `${this.url}/token`,
        registration_endpoint: `${this.url}/register`,
        code_challenge_methods_supported: ['S256'],
      },
    };
  }

  'POST /register'(body) {
    return { status: 201, json: { client_id: 'parlor', redirect_uris: JSON.parse(body).redirect_uris } };
  }

  'GET /authorize'(_body, _request, asked) {
    const back = (answer) => {
      const url = new URL(asked.get('redirect_uri'));
      for (const [name, value] of Object.entries({ state: asked.get('state'), ...answer })) url.searchParams.set(name, value);
      return url.href.replaceAll('&', '&amp;');
    };
    const code = randomUUID();
    this.#codes.set(code, asked.get('code_challenge'));
    return {
      type: 'text/html',
      page: `<!doctype html><html lang="en"><title>Acme</title><link rel="icon" href="data:,">
        <a href="${back({ code })}">Let Parlor in</a> <a href="${back({ error: 'access_denied' })}">No</a>`,
    };
  }

  'POST /token'(body) {
    const form = new URLSearchParams(body);
    const challenge = createHash('sha256').update(form.get('code_verifier')).digest('base64url');
    assert.equal(challenge, this.#codes.get(form.get('code')));
    const token = `t0ken-${randomUUID()}`;
    this.#tokens.set(token, `account ${this.#tokens.size + 1}`);
    return { json: { access_token: token, token_type: 'Bearer', expires_in: 3600 } };
  }

  'GET /mcp'() {
    return { status: 401, headers: { 'www-authenticate': 'Bearer' } };
  }

  'POST /mcp'(body, request) {
    const account = this.#tokens.get(request.headers.authorization?.replace('Bearer ', ''));
    if (account === undefined) return this['GET /mcp']();
    const { id, method, params } = JSON.parse(body);
    if (id === undefined) return { status: 202 };
    const results = {
      initialize: () => ({
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'crm', version: '1' },
      }),
      'tools/list': () => ({ tools: [{ name: 'open_deals', description: 'Lists deals.', inputSchema: { type: 'object', properties: {} } }] }),
      'tools/call': () => {
        this.calls.push(account);
        return { content: [{ type: 'text', text: `Two deals of ${account}.` }] };
      },
    };
    const result = results[method]?.();
    return { json: { jsonrpc: '2.0', id, ...(result ? { result } : { error: { code: -32601, message: 'unknown' } }) } };
  }
}

const { scene } = scenes('responses', async (here) => {
  here.crm = await new Crm().start();
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start({
    ...modelSettings('responses', here.model),
    PARLOR_CONFIG: here.crm.config,
    PARLOR_SEARCH__ENABLED: 'false',
    // What is looked for in the log would be there.
    PARLOR_LOG__FILTER: 'info,parlor=debug,rmcp=trace,oauth2=trace',
  });
  return here.parlor.url;
});

const cards = (page) => page.locator('openai-chatkit').locator('[part~="widget"]');
const button = (page, name) => cards(page).getByRole('button', { name, exact: true });
const calls = (name) => ({ steps: [{ step: 'tool_call', name, arguments: {} }] });

/** Asks for something of the server. Gives the tab in which the visitor is asked who they are there. */
async function asks(visitor, { model, crm }) {
  visitor.expected.push(new RegExp(`^request to ${crm.url}/`));
  await model.script(calls('crm_connect'));
  await visitor.open();
  await visitor.send('Which deals are open?');
  await button(visitor.page, 'Continue').waitFor();
  await visitor.idle();
}

async function follows(visitor) {
  const opened = visitor.context.waitForEvent('page');
  await cards(visitor.page).getByRole('link', { name: 'Sign in to Acme CRM' }).click();
  const tab = await opened;
  await tab.getByRole('link', { name: 'Let Parlor in' }).waitFor();
  return tab;
}

describe('a server of tools that users sign in to', () => {
  scene('is connected in a tab of its own, and used with their account', async (visitor, here) => {
    const { model, crm, parlor } = here;
    crm.calls.length = 0;
    await asks(visitor, here);
    await visitor.isAccessible('a card to sign in on');
    await visitor.screenshot('connect-card');
    await visitor.page.emulateMedia({ colorScheme: 'dark' });
    await visitor.page.setViewportSize({ width: 360, height: 740 });
    await visitor.page.getByRole('button', { name: 'Ask', exact: true }).click();
    await button(visitor.page, 'Continue').waitFor();
    await visitor.screenshot('connect-card-dark-360');
    await visitor.page.emulateMedia({ colorScheme: 'light' });
    await visitor.page.setViewportSize({ width: 1280, height: 800 });

    const tab = await follows(visitor);
    assert.equal(await tab.evaluate(() => window.opener), null, 'it has no hold on the conversation');
    await tab.getByRole('link', { name: 'Let Parlor in' }).click();
    await tab.getByRole('heading', { name: 'You are connected to Acme CRM' }).waitFor();
    await visitor.isAccessible('the page that says so', tab);
    for (const [scheme, width] of [['light', 1280], ['dark', 360]]) {
      await tab.emulateMedia({ colorScheme: scheme });
      await tab.setViewportSize({ width, height: 740 });
      await tab.screenshot({ path: new URL(`output/connected-${scheme}-${width}.png`, import.meta.url).pathname });
    }
    await tab.close();

    await model.script(calls('crm_open_deals'), { steps: [{ step: 'text', text: 'You have two open deals.' }] });
    await button(visitor.page, 'Continue').click();
    await visitor.says('You have two open deals.');
    await visitor.idle();
    await cards(visitor.page).getByText('Connected', { exact: true }).waitFor();
    await visitor.screenshot('connect-done');
    assert.equal(crm.calls.length, 1);
    assert.ok(!JSON.stringify(await model.requests()).includes('t0ken-'));
    assert.ok(!parlor.log.includes('t0ken-') && !crm.codes().some((code) => parlor.log.includes(code)));

    // In the next conversation it is there already, and after that no more.
    await button(visitor.page, 'Disconnect').click();
    await cards(visitor.page).getByText('Disconnected', { exact: true }).waitFor();
    await visitor.idle();
  });

  scene('shows to those who come back later that they are connected', async (visitor, here) => {
    await asks(visitor, here);
    const tab = await follows(visitor);
    await tab.getByRole('link', { name: 'Let Parlor in' }).click();
    await tab.getByRole('heading', { name: 'You are connected to Acme CRM' }).waitFor();
    await visitor.page.reload();
    await cards(visitor.page).getByText('Connected', { exact: true }).waitFor();
    await here.model.script(calls('crm_open_deals'), { steps: [{ step: 'text', text: 'You have two open deals.' }] });
    await button(visitor.page, 'Continue').click();
    await visitor.says('You have two open deals.');
    await visitor.idle();
  });

  scene('is left alone by those who say no, there or here', async (visitor, here) => {
    await asks(visitor, here);
    const tab = await follows(visitor);
    visitor.expected.push(/status of 403/);
    await tab.getByRole('link', { name: 'No', exact: true }).click();
    await tab.getByRole('heading', { name: 'You are not connected' }).waitFor();
    await tab.screenshot({ path: new URL('output/connect-refused.png', import.meta.url).pathname });
    await here.model.script({ steps: [{ step: 'text', text: 'Then I cannot see your deals.' }] });
    await button(visitor.page, 'Not now').click();
    await visitor.says('Then I cannot see your deals.');
    await cards(visitor.page).getByText('Not connected', { exact: true }).waitFor();
    await visitor.idle();
  });
});
