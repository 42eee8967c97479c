import { html, nothing, type TemplateResult } from 'lit';
import { ref } from 'lit/directives/ref.js';
import { icon } from '../../icons.js';
import { readAction, setField, type FormValues } from '../actions.js';
import { css } from '../css.js';
import { count, isRecord, optionalText, text, token, type WidgetNode } from '../nodes.js';
import { color } from '../values.js';
import type { Scope } from '../view.js';
import { autofill, describeField, fieldError, focusOnce, humanName, onEdit } from './field.js';

export const CONTROL_SIZES = ['3xs', '2xs', 'xs', 'sm', 'md', 'lg', 'xl', '2xl', '3xl'] as const;
export const CONTROL_VARIANTS = ['solid', 'soft', 'outline', 'ghost'] as const;
const GUTTERS = ['2xs', 'xs', 'sm', 'md', 'lg', 'xl'] as const;
const INPUT_TYPES = ['number', 'email', 'text', 'password', 'tel', 'url'] as const;

/** Runs a field's `onChangeAction`: with the values of its form, or with its own outside of one. */
export function changed(node: WidgetNode, scope: Scope, name: string, value: string | boolean): void {
  const action = readAction(node.onChangeAction);
  if (action === null) return;
  if (scope.form.path !== '') {
    void scope.view.run(action, { scope, source: node, auto: 'none' });
    return;
  }
  const values: FormValues = {};
  setField(values, name, value);
  void scope.view.run(action, { scope, source: node, auto: 'none', values });
}

export function input(node: WidgetNode, scope: Scope): TemplateResult {
  const name = text(node.name);
  const field = describeField(scope, { name, placeholder: node.placeholder });
  const fill = autofill(node);
  return html`<div class="w-field w-grow">
    <input
      class="w-control w-input"
      id=${field.id}
      type=${token(node.inputType, INPUT_TYPES, 'text')}
      step=${node.inputType === 'number' ? 'any' : nothing}
      dir=${node.inputType === 'email' || node.inputType === 'url' || node.inputType === 'tel' ? 'ltr' : 'auto'}
      data-field=${name}
      data-size=${token(node.size, CONTROL_SIZES, 'md')}
      data-variant=${token(node.variant, ['soft', 'outline'], 'outline')}
      data-gutter=${token(node.gutterSize, GUTTERS, undefined) ?? nothing}
      ?data-pill=${node.pill === true}
      pattern=${optionalText(node.pattern) ?? nothing}
      placeholder=${optionalText(node.placeholder) ?? nothing}
      autocomplete=${fill.autocomplete ?? nothing}
      data-1p-ignore=${fill.ignore}
      data-lpignore=${fill.ignore}
      aria-label=${field.label ?? nothing}
      aria-invalid=${field.error === undefined ? nothing : 'true'}
      aria-describedby=${field.errorId ?? nothing}
      ?required=${node.required === true}
      ?disabled=${node.disabled === true}
      .defaultValue=${text(node.defaultValue)}
      @input=${onEdit(scope, field.id)}
      ${ref(focusOnce(scope, { focus: node.autoFocus === true, select: node.autoSelect === true }))}
    />
    ${fieldError(field)}
  </div>`;
}

export function textarea(node: WidgetNode, scope: Scope): TemplateResult {
  const name = text(node.name);
  const field = describeField(scope, { name, placeholder: node.placeholder });
  const fill = autofill(node);
  const rows = count(node.rows, 1, 60) ?? 3;
  const most = count(node.maxRows, 1, 60);
  const grows = node.autoResize === true;
  const grow = (event: Event) => {
    onEdit(scope, field.id)();
    if (grows) fitHeight(event.currentTarget as HTMLTextAreaElement);
  };
  return html`<div class="w-field w-grow">
    <textarea
      class="w-control w-textarea"
      id=${field.id}
      dir="auto"
      rows=${rows}
      data-field=${name}
      data-size=${token(node.size, CONTROL_SIZES, 'md')}
      data-variant=${token(node.variant, ['soft', 'outline'], 'outline')}
      data-gutter=${token(node.gutterSize, GUTTERS, undefined) ?? nothing}
      data-pattern=${optionalText(node.pattern) ?? nothing}
      ?data-grows=${grows}
      placeholder=${optionalText(node.placeholder) ?? nothing}
      autocomplete=${fill.autocomplete ?? nothing}
      data-1p-ignore=${fill.ignore}
      data-lpignore=${fill.ignore}
      aria-label=${field.label ?? nothing}
      aria-invalid=${field.error === undefined ? nothing : 'true'}
      aria-describedby=${field.errorId ?? nothing}
      ?required=${node.required === true}
      ?disabled=${node.disabled === true}
      .defaultValue=${text(node.defaultValue)}
      @input=${grow}
      ${css({
        '--w-rows': String(Math.min(rows, most ?? rows)),
        '--w-max-rows': most === undefined ? null : String(most),
      })}
      ${ref(focusOnce(scope, { focus: node.autoFocus === true, select: node.autoSelect === true }))}
    ></textarea>
    ${fieldError(field)}
  </div>`;
}

/** Grows a text area with its text where the browser does not do it by itself. */
function fitHeight(area: HTMLTextAreaElement): void {
  if (typeof CSS === 'undefined' || CSS.supports?.('field-sizing', 'content') !== false) return;
  area.style.setProperty('block-size', 'auto');
  area.style.setProperty('block-size', `${area.scrollHeight + 2}px`);
}

