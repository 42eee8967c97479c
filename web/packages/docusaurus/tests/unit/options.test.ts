import { describe, expect, it } from 'vitest';
import { checkOptions } from '../../src/options.js';
import { nearest } from '../../src/nearest.js';

const said = (options: unknown): string => {
  try {
    checkOptions(options);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe('the options', () => {
  it('are all optional, and what the environment does not say is not there', () => {
    expect(checkOptions(undefined)).toEqual({ id: 'default' });
    expect(checkOptions({ server: undefined, mode: 'panel' })).toEqual({ id: 'default', mode: 'panel' });
  });

  it('take what the documentation says', () => {
    const all = {
      id: 'chat',
      server: 'https://chat.example.com',
      url: '/api/chatkit',
      script: { src: 'https://cdn.example.com/chatkit.js', type: 'classic' },
      mode: 'popup',
      greeting: 'Hello',
      prompts: ['One', 'Two'],
      accent: false,
      auth: 'session',
      userInfo: { plan: 'pro' },
      ask: false,
      menu: [
        { label: 'Prices', message: 'What does it cost?' },
        { label: 'Handbook', href: '/handbook' },
      ],
      profile: { fields: [{ name: 'role', label: 'Your role' }] },
      labels: { ask: 'Fragen' },
      options: { disclaimer: { text: 'It may be wrong.' } },
      module: './src/parlor.ts',
      proxy: false,
      ingest: {
        command: ['docker', 'exec', 'parlor'],
        versions: ['2.0'],
        exclude: ['/blog'],
        url: 'https://x.example',
      },
    };
    expect(checkOptions(all)).toEqual(all);
  });

  it('are refused all at once, each with what was given and what is allowed', () => {
    expect(said({ mode: 'drawer', prompts: 'One', server: 'chat.example.com', ingest: { versions: 3 } }))
      .toBe(`The options of @parlor/docusaurus are not right:
  - "mode" is "drawer"; it has to be "popup" or "panel"
  - "prompts" is "One"; it has to be a list of texts
  - "server" is "chat.example.com"; it has to be an address such as "https://chat.example.com"; leave it out for the site’s own
  - "ingest.versions" is 3; it has to be "last", "all" or a list of versions`);
  });

  it('are known by their nearest names', () => {
    expect(said({ greting: 'Hello' })).toContain('there is no option "greting"; did you mean "greeting"?');
    expect(said({ ingest: { comand: 'parlor' } })).toContain('did you mean "ingest.command"?');
    expect(said({ xyzzy: 1 })).toContain('there is no option "xyzzy"; there are id, server,');
    expect(nearest('colourScheme', ['colorScheme', 'color'])).toBe('colorScheme');
    expect(nearest('q', ['server'])).toBe(null);
  });

  it('say where functions belong', () => {
    expect(said({ token: () => 'x' })).toContain('"token" belongs into a module of your site');
    expect(said({ menu: [{ label: 'x', run: () => undefined }] })).toContain('"menu.0.run" is a function');
  });

  it('say how to read a switch from the environment', () => {
    expect(said({ ask: 'false' })).toContain('process.env.NAME === "true"');
    expect(said({ server: '' })).toContain('"server" is ""');
  });
});
