import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../../icons.js';
import { themeOption, themeProperties } from '../../theme.js';
import { readAction } from '../actions.js';
import { css } from '../css.js';
import {
  childrenOf,
  count,
  isRecord,
  labelsIn,
  optionalText,
  text,
  textsOf,
  token,
  type WidgetNode,
} from '../nodes.js';
import { namedIcon, renderChildren, renderNodes } from '../children.js';
import {
  alignment,
  background,
  borders,
  containerStyle,
  type Declarations,
  edges,
  size,
  spacing,
} from '../values.js';
import type { Scope } from '../view.js';
import { imageSource } from './image-source.js';

type Direction = Scope['direction'];

/** The theme of a subtree that forces one: the host's own, in the other scheme. */
function forcedTheme(node: WidgetNode, scope: Scope): { style: Declarations; scheme: Scope['scheme'] } {
  const scheme = token(node.theme, ['light', 'dark'], undefined);
  if (scheme === undefined || scheme === scope.scheme) return { style: {}, scheme: scope.scheme };
  const theme = themeProperties({ ...themeOption(scope.view.host.theme), colorScheme: scheme });
  return { style: { ...theme, color: 'var(--ck-text)' }, scheme };
}

// ---------------------------------------------------------------- boxes

export function box(node: WidgetNode, scope: Scope): TemplateResult {
  const fallback: Direction = node.type === 'Row' ? 'row' : 'col';
  const direction = node.type === 'Box' ? token(node.direction, ['row', 'col'], fallback) : fallback;
  return html`<div
    class="w-box"
    data-type=${node.type}
    data-dir=${direction}
    ?data-aligned=${alignment(node.align) !== null}
    ${css(containerStyle(node, scope.scheme))}
  >
    ${renderChildren(node, scope, { direction })}
  </div>`;
}

export function basic(node: WidgetNode, scope: Scope): TemplateResult {
  const direction = token(node.direction, ['row', 'col'], 'col');
  const { style, scheme } = forcedTheme(node, scope);
  return html`<div
    class="w-box w-basic"
    data-type="Basic"
    data-dir=${direction}
    ?data-aligned=${alignment(node.align) !== null}
    ${css({ ...style, ...containerStyle(node, scheme) })}
  >
    ${renderChildren(node, scope, { direction, scheme })}
  </div>`;
}

export function spacer(node: WidgetNode, scope: Scope): TemplateResult {
  const least = size(node.minSize);
  return html`<div
    class="w-spacer"
    ${css(scope.direction === 'row' ? { 'min-inline-size': least } : { 'min-block-size': least })}
  ></div>`;
}

export function transition(node: WidgetNode, scope: Scope): TemplateResult {
  // A child of another key is another element, and fades in as it appears.
  return html`<div class="w-transition">
    ${renderNodes(childrenOf(node).slice(0, 1), scope, (content) => html`<div class="w-appear">${content}</div>`)}
  </div>`;
}

// ---------------------------------------------------------------- forms

/** Submitting by a button or by Enter: checked first, then sent. */
function submitHandler(node: WidgetNode, scope: Scope, config: unknown, auto: 'self' | 'container') {
  return (event: SubmitEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const action = readAction(config);
    if (!scope.view.validate(scope) || action === null) return;
    const submitter = event.submitter?.dataset.path;
    void scope.view.run(action, {
      scope,
      source: node,
      auto,
      ...(submitter === undefined ? {} : { path: submitter }),
    });
  };
}

function formScope(node: WidgetNode, scope: Scope): Scope {
  return { ...scope, form: { path: `${scope.path}/`, labelled: labelsIn(node) } };
}

export function form(node: WidgetNode, scope: Scope): TemplateResult {
  const direction = token(node.direction, ['row', 'col'], 'col');
  const inner = formScope(node, scope);
  return html`<form
    class="w-box w-form"
    data-type="Form"
    data-dir=${direction}
    ?data-aligned=${alignment(node.align) !== null}
    data-form=${inner.form.path}
    novalidate
    @submit=${submitHandler(node, inner, node.onSubmitAction, 'self')}
    ${css(containerStyle(node, scope.scheme))}
  >
    ${renderChildren(node, inner, { direction })}
  </form>`;
}

// ---------------------------------------------------------------- cards

function statusLine(status: unknown, scope: Scope): TemplateResult | typeof nothing {
  if (!isRecord(status)) return nothing;
  const favicon = imageSource(status.favicon, scope.view.host.markdown.allowedImageDomains);
  return html`<div class="w-status">
    ${
      favicon === null
        ? namedIcon(status.icon)
        : html`<img class="w-favicon" src=${favicon} alt="" ?data-frame=${status.frame === true} />`
    }
    <span dir="auto">${text(status.text)}</span>
  </div>`;
}

function cardAction(
  node: WidgetNode,
  scope: Scope,
  kind: 'confirm' | 'cancel',
): TemplateResult | typeof nothing {
  const config = node[kind];
  if (!isRecord(config)) return nothing;
  const action = readAction(config.action);
  const path = `${scope.path}#${kind}`;
  const busy = scope.view.isBusy(path);
  const submits = kind === 'confirm' && node.asForm === true;
  const click = () => {
    if (submits || action === null) return;
    // Whoever cancels has nothing to put right first.
    void scope.view.run(action, { scope, source: node, path, auto: 'container' });
  };
  return html`<button
    class="w-button"
    type=${submits ? 'submit' : 'button'}
    data-path=${path}
    data-color=${kind === 'confirm' ? 'primary' : 'secondary'}
    data-variant=${kind === 'confirm' ? 'solid' : 'soft'}
    data-size="md"
    aria-busy=${busy ? 'true' : nothing}
    @click=${click}
  >
    ${busy ? html`<span class="w-spinner"></span>` : nothing}<span class="w-button-label" dir="auto"
      >${text(config.label)}</span
    >
  </button>`;
}

