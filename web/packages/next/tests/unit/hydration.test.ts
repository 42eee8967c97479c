import { act, createElement as h } from 'react';
import { hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, expect, it, vi } from 'vitest';
import { ChatKitScript, ParlorChat } from '../../src/index.js';

const app = (name: string) =>
  h(
    'main',
    null,
    h('h1', null, 'Orders of ', name),
    h(ChatKitScript, { nonce: 'n1' }),
    h(ParlorChat, { user: { id: 'ada' }, preload: 'open', nonce: 'n1' }),
  );

let root: Root | undefined;
afterEach(() => act(() => root?.unmount()));

/** What React's development build says about it, to the console and elsewhere. */
async function hydrate(server: string, browser: string): Promise<unknown[]> {
  const said: unknown[] = [];
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  vi.spyOn(console, 'error').mockImplementation((...words) => said.push(words));
  // Nothing is fetched here.
  const { happyDOM } = globalThis as unknown as { happyDOM: { settings: object } };
  Object.assign(happyDOM.settings, { handleDisabledFileLoadingAsSuccess: true });
  const place = document.body.appendChild(document.createElement('div'));
  place.innerHTML = renderToString(app(server)).replace(/<script.*?<\/script>/, '');
  await act(() => {
    root = hydrateRoot(place, app(browser), { onRecoverableError: (error) => said.push(error) });
  });
  return said;
}

it('the browser agrees with what the server sent', async () => {
  expect(await hydrate('Ada', 'Ada')).toEqual([]);
  expect(document.querySelector('[data-parlor-widget]')).not.toBe(null);
});

it('and would say so if it did not', async () => {
  expect(await hydrate('Ada', 'Linus')).not.toEqual([]);
});
