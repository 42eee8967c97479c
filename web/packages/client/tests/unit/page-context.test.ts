import { assert, constantFrom, property, string, stringMatching } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getPageContext } from '../../src/index.js';
import { withoutSecrets } from '../../src/site/secrets.js';

function pageOf(html: string, address = 'https://example.com/docs/plans'): Document {
  const page = new DOMParser().parseFromString(html, 'text/html');
  Object.defineProperty(page, 'location', { value: new URL(address) });
  return page;
}

const now = () => new Date('2026-11-22T13:05:09Z');
const read = (html: string, address?: string) => getPageContext({ document: pageOf(html, address), now });

describe('the page context', () => {
  it('has what a page says of itself', () => {
    const context = read(`<html lang="de"><head><title> Plans
      and prices </title><meta name="Description" content="What each plan includes.">
      <meta name="keywords" content="free, team"></head>
      <body><h1>Site</h1><main><h1>Plans</h1><h2>Free</h2><h3>Team</h3><h4>Small print</h4></main></body></html>`);
    expect(context).toMatchObject({
      url: 'https://example.com/docs/plans',
      path: '/docs/plans',
      title: 'Plans and prices',
      description: 'What each plan includes.',
      keywords: 'free, team',
      headings: ['Plans', 'Free', 'Team'],
      language: 'de',
    });
    // The reader's own time, whichever zone that is.
    expect(context?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/);
    expect(new Date(context?.time ?? '')).toEqual(now());
  });

  it('leaves out what a page does not have', () => {
    const context = read('<p>Nothing</p>');
    expect(Object.keys(context ?? {}).toSorted()).toEqual(['path', 'time', 'url']);
  });

  it('takes headings of the article, else of the main part, else of the body, five at most', () => {
    const many = Array.from({ length: 9 }, (_, index) => `<h2>${index}</h2>`).join('');
    expect(read(`<h1>Site</h1><main><h1>Main</h1><article>${many}</article></main>`)?.headings).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
    ]);
    expect(read('<h1>Site</h1><div role="main"><h1>Main</h1></div>')?.headings).toEqual(['Main']);
    expect(read('<h1>Site</h1><nav><h2>Menu</h2></nav>')?.headings).toEqual(['Site']);
    // Many articles are a list of them.
    expect(
      read('<main><h1>Blog</h1><article><h2>A</h2></article><article><h2>B</h2></article></main>')?.headings,
    ).toEqual(['Blog', 'A', 'B']);
  });

  it('reads headings without the links to them', () => {
    const heading =
      '<main><h2>Install<a class="hash-link" href="#install">#</a><a aria-hidden="true">¶</a></h2></main>';
    expect(read(heading)?.headings).toEqual(['Install']);
  });

  it('keeps private parts to the page', () => {
    const context = read(
      '<main><h1>Account</h1><div data-parlor-private><h2>Balance: 5</h2></div><h2>Help <b data-parlor-private>Ada</b></h2></main>',
    );
    expect(context?.headings).toEqual(['Account', 'Help']);
    expect(read('<html data-parlor-private><head><title>Diary</title></head></html>')).toBeNull();
  });

  it('cuts what is too long, between characters', () => {
    const context = read(`<title>${'a'.repeat(299)}😀</title><h1>${'b'.repeat(500)}</h1>`);
    expect(context?.title).toBe('a'.repeat(299));
    expect(context?.headings?.[0]).toHaveLength(200);
  });

  it('lets the site add and take away, and give the selection', () => {
    const context = getPageContext({
      document: pageOf('<title>Plans</title>'),
      selectedText: '  if (a)\n  b();  ',
      refine: (context) => ({
        title: context.title ?? '',
        selectedText: context.selectedText ?? '',
        product: 'Pro',
      }),
    });
    expect(context).toMatchObject({ title: 'Plans', selectedText: 'if (a)\n  b();', product: 'Pro' });
    expect(context).not.toHaveProperty('path');
    expect(getPageContext({ document: pageOf(''), refine: () => null })).toBeNull();
  });
});

describe('an address', () => {
  it.each([
    ['https://ada:pw@example.com/a', 'https://example.com/a'],
    ['https://example.com/a?page=2&token=x', 'https://example.com/a?page=2'],
    ['https://example.com/a?apiKey=1&api_key=2&X-Amz-Signature=3', 'https://example.com/a'],
    ['https://example.com/cb?code=abc&state=def', 'https://example.com/cb'],
    ['https://example.com/a?q=eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl', 'https://example.com/a'],
    ['https://example.com/a?ref=9f86d081884c7d659a2feaa0c55ad015', 'https://example.com/a'],
    [
      'https://example.com/a?q=how+do+I+reset+my+account',
      'https://example.com/a?q=how+do+I+reset+my+account',
    ],
    ['https://example.com/a?share=3q2-7wAbX9-kPz04Lm8_Qc-u51', 'https://example.com/a'],
    ['https://example.com/a?share=0b8e0f5c-3a61-4c1e-9d55-7f0a2b6c9e11', 'https://example.com/a'],
    [
      'https://example.com/a?topic=how-to-install-version-2-on-windows-11',
      'https://example.com/a?topic=how-to-install-version-2-on-windows-11',
    ],
    [
      'https://example.com/a?topic=learn-web3-and-python3-from-scratch',
      'https://example.com/a?topic=learn-web3-and-python3-from-scratch',
    ],
    ['https://example.com/a?isbn=9783161484100&lang=de', 'https://example.com/a?isbn=9783161484100&lang=de'],
    [
      'https://example.com/a?barcode=1&sort=key&monkey=yes',
      'https://example.com/a?barcode=1&sort=key&monkey=yes',
    ],
    ['https://example.com/a#install', 'https://example.com/a#install'],
    ['https://example.com/a#access_token=x&tab=1', 'https://example.com/a#tab=1'],
    ['https://example.com/a#/orders?token=x', 'https://example.com/a#/orders'],
    ['https://example.com/a#/orders?page=2', 'https://example.com/a#/orders?page=2'],
    ['https://example.com/a#9f86d081884c7d659a2feaa0c55ad015', 'https://example.com/a'],
  ])('%s is told as %s', (address, told) => {
    expect(withoutSecrets(address)?.href).toBe(told);
  });

  it('loses what the site calls a secret', () => {
    expect(withoutSecrets('https://example.com/?patient=7&page=1', ['patient'])?.href).toBe(
      'https://example.com/?page=1',
    );
  });

  it('never tells a token, wherever it stands', () => {
    const token = stringMatching(/^[A-Za-z]{4}[0-9]{4}[A-Za-z0-9]{20,60}$/);
    const name = stringMatching(/^[a-z]{1,12}$/);
    assert(
      property(token, name, constantFrom('?', '#', '#/a?'), (secret, parameter, where) => {
        const told = withoutSecrets(`https://example.com/a${where}${parameter}=${secret}&x=1`);
        expect(told?.href).not.toContain(secret);
      }),
    );
  });

  it('is nothing where it is none', () => {
    assert(property(string(), (text) => void withoutSecrets(text)));
    expect(withoutSecrets('not an address')).toBeNull();
  });
});