export function card(node: WidgetNode, outer: Scope): TemplateResult {
  const { style, scheme } = forcedTheme(node, outer);
  const scope = {
    ...(node.asForm === true ? formScope(node, outer) : outer),
    scheme,
    direction: 'col' as const,
  };
  const { strings } = scope.view;
  const local = scope.view.local(scope.path, () => ({ open: false }));
  const folded = node.collapsed === true && !local.open;
  const bodyId = scope.view.domId(scope, 'body');
  const padding = edges('padding', node.padding);
  const content = html`
    ${statusLine(node.status, scope)}
    ${
      node.collapsed === true
        ? html`<button
            class="w-fold"
            type="button"
            aria-expanded=${folded ? 'false' : 'true'}
            aria-controls=${bodyId}
            @click=${() => {
              local.open = !local.open;
              scope.view.refresh();
            }}
          >
            <span class="w-fold-title" dir="auto"
              >${folded ? (textsOf(node)[0] ?? strings.showDetails) : strings.hideDetails}</span
            >
            ${folded ? html`<span class="sr-only">, ${strings.showDetails}</span>` : nothing}
            ${icon('chevron-down')}
          </button>`
        : nothing
    }
    <div
      class="w-card-body"
      id=${bodyId}
      ?hidden=${folded}
      ${css({
        ...padding,
        '--w-pad-start': padding['padding-left'] ?? null,
        '--w-pad-end': padding['padding-right'] ?? null,
        '--w-pad-top': padding['padding-block-start'] ?? null,
        '--w-pad-bottom': padding['padding-block-end'] ?? null,
      })}
    >
      ${renderChildren(node, scope)}
    </div>
    ${
      folded || (!isRecord(node.confirm) && !isRecord(node.cancel))
        ? nothing
        : html`<div class="w-card-footer">
            ${cardAction(node, scope, 'cancel')}${cardAction(node, scope, 'confirm')}
          </div>`
    }
  `;
  const look = css({
    ...style,
    ...borders(node.border),
    ...background(node.background, scheme),
  });
  const cardSize = token(node.size, ['sm', 'md', 'lg', 'full'], 'md');
  if (node.asForm !== true) {
    return html`<div class="w-card" data-size=${cardSize} ${look}>${content}</div>`;
  }
  const submit = submitHandler(
    node,
    scope,
    isRecord(node.confirm) ? node.confirm.action : undefined,
    'container',
  );
  return html`<form
    class="w-card"
    data-size=${cardSize}
    data-form=${scope.form.path}
    novalidate
    @submit=${submit}
    ${look}
  >
    ${content}
  </form>`;
}

// ---------------------------------------------------------------- lists

/** Rows that `limit: "auto"` shows: what fits beside a conversation without filling it. */
const AUTO_LIMIT = 5;

export function listView(node: WidgetNode, outer: Scope): TemplateResult {
  const { style, scheme } = forcedTheme(node, outer);
  const scope = { ...outer, scheme };
  const rows = childrenOf(node);
  const limit = node.limit === 'auto' ? AUTO_LIMIT : (count(node.limit, 1, 100_000) ?? rows.length);
  const local = scope.view.local(scope.path, () => ({ all: false }));
  const hidden = local.all ? 0 : Math.max(0, rows.length - limit);
  const showAll = (event: Event) => {
    const list = (event.currentTarget as Element).closest('.w-list')?.querySelector('ul');
    local.all = true;
    scope.view.refresh();
    // The button is gone: go on reading where it was.
    const first = list?.children[limit];
    if (first instanceof HTMLElement) {
      (first.querySelector<HTMLElement>('button, input, a, textarea') ?? first).focus({
        preventScroll: true,
      });
    }
  };
  return html`<div class="w-list" ${css(style)}>
    ${statusLine(node.status, scope)}
    <ul>
      ${renderNodes(
        hidden === 0 ? rows : rows.slice(0, limit),
        scope,
        (content) => html`<li class="w-item-place" tabindex="-1">${content}</li>`,
      )}
    </ul>
    ${
      hidden === 0
        ? nothing
        : html`<button class="w-more" type="button" @click=${showAll}>
            ${scope.view.strings.showMore(hidden)}${icon('chevron-down')}
          </button>`
    }
  </div>`;
}

export function listViewItem(node: WidgetNode, scope: Scope): TemplateResult {
  const action = readAction(node.onClickAction);
  const busy = scope.view.isBusy(scope.path);
  const style = css({ gap: spacing(node.gap), 'align-items': alignment(node.align) });
  const content = renderChildren(node, scope, { direction: 'row' });
  if (action === null) return html`<div class="w-item" ${style}>${content}</div>`;
  // The button lies under the content, so that controls in the row keep working.
  return html`<div class="w-item w-item-action" ?data-busy=${busy} ${style}>
    <button
      class="w-item-hit"
      type="button"
      aria-label=${optionalText(textsOf(node).slice(0, 6).join(', ').slice(0, 300)) ?? action.type}
      aria-busy=${busy ? 'true' : nothing}
      @click=${() => void scope.view.run(action, { scope, source: node, auto: 'self' })}
    ></button>
    ${content}${busy ? html`<span class="w-spinner"></span>` : nothing}
  </div>`;
}
