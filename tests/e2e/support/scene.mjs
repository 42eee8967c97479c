// One scene: servers, a browser, a visitor; and on failure what they said.
import { after, before, test } from 'node:test';
import { launchBrowser, Visitor } from './browser.mjs';
import { FakeModel, Parlor } from './processes.mjs';

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
  const here = { kind };
  before(async () => {
    here.model = await FakeModel.start();
    here.parlor = await Parlor.start({ ...modelSettings(kind, here.model), ...environment });
    here.browser = await launchBrowser();
  });
  after(async () => {
    await here.browser?.close();
    await here.parlor?.stop();
    await here.model?.stop();
  });

  /** A scene with a visitor, whose page must stay calm throughout. */
  here.scene = (name, play, options = {}) =>
    test(name, { timeout: 60_000 }, async () => {
      await here.model.reset();
      const from = here.parlor.log.length;
      const visitor = await Visitor.enter(here.browser, here.parlor.url, options);
      try {
        await play(visitor, here);
        visitor.assertCalm();
      } catch (error) {
        const file = `failed-${kind}-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`;
        await visitor.screenshot(file).catch(() => {});
        console.error(
          `--- ${name}\nscreenshot: tests/e2e/output/${file}.png\ncomplaints: ${JSON.stringify(visitor.complaints, null, 1)}\n` +
            `parlor said:\n${here.parlor.log.slice(from)}\nfake model said:\n${here.model.log}`,
        );
        throw error;
      } finally {
        await visitor.leave();
      }
    });
  return here;
}

/** The usual answer from the documents: a search, then text with marks for the passages found. */
export function searchThen(when, ...steps) {
  return [
    { when, steps: [{ step: 'tool_call', name: 'search_documents', arguments: { query: when } }] },
    { when, steps },
  ];
}
