// @vitest-environment node
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { ChatKitScript, ParlorChat } from '../../src/index.js';
import { loginAddress } from '../../src/parlor-chat.js';

describe('on the server', () => {
  it('the script is in the head, once', () => {
    const script = createElement(ChatKitScript, { path: '/shop/api/parlor', nonce: 'n1' });
    const html = renderToString(
      createElement('html', null, createElement('head'), createElement('body', null, script, script)),
    );
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.slice(0, html.indexOf('</head>'))).toContain('src="/shop/api/parlor/chatkit.js"');
    expect(html).toContain('type="module"');
    expect(html).toContain('nonce="n1"');
  });

  it('the chat is nothing that would have to be hydrated', () => {
    expect(renderToString(createElement(ParlorChat, { user: null }))).toBe('');
    expect(renderToString(createElement(ParlorChat, { user: { id: 'ada', name: 'Ada' } }))).toBe('');
  });
});

describe('the login', () => {
  it('is told the path of the page, and nothing of a site', () => {
    const page = new URL('https://site.example/orders/1?from=mail&x=%26#lines');
    const address = loginAddress('/login?return_to={return_to}', page);
    expect(new URL(address, page).searchParams.get('return_to')).toBe('/orders/1?from=mail&x=%26#lines');
    expect(loginAddress('/login', page)).toBe('/login');
  });
});
