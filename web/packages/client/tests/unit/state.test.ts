import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyEvent,
  applyEvents,
  emptyThreadState,
  prependItems,
  settle,
  type ThreadState,
} from '../../src/state.js';
import type {
  Annotation,
  AssistantMessageItem,
  Task,
  ThreadItem,
  ThreadStreamEvent,
  WidgetComponent,
  WidgetItem,
  WorkflowItem,
} from '../../src/protocol.js';

const base = (id: string) => ({ id, thread_id: 'thr_1', created_at: '2026-01-01T00:00:00Z' });
const assistant = (id: string, ...texts: string[]): AssistantMessageItem => ({
  ...base(id),
  type: 'assistant_message',
  content: texts.map((text) => ({ type: 'output_text', text, annotations: [] })),
});
const added = (item: ThreadItem): ThreadStreamEvent => ({ type: 'thread.item.added', item });
const done = (item: ThreadItem): ThreadStreamEvent => ({ type: 'thread.item.done', item });
const delta = (id: string, text: string, content_index = 0): ThreadStreamEvent => ({
  type: 'thread.item.updated',
  item_id: id,
  update: { type: 'assistant_message.content_part.text_delta', content_index, delta: text },
});
const annotation = (title: string): Annotation => ({
  type: 'annotation',
  source: { type: 'url', title, url: 'https://example.com' },
});
const annotate = (id: string, at: number, title: string): ThreadStreamEvent => ({
  type: 'thread.item.updated',
  item_id: id,
  update: {
    type: 'assistant_message.content_part.annotation_added',
    content_index: 0,
    annotation_index: at,
    annotation: annotation(title),
  },
});
const textOf = (state: ThreadState, id: string): string[] => {
  const item = state.items.find((candidate) => candidate.id === id);
  return item?.type === 'assistant_message' ? item.content.map((part) => part.text) : [];
};

describe('assistant messages', () => {
  it('grow by their deltas and stream until they are done', () => {
    let state = applyEvents(emptyThreadState, [added(assistant('a')), delta('a', 'Hel'), delta('a', 'lo')]);
    expect(textOf(state, 'a')).toEqual(['Hello']);
    expect(state.streaming.has('a')).toBe(true);
    state = applyEvent(state, done(assistant('a', 'Hello!')));
    expect(textOf(state, 'a')).toEqual(['Hello!']);
    expect(state.streaming.size).toBe(0);
  });

  it('pad the parts that a delta skips', () => {
    const state = applyEvents(emptyThreadState, [added(assistant('a')), delta('a', 'third', 2)]);
    expect(textOf(state, 'a')).toEqual(['', '', 'third']);
  });

  it('take annotations at their index, and at the end when it is beyond', () => {
    const state = applyEvents(emptyThreadState, [
      added(assistant('a', 'text')),
      annotate('a', 0, 'one'),
      annotate('a', 0, 'zero'),
      annotate('a', 9, 'last'),
      annotate('a', 2, 'between'),
    ]);
    const item = state.items[0] as AssistantMessageItem;
    expect(item.content[0]?.annotations.map(({ source }) => source.title)).toEqual([
      'zero',
      'one',
      'between',
      'last',
    ]);
  });

  it('ignore a part index that no answer has', () => {
    const before = applyEvent(emptyThreadState, added(assistant('a', 'x')));
    for (const index of [-1, 1e9, 0.5, Number.NaN]) {
      expect(applyEvent(before, delta('a', 'y', index))).toEqual(before);
    }
  });
});

describe('other items', () => {
  it('append and replace the tasks of a workflow, and ignore a task that is not there', () => {
    const workflow = { type: 'custom' as const, tasks: [], expanded: false };
    const item: WorkflowItem = { ...base('w'), type: 'workflow', workflow };
    const task = (title: string): Task => ({ type: 'custom', title, status_indicator: 'none' });
    const update = (type: 'workflow.task.added' | 'workflow.task.updated', at: number, title: string) =>
      ({
        type: 'thread.item.updated',
        item_id: 'w',
        update: { type, task_index: at, task: task(title) },
      }) as const;
    const state = applyEvents(emptyThreadState, [
      added(item),
      update('workflow.task.added', 0, 'a'),
      update('workflow.task.added', 1, 'b'),
      update('workflow.task.updated', 0, 'A'),
      update('workflow.task.updated', 7, 'nowhere'),
    ]);
    expect((state.items[0] as WorkflowItem).workflow.tasks).toEqual([task('A'), task('b')]);
    expect(item.workflow.tasks).toEqual([]);
  });

  it('stream the text of a nested widget component and mark when it is complete', () => {
    const item: WidgetItem = {
      ...base('w'),
      type: 'widget',
      widget: {
        type: 'Card',
        children: [{ type: 'Row', children: [{ type: 'Markdown', id: 'md', value: 'a', streaming: true }] }],
      },
    };
    const value = (text: string, isDone: boolean): ThreadStreamEvent => ({
      type: 'thread.item.updated',
      item_id: 'w',
      update: { type: 'widget.streaming_text.value_delta', component_id: 'md', delta: text, done: isDone },
    });
    const state = applyEvents(emptyThreadState, [added(item), value('b', false), value('c', true)]);
    expect(JSON.stringify((state.items[0] as WidgetItem).widget)).toContain(
      '{"type":"Markdown","id":"md","value":"abc","streaming":false}',
    );
  });

  it('take a new widget root after they are done, as an action may send one', () => {
    const item: WidgetItem = { ...base('w'), type: 'widget', widget: { type: 'Card', children: [] } };
    const state = applyEvents(emptyThreadState, [
      done(item),
      {
        type: 'thread.item.updated',
        item_id: 'w',
        update: { type: 'widget.root.updated', widget: { type: 'ListView', children: [] } },
      },
    ]);
    expect((state.items[0] as WidgetItem).widget.type).toBe('ListView');
  });
});