export function label(node: WidgetNode, scope: Scope): TemplateResult {
  const id = scope.view.fieldId(scope, text(node.fieldName));
  return html`<label
    class="w-label"
    for=${id}
    id="${id}-label"
    dir="auto"
    data-size=${token(node.size, ['xs', 'sm', 'md', 'lg', 'xl'], 'sm')}
    data-weight=${token(node.weight, ['normal', 'medium', 'semibold', 'bold'], 'medium')}
    ${css({
      color: color(node.color, 'text'),
      'text-align': token(node.textAlign, ['start', 'center', 'end'], undefined) ?? null,
    })}
    >${text(node.value)}</label
  >`;
}

export function checkbox(node: WidgetNode, scope: Scope): TemplateResult {
  const name = text(node.name);
  const own = optionalText(node.label);
  const field = describeField(scope, { name, label: node.label });
  const change = (event: Event) => {
    scope.view.edited(field.id);
    changed(node, scope, name, (event.currentTarget as HTMLInputElement).checked);
  };
  return html`<div class="w-field">
    <label class="w-check">
      <input
        type="checkbox"
        id=${field.id}
        data-field=${name}
        aria-label=${own === undefined ? (field.label ?? nothing) : nothing}
        aria-invalid=${field.error === undefined ? nothing : 'true'}
        aria-describedby=${field.errorId ?? nothing}
        ?required=${node.required === true}
        ?disabled=${node.disabled === true}
        .defaultChecked=${node.defaultChecked === true}
        @change=${change}
      />
      ${own === undefined ? nothing : html`<span dir="auto">${own}</span>`}
    </label>
    ${fieldError(field)}
  </div>`;
}

export function radioGroup(node: WidgetNode, scope: Scope): TemplateResult {
  const name = text(node.name);
  const field = describeField(scope, { name, label: node.ariaLabel });
  const options = (Array.isArray(node.options) ? node.options : []).filter(isRecord);
  const change = (event: Event) => {
    scope.view.edited(field.id);
    changed(node, scope, name, (event.currentTarget as HTMLInputElement).value);
  };
  return html`<div
    class="w-field"
    role="radiogroup"
    id=${field.id}
    aria-label=${field.label ?? (field.labelId === undefined ? humanName(name) : nothing)}
    aria-labelledby=${field.labelId ?? nothing}
    aria-required=${node.required === true ? 'true' : nothing}
    aria-invalid=${field.error === undefined ? nothing : 'true'}
    aria-describedby=${field.errorId ?? nothing}
  >
    <div class="w-radios" data-dir=${node.direction === 'col' ? 'col' : 'row'}>
      ${options.map((option) => {
        const value = text(option.value);
        return html`<label class="w-check">
          <input
            type="radio"
            name=${field.id}
            value=${value}
            data-field=${name}
            data-error-id=${field.id}
            ?required=${node.required === true}
            ?disabled=${node.disabled === true || option.disabled === true}
            .defaultChecked=${value === text(node.defaultValue) && value !== ''}
            @change=${change}
          />
          <span dir="auto">${text(option.label) || value}</span>
        </label>`;
      })}
    </div>
    ${fieldError(field)}
  </div>`;
}

/** The calendar day of an ISO date or date and time, as it is written. */
function day(value: unknown): string | undefined {
  return /^\d{4}-\d{2}-\d{2}/.exec(text(value))?.[0];
}

export function datePicker(node: WidgetNode, scope: Scope): TemplateResult {
  const name = text(node.name);
  const field = describeField(scope, { name, placeholder: node.placeholder });
  const local = scope.view.local(scope.path, () => ({ filled: day(node.defaultValue) !== undefined }));
  const set = (control: HTMLInputElement) => {
    local.filled = control.value !== '';
    scope.view.edited(field.id);
    scope.view.refresh();
    changed(node, scope, name, control.value);
  };
  const clear = (event: Event) => {
    const control = (event.currentTarget as Element).parentElement?.querySelector('input');
    if (control == null) return;
    control.value = '';
    control.focus();
    set(control);
  };
  const placeholder = optionalText(node.placeholder);
  return html`<div class="w-field" ?data-block=${node.block === true}>
    <div
      class="w-date w-control"
      data-size=${token(node.size, CONTROL_SIZES, 'md')}
      data-variant=${token(node.variant, CONTROL_VARIANTS, 'outline')}
      ?data-pill=${node.pill === true}
      ?data-disabled=${node.disabled === true}
      ?data-empty=${!local.filled && placeholder !== undefined}
    >
      <input
        type="date"
        id=${field.id}
        data-field=${name}
        min=${day(node.min) ?? nothing}
        max=${day(node.max) ?? nothing}
        aria-label=${field.label ?? nothing}
        aria-invalid=${field.error === undefined ? nothing : 'true'}
        aria-describedby=${field.errorId ?? nothing}
        ?disabled=${node.disabled === true}
        .defaultValue=${day(node.defaultValue) ?? ''}
        @change=${(event: Event) => set(event.currentTarget as HTMLInputElement)}
      />
      ${
        placeholder === undefined
          ? nothing
          : html`<span class="w-date-placeholder" aria-hidden="true" dir="auto">${placeholder}</span>`
      }
      ${
        node.clearable === true && local.filled && node.disabled !== true
          ? html`<button
              class="w-clear"
              type="button"
              aria-label=${scope.view.strings.clear(field.label ?? humanName(name))}
              @click=${clear}
            >
              ${icon('close')}
            </button>`
          : nothing
      }
    </div>
    ${fieldError(field)}
  </div>`;
}
