import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const outputs = () => lab.world.requests.filter(({ type }) => type === 'threads.add_client_tool_output');

/** A thread that waits for a client tool, as a page has left it that was closed. */
function waiting(newer: { type: string; [field: string]: unknown }[] = []): string {
  const thread = lab.world.newThread('Waiting');
  const base = { thread_id: thread.id, created_at: new Date().toISOString() };
  thread.items.push(
    {
      ...base,
      id: 'msg_1',
      type: 'user_message',
      content: [{ type: 'input_text', text: 'tool' }],
      attachments: [],
      inference_options: {},
    },
    {
      ...base,
      id: 'call_item',
      type: 'client_tool_call',
      status: 'pending',
      call_id: 'call_1',
      name: 'read_page',
      arguments: { selector: 'h1' },
    },
    ...newer.map((item, at) => ({ ...base, id: `newer_${at}`, ...item })),
  );
  return thread.id;
}

/** Counts calls of a tool that answers when the test says so. */
const slowTool = (page: ChatPage['page']) =>
  page.evaluate(() => {
    const calls: { finish(): void }[] = [];
    Object.assign(globalThis, { calls });
    globalThis.chat.setOptions({
      ...globalThis.optionsFor(),
      onClientTool: () =>
        new Promise((resolve) => {
          calls.push({ finish: () => resolve({ text: 'slowly' }) });
        }),
    });
  });
const callsOf = (chat: ChatPage) =>
  chat.page.evaluate(() => (globalThis as unknown as { calls: unknown[] }).calls.length);
const finish = (chat: ChatPage) =>
  chat.page.evaluate(() =>
    (globalThis as unknown as { calls: { finish(): void }[] }).calls.forEach((call) => call.finish()),
  );
const errors = (chat: ChatPage) => chat.count('chatkit.error');

describe('a client tool that waits since before a reload', () => {
  it.each(['/chatkit', '/plain/chatkit'])('runs when its thread is opened, at %s', async (endpoint) => {
    const chat = await lab.open({ thread: waiting(), endpoint });
    await chat.page.getByText('The page said:').waitFor();
    await chat.event('chatkit.response.end');
    expect(outputs()).toHaveLength(1);
    expect(outputs()[0]?.params.result).toEqual({ name: 'read_page', text: 'Element' });

    // Now it is answered.
    const again = await lab.open({ thread: lab.world.threads[0]?.id ?? '', endpoint });
    await again.page.getByText('The page said:').waitFor();
    await again.askAndWait('hello');
    expect(outputs()).toHaveLength(1);
  });

  it('does not run where a message has come after it, or where the page has no tools', async () => {
    const overtaken = waiting([
      {
        type: 'user_message',
        content: [{ type: 'input_text', text: 'Never mind' }],
        attachments: [],
        inference_options: {},
      },
    ]);
    const chat = await lab.open({ thread: overtaken });
    await chat.page.getByText('Never mind').waitFor();
    const other = await lab.open();
    await other.page.evaluate(() => {
      const { onClientTool: _none, ...options } = globalThis.optionsFor();
      globalThis.chat.setOptions(options);
    });
    await other.page.evaluate((id) => globalThis.chat.setThreadId(id), waiting());
    await other.page.getByText('Using read_page').waitFor();
    await chat.askAndWait('hello');
    expect(outputs()).toHaveLength(0);
  });

  it('runs in one of two tabs, and the other follows', async () => {
    const id = waiting();
    const first = await lab.open();
    await slowTool(first.page);
    const second = await lab.open({ beside: first });
    await slowTool(second.page);
    for (const tab of [first, second]) {
      await tab.page.evaluate((thread) => globalThis.chat.setThreadId(thread), id);
      await tab.page.getByText('Using read_page').waitFor();
    }
    await expect.poll(async () => (await callsOf(first)) + (await callsOf(second))).toBe(1);
    await finish(first);
    await finish(second);
    for (const tab of [first, second]) await tab.page.getByText('The page said:').waitFor();
    await expect.poll(async () => (await callsOf(first)) + (await callsOf(second))).toBe(1);
    expect(outputs()).toHaveLength(1);
    await expect.poll(() => errors(first)).toBe(0);
    await expect.poll(() => errors(second)).toBe(0);
  });

  it('runs in the other tab when the first one is closed', async () => {
    const id = waiting();
    const first = await lab.open();
    await slowTool(first.page);
    await first.page.evaluate((thread) => globalThis.chat.setThreadId(thread), id);
    await expect.poll(() => callsOf(first)).toBe(1);
    const second = await lab.open({ beside: first, thread: id });
    await second.page.getByText('Using read_page').waitFor();
    await first.page.close();
    await second.page.getByText('The page said:').waitFor();
    expect(outputs()).toHaveLength(1);
  });

  it('is not run again when its thread is left and opened again', async () => {
    const id = waiting();
    const chat = await lab.open();
    await slowTool(chat.page);
    await chat.page.evaluate((thread) => globalThis.chat.setThreadId(thread), id);
    await expect.poll(() => callsOf(chat)).toBe(1);
    await chat.page.evaluate(() => globalThis.chat.setThreadId(null));
    await chat.page.evaluate((thread) => globalThis.chat.setThreadId(thread), id);
    await chat.page.getByText('Using read_page').waitFor();
    await finish(chat);
    await chat.page.getByText('The page said:').waitFor();
    await expect.poll(() => callsOf(chat)).toBe(1);
    expect(outputs()).toHaveLength(1);
  });

  it('whose call was overtaken meanwhile troubles nobody', async () => {
    const id = waiting();
    const chat = await lab.open();
    await slowTool(chat.page);
    await chat.page.evaluate((thread) => globalThis.chat.setThreadId(thread), id);
    await expect.poll(() => callsOf(chat)).toBe(1);
    // From another device, where no lock reaches.
    const call = lab.world.threads[0]?.items.find((item) => item.id === 'call_item');
    if (call !== undefined) call.status = 'completed';
    await finish(chat);
    await chat.page.getByText('Used read_page').waitFor();
    await chat.askAndWait('hello');
    await expect.poll(() => chat.page.locator('.banner').count()).toBe(0);
    await expect.poll(() => errors(chat)).toBe(0);
  });
});
