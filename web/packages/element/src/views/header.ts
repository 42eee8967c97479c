import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../icons.js';
import type { ViewContext } from './context.js';

/** A header button of the host. Its icon is decoration, so its name says what it is for. */
function customAction(
  action: { icon: string; onClick: () => void } | undefined,
  side: 'left' | 'right',
): TemplateResult | typeof nothing {
  if (action === undefined) return nothing;
  const label = action.icon.replaceAll('-', ' ');
  return html`<button
    class="icon-button"
    part="header-action header-action-${side}"
    type="button"
    aria-label=${label}
    title=${label}
    @click=${() => action.onClick()}
  >
    ${icon(action.icon)}
  </button>`;
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
      ${customAction(header?.leftAction, 'left')}
      ${
        options.history?.enabled === false
          ? nothing
          : html`<button
              class="icon-button"
              part="history-button"
              type="button"
              data-focus="history"
              aria-label=${strings.history}
              title=${strings.history}
              aria-expanded=${view.historyOpen ? 'true' : 'false'}
              @click=${() => view.toggleHistory(!view.historyOpen)}
            >
              ${icon('history')}
            </button>`
      }
    </div>
    ${
      title !== ''
        ? html`<h2 class="title" part="title" dir="auto" title=${title}>${title}</h2>`
        : html`<span class="title"></span>`
    }
    <div class="header-side end">
      <button
        class="icon-button"
        part="new-thread-button"
        type="button"
        aria-label=${strings.newThread}
        title=${strings.newThread}
        ?disabled=${empty}
        @click=${() => view.newThread()}
      >
        ${icon('compose')}
      </button>
      ${customAction(header?.rightAction, 'right')}
    </div>
  </header>`;
}
