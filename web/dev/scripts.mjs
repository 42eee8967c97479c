// What the development backend answers. A script is an async generator over
// the turn; it is chosen by a word in the user's message.

import { GALLERY, QUESTIONS } from './gallery.mjs';

const WORDS = (text) => text.match(/\S+\s*|\s+/g) ?? [];

const TABLE_ANSWER = `Parlor keeps every conversation in **one database**, and the answer you are reading was streamed from it. Here is how the pieces fit together.

## Choosing a store

SQLite is the default and needs no setup. PostgreSQL is the better choice once several instances share the load.

| Store | Good for | Concurrent writers | Backup |
| --- | --- | ---: | --- |
| SQLite | one machine, up to thousands of users | 1 | copy the file |
| PostgreSQL | several machines, row-level security | many | \`pg_dump\` or replication |
| In memory | tests | 1 | none |

Set the address with \`PARLOR_DATABASE_URL\`, or in the configuration file:

\`\`\`toml
# parlor.toml
listen = "127.0.0.1:8000"

[database]
url = "sqlite://parlor.db"   # or postgres://…
max_connections = 8
\`\`\`

Then start it and look at what it says:

\`\`\`rust
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Threads live in a file beside the binary.
    let store = SqliteStore::open("chat.db").await?;
    let chatkit = ChatKit::new(store, Greeter { limit: 20 });
    parlor_server::serve(chatkit, "127.0.0.1:8000").await
}
\`\`\`

A few things worth knowing:

1. Migrations run **at start**; a newer binary upgrades an older file.
2. Writes are committed before the first event is sent, so \`kill -9\` loses nothing that was acknowledged.
3. Order comes from a sequence number, *never* from the clock.

> A store is a trait with one contract suite. Whatever passes the suite is a store.

More in the [configuration reference](/docs/configuration#database).`;

const CITES = [
  { after: 'one database**', title: 'Architecture', url: '/docs/architecture#store' },
  {
    after: 'share the load.',
    title: 'Choosing a store: SQLite or PostgreSQL',
    url: 'https://docs.example.com/guides/stores#choosing',
  },
  { after: 'older file.', title: 'Migrations', url: '/docs/migrations' },
  { after: 'acknowledged.', title: 'A turn, walked through', url: '/docs/architecture#turn' },
  {
    after: 'from the clock.',
    title: 'Choosing a store: SQLite or PostgreSQL',
    url: 'https://docs.example.com/guides/stores#choosing',
  },
];

const codePoints = (text) => [...text].length;

async function* say(turn, text, { chunk = 1, delay = 0, cites = [] } = {}) {
  const item = turn.newItem('assistant_message', { content: [] });
  yield { type: 'thread.item.added', item };
  const update = (value) => ({ type: 'thread.item.updated', item_id: item.id, update: value });
  const content = { type: 'output_text', text: '', annotations: [] };
  turn.partial = { ...item, content: [content] };
  yield update({ type: 'assistant_message.content_part.added', content_index: 0, content: { ...content } });
  const words = WORDS(text);
  const open = [...cites];
  for (let at = 0; at < words.length; at += chunk) {
    const delta = words.slice(at, at + chunk).join('');
    content.text += delta;
    yield update({ type: 'assistant_message.content_part.text_delta', content_index: 0, delta });
    while (open.length > 0) {
      const where = content.text.indexOf(open[0].after);
      if (where < 0) break;
      const { after, ...source } = open.shift();
      const annotation = {
        type: 'annotation',
        source: { type: 'url', ...source },
        index: codePoints(content.text.slice(0, where + after.length)),
      };
      content.annotations.push(annotation);
      yield update({
        type: 'assistant_message.content_part.annotation_added',
        content_index: 0,
        annotation_index: content.annotations.length - 1,
        annotation,
      });
    }
    if (delay > 0) await turn.sleep(delay);
    if (turn.stopped) break;
  }
  if (!turn.stopped) {
    yield update({ type: 'assistant_message.content_part.done', content_index: 0, content: { ...content } });
  }
  turn.partial = null;
  yield { type: 'thread.item.done', item: { ...item, content: [content] } };
}

async function* rename(turn, title) {
  if (turn.thread.title) return;
  turn.thread.title = title;
  yield { type: 'thread.updated', thread: turn.threadResponse() };
}

