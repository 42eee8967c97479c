// The programs in `examples/`, tried as a person would who has read their READMEs.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually, FakeModel, Server } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';

const PHONE = { viewport: { width: 360, height: 740 } };
const LAPTOP = { viewport: { width: 1280, height: 800 } };

const widgets = (visitor) => visitor.chat.locator('[part~="widget"]');

/** Reloads the page, and opens the conversation again. */
async function reopen(visitor) {
  await visitor.page.reload();
  await visitor.ready();
  await visitor.openHistory();
  await visitor.history.locator('.row-open').first().click();
  await widgets(visitor).first().waitFor();
}

async function doesNotOverflow(visitor) {
  const overflow = await visitor.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `nothing sticks out (${overflow} px)`);
}

describe('the widget gallery', () => {
  const { scene } = scenes('widget-gallery', async (here) => {
    here.gallery = await Server.example('widget-gallery');
    return here.gallery.url;
  });

  const show = async (visitor, chapter) => {
    await visitor.open();
    await visitor.send(chapter);
    await widgets(visitor).first().waitFor();
    await visitor.idle();
  };

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, options] of [
      ['phone', PHONE],
      ['laptop', LAPTOP],
    ]) {
      scene(
        `shows every widget, ${colorScheme}, on a ${size}, to everybody`,
        async (visitor) => {
          await show(visitor, 'Everything');
          await visitor.chat.getByText('OSL', { exact: true }).waitFor();
          await visitor.isAccessible(`the widgets, ${colorScheme}, on a ${size}`);
          await doesNotOverflow(visitor);
          // All of it at once, to be looked at.
          const height = await visitor.chat.locator('[part~="messages"]').evaluate((list) => list.scrollHeight);
          await visitor.page.setViewportSize({ width: options.viewport.width, height: height + 300 });
          await visitor.screenshot(`gallery-${colorScheme}-${options.viewport.width}`);
        },
        { ...options, colorScheme },
      );
    }
  }

  scene('checks a form, sends it, and shows the answer in its place', async (visitor) => {
    visitor.expected.push(/status of 4/);
    await show(visitor, 'A form');
    const book = visitor.chat.getByRole('button', { name: 'Book', exact: true });
    await book.click();
    const name = visitor.chat.getByRole('textbox', { name: 'Name', exact: true });
    await eventually('the first wrong field has the focus', () =>
      name.evaluate((field) => field.getRootNode().activeElement === field),
    );
    await eventually('it is marked', async () => (await name.getAttribute('aria-invalid')) === 'true');
    await visitor.isAccessible('a form with mistakes');
    await visitor.screenshot('gallery-form-mistakes');

    await name.fill('Ada');
    await visitor.chat.getByRole('textbox', { name: 'Mail address' }).first().fill('ada@example.com');
    await visitor.chat.getByRole('checkbox', { name: /dogs/ }).check();
    await visitor.chat.getByRole('combobox', { name: 'Table for' }).click();
    await visitor.chat.getByRole('option', { name: '8 people' }).click();
    await book.click();
    await visitor.chat.getByText('There is no table for 8.').first().waitFor();
    assert.equal(await name.inputValue(), 'Ada', 'what was typed stays');

    await visitor.chat.getByRole('combobox', { name: 'Table for' }).click();
    await visitor.chat.getByRole('option', { name: '4 people' }).click();
    await book.click();
    await visitor.chat.getByText('See you on 2030-05-17, Ada.').waitFor();
    const booked = visitor.chat.getByText('A table for 4 on 2030-05-17, for Ada');
    await booked.waitFor();
    await book.waitFor({ state: 'detached' });
    await visitor.chat.getByRole('textbox', { name: 'Mail address' }).fill('ada@example.com');
    await visitor.page.keyboard.press('Enter');
    await visitor.chat.getByText('The menu goes to ada@example.com.').waitFor();
    await reopen(visitor);
    await booked.waitFor();
    await visitor.screenshot('gallery-form-answered');
  });

  scene('runs actions on the server, at once, and in the page', async (visitor) => {
    await show(visitor, 'Actions');
    const whole = visitor.chat.getByRole('button', { name: 'The widget' });
    // Noted by the page itself: it is there for a second only, and a slow test would miss it.
    await visitor.chat.evaluate((chat) => {
      window.wasBusy = false;
      new MutationObserver(() => {
        if (chat.shadowRoot.querySelector('.w-root[aria-busy="true"]') !== null) window.wasBusy = true;
      }).observe(chat.shadowRoot, { subtree: true, childList: true, attributes: true, attributeFilter: ['aria-busy'] });
    });
    await whole.click();
    await visitor.chat.getByText('Worked for a while.').waitFor();
    assert.equal(await visitor.page.evaluate(() => window.wasBusy), true, 'the widget was busy meanwhile');
    await visitor.chat.locator('.w-root[aria-busy="true"]').waitFor({ state: 'detached' });

    const more = visitor.chat.getByRole('button', { name: 'More', exact: true });
    await more.click();
    await visitor.chat.getByText('1', { exact: true }).waitFor();
    await more.click();
    await visitor.chat.getByText('2', { exact: true }).waitFor();

    const theme = () => visitor.page.evaluate(() => document.documentElement.dataset.theme);
    const before = await theme();
    await widgets(visitor).getByRole('button', { name: 'Change the theme' }).click();
    await eventually('the theme changes', async () => (await theme()) !== before);

    await reopen(visitor);
    await visitor.chat.getByText('2', { exact: true }).waitFor();
  });

  scene('changes stored widgets in their place', async (visitor) => {
    await show(visitor, 'In place');
    await visitor.chat.getByRole('button', { name: /Passport/ }).click();
    await visitor.chat.getByText('1 of 3 packed').waitFor();
    await visitor.chat.getByRole('button', { name: 'Vote' }).first().click();
    await visitor.chat.getByText('1 vote', { exact: true }).waitFor();
    await visitor.idle();
    assert.equal(await widgets(visitor).count(), 2, 'nothing is added to the conversation');
    await reopen(visitor);
    await visitor.chat.getByText('1 of 3 packed').waitFor();
    await visitor.chat.getByText('1 vote', { exact: true }).waitFor();
  });

  scene('writes a widget while the user watches', async (visitor) => {
    await visitor.open();
    // Watched by the page itself, frame by frame: a slow test would miss it.
    await visitor.page.evaluate(() => {
      window.seen = [];
      const look = () => {
        const text = document.querySelector('openai-chatkit').shadowRoot.querySelector('[part~="widget"]')?.innerText;
        if (text !== undefined && text !== window.seen.at(-1)) window.seen.push(text);
        requestAnimationFrame(look);
      };
      look();
    });
    await visitor.send('Streaming');
    await widgets(visitor).first().getByText('Finished', { exact: true }).waitFor();
    const versions = await visitor.page.evaluate(() => window.seen);
    const writing = versions.filter((text) => text.includes('Writing') && text.includes('Dear Grace'));
    assert.ok(writing.length > 2, `it grew: ${JSON.stringify(versions)}`);
    const lengths = writing.map((text) => text.length);
    assert.deepEqual(lengths, lengths.toSorted((one, other) => one - other), 'and never shrank');
    await widgets(visitor).first().getByText(/three questions about compilers/).waitFor();
  });
});

