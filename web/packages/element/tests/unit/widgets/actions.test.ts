import { describe, expect, it } from 'vitest';
import { mergePayload, readAction, setField } from '../../../src/widgets/actions.js';
import { humanName } from '../../../src/widgets/components/field.js';
import { directionOf, keysOf } from '../../../src/widgets/nodes.js';

describe('actions', () => {
  it('have the defaults of the model', () => {
    expect(readAction({ type: 'order' })).toEqual({
      type: 'order',
      payload: null,
      handler: 'server',
      loadingBehavior: 'auto',
      streaming: true,
    });
    expect(
      readAction({ type: 'x', handler: 'client', loadingBehavior: 'none', streaming: false }),
    ).toMatchObject({
      handler: 'client',
      loadingBehavior: 'none',
      streaming: false,
    });
  });

  it('are nothing without a type', () => {
    expect([null, 'order', {}, { type: 7 }, { type: '' }, []].map(readAction)).toEqual(Array(6).fill(null));
  });
});

describe('form values', () => {
  it('nest by the dots of their names', () => {
    const values = {};
    setField(values, 'todo.title', 'Buy milk');
    setField(values, 'todo.due', 'today');
    setField(values, 'done', false);
    expect(values).toEqual({ todo: { title: 'Buy milk', due: 'today' }, done: false });
  });

  it('can not reach the prototype of objects', () => {
    const values = {};
    for (const name of ['__proto__.polluted', 'constructor.prototype.polluted', 'a.__proto__.polluted']) {
      setField(values, name, true);
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(Object.keys(values)).toEqual([]);
  });

  it('join the payload, whose own keys win and are reported', () => {
    expect(mergePayload({ id: 7, todo: { id: 1 } }, { todo: { id: 2, title: 'x' }, id: 8 })).toEqual({
      payload: { id: 7, todo: { id: 1, title: 'x' } },
      collisions: ['todo.id', 'id'],
    });
    expect(mergePayload(null, { a: '1' })).toEqual({ payload: { a: '1' }, collisions: [] });
    expect(mergePayload(null, {})).toEqual({ payload: null, collisions: [] });
    expect(mergePayload('text', { a: '1' })).toEqual({ payload: 'text', collisions: ['a'] });
  });
});

describe('names', () => {
  it('of fields are made readable', () => {
    expect(['todo.due_date', 'firstName', 'x', ''].map(humanName)).toEqual([
      'Due date',
      'First name',
      'X',
      '',
    ]);
  });

  it('of components are unique among siblings, also when a server repeats one', () => {
    const node = (more: object) => ({ type: 'Text', ...more });
    expect(keysOf([node({ id: 'a' }), node({ key: 'a' }), node({}), node({ id: 'a' })])).toEqual([
      'Text:a',
      'Text:a~1',
      'Text:#2',
      'Text:a~2',
    ]);
  });
});

describe('the direction of texts', () => {
  it('is that of their words, foreign names and numbers among them or not', () => {
    expect(directionOf(['الطلب رقم 4127 من Parlor', 'في الطريق'])).toBe('rtl');
    expect(directionOf(['Order 4127', 'by علي'])).toBe('ltr');
    expect(directionOf(['4127', '€ 3'])).toBeNull();
    expect(directionOf([])).toBeNull();
  });
});
