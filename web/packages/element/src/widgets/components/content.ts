import { html, nothing, type TemplateResult } from 'lit';
import { hasIcon, icon } from '../../icons.js';
import { readAction } from '../actions.js';
import { css } from '../css.js';
import { optionalText, text, token, type WidgetNode } from '../nodes.js';
import { namedIcon } from '../children.js';
import { background, blockStyle, color, size, spacing } from '../values.js';
import type { Scope } from '../view.js';
import { CONTROL_SIZES, CONTROL_VARIANTS } from './controls.js';
import { humanName } from './field.js';
import { imageSource } from './image-source.js';

const BADGE_COLORS = ['secondary', 'success', 'danger', 'warning', 'info', 'discovery'] as const;
const BUTTON_COLORS = [
  'primary',
  'secondary',
  'info',
  'discovery',
  'success',
  'caution',
  'warning',
  'danger',
] as const;
const POSITIONS = [
  'top left',
  'top',
  'top right',
  'left',
  'center',
  'right',
  'bottom left',
  'bottom',
  'bottom right',
] as const;

export function badge(node: WidgetNode): TemplateResult {
  return html`<span
    class="w-badge"
    dir="auto"
    data-color=${token(node.color, BADGE_COLORS, 'secondary')}
    data-variant=${token(node.variant, ['solid', 'soft', 'outline'], 'soft')}
    data-size=${token(node.size, ['sm', 'md', 'lg'], 'sm')}
    ?data-pill=${node.pill !== false}
    >${text(node.label)}</span
  >`;
}

export function divider(node: WidgetNode, scope: Scope): TemplateResult {
  const space = spacing(node.spacing);
  const across = scope.direction === 'row';
  return html`<div
    class="w-divider"
    role="separator"
    aria-orientation=${across ? 'vertical' : 'horizontal'}
    data-dir=${scope.direction}
    ?data-flush=${node.flush === true}
    ${css({
      '--w-line': color(node.color, 'border'),
      '--w-line-size': size(node.size),
      [across ? 'margin-inline' : 'margin-block']: space,
    })}
  ></div>`;
}

export function iconView(node: WidgetNode): TemplateResult {
  const name = text(node.name);
  return html`<span
    class="w-icon"
    data-size=${token(node.size, ['xs', 'sm', 'md', 'lg', 'xl', '2xl', '3xl'], 'md')}
    ${css({ color: color(node.color, 'text') })}
    >${icon(hasIcon(name) ? name : 'cube')}</span
  >`;
}

export function image(node: WidgetNode, scope: Scope): TemplateResult {
  const { markdown } = scope.view.host;
  const src = imageSource(node.src, markdown.allowedImageDomains);
  const alt = optionalText(node.alt);
  const style = {
    ...blockStyle(node),
    ...background(node.background, scope.scheme),
    'object-fit': token(node.fit, ['cover', 'contain', 'fill', 'scale-down', 'none'], undefined) ?? null,
    'object-position': token(node.position, POSITIONS, undefined) ?? null,
  };
  const local = scope.view.local<{ failed: string | null }>(scope.path, () => ({ failed: null }));
  if (src === null || local.failed === src) {
    return html`<span
      class="w-image w-image-blocked"
      role="img"
      aria-label=${alt ?? scope.view.strings.imageBlocked}
      title=${scope.view.strings.imageBlocked}
      ?data-flush=${node.flush === true}
      ${css(style)}
      >${icon('square-image')}</span
    >`;
  }
  return html`<img
    class="w-image"
    src=${src}
    alt=${alt ?? ''}
    loading="lazy"
    decoding="async"
    referrerpolicy="no-referrer"
    ?data-frame=${node.frame === true}
    ?data-flush=${node.flush === true}
    @error=${() => {
      local.failed = src;
      scope.view.refresh();
    }}
    ${css(style)}
  />`;
}

export function button(node: WidgetNode, scope: Scope): TemplateResult {
  const action = readAction(node.onClickAction);
  const submits = node.submit === true;
  const busy = scope.view.isBusy(scope.path);
  const own = optionalText(node.label);
  const preset = token(node.style, ['primary', 'secondary'], undefined);
  const tone = token(node.color, BUTTON_COLORS, preset ?? (submits ? 'primary' : 'secondary'));
  const variant = token(node.variant, CONTROL_VARIANTS, tone === 'secondary' ? 'outline' : 'solid');
  const iconOnly = own === undefined;
  const click = () => {
    if (action === null || submits) return;
    void scope.view.run(action, { scope, source: node, auto: 'self' });
  };
  const submitClick = (event: Event) => {
    // A submit button may have an action of its own; then the form's is not sent.
    if (action === null) return;
    event.preventDefault();
    if (scope.view.validate(scope)) void scope.view.run(action, { scope, source: node, auto: 'self' });
  };
  return html`<button
    class="w-button"
    type=${submits ? 'submit' : 'button'}
    data-path=${scope.path}
    data-color=${tone}
    data-variant=${variant}
    data-size=${token(node.size, CONTROL_SIZES, 'md')}
    data-icon-size=${token(node.iconSize, ['sm', 'md', 'lg', 'xl', '2xl'], undefined) ?? nothing}
    ?data-pill=${node.pill === true}
    ?data-uniform=${node.uniform === true || iconOnly}
    ?data-block=${node.block === true}
    ?disabled=${node.disabled === true}
    aria-busy=${busy ? 'true' : nothing}
    aria-label=${iconOnly ? nameOf(node, action?.type) : nothing}
    @click=${submits ? submitClick : click}
  >
    ${busy ? html`<span class="w-spinner"></span>` : namedIcon(node.iconStart)}
    ${iconOnly ? nothing : html`<span class="w-button-label" dir="auto">${own}</span>`}
    ${namedIcon(node.iconEnd)}
  </button>`;
}

/** The name of a button without words: what it does, or what it shows. */
function nameOf(node: WidgetNode, action: string | undefined): string {
  const source = action ?? optionalText(node.iconStart) ?? optionalText(node.iconEnd) ?? 'button';
  return humanName(source.replaceAll(':', ' '));
}
