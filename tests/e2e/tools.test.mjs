// Tools of the configuration as users meet them: steps while they run, and cards that ask for consent.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe } from 'node:test';
import { eventually, FakeModel, Parlor } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

/** A shop that notes what it is asked. */
class Shop {
  asked = [];
  #server = createServer((request, response) => {
    this.asked.push({ what: `${request.method} ${request.url}`, user: request.headers['x-user'], key: request.headers.authorization });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ state: request.method === 'GET' ? 'sent' : 'cancelled' }));
  });

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.folder = await mkdtemp(path.join(tmpdir(), 'parlor-tools-'));
    this.config = path.join(this.folder, 'parlor.toml');
    const { port } = this.#server.address();
    const tool = (name, method, approval) => `
[[tools]]
kind = "http"
name = "${name}"
description = "About an order."
method = "${method}"
url = "http://127.0.0.1:${port}/orders/{number}"
approval = "${approval}"
headers = { X-User = "{user.id}", Authorization = "Bearer \${SHOP_KEY}" }
parameters = { number = { type = "string", description = "The order's number." } }
`;
    await writeFile(this.config, tool('order_status', 'GET', 'never') + tool('cancel_order', 'DELETE', 'always'));
    return this;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

const { scene } = scenes('responses', async (here) => {
  here.shop = await new Shop().start();
  here.model = await FakeModel.start();
  const settings = { ...modelSettings('responses', here.model), PARLOR_CONFIG: here.shop.config, SHOP_KEY: 'k3y-of-the-shop' };
  here.parlor = await Parlor.start(settings);
  return here.parlor.url;
});

const cards = (page) => page.locator('openai-chatkit').locator('[part~="widget"]');
const button = (page, name) => cards(page).getByRole('button', { name, exact: true });
const cancels = { step: 'tool_call', name: 'cancel_order', arguments: { number: 'A-1' } };

/** Asks for what needs consent. */
async function asks(visitor, { model, shop }, answer, onPhone = false) {
  shop.asked.length = 0;
  await model.script(
    { steps: [{ step: 'text', text: 'Let me see.' }, cancels] },
    { steps: [{ step: 'text', text: answer }] },
  );
  await visitor.page.goto('/');
  if (onPhone) await visitor.page.getByRole('button', { name: 'Ask', exact: true }).click();
  await visitor.ready();
  await visitor.send('Please cancel order A-1.');
  await button(visitor.page, 'Approve').waitFor();
  await visitor.idle();
}

describe('a tool', () => {
  scene('is a step in the conversation, and is told who asks', async (visitor, { model, shop, parlor }) => {
    shop.asked.length = 0;
    const call = { step: 'tool_call', name: 'order_status', arguments: { number: 'A-1' } };
    await model.script({ steps: [call] }, { steps: [{ step: 'text', text: 'It is on its way.' }] });
    await visitor.open();
    await visitor.send('Where is my order?');
    await visitor.says('It is on its way.');
    await visitor.idle();
    assert.deepEqual(
      shop.asked.map(({ what, key }) => [what, key]),
      [['GET /orders/A-1', 'Bearer k3y-of-the-shop']],
    );
    assert.ok(shop.asked[0].user, 'the shop knows who asks');
    const requests = JSON.stringify(await model.requests());
    assert.ok(requests.includes('sent') && !requests.includes('k3y-of-the-shop'));
    assert.ok(!parlor.log.includes('k3y-of-the-shop'));
    await visitor.screenshot('tool-step');
  });
});

describe('a call that needs consent', () => {
  scene('waits over a reload and a restart, and is made once though two tabs show it', async (visitor, here) => {
    await asks(visitor, here, 'It is cancelled.');
    assert.deepEqual(here.shop.asked, []);
    await cards(visitor.page).getByText('number: A-1').waitFor();
    await visitor.isAccessible('a card that asks for consent');
    await visitor.screenshot('consent');
    visitor.expected.push(/ERR_CONNECTION|Failed to fetch|status of 50/);
    await here.parlor.down();
    await here.parlor.up();
    await visitor.page.reload();
    await button(visitor.page, 'Approve').waitFor();
    const second = await visitor.newPage();
    await second.goto('/');
    await button(second, 'Approve').waitFor();

    await button(visitor.page, 'Approve').click();
    await visitor.says('It is cancelled.');
    await visitor.idle();
    await cards(visitor.page).getByText('Approved', { exact: true }).waitFor();
    assert.equal(await button(visitor.page, 'Approve').count(), 0);
    assert.deepEqual(here.shop.asked.map(({ what }) => what), ['DELETE /orders/A-1']);
    await visitor.screenshot('consent-approved');

    await button(second, 'Approve').click();
    await second.getByText('This was answered already.').waitFor();
    assert.equal(here.shop.asked.length, 1, 'not made again');
    await visitor.page.reload();
    await cards(visitor.page).getByText('Approved', { exact: true }).waitFor();
  });

  scene('is not made when it is denied, on a narrow and dark screen', async (visitor, here) => {
    await asks(visitor, here, 'Then I leave it.', true);
    await visitor.isAccessible('a card that asks for consent, dark and narrow');
    await visitor.screenshot('consent-narrow-dark');
    await button(visitor.page, 'Deny').click();
    await visitor.says('Then I leave it.');
    await cards(visitor.page).getByText('Denied', { exact: true }).waitFor();
    assert.deepEqual(here.shop.asked, []);
  }, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });

  scene('is passed over by another message', async (visitor, here) => {
    await asks(visitor, here, 'It is a desk.');
    await visitor.send('Wait, what is A-1?');
    await visitor.says('It is a desk.');
    await visitor.idle();
    await eventually('the card says so', async () => /Not answered/.test(await cards(visitor.page).first().innerText()));
    assert.equal(await button(visitor.page, 'Approve').count(), 0);
    assert.deepEqual(here.shop.asked, []);
  });
});
