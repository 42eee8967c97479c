import type { Thread } from '@parlor/client';
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { icon } from '../icons.js';
import type { Strings } from '../strings.js';
import type { HistoryEdit, ViewContext } from './context.js';
import { iconButton } from './icon-button.js';

const DAY_MS = 86_400_000;

/** Groups threads by how long ago they began, in the viewer's calendar; keeps their order. */
export function groupByDate(
  threads: readonly Thread[],
  now: number,
  strings: Strings,
): { label: string; threads: Thread[] }[] {
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const today = midnight.getTime();
  const labelOf = (created: number): string => {
    if (Number.isNaN(created) || created < today - 30 * DAY_MS) return strings.older;
    if (created >= today) return strings.today;
    if (created >= today - DAY_MS) return strings.yesterday;
    if (created >= today - 7 * DAY_MS) return strings.lastWeek;
    return strings.lastMonth;
  };
  const groups = new Map<string, Thread[]>();
  for (const thread of threads) {
    const label = labelOf(Date.parse(thread.created_at));
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [thread]);
    else group.push(thread);
  }
  return [...groups].map(([label, members]) => ({ label, threads: members }));
}

function renameRow(view: ViewContext, thread: Thread, edit: HistoryEdit): TemplateResult {
  const { strings } = view;
  // While it is being saved nothing is disabled: what has the focus would lose it, and Escape would reach nobody.
  const save = (form: HTMLFormElement) => {
    if (edit.busy) return;
    const title = (form.elements.namedItem('title') as HTMLInputElement).value.trim();
    if (title === '' || title === (thread.title ?? '')) view.editHistory(null);
    else view.renameThread(thread.id, title);
  };
  return html`<form
    class="row editing"
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      save(event.currentTarget as HTMLFormElement);
    }}
    @keydown=${(event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      view.editHistory(null);
    }}
  >
    <input
      class="row-input"
      name="title"
      dir="auto"
      maxlength="200"
      autocomplete="off"
      data-focus="edit"
      aria-label=${strings.renameLabel}
      .value=${thread.title ?? ''}
      ?readonly=${edit.busy}
    />
    <button
      class="icon-button small"
      type="submit"
      aria-label=${strings.save}
      title=${strings.save}
      aria-disabled=${edit.busy ? 'true' : nothing}
    >
      ${icon('check')}
    </button>
    ${iconButton({
      icon: 'close',
      label: strings.cancel,
      small: true,
      onClick: () => view.editHistory(null),
    })}
    ${edit.error === null ? nothing : html`<p class="row-error" role="alert">${edit.error}</p>`}
  </form>`;
}

function deleteRow(view: ViewContext, thread: Thread, edit: HistoryEdit): TemplateResult {
  const { strings } = view;
  return html`<div
    class="row deleting"
    role="group"
    aria-label=${strings.deleteQuestion}
    @keydown=${(event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      view.editHistory(null);
    }}
  >
    <p class="row-question">${strings.deleteQuestion}</p>
    <p class="row-subject" dir="auto">${thread.title ?? strings.untitled}</p>
    <div class="row-buttons">
      <button
        class="button small danger"
        type="button"
        data-focus="edit"
        aria-disabled=${edit.busy ? 'true' : nothing}
        @click=${() => {
          if (!edit.busy) view.deleteThread(thread.id);
        }}
      >
        ${strings.deleteConfirm}
      </button>
      <button class="button small quiet" type="button" @click=${() => view.editHistory(null)}>
        ${strings.cancel}
      </button>
    </div>
    ${edit.error === null ? nothing : html`<p class="row-error" role="alert">${edit.error}</p>`}
  </div>`;
}

function threadRow(view: ViewContext, thread: Thread): TemplateResult {
  const { strings, options, historyEdit } = view;
  if (historyEdit?.id === thread.id) {
    return historyEdit.kind === 'rename'
      ? renameRow(view, thread, historyEdit)
      : deleteRow(view, thread, historyEdit);
  }
  const title = thread.title ?? strings.untitled;
  const current = view.state.threadId === thread.id;
  const edit = (kind: HistoryEdit['kind']) =>
    view.editHistory({ id: thread.id, kind, busy: false, error: null });
  return html`<div class="row" data-thread=${thread.id} ?data-current=${current}>
    <button
      class="row-open"
      type="button"
      aria-current=${current ? 'true' : nothing}
      @click=${() => view.openThread(thread.id)}
    >
      <span class="row-title" dir="auto">${title}</span>
    </button>
    <div class="row-actions">
      ${
        options.history?.showRename === false
          ? nothing
          : iconButton({
              icon: 'write',
              label: strings.rename(title),
              small: true,
              focus: 'rename',
              onClick: () => edit('rename'),
            })
      }
      ${
        options.history?.showDelete === false
          ? nothing
          : iconButton({
              icon: 'trash',
              label: strings.delete(title),
              small: true,
              focus: 'delete',
              onClick: () => edit('delete'),
            })
      }
    </div>
  </div>`;
}

function list(view: ViewContext): TemplateResult {
  const { strings, directory } = view;
  if (directory.error !== null && directory.threads.length === 0) {
    return html`<div class="empty" role="alert">
      <span class="empty-icon danger">${icon('warning')}</span>
      <p class="empty-title">${strings.threadsFailed}</p>
      <p class="empty-text">${directory.error.message}</p>
      <div class="empty-actions">
        <button class="button" type="button" @click=${() => view.loadThreads()}>${strings.tryAgain}</button>
      </div>
    </div>`;
  }
  if (!directory.loaded) {
    return html`<div class="row-skeletons" role="status" aria-label=${strings.loadingThreads}>
      ${[70, 90, 55, 80, 60].map((width) => html`<div class="skeleton row-skeleton w${width}"></div>`)}
    </div>`;
  }
  if (directory.threads.length === 0) {
    return html`<div class="empty" part="history-empty">
      <span class="empty-icon">${icon('conversations')}</span>
      <p class="empty-title">${strings.noThreadsTitle}</p>
      <p class="empty-text">${strings.noThreadsText}</p>
    </div>`;
  }
  return html`${groupByDate(directory.threads, view.now, strings).map(
    ({ label, threads }) =>
      html`<section class="group" aria-label=${label}>
        <h3 class="group-label">${label}</h3>
        <ul class="rows">
          ${repeat(
            threads,
            (thread) => thread.id,
            (thread) => html`<li>${threadRow(view, thread)}</li>`,
          )}
        </ul>
      </section>`,
  )}
  ${
    directory.hasMore
      ? html`<button
          class="button quiet more"
          type="button"
          ?disabled=${directory.loading}
          @click=${() => view.loadMoreThreads()}
        >
          ${directory.loading ? html`<span class="spinner"></span>` : nothing}${strings.loadMore}
        </button>`
      : nothing
  }
  ${directory.error === null ? nothing : html`<p class="row-error" role="alert">${directory.error.message}</p>`}`;
}

export function historyPanel(view: ViewContext): TemplateResult | typeof nothing {
  if (!view.historyOpen) return nothing;
  const { strings } = view;
  return html`<div class="backdrop" @click=${() => view.toggleHistory(false)}></div>
    <div
      class="drawer"
      part="history"
      role="dialog"
      aria-modal="true"
      aria-label=${strings.history}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        view.toggleHistory(false);
      }}
    >
      <div class="drawer-head">
        <h2 class="drawer-title">${strings.history}</h2>
        ${iconButton({
          icon: 'close',
          label: strings.closeHistory,
          focus: 'close-history',
          onClick: () => view.toggleHistory(false),
        })}
      </div>
      <div class="drawer-body">${list(view)}</div>
    </div>`;
}
