import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BuiltSite, RouteConfig } from '../../src/docusaurus.js';
import { isRoute } from '../../src/client/routes.js';
import { ingest } from '../../src/ingest.js';
import { listPages } from '../../src/pages.js';

let outDir: string;
beforeEach(() => {
  outDir = mkdtempSync(join(tmpdir(), 'parlor-docusaurus-'));
});
afterEach(() => rmSync(outDir, { recursive: true, force: true }));

const doc = (path: string): RouteConfig => ({
  path,
  component: '@theme/DocItem',
  modules: { content: '@site/x.md' },
});

/** A site with these files built and these routes. */
function site(files: string[], routes: RouteConfig[], more: Partial<BuiltSite> = {}): BuiltSite {
  for (const file of files) {
    mkdirSync(dirname(join(outDir, file)), { recursive: true });
    writeFileSync(join(outDir, file), '<p>x</p>');
  }
  return {
    siteDir: '/site',
    baseUrl: '/',
    outDir,
    i18n: { currentLocale: 'en', defaultLocale: 'en', locales: ['en'] },
    siteConfig: { url: 'https://docs.example.com', baseUrl: '/' },
    routes: [...routes, { path: '*', component: '@theme/NotFound' }],
    plugins: [],
    ...more,
  };
}

const urls = (built: BuiltSite, options = {}) => listPages(built, options).pages.map(({ url }) => url);

describe('the pages of a build', () => {
  it.each([
    ['undefined', 'docs/intro/index.html', '/help/docs/intro'],
    ['true', 'docs/intro/index.html', '/help/docs/intro/'],
    ['false', 'docs/intro.html', '/help/docs/intro'],
  ])('are found as they were written with trailingSlash %s', (_, file, url) => {
    const built = site([file, 'index.html'], [doc(url), doc('/help/')], { baseUrl: '/help/' });
    expect(listPages(built, {}).pages).toEqual([
      { file, url },
      { file: 'index.html', url: '/help/' },
    ]);
  });

  it('are those that hold content, and were written', () => {
    const frame = {
      path: '/docs',
      component: '@theme/DocsRoot',
      routes: [doc('/docs/intro'), doc('/docs/gone')],
    };
    const built = site(
      ['docs/intro/index.html', 'docs/tags/index.html', 'index.html', 'über/index.html'],
      [
        frame,
        { path: '/docs/tags', component: '@theme/DocTagsListPage' },
        { path: '/', component: '@site/src/pages/index.tsx' },
        doc('/%C3%BCber'),
      ],
    );
    expect(listPages(built, {}).pages).toEqual([
      { file: 'docs/intro/index.html', url: '/docs/intro' },
      { file: 'index.html', url: '/' },
      { file: 'über/index.html', url: '/%C3%BCber' },
    ]);
  });

  it('are those of the latest version, unless others are asked for', () => {
    const version = (versionName: string, path: string, isLast = false) => ({ versionName, path, isLast });
    const plugins = [
      {
        name: 'docusaurus-plugin-content-docs',
        content: {
          loadedVersions: [
            version('current', '/docs/next'),
            version('2.0', '/docs', true),
            version('1.0', '/docs/1.0'),
          ],
        },
      },
    ];
    const pages = ['/docs/a', '/docs/next/a', '/docs/1.0/a', '/docs/1.0-notes', '/blog/b'];
    const built = site(
      pages.map((page) => `${page.slice(1)}.html`),
      pages.map(doc),
      { plugins },
    );
    expect(urls(built)).toEqual(['/docs/a', '/docs/1.0-notes', '/blog/b']);
    expect(urls(built, { versions: ['1.0'] })).toEqual(['/docs/1.0/a', '/blog/b']);
    expect(urls(built, { versions: 'all', exclude: ['/blog'] })).toEqual(pages.slice(0, 4));
  });

  it('are not those that ask not to be found', () => {
    const built = site(['a.html', 'b.html'], [doc('/a'), doc('/b')]);
    writeFileSync(
      join(outDir, 'b.html'),
      '<meta data-rh="true" name="robots" content="noindex, nofollow"><p>x</p>',
    );
    expect(urls(built)).toEqual(['/a']);
  });

  it('leave the other languages to their own builds', () => {
    const locales = ['en', 'fr', 'de'];
    const english = site(['a.html'], [doc('/a')], {
      i18n: { currentLocale: 'en', defaultLocale: 'en', locales },
    });
    expect(listPages(english, {}).keep).toEqual(['fr', 'de']);
    const french = { ...english, i18n: { currentLocale: 'fr', defaultLocale: 'en', locales } };
    expect(listPages(french, {}).keep).toEqual([]);
  });
});

