import { isRecord } from './nodes.js';

/** An action of a widget, with the model's defaults filled in. */
export interface WidgetAction {
  readonly type: string;
  readonly payload: unknown;
  readonly handler: 'client' | 'server';
  readonly loadingBehavior: 'auto' | 'none' | 'self' | 'container';
  readonly streaming: boolean;
}

/** What was typed into a form, nested by the dots of the names. */
export type FormValues = Record<string, unknown>;

/** Reads an `ActionConfig`; null for what is none. */
export function readAction(value: unknown): WidgetAction | null {
  if (!isRecord(value) || typeof value.type !== 'string' || value.type === '') return null;
  const { loadingBehavior } = value;
  return {
    type: value.type,
    payload: value.payload ?? null,
    handler: value.handler === 'client' ? 'client' : 'server',
    loadingBehavior:
      loadingBehavior === 'none' || loadingBehavior === 'self' || loadingBehavior === 'container'
        ? loadingBehavior
        : 'auto',
    streaming: value.streaming !== false,
  };
}

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

/** Sets a value under a dotted name: `todo.title` is `values.todo.title`. */
export function setField(values: FormValues, name: string, value: unknown): void {
  const path = name.split('.');
  if (path.some((part) => FORBIDDEN.has(part))) return;
  const last = path.pop() ?? name;
  let target = values;
  for (const part of path) {
    const below = target[part];
    if (isRecord(below)) target = below as FormValues;
    else target = target[part] = {};
  }
  target[last] = value;
}

/**
 * Puts form values into an action's payload. A key that the payload has wins,
 * as in the reference; such keys are returned, so that they can be reported.
 */
export function mergePayload(
  payload: unknown,
  values: FormValues,
): { payload: unknown; collisions: string[] } {
  const names = Object.keys(values);
  if (names.length === 0) return { payload, collisions: [] };
  if (payload === null || payload === undefined) return { payload: values, collisions: [] };
  if (!isRecord(payload)) return { payload, collisions: names };
  const merged: FormValues = { ...payload };
  const collisions: string[] = [];
  for (const name of names) {
    const value = values[name];
    if (!Object.hasOwn(payload, name)) {
      merged[name] = value;
    } else if (isRecord(payload[name]) && isRecord(value)) {
      const below = mergePayload(payload[name], value as FormValues);
      merged[name] = below.payload;
      collisions.push(...below.collisions.map((inner) => `${name}.${inner}`));
    } else {
      collisions.push(name);
    }
  }
  return { payload: merged, collisions };
}

type Field = HTMLInputElement | HTMLTextAreaElement;

/** The fields of a form, or of a widget without one: those of forms inside it are theirs. */
export function fieldsOf(form: Element): Field[] {
  return [...form.querySelectorAll<Field>('[data-field]')].filter(
    (field) => field.closest('[data-form]') === form,
  );
}

/** The value of one field: true or false for a checkbox, text for the others. */
export function fieldValue(field: Field): string | boolean {
  return field instanceof HTMLInputElement && field.type === 'checkbox' ? field.checked : field.value;
}

/** What the fields hold, under their names. A radio group without a choice is absent. */
export function readFields(fields: readonly Field[]): FormValues {
  const values: FormValues = {};
  for (const field of fields) {
    if (field instanceof HTMLInputElement && field.type === 'radio' && !field.checked) continue;
    setField(values, field.dataset.field ?? '', fieldValue(field));
  }
  return values;
}
