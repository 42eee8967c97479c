import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { icon } from '../icons.js';
import { markdown } from '../markdown-directive.js';
import type { ViewContext } from './context.js';
import { markdownOptions } from './markdown-options.js';
import { iconButton } from './icon-button.js';

/** Seconds until a retry is welcome; 0 when it is. */
export function secondsLeft(retryAt: number | undefined, now: number): number {
  return retryAt === undefined ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
}

export function banner(view: ViewContext): TemplateResult | typeof nothing {
  const { strings, state, now } = view;
  const { banner, pending } = state;
  if (banner === null) return nothing;
  const wait = secondsLeft(banner.retryAt, now);
  const offline = banner.code === 'offline' || banner.code === 'network' || banner.code === 'connection_lost';
  return html`<div class="banner danger" part="error">
    <span class="banner-icon">${icon(offline ? 'wifi-off' : 'warning')}</span>
    <div class="banner-body">
      <div role="alert" dir="auto">${banner.message}</div>
      ${banner.requestId === undefined ? nothing : html`<div class="banner-detail">${strings.requestId(banner.requestId)}</div>`}
    </div>
    <div class="banner-actions">
      ${
        banner.canRetry
          ? html`<button
              class="button small"
              part="retry-button"
              type="button"
              ?disabled=${wait > 0 || state.turn !== null}
              @click=${() => view.retry()}
            >
              ${
                // What the user has to wait for, the composer says.
                wait > 0 && state.limitedUntil === null ? strings.retryIn(wait) : strings.retry
              }
            </button>`
          : nothing
      }
      ${iconButton({
        icon: pending?.failed === true ? 'write' : 'close',
        label: pending?.failed === true ? strings.edit : strings.dismiss,
        small: true,
        onClick: () => view.dismissBanner(),
      })}
    </div>
  </div>`;
}

const LEVEL_ICONS = { info: 'info', warning: 'warning', danger: 'warning' } as const;

export function notices(view: ViewContext): unknown {
  const { strings, state } = view;
  return repeat(
    state.notices,
    (notice) => notice.id,
    (notice) =>
      html`<div
        class="banner ${notice.level}"
        part="notice"
        role=${notice.level === 'info' ? 'status' : 'alert'}
      >
        <span class="banner-icon">${icon(LEVEL_ICONS[notice.level] ?? 'info')}</span>
        <div class="banner-body">
          ${notice.title === undefined ? nothing : html`<strong class="banner-title" dir="auto">${notice.title}</strong>`}
          <div
            class="md"
            ${markdown({ text: notice.message, annotations: [], done: true, options: markdownOptions(view) })}
          ></div>
        </div>
        <div class="banner-actions">
          ${iconButton({
            icon: 'close',
            label: strings.dismiss,
            small: true,
            onClick: () => view.dismissNotice(notice.id),
          })}
        </div>
      </div>`,
  );
}
