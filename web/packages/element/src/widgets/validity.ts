import type { WidgetStrings } from './strings.js';

type Field = HTMLInputElement | HTMLTextAreaElement;

/** A pattern as `pattern` means it: of the whole value. Null when it is no regular expression. */
function wholeValue(pattern: string): RegExp | null {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u');
  } catch {
    return null;
  }
}

/** What is wrong with a field, in words; undefined when nothing is. */
export function problemOf(field: Field, strings: WidgetStrings): string | undefined {
  if (field.disabled) return undefined;
  const { validity } = field;
  if (validity.badInput) return strings.number;
  if (validity.valueMissing) {
    if (field.type === 'checkbox') return strings.check;
    return field.type === 'radio' ? strings.pick : strings.required;
  }
  if (validity.typeMismatch) return field.type === 'url' ? strings.url : strings.email;
  if (validity.patternMismatch) return strings.pattern;
  if (field instanceof HTMLInputElement) {
    if (validity.rangeUnderflow) return strings.earliest(field.min);
    if (validity.rangeOverflow) return strings.latest(field.max);
  }
  // `pattern` is an attribute of inputs only; the models have it on text areas too.
  const { pattern } = field.dataset;
  if (pattern !== undefined && field.value !== '' && wholeValue(pattern)?.test(field.value) === false) {
    return strings.pattern;
  }
  return undefined;
}

/** Checks fields in order. Messages are by the id that the field's error goes under. */
export function checkFields(
  fields: readonly Field[],
  strings: WidgetStrings,
): { errors: ReadonlyMap<string, string>; first: HTMLElement | null } {
  const errors = new Map<string, string>();
  let first: HTMLElement | null = null;
  for (const field of fields) {
    const id = field.dataset.errorId ?? field.id;
    if (errors.has(id)) continue;
    const problem = problemOf(field, strings);
    if (problem === undefined) continue;
    errors.set(id, problem);
    first ??= field;
  }
  return { errors, first };
}