describe('the thread', () => {
  it('follows title, status, progress and stream options', () => {
    const thread = {
      id: 'thr_1',
      title: 'T',
      created_at: '',
      status: { type: 'locked', reason: 'r' } as const,
      metadata: {},
      items: { data: [], has_more: false },
    };
    let state = applyEvents(emptyThreadState, [
      { type: 'thread.updated', thread },
      { type: 'progress_update', icon: 'search', text: 'Searching' },
      { type: 'stream_options', stream_options: { allow_cancel: false } },
    ]);
    expect(state.thread).toMatchObject({ title: 'T', status: { reason: 'r' } });
    expect(state.thread).not.toHaveProperty('items');
    expect(state.progress?.text).toBe('Searching');
    expect(state.allowCancel).toBe(false);
    state = applyEvent(state, added(assistant('a')));
    expect(state.progress).toBeNull();
  });

  it('drops removed items and swaps replaced ones in place', () => {
    const state = applyEvents(emptyThreadState, [
      done(assistant('a', '1')),
      done(assistant('b', '2')),
      done(assistant('c', '3')),
      { type: 'thread.item.removed', item_id: 'a' },
      { type: 'thread.item.removed', item_id: 'nobody' },
      { type: 'thread.item.replaced', item: assistant('b', 'two') },
    ]);
    expect(state.items.map((item) => item.id)).toEqual(['b', 'c']);
    expect(textOf(state, 'b')).toEqual(['two']);
  });

  it('puts older pages first, without repeating an item', () => {
    const state = applyEvent(emptyThreadState, done(assistant('b', '2')));
    const paged = prependItems(state, [assistant('a', '1'), assistant('b', 'stale')]);
    expect(paged.items.map((item) => item.id)).toEqual(['a', 'b']);
    expect(textOf(paged, 'b')).toEqual(['2']);
  });

  it('keeps the identity of everything an event does not touch', () => {
    const state = applyEvents(emptyThreadState, [done(assistant('a', '1')), added(assistant('b', ''))]);
    const next = applyEvent(state, delta('b', 'x'));
    expect(next.items[0]).toBe(state.items[0]);
    expect(next.items[1]).not.toBe(state.items[1]);
    expect(next.streaming).toBe(state.streaming);
    expect(settle(settle(next))).toEqual(settle(next));
  });
});

/** A whole turn: message items that are added, grow and are done. */
const turn: fc.Arbitrary<ThreadStreamEvent[]> = fc
  .array(
    fc.record({
      deltas: fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat(2)), { maxLength: 8 }),
      finishes: fc.boolean(),
    }),
    { maxLength: 5 },
  )
  .map((messages) =>
    messages.flatMap(({ deltas, finishes }, at) => {
      const id = `m${at}`;
      const parts: string[] = [];
      for (const [text, index] of deltas) {
        while (parts.length <= index) parts.push('');
        parts[index] += text;
      }
      return [
        added(assistant(id)),
        ...deltas.map(([text, index]) => delta(id, text, index)),
        ...(finishes ? [done(assistant(id, ...parts))] : []),
      ];
    }),
  );

describe('properties', () => {
  it('one batch gives what the events give one by one, however they are split', () => {
    fc.assert(
      fc.property(turn, fc.nat(30), (events, split) => {
        const whole = applyEvents(emptyThreadState, events);
        const halves = applyEvents(
          applyEvents(emptyThreadState, events.slice(0, split)),
          events.slice(split),
        );
        const single = events.reduce(applyEvent, emptyThreadState);
        expect(halves).toEqual(whole);
        expect(single).toEqual(whole);
      }),
    );
  });

  it('a replay from the start of the turn changes nothing, wherever it was cut', () => {
    fc.assert(
      fc.property(turn, fc.nat(30), (events, cut) => {
        const whole = applyEvents(emptyThreadState, events);
        const resumed = applyEvents(applyEvents(emptyThreadState, events.slice(0, cut)), events);
        expect(resumed).toEqual(whole);
      }),
    );
  });

  it('never changes a state that was handed out', () => {
    fc.assert(
      fc.property(turn, (events) => {
        const states: [ThreadState, string][] = [];
        let state = emptyThreadState;
        for (const event of events) {
          states.push([state, JSON.stringify(state)]);
          state = applyEvent(state, event);
        }
        for (const [before, json] of states) expect(JSON.stringify(before)).toBe(json);
      }),
    );
  });
});

describe('a widget nested without end', () => {
  it('is kept as it is where an update would have to search it all', () => {
    let widget: WidgetComponent = { type: 'Text', id: 'bottom', value: 'deepest' };
    for (let level = 0; level < 50_000; level++) widget = { type: 'Col', children: [widget] };
    const item: WidgetItem = { ...base('w1'), type: 'widget', widget: { type: 'Card', children: [widget] } };
    const state = applyEvents(emptyThreadState, [
      added(item),
      {
        type: 'thread.item.updated',
        item_id: 'w1',
        update: { type: 'widget.streaming_text.value_delta', component_id: 'bottom', delta: '!', done: true },
      },
    ]);
    expect(state.items[0]).toBe(item);
  });
});
