import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../../icons.js';
import { optionalText } from '../nodes.js';
import type { Scope } from '../view.js';

/** What the markup of a field is made of. */
export interface FieldInfo {
  readonly id: string;
  /** The accessible name, where no `Label` gives one. */
  readonly label: string | undefined;
  /** The id of the `Label`'s element, where there is one. */
  readonly labelId: string | undefined;
  readonly error: string | undefined;
  readonly errorId: string | undefined;
}

/** `todo.due_date` is read out as "Due date". */
export function humanName(name: string): string {
  const last = (name.split('.').pop() ?? name)
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .trim();
  return last === '' ? name : last.charAt(0).toUpperCase() + last.slice(1).toLowerCase();
}

export function describeField(
  scope: Scope,
  options: { name: string; label?: unknown; placeholder?: unknown },
): FieldInfo {
  const id = scope.view.fieldId(scope, options.name);
  const labelled = scope.form.labelled.has(options.name);
  const error = scope.view.errorOf(id);
  return {
    id,
    label: labelled
      ? undefined
      : (optionalText(options.label) ?? optionalText(options.placeholder) ?? humanName(options.name)),
    labelId: labelled ? `${id}-label` : undefined,
    error,
    errorId: error === undefined ? undefined : `${id}-error`,
  };
}

/** The message under a field. Named by the field, so it needs no live region of its own. */
export function fieldError(field: FieldInfo): TemplateResult | typeof nothing {
  return field.error === undefined
    ? nothing
    : html`<div class="w-error" id=${field.errorId ?? nothing}>${icon('warning')}${field.error}</div>`;
}

export const onEdit = (scope: Scope, id: string) => () => scope.view.edited(id);

/** Attributes that keep password managers away, unless the widget invites them. */
export function autofill(node: Readonly<Record<string, unknown>>): {
  autocomplete: string | undefined;
  ignore: string | typeof nothing;
} {
  return node.allowAutofillExtensions === true
    ? { autocomplete: undefined, ignore: nothing }
    : { autocomplete: 'off', ignore: 'true' };
}

/**
 * Focuses or selects a field when it appears, once. A conversation that is
 * opened again, or a user who is writing elsewhere, is left alone.
 */
export function focusOnce(
  scope: Scope,
  want: { focus: boolean; select: boolean },
): (element: Element | undefined) => void {
  const state = scope.view.local<{ callback: ((element: Element | undefined) => void) | null }>(
    `${scope.path}#focus`,
    () => ({ callback: null }),
  );
  state.callback ??= (element) => {
    if (!(element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement)) return;
    if (want.select) element.addEventListener('focus', () => element.select());
    // The element is not in the document yet while its template is rendered.
    if (want.focus) {
      queueMicrotask(() => {
        if (element.isConnected && scope.view.host.mayFocus?.() === true) element.focus();
      });
    }
  };
  return state.callback;
}
