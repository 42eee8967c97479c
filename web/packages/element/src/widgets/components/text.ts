import { html, nothing, type TemplateResult } from 'lit';
import { ref } from 'lit/directives/ref.js';
import { markdown } from '../../markdown-directive.js';
import { css } from '../css.js';
import { count, isRecord, optionalText, text, token, type WidgetNode } from '../nodes.js';
import { textStyle } from '../values.js';
import type { Scope } from '../view.js';
import { autofill, describeField, fieldError, focusOnce, onEdit } from './field.js';

const WEIGHTS = ['normal', 'medium', 'semibold', 'bold'] as const;
const TEXT_SIZES = ['xs', 'sm', 'md', 'lg', 'xl'] as const;
const TITLE_SIZES = ['sm', 'md', 'lg', 'xl', '2xl', '3xl', '4xl', '5xl'] as const;
const CAPTION_SIZES = ['sm', 'md', 'lg'] as const;

const clipOf = (node: WidgetNode) =>
  count(node.maxLines, 1, 1000) !== undefined ? 'lines' : node.truncate === true ? 'line' : undefined;

export function textView(node: WidgetNode, scope: Scope): TemplateResult {
  const value = text(node.value);
  if (isRecord(node.editable) && typeof node.editable.name === 'string') {
    return editable(node, node.editable, scope);
  }
  const clip = clipOf(node);
  return html`<div
    class="w-text"
    dir="auto"
    data-size=${token(node.size, TEXT_SIZES, 'md')}
    data-weight=${token(node.weight, WEIGHTS, 'normal')}
    data-clip=${clip ?? nothing}
    title=${clip === undefined ? nothing : value}
    ?data-italic=${node.italic === true}
    ?data-struck=${node.lineThrough === true}
    ?data-streaming=${node.streaming === true}
    ${css(textStyle(node))}
    .textContent=${value}
  ></div>`;
}

/** Text that becomes a field when it is touched: it looks like text until then. */
function editable(
  node: WidgetNode,
  options: Readonly<Record<string, unknown>>,
  scope: Scope,
): TemplateResult {
  const name = text(options.name);
  const field = describeField(scope, { name, placeholder: options.placeholder });
  const lines = Math.max(count(node.minLines, 1, 40) ?? 1, (count(node.maxLines, 1, 40) ?? 1) > 1 ? 2 : 1);
  const value = text(node.value);
  const shared = {
    size: token(node.size, TEXT_SIZES, 'md'),
    weight: token(node.weight, WEIGHTS, 'normal'),
    style: { ...textStyle(node), 'min-height': null },
    autocomplete: optionalText(options.autoComplete) ?? autofill(options).autocomplete,
  };
  const extra = autofill(options).ignore;
  const focus = ref(
    focusOnce(scope, { focus: options.autoFocus === true, select: options.autoSelect === true }),
  );
  return lines > 1
    ? html`<div class="w-field">
        <textarea
          class="w-text w-editable"
          dir="auto"
          id=${field.id}
          rows=${lines}
          data-field=${name}
          data-size=${shared.size}
          data-weight=${shared.weight}
          ?data-italic=${node.italic === true}
          ?data-struck=${node.lineThrough === true}
          data-pattern=${optionalText(options.pattern) ?? nothing}
          aria-label=${field.label ?? nothing}
          aria-invalid=${field.error === undefined ? nothing : 'true'}
          aria-describedby=${field.errorId ?? nothing}
          autocomplete=${shared.autocomplete ?? nothing}
          data-1p-ignore=${extra}
          data-lpignore=${extra}
          placeholder=${optionalText(options.placeholder) ?? nothing}
          ?required=${options.required === true}
          .defaultValue=${value}
          @input=${onEdit(scope, field.id)}
          ${css(shared.style)}
          ${focus}
        ></textarea>
        ${fieldError(field)}
      </div>`
    : html`<div class="w-field">
        <input
          class="w-text w-editable"
          type="text"
          dir="auto"
          id=${field.id}
          data-field=${name}
          data-size=${shared.size}
          data-weight=${shared.weight}
          ?data-italic=${node.italic === true}
          ?data-struck=${node.lineThrough === true}
          pattern=${optionalText(options.pattern) ?? nothing}
          aria-label=${field.label ?? nothing}
          aria-invalid=${field.error === undefined ? nothing : 'true'}
          aria-describedby=${field.errorId ?? nothing}
          autocomplete=${shared.autocomplete ?? nothing}
          data-1p-ignore=${extra}
          data-lpignore=${extra}
          placeholder=${optionalText(options.placeholder) ?? nothing}
          ?required=${options.required === true}
          .defaultValue=${value}
          @input=${onEdit(scope, field.id)}
          ${css(shared.style)}
          ${focus}
        />
        ${fieldError(field)}
      </div>`;
}

export function title(node: WidgetNode): TemplateResult {
  const clip = clipOf(node);
  const value = text(node.value);
  return html`<div
    class="w-title"
    role="heading"
    aria-level="3"
    dir="auto"
    data-size=${token(node.size, TITLE_SIZES, 'md')}
    data-weight=${token(node.weight, WEIGHTS, 'semibold')}
    data-clip=${clip ?? nothing}
    title=${clip === undefined ? nothing : value}
    ${css(textStyle(node))}
    .textContent=${value}
  ></div>`;
}

export function caption(node: WidgetNode): TemplateResult {
  const clip = clipOf(node);
  const value = text(node.value);
  return html`<div
    class="w-caption"
    dir="auto"
    data-size=${token(node.size, CAPTION_SIZES, 'md')}
    data-weight=${token(node.weight, WEIGHTS, 'normal')}
    data-clip=${clip ?? nothing}
    title=${clip === undefined ? nothing : value}
    ${css(textStyle(node))}
    .textContent=${value}
  ></div>`;
}

export function markdownView(node: WidgetNode, scope: Scope): TemplateResult {
  return html`<div
    class="md w-markdown"
    ?data-streaming=${node.streaming === true}
    ${markdown({
      text: text(node.value),
      annotations: [],
      done: node.streaming !== true,
      options: scope.view.host.markdown,
    })}
  ></div>`;
}
