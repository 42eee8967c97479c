import type { Command, CommandSelection, Entity } from '@openai/chatkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Trigger } from '../../src/composer.js';
import { Picker } from '../../src/picker.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A list whose searches, and what its commands lead to, a test answers by hand. */
function setup() {
  const searches: { query: string; answer(...titles: string[]): void }[] = [];
  const inserted: string[] = [];
  const selected: { id: string; done(selection?: CommandSelection): void }[] = [];
  const searching = <T>(query: string, make: (title: string) => T) =>
    new Promise<T[]>((resolve) => {
      searches.push({ query, answer: (...titles) => resolve(titles.map(make)) });
    });
  const picker = new Picker({
    searchTags: (query) => searching<Entity>(query, (title) => ({ id: title, title })),
    searchCommands: (query) => searching<Command>(query, (label) => ({ id: label, label })),
    selectCommand: (command) =>
      new Promise((resolve) => {
        selected.push({ id: command.id, done: resolve as (selection?: CommandSelection) => void });
      }),
    ownCommands: () => [],
    insert: (_trigger, entity) => void inserted.push(entity?.title ?? ''),
    changed: () => undefined,
    found: () => undefined,
    report: (error) => {
      throw error;
    },
  });
  const type = (query: string, kind: Trigger['kind'] = 'tag') => picker.follow({ kind, from: 0, query });
  const answer = async (...titles: string[]) => {
    await vi.runAllTimersAsync();
    searches.at(-1)?.answer(...titles);
    await vi.runAllTimersAsync();
  };
  const marked = () => picker.state?.options[picker.state.active]?.label;
  return { picker, searches, inserted, selected, type, answer, marked };
}

describe('suggestions', () => {
  it('are searched for when typing pauses', async () => {
    const { searches, type } = setup();
    type('a');
    await vi.advanceTimersByTimeAsync(100);
    type('ad');
    await vi.advanceTimersByTimeAsync(100);
    expect(searches).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(searches.map(({ query }) => query)).toEqual(['ad']);
  });

  it('are what was typed when Enter comes before the answer', async () => {
    const { picker, inserted, type, answer } = setup();
    type('a');
    await answer('Ada', 'Alan');
    type('al');
    expect(picker.take()).toBe(true);
    expect(inserted).toEqual([]);
    await answer('Alan');
    expect(inserted).toEqual(['Alan']);
  });

  it('that the user has marked stay marked when the answer comes', async () => {
    const { picker, inserted, type, answer, marked } = setup();
    type('');
    await answer('Ada', 'Grace', 'Alan');
    type('a');
    picker.move(1);
    picker.move(1);
    expect(marked()).toBe('Alan');
    await answer('Ada', 'Alan');
    expect(marked()).toBe('Alan');
    picker.take();
    expect(inserted).toEqual(['Alan']);
  });

  it('that the user has marked are taken without waiting for the answer', async () => {
    const { picker, inserted, type, answer } = setup();
    type('');
    await answer('Ada', 'Alan');
    type('a');
    picker.move(1);
    picker.take();
    expect(inserted).toEqual(['Alan']);
    await answer('Ada', 'Alan');
    expect(inserted).toEqual(['Alan']);
    expect(picker.state).toBeNull();
  });

  it('begin with the first when what was marked is not found any more', async () => {
    const { picker, type, answer, marked } = setup();
    type('');
    await answer('Ada', 'Grace');
    type('a');
    picker.move(1);
    await answer('Alan', 'Ada');
    expect(marked()).toBe('Alan');
  });

  it('that are commands are done once, however often Enter is pressed', async () => {
    const { picker, selected, type, answer } = setup();
    type('', 'command');
    await answer('Sum', 'More');
    picker.move(1);
    picker.take();
    picker.take();
    expect(selected.map(({ id }) => id)).toEqual(['More']);
    selected[0]?.done();
    await vi.runAllTimersAsync();
    expect(picker.state).toBeNull();
  });
});
