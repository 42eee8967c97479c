// One scene: servers, a browser, a visitor; and on failure what they said.
import { appendFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launchBrowser, Visitor } from './browser.mjs';
import { FakeModel, Parlor, PATIENCE_MS } from './processes.mjs';

/** How often a scene may be tried: see CONTRIBUTING.md. */
const TRIES = Math.max(1, Number(process.env.TRIES ?? 1));

/** Writes down, for `scripts/second-tries`, that a scene is tried again. */
function noteSecondTry(what) {
  if (process.env.SECOND_TRIES) appendFileSync(process.env.SECOND_TRIES, `${what}\n`);
}

/** The kinds of model server that Parlor works with. */
export const KINDS = ['responses', 'chat_completions', 'none'];

export function modelSettings(kind, model) {
  return kind === 'none'
    ? {}
    : {
        OPENAI_BASE_URL: `${model.url}/v1`,
        PARLOR_MODEL_API: kind,
        PARLOR_MODEL: 'fake-model',
      };
}

/**
 * Servers and a browser for the scenes of one file. Every scene gets a new visitor, so none sees what
 * another left behind.
 */
export function stage({ kind = 'responses', environment = {} } = {}) {
  return scenes(kind, async (here) => {
    here.kind = kind;
    here.model = await FakeModel.start();
    here.parlor = await Parlor.start({ ...modelSettings(kind, here.model), ...environment });
    return here.parlor.url;
  });
}

/**
 * The same with other servers: `start` puts them on the stage, where whatever can be stopped is stopped
 * in the end, and gives the address that visitors come to.
 */
export function scenes(kind, start) {
  const here = {};
  const programs = () => Object.entries(here).filter(([name, part]) => name !== 'browser' && typeof part?.stop === 'function');
  let origin = '';
  before(async () => {
    origin = await start(here);
    here.browser = await launchBrowser();
  });
  after(async () => {
    await here.browser?.close();
    for (const [, program] of programs().reverse()) await program.stop();
  });

  /** A scene with a visitor, whose page must stay calm throughout. */
  here.scene = (name, play, options = {}) => {
    const attempt = async () => {
      await here.model?.reset();
      const from = here.parlor?.log.length;
      const visitor = await Visitor.enter(here.browser, origin, options);
      try {
        await play(visitor, here);
        visitor.assertCalm();
      } catch (error) {
        const file = `failed-${kind}-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`;
        await visitor.screenshot(file).catch(() => {});
        const logs = programs().filter(([, { log }]) => log).map(([part, { log }]) => `${part} said:\n${part === 'parlor' ? log.slice(from) : log}`);
        console.error(
          `--- ${name}\nscreenshot: tests/e2e/output/${file}.png\ncomplaints: ${JSON.stringify(visitor.complaints, null, 1)}\n${logs.join('\n')}`,
        );
        throw error;
      } finally {
        await visitor.leave();
      }
    };
    return test(name, { timeout: 6 * TRIES * PATIENCE_MS }, async () => {
      for (let left = TRIES - 1; ; left -= 1) {
        try {
          return await attempt();
        } catch (error) {
          if (left === 0) throw error;
          noteSecondTry(`${kind}: ${name} (${error.message.replaceAll('\n', ' ')})`);
        }
      }
    });
  };
  return here;
}

/** The usual answer from the documents: a search, then text with marks for the passages found. */
export function searchThen(when, ...steps) {
  return [
    { when, steps: [{ step: 'tool_call', name: 'search_documents', arguments: { query: when } }] },
    { when, steps },
  ];
}
