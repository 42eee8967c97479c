import { describe, expect, expectTypeOf, it } from 'vitest';
import { applyEvents, emptyThreadState, upsertItem } from '../../src/index.js';
import type * as P from '../../src/protocol.js';
import type { ThreadItem, ThreadStreamEvent } from '../../src/protocol.js';
import { readFixtures } from './fixtures.js';

const ITEM_TYPES: Record<ThreadItem['type'], true> = {
  user_message: true,
  assistant_message: true,
  client_tool_call: true,
  widget: true,
  generated_image: true,
  structured_input: true,
  workflow: true,
  task: true,
  hidden_context_item: true,
  sdk_hidden_context: true,
  end_of_turn: true,
};

const REQUEST_TYPES: Record<P.ChatKitRequest['type'], true> = {
  'threads.create': true,
  'threads.add_user_message': true,
  'threads.add_client_tool_output': true,
  'threads.add_structured_input': true,
  'threads.custom_action': true,
  'threads.retry_after_item': true,
  'threads.resume': true,
  'threads.get_by_id': true,
  'threads.list': true,
  'threads.update': true,
  'threads.delete': true,
  'items.list': true,
  'items.feedback': true,
  'attachments.create': true,
  'attachments.delete': true,
  'input.transcribe': true,
  'threads.sync_custom_action': true,
  'threads.stop': true,
};

const typesIn = (file: string) =>
  new Set(readFixtures(file).map((fixture) => (fixture.json as { type: string }).type));

describe('the generated types', () => {
  it('narrow on `type`, down to the component of a widget', () => {
    const read = (item: ThreadItem): string => {
      switch (item.type) {
        case 'assistant_message':
          return item.content.map((part) => part.text).join('');
        case 'workflow':
          return item.workflow.tasks.map((task) => (task.type === 'web_search' ? task.queries : [])).join();
        case 'widget':
          return item.widget.type === 'Card' ? item.widget.children.map(value).join() : '';
        default:
          return '';
      }
    };
    const value = (component: P.WidgetComponent) => (component.type === 'Text' ? component.value : '');
    const widget: P.WidgetCard = {
      type: 'Card',
      children: [{ type: 'Text', value: 'Hi', color: 'secondary' }],
    };
    const base = { id: 'i', thread_id: 't', created_at: '' };
    expect(read({ ...base, type: 'widget', widget })).toBe('Hi');
  });

  it('say what may be left out, and what not', () => {
    type ErrorOf = Extract<ThreadStreamEvent, { type: 'error' }>;
    expectTypeOf<ErrorOf['reason']>().toEqualTypeOf<string | null | undefined>();
    expectTypeOf<ErrorOf['allow_retry']>().toEqualTypeOf<boolean>();
    expectTypeOf<P.JsonResults['threads.list']>().toExtend<P.Page<P.Thread>>();
    expectTypeOf<P.JsonResults['items.list']>().toExtend<P.Page<ThreadItem>>();
    expectTypeOf<{ content: [] }>().toExtend<P.UserMessageInput>();
    expectTypeOf<{ attachments: [] }>().not.toExtend<P.UserMessageInput>();
    expectTypeOf<'threads.run'>().toExtend<P.Request['type']>();
    expectTypeOf<'threads.fly'>().not.toExtend<P.Request['type']>();
  });
});

describe('the types against values recorded from the official models', () => {
  it('cover all eleven types of item, and no other', () => {
    const recorded = new Set(
      readFixtures('items')
        .filter(({ model }) => model.endsWith('Item'))
        .map(({ json }) => (json as { type: string }).type),
    );
    expect([...recorded].sort()).toEqual(Object.keys(ITEM_TYPES).sort());
  });

  it('cover the twelve events and the ten item updates', () => {
    expect(typesIn('events').size).toBe(12);
    expect(typesIn('item_updates').size).toBe(10);
  });

  it('cover the sixteen requests of the reference', () => {
    const recorded = typesIn('requests');
    expect(recorded.size).toBe(16);
    for (const type of recorded) expect(REQUEST_TYPES).toHaveProperty([type]);
  });
});

describe('the thread state and values it does not know', () => {
  it('applies every recorded event without changing what it was given', () => {
    for (const { name, json } of readFixtures('events')) {
      const before = JSON.stringify(json);
      expect(() => applyEvents(emptyThreadState, [json as ThreadStreamEvent]), name).not.toThrow();
      expect(JSON.stringify(json)).toBe(before);
    }
  });

  it('keeps items of an unknown type, and every widget, as they came', () => {
    const unknown = { id: 'i1', type: 'hologram', thread_id: 't', created_at: '', depth: { z: 3 } };
    const kept = upsertItem(emptyThreadState, unknown as unknown as ThreadItem);
    expect(kept.items).toEqual([unknown]);
    for (const { json } of [...readFixtures('widgets'), ...readFixtures('widgets_js')]) {
      const widget = { id: 'w', type: 'widget', thread_id: 't', created_at: '', widget: json };
      expect(upsertItem(emptyThreadState, widget as ThreadItem).items[0]).toEqual(widget);
    }
  });

  it('leaves the state alone for an event of an unknown type', () => {
    const event = { type: 'thread.sang', song: 'la' } as unknown as ThreadStreamEvent;
    expect(applyEvents(emptyThreadState, [event])).toBe(emptyThreadState);
  });
});