describe('the ingest after a build', () => {
  /** A program that says what it was called with, in place of Parlor. */
  const echo = (code: string) => [process.execPath, '-e', code, '--'];
  const args = (): string[] => JSON.parse(readFileSync(join(outDir, 'args.json'), 'utf8')) as string[];
  const record = () =>
    echo(
      `require('node:fs').writeFileSync(${JSON.stringify(join(outDir, 'args.json'))}, JSON.stringify(process.argv.slice(1)))`,
    );

  it('does nothing unless it is asked for', async () => {
    await ingest(site([], []), {});
    await ingest(site([], []), { ingest: false });
    expect(() => readFileSync(join(outDir, 'parlor-pages.json'))).toThrow();
  });

  it('gives the program the folder, the list and where the site is', async () => {
    const built = site(['a.html'], [doc('/a')]);
    const list = join(outDir, 'parlor-pages.json');
    await ingest(built, { ingest: { command: record(), config: 'parlor.toml', database: 'sqlite://x.db' } });
    const before = ['--config', 'parlor.toml', '--database-url', 'sqlite://x.db'];
    expect(args()).toEqual([...before, 'ingest', outDir, '--pages', list, '--base-url', '/']);
    expect(JSON.parse(readFileSync(list, 'utf8'))).toEqual({
      pages: [{ file: 'a.html', url: '/a' }],
      keep: [],
    });
    await ingest(built, { server: 'https://chat.example.com', ingest: { command: record() } });
    expect(args().at(-1)).toBe('https://docs.example.com');
    await ingest(built, { ingest: { command: record(), url: 'https://other.example' } });
    expect(args().at(-1)).toBe('https://other.example');
  });

  it('only lists the pages without a program', async () => {
    await ingest(site(['a.html'], [doc('/a')]), { ingest: { command: false } });
    expect(readFileSync(join(outDir, 'parlor-pages.json'), 'utf8')).toContain('"/a"');
  });

  it('says what to do when there is no such program', async () => {
    await expect(ingest(site([], []), { ingest: { command: 'no-such-parlor' } })).rejects.toThrow(
      /there is no program "no-such-parlor"\. Put it on the PATH, or name it in the plugin's options: ingest: \{ command:/,
    );
  });

  it('ends the build with what the program said when it fails', async () => {
    const failing = echo(`console.error('the database is away'); process.exit(3)`);
    await expect(ingest(site([], []), { ingest: { command: failing } })).rejects.toThrow(
      /are not indexed: `.*` ended with 3:\nthe database is away/s,
    );
  });
});

describe('a link in the chat', () => {
  const routes: RouteConfig[] = [
    {
      path: '/docs',
      component: 'DocsRoot',
      routes: [{ path: '/docs', component: 'V', routes: [doc('/docs/intro'), doc('/docs/')] }],
    },
    { path: '/', component: 'Home' },
    { path: '*', component: 'NotFound' },
  ];

  it('leads to a page of the site, with or without a slash at its end', () => {
    for (const path of ['/', '/docs', '/docs/', '/docs/intro', '/docs/intro/'])
      expect(isRoute(routes, path)).toBe(true);
  });

  it('leads out of it where the site has no such page', () => {
    for (const path of ['/docs/none', '/files/x.pdf', '/document', '/chatkit'])
      expect(isRoute(routes, path)).toBe(false);
  });
});