describe('the client tools', () => {
  const { scene } = scenes('client-tools', async (here) => {
    here.clerk = await Server.example('client-tools');
    return here.clerk.url;
  });

  for (const colorScheme of ['light', 'dark']) {
    scene(
      `fill in the page’s form from answers, ${colorScheme}`,
      async (visitor) => {
        await visitor.open();
        await visitor.send('Fill it in for me');
        const questions = visitor.chat.getByRole('form', { name: 'Questions' });
        await questions.getByRole('textbox', { name: 'Who is it for?' }).fill('Ada Lovelace');
        await questions.getByRole('textbox', { name: 'Where does it go?' }).fill('12 St James’s Square');
        await questions.getByRole('radio', { name: 'Express' }).check();
        await visitor.isAccessible('the questions');
        await visitor.screenshot(`client-tools-questions-${colorScheme}`);
        await questions.getByRole('button', { name: 'Send' }).click();
        await visitor.chat.getByText('I have filled in name, street, speed.').waitFor();
        assert.equal(await visitor.page.locator('input[name=name]').inputValue(), 'Ada Lovelace');
        assert.equal(await visitor.page.locator('input[name=street]').inputValue(), '12 St James’s Square');
        assert.equal(await visitor.page.locator('select[name=speed]').inputValue(), 'Express');
        await visitor.idle();
        await visitor.isAccessible('the filled form');
        await visitor.screenshot(`client-tools-${colorScheme}-1280`);
      },
      { ...LAPTOP, colorScheme },
    );
  }

  scene(
    'read the form, and find their way in the page',
    async (visitor) => {
      await visitor.open();
      await doesNotOverflow(visitor);
      await visitor.page.locator('input[name=name]').fill('Ada');
      await visitor.send('Check what is missing');
      await visitor.chat.getByText('These are missing:').waitFor();
      await visitor.idle();
      const missing = await visitor.chat.getByRole('listitem').allInnerTexts();
      assert.deepEqual(missing.map((text) => text.trim()), ['speed', 'street']);
      await visitor.send('How do returns work?');
      await visitor.chat.getByText('Here is what to know about returns.').waitFor();
      await eventually('the page has gone there', () => visitor.page.evaluate(() => document.activeElement.id === 'returns'));
      await visitor.screenshot('client-tools-light-360');
    },
    PHONE,
  );

  scene('that fail say so', async (visitor) => {
    await visitor.open();
    await visitor.page.evaluate(() => document.querySelector('#returns').remove());
    await visitor.send('How do returns work?');
    await visitor.chat.getByText('The page could not do that: the page has no section “returns”').waitFor();
  });
});

