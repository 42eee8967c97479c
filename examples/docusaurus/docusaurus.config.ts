import type { Config } from '@docusaurus/types';
import type * as Preset from '@docusaurus/preset-classic';
import type { Options as Parlor } from '@parlor/docusaurus';
import { dark, light } from './src/prism';

// Read when the site is built; the browser gets what came of it.
const { PARLOR_SERVER, PARLOR_AUTH, PARLOR_COMMAND, SITE_URL, BASE_URL = '/docs/' } = process.env;

const chat: Parlor = {
  server: PARLOR_SERVER,
  auth: PARLOR_AUTH === 'session' ? 'session' : 'none',
  heading: 'Ask Parlor',
  greeting: 'What would you like to know about Parlor?',
  prompts: ['How do I index my documents?', 'Which models can I use?', 'How do I put the chat on my site?'],
  placeholder: 'Ask about Parlor',
  module: './src/parlor.ts',
  ingest: {
    // Without it the pages are only listed, in build/parlor-pages.json.
    command: PARLOR_COMMAND ?? false,
    exclude: [`${BASE_URL}decisions`],
  },
};

const config: Config = {
  title: 'Parlor',
  tagline: 'A self-hosted chat assistant for your site',
  favicon: 'img/parlor.svg',
  url: SITE_URL ?? 'https://parlor.example.com',
  // Beside Parlor, which has the rest of the origin: /chatkit, /chatkit.js, …
  baseUrl: BASE_URL,
  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  future: { v4: true, faster: true },
  markdown: {
    // `.md` is Markdown, and no MDX: braces and angle brackets are what they are.
    format: 'detect',
    hooks: { onBrokenMarkdownLinks: 'throw', onBrokenMarkdownImages: 'throw' },
  },
  presets: [
    [
      'classic',
      {
        docs: {
          path: '../../docs',
          routeBasePath: '/',
          sidebarPath: './sidebars.ts',
          // `0001-error-reasons` keeps its number.
          numberPrefixParser: false,
        },
        blog: false,
        pages: false,
        theme: { customCss: './src/css/custom.css' },
      } satisfies Preset.Options,
    ],
  ],
  plugins: [['@parlor/docusaurus', chat]],
  themeConfig: {
    colorMode: { respectPrefersColorScheme: true },
    docs: { sidebar: { hideable: true } },
    navbar: {
      title: 'Parlor',
      logo: { src: 'img/parlor.svg', alt: '' },
      items: [
        { to: '/getting-started', label: 'Getting started', position: 'left' },
        { to: '/widget', label: 'On your site', position: 'left' },
        { to: '/sdk', label: 'SDK', position: 'left' },
        { to: '/operating', label: 'Operating', position: 'left' },
        {
          type: 'html',
          position: 'right',
          value: '<button type="button" class="ask-in-navbar" onclick="parlor.open()">Ask</button>',
        },
      ],
    },
    footer: {
      copyright: 'Parlor is free software under the Apache License 2.0. ChatKit is a product of OpenAI; Parlor is independent of it.',
    },
    prism: {
      theme: light,
      darkTheme: dark,
      additionalLanguages: ['bash', 'ini', 'json', 'nginx', 'python', 'rust', 'sql', 'toml', 'yaml'],
    },
  } satisfies Preset.ThemeConfig,
};

export default config;