export const scripts = {
  async *hello(turn) {
    yield* say(turn, `Hello! You said: “${turn.question}”. The answer is **42**.`, { delay: 4 });
    yield* rename(turn, turn.question.slice(0, 40));
  },
  async *table(turn) {
    yield { type: 'progress_update', icon: 'search', text: 'Searching the documentation' };
    await turn.sleep(150);
    yield* say(turn, TABLE_ANSWER, { delay: turn.question.includes('fast') ? 0 : 12, cites: CITES });
    yield* rename(turn, 'Choosing a store');
  },
  // Sends the first half, then waits until the test lets it go on.
  async *hold(turn) {
    const text = 'The first half of the answer is here. And this is the second half of it.';
    const item = turn.newItem('assistant_message', { content: [] });
    const content = { type: 'output_text', text: '', annotations: [] };
    turn.partial = { ...item, content: [content] };
    yield { type: 'thread.item.added', item };
    const delta = (value) => {
      content.text += value;
      return {
        type: 'thread.item.updated',
        item_id: item.id,
        update: { type: 'assistant_message.content_part.text_delta', content_index: 0, delta: value },
      };
    };
    yield delta(text.slice(0, 38));
    await turn.gate();
    if (!turn.stopped) yield delta(text.slice(38));
    turn.partial = null;
    yield { type: 'thread.item.done', item: { ...item, content: [content] } };
  },
  async *silence(turn) {
    await turn.gate();
    yield* say(turn, 'Sorry for the wait.');
  },
  async *progress(turn) {
    yield { type: 'progress_update', icon: 'search', text: 'Searching 128 documents' };
    await turn.gate();
    yield* say(turn, 'Found it.');
  },
  // A 60 kB answer in many small pieces, as fast as the socket takes them.
  async *huge(turn) {
    const paragraph =
      'A paragraph with **bold words**, a [link](https://example.com/a), some `inline code` and plain text to read. ';
    let text = '';
    for (let section = 1; text.length < 60_000; section++) {
      text += `## Section ${section}\n\n${paragraph.repeat(4)}\n\n- one\n- two\n- three\n\n`;
      if (section % 4 === 0)
        text += '```js\nconst answer = 42;\nfunction ask() {\n  return answer;\n}\n```\n\n';
    }
    yield* say(turn, text, { chunk: 2 });
  },
  async *error(turn) {
    if (!turn.isRetry) {
      yield* say(turn, 'I was about to say something');
      yield {
        type: 'error',
        code: 'custom',
        message: 'The model closed the connection in the middle of the answer.',
        allow_retry: true,
        reason: 'model.cut',
        request_id: turn.requestId,
      };
      return;
    }
    yield* say(turn, 'The second attempt worked.');
  },
  async *fatal(turn) {
    yield {
      type: 'error',
      code: 'custom',
      message: 'The model refused the API key.',
      allow_retry: false,
      reason: 'model.unauthorized',
      request_id: turn.requestId,
    };
  },
  async *limited(turn) {
    if (turn.isRetry) {
      yield* say(turn, 'Now it is my turn again.');
      return;
    }
    yield {
      type: 'error',
      code: 'custom',
      message: 'The model is busy. Please wait a moment.',
      allow_retry: true,
      reason: 'model.rate_limited',
      request_id: turn.requestId,
      retry_after: 3,
    };
  },
  // The connection dies after a few events; the turn goes on.
  async *cut(turn) {
    yield* say(turn, 'One two three four five six seven eight nine ten eleven twelve.', { delay: 15 });
  },
  async *notice(turn) {
    yield {
      type: 'notice',
      level: 'warning',
      title: 'Almost at your limit',
      message: 'You have **3 messages** left today. [See plans](https://example.com/plans)',
    };
    yield { type: 'notice', level: 'info', message: 'Answers come from the documentation of version 2.' };
    yield* say(turn, 'Noted.');
  },
  async *workflow(turn) {
    const item = turn.newItem('workflow', { workflow: { type: 'reasoning', tasks: [], expanded: false } });
    yield { type: 'thread.item.added', item };
    const tasks = [
      {
        type: 'thought',
        title: 'Reading the question',
        content: 'They ask about **stores**; two pages match.',
      },
      {
        type: 'web_search',
        title: 'Searching',
        queries: ['sqlite wal', 'postgres row level security'],
        sources: [{ type: 'url', title: 'SQLite: WAL', url: 'https://example.com/wal' }],
      },
      {
        type: 'file',
        title: 'Reading files',
        sources: [{ type: 'file', title: 'stores.md', filename: 'stores.md' }],
      },
    ];
    for (const [task_index, task] of tasks.entries()) {
      yield {
        type: 'thread.item.updated',
        item_id: item.id,
        update: { type: 'workflow.task.added', task_index, task: { ...task, status_indicator: 'complete' } },
      };
      await turn.sleep(60);
    }
    yield {
      type: 'thread.item.done',
      item: {
        ...item,
        workflow: {
          type: 'reasoning',
          tasks: tasks.map((task) => ({ ...task, status_indicator: 'complete' })),
          summary: { duration: 7 },
          expanded: turn.question.includes('open'),
        },
      },
    };
    yield* say(turn, 'Use SQLite first. Move to PostgreSQL when a second machine joins.');
  },
  async *tool(turn) {
    if (turn.toolOutput === undefined) {
      yield {
        type: 'thread.item.done',
        item: turn.newItem('client_tool_call', {
          status: 'pending',
          call_id: 'call_1',
          name: 'read_page',
          arguments: { selector: 'h1' },
        }),
      };
      return;
    }
    yield* say(turn, `The page said: ${JSON.stringify(turn.toolOutput)}`);
  },
  async *effect(turn) {
    yield { type: 'client_effect', name: 'highlight', data: { id: 7 } };
    yield* say(turn, 'Look at the page.');
  },
  async *deeplink(turn) {
    yield* say(turn, 'See [ticket 7](chatkit-link://ticket/open?id=7).');
  },
  async *lock(turn) {
    yield* say(turn, 'This is the end of it.');
    turn.thread.status = {
      type: 'locked',
      reason: 'A person has taken over. They will write to you by e-mail.',
    };
    yield { type: 'thread.updated', thread: turn.threadResponse() };
  },
  async *entities(turn) {
    const item = turn.newItem('assistant_message', {
      content: [
        {
          type: 'output_text',
          text: 'Ada wrote it. It is in the plan. Nobody should click this.',
          annotations: [
            {
              type: 'annotation',
              index: 13,
              source: { type: 'entity', id: 'u1', title: 'Ada Lovelace', interactive: true, icon: 'user' },
            },
            { type: 'annotation', index: 32, source: { type: 'file', title: 'Plan', filename: 'plan.pdf' } },
            {
              type: 'annotation',
              index: 58,
              source: { type: 'url', title: 'Bad link', url: 'javascript:alert(1)' },
            },
          ],
        },
      ],
    });
    yield { type: 'thread.item.done', item };
  },
  async *widget(turn) {
    yield {
      type: 'thread.item.done',
      item: turn.newItem('widget', {
        widget: {
          type: 'Card',
          children: [
            { type: 'Title', value: 'Flight LH 123' },
            { type: 'Text', value: 'Boards at 14:20, gate B12' },
          ],
        },
      }),
    };
    yield { type: 'thread.item.done', item: turn.newItem('some_future_item', {}) };
  },
  async *form(turn) {
    const card = (text) => ({
      type: 'Card',
      asForm: true,
      confirm: { label: 'Book', action: { type: 'book', payload: { flight: 'LH 123' } } },
      cancel: { label: 'Not now', action: { type: 'later', handler: 'client', payload: { days: 2 } } },
      children: [
        { type: 'Title', value: 'Flight LH 123' },
        { type: 'Text', id: 'note', value: text, streaming: true },
        { type: 'Label', value: 'Passenger', fieldName: 'passenger' },
        { type: 'Input', name: 'passenger', required: true },
        {
          type: 'Button',
          label: 'Vote',
          onClickAction: { type: 'vote', streaming: false, payload: { up: true } },
        },
      ],
    });
    const item = turn.newItem('widget', { widget: card('') });
    yield { type: 'thread.item.added', item };
    for (const delta of ['Boards at ', '14:20, ', 'gate B12']) {
      yield {
        type: 'thread.item.updated',
        item_id: item.id,
        update: { type: 'widget.streaming_text.value_delta', component_id: 'note', delta, done: false },
      };
      if (turn.question.includes('gated')) await turn.gate();
    }
    yield { type: 'thread.item.done', item: { ...item, widget: card('Boards at 14:20, gate B12') } };
  },
  async *questions(turn) {
    yield {
      type: 'thread.item.done',
      item: turn.newItem('structured_input', {
        status: 'pending',
        inputs: [
          {
            type: 'multiple_choice',
            id: 'db',
            question: 'Which database do you use?',
            options: [{ value: 'SQLite' }, { value: 'PostgreSQL' }],
          },
          { type: 'freeform', id: 'why', question: 'Why that one?', description: 'In a few words.' },
        ],
      }),
    };
  },
  async *gallery(turn) {
    // The page's policy allows no data: images.
    const shown = JSON.parse(
      JSON.stringify(GALLERY).replaceAll(/data:image[^"]+/g, 'https://blocked.example/'),
    );
    for (const widget of Object.values(shown)) {
      yield { type: 'thread.item.done', item: turn.newItem('widget', { widget }) };
    }
    for (const { status, inputs } of QUESTIONS) {
      yield { type: 'thread.item.done', item: turn.newItem('structured_input', { status, inputs }) };
    }
  },
  async *abyss(turn) {
    let widget = { type: 'Text', id: 'bottom', value: 'deepest' };
    for (let level = 0; level < 1000; level++) widget = { type: 'Col', children: [widget] };
    const item = turn.newItem('widget', { widget: { type: 'Card', children: [widget] } });
    yield { type: 'thread.item.added', item };
    yield {
      type: 'thread.item.updated',
      item_id: item.id,
      update: { type: 'widget.streaming_text.value_delta', component_id: 'bottom', delta: '!', done: true },
    };
    yield { type: 'thread.item.done', item };
    yield* say(turn, 'Still here.');
  },
  async *arabic(turn) {
    yield* say(
      turn,
      'مرحبا! هذا **جواب** باللغة العربية مع رمز `npm install` في الوسط.\n\n- البند الأول\n- البند الثاني\n\nAnd an English paragraph.',
    );
  },
};

export function scriptFor(question) {
  const name = Object.keys(scripts).find((key) => new RegExp(`\\b${key}\\b`, 'i').test(question));
  return scripts[name ?? 'hello'];
}