describe('the custom responder', () => {
  const { scene } = scenes('custom-responder', async (here) => {
    here.model = await FakeModel.start();
    here.shop = await Server.example('custom-responder', { OPENAI_BASE_URL: `${here.model.url}/v1` });
    return here.shop.url;
  });

  for (const colorScheme of ['light', 'dark']) {
    scene(
      `looks up an order, and pays it back when the customer says so, ${colorScheme}`,
      async (visitor, { model }) => {
        await model.script(
          { steps: [{ step: 'tool_call', name: 'find_order', arguments: { number: 1042 } }, { step: 'tool_call', name: 'read_policies', arguments: {} }] },
          { steps: [{ step: 'text', text: 'Your walnut desk was delivered [1]. You can return it within 30 days, free of charge [2].' }, { step: 'tool_call', name: 'propose_refund', arguments: { number: 1042 } }] },
          { steps: [{ step: 'text', text: 'Please confirm the refund above, then the money goes back to your card [3].' }] },
        );
        await visitor.open();
        await visitor.send('I want my money back for order 1042.');
        await visitor.says('then the money goes back to your card');
        await visitor.idle();
        await visitor.isAccessible('the answer');
        await visitor.screenshot(`custom-responder-${colorScheme}-1280`);
        const row = visitor.page.locator('#order-1042');
        assert.match(await row.innerText(), /Delivered/);
        await visitor.chat.getByRole('button', { name: 'Refund €489.00' }).click();
        await visitor.says('The money for the Walnut desk is on its way');
        await eventually('the page knows', async () => (await row.innerText()).includes('Refunded'));
        await visitor.chat.getByRole('button', { name: 'Keep it' }).waitFor({ state: 'detached' });
        await visitor.idle();
        await visitor.isAccessible('the refund');
        // An order that is cited is shown in the page.
        await visitor.answers.first().locator('[part~="citation"]').first().click();
        await eventually('the order is shown', () => visitor.page.evaluate(() => document.activeElement.id === 'order-1042'));
      },
      { ...LAPTOP, colorScheme },
    );
  }

  scene(
    'names a model that fails, and asks again',
    async (visitor, { model }) => {
      await model.script({ steps: [{ step: 'status', status: 400 }] }, { steps: [{ step: 'text', text: 'Here I am.' }] });
      await visitor.open();
      await doesNotOverflow(visitor);
      await visitor.send('Hello');
      await visitor.banner.waitFor();
      await visitor.screenshot('custom-responder-light-360');
      await visitor.send('Hello again');
      await visitor.says('Here I am.');
    },
    PHONE,
  );
});
