import { html, nothing, type TemplateResult } from 'lit';
import type { Strings } from '../strings.js';
import type { ViewContext } from './context.js';
import { iconButton } from './icon-button.js';

/** What an icon of the header stands for, by how its name begins. */
const MEANINGS: readonly (readonly [icon: string, action: keyof Strings['headerActions']])[] = [
  ['back', 'back'],
  ['close', 'close'],
  ['collapse', 'reduce'],
  ['dark-mode', 'darkMode'],
  ['dots', 'more'],
  ['double-chevron-left', 'back'],
  ['expand', 'enlarge'],
  ['hamburger', 'menu'],
  ['home', 'home'],
  ['light-mode', 'lightMode'],
  ['menu', 'menu'],
  ['settings', 'settings'],
  ['share', 'share'],
  ['sidebar', 'sidebar'],
];

/** The name of a header button in the language of the element; the icon's own for those that could mean anything. */
export function headerActionName(icon: string, strings: Strings): string {
  const [, action] = MEANINGS.find(([prefix]) => icon.startsWith(prefix)) ?? [];
  return action === undefined ? icon.replaceAll('-', ' ') : strings.headerActions[action];
}

/** A header button of the host. The published options have an icon for it, and no name. */
function customAction(
  { strings }: ViewContext,
  action: { icon: string; onClick: () => void } | undefined,
  side: 'left' | 'right',
): TemplateResult | typeof nothing {
  if (action === undefined) return nothing;
  const label = headerActionName(action.icon, strings);
  return iconButton({
    icon: action.icon,
    label,
    part: `header-action header-action-${side}`,
    onClick: () => action.onClick(),
  });
}

/** The title that the header shows; empty when it shows none. */
export function visibleTitle({ options, state }: ViewContext): string {
  const { header } = options;
  if (header?.enabled === false || header?.title?.enabled === false) return '';
  return header?.title?.text ?? state.thread.thread?.title ?? '';
}

export function header(view: ViewContext): TemplateResult | typeof nothing {
  const { options, strings, state } = view;
  const { header } = options;
  if (header?.enabled === false) return nothing;
  const title = visibleTitle(view);
  const empty = state.threadId === null && state.pending === null;
  return html`<header class="header" part="header">
    <div class="header-side">
      ${customAction(view, header?.leftAction, 'left')}
      ${
        options.history?.enabled === false
          ? nothing
          : iconButton({
              icon: 'history',
              label: strings.history,
              part: 'history-button',
              focus: 'history',
              expanded: view.historyOpen,
              onClick: () => view.toggleHistory(!view.historyOpen),
            })
      }
    </div>
    ${
      title !== ''
        ? html`<h2 class="title" part="title" dir="auto" title=${title}>${title}</h2>`
        : html`<span class="title"></span>`
    }
    <div class="header-side end">
      ${iconButton({
        icon: 'compose',
        label: strings.newThread,
        part: 'new-thread-button',
        disabled: empty,
        onClick: () => view.newThread(),
      })}
      ${customAction(view, header?.rightAction, 'right')}
    </div>
  </header>`;
}
