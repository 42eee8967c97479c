import type { Entity } from '@openai/chatkit';
import type {
  Annotation,
  AssistantMessageItem,
  Attachment,
  EntitySource,
  Source,
  Submission,
  ThreadItem,
  UserMessageContent,
} from '@parlor/client';
import { html, noChange, nothing, type TemplateResult } from 'lit';
import { Directive, directive, type ElementPart } from 'lit/directive.js';
import { guard } from 'lit/directives/guard.js';
import { repeat } from 'lit/directives/repeat.js';
import { entityOf } from '../composer.js';
import { hasIcon, icon } from '../icons.js';
import { markdown } from '../markdown-directive.js';
import type { MarkdownAnnotation } from '../markdown/index.js';
import { isHere, safeHref, SourceList, sourcePlace } from '../sources.js';
import { messageFiles } from './attachments.js';
import { banner, notices } from './banner.js';
import type { ViewContext } from './context.js';
import { generatedImage } from './generated-image.js';
import { clientToolCall, structuredInput, taskItem, widgetItem, workflowItem } from './items.js';
import { markdownOptions } from './markdown-options.js';
import { iconButton } from './icon-button.js';

// ---------------------------------------------------------------- user

/** The handlers of a mark that stands for an entity, where the host says more about it. */
function entityHandlers(view: ViewContext, entity: Entity, anchor: HTMLElement): void {
  if (view.options.entities?.onRequestPreview === undefined) return;
  anchor.addEventListener('pointerenter', (event) => {
    if (event.pointerType !== 'touch') view.showPreview(entity, anchor);
  });
  anchor.addEventListener('pointerleave', () => view.hidePreview());
  anchor.addEventListener('focus', () => {
    if (anchor.matches(':focus-visible')) view.showPreview(entity, anchor);
  });
  anchor.addEventListener('blur', () => view.hidePreview());
}

function activateEntity(view: ViewContext, entity: Entity, anchor: HTMLElement): void {
  if (view.options.entities?.onClick === undefined) view.showPreview(entity, anchor);
  else view.clickEntity(entity);
}

const respondsToEntities = ({ options: { entities } }: ViewContext) =>
  entities?.onClick !== undefined || entities?.onRequestPreview !== undefined;

class EntityDirective extends Directive {
  #bound = false;

  override render(_view: ViewContext, _entity: Entity): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [view, entity]: [ViewContext, Entity]): typeof noChange {
    // A message never changes its tags: once is enough.
    if (!this.#bound) entityHandlers(view, entity, part.element as HTMLElement);
    this.#bound = true;
    return noChange;
  }
}

const previewed = directive(EntityDirective);

function userContent(view: ViewContext, content: readonly UserMessageContent[]): unknown[] {
  return content.map((part) => {
    if (part.type !== 'input_tag') return part.text;
    const entity = entityOf({ ...part, title: part.text });
    const interactive = part.interactive === true && respondsToEntities(view);
    const onClick = (event: MouseEvent) => activateEntity(view, entity, event.currentTarget as HTMLElement);
    // White space counts here: the bubble shows it as it is.
    // prettier-ignore
    return interactive
      ? html`<button class="tag" part="tag" type="button" dir="auto" @click=${onClick} ${previewed(view, entity)}>${part.text}</button>`
      : html`<span class="tag" part="tag" dir="auto">${part.text}</span>`;
  });
}

interface UserBubble {
  /** Null while the server has not confirmed it. */
  id: string | null;
  content: readonly UserMessageContent[];
  attachments: readonly Attachment[];
  quote: string | null | undefined;
  pending: boolean;
  failed: boolean;
}

function userMessage(view: ViewContext, bubble: UserBubble): TemplateResult {
  const { strings } = view;
  return html`<article class="message user" part="message user-message" data-pending=${bubble.pending}>
    <h3 class="sr-only">${strings.youSaid}</h3>
    ${
      bubble.quote
        ? html`<blockquote class="quoted" part="quote" dir="auto">
            ${icon('quote')}<span>${bubble.quote}</span>
          </blockquote>`
        : nothing
    }
    ${messageFiles(view, bubble.attachments, bubble.id)}
    ${
      bubble.content.length === 0
        ? nothing
        : html`<div class="bubble" part="bubble" dir="auto">${userContent(view, bubble.content)}</div>`
    }
    ${bubble.failed ? html`<div class="not-sent">${icon('warning')}${strings.notSent}</div>` : nothing}
  </article>`;
}

const pendingBubble = (submission: Submission, failed: boolean): UserBubble => ({
  id: null,
  content: submission.content,
  attachments: submission.attachments ?? [],
  quote: submission.quotedText,
  pending: !failed,
  failed,
});

// ---------------------------------------------------------------- citations

/** What a citation does: a link, a button of the host, or just a mark. */
type Reach = { kind: 'link'; href: string } | { kind: 'button'; source: EntitySource } | { kind: 'none' };

function reachOf(view: ViewContext, source: Source): Reach {
  if (source.type === 'url') {
    const href = safeHref(source.url);
    return href === null ? { kind: 'none' } : { kind: 'link', href };
  }
  if (source.type === 'entity' && source.interactive === true && respondsToEntities(view)) {
    return { kind: 'button', source };
  }
  return { kind: 'none' };
}

/** The mark in the text. Built by hand: the Markdown renderer owns the DOM around it. */
function citation(view: ViewContext, annotation: Annotation, number: number): HTMLElement {
  const { source } = annotation;
  const reach = reachOf(view, source);
  const title = source.title || (source.type === 'url' ? source.url : '');
  const element = document.createElement(
    reach.kind === 'link' ? 'a' : reach.kind === 'button' ? 'button' : 'span',
  );
  element.className = 'cite';
  element.setAttribute('part', 'citation');
  element.title = title;
  const name = view.strings.source(number, title);
  if (reach.kind === 'link') {
    element.setAttribute('href', reach.href);
    if (isHere(reach.href)) {
      element.setAttribute('aria-label', name);
    } else {
      element.setAttribute('target', '_blank');
      element.setAttribute('rel', 'noopener noreferrer');
      element.setAttribute('aria-label', `${name} (${view.strings.opensInNewTab})`);
    }
  } else if (reach.kind === 'button') {
    element.setAttribute('type', 'button');
    element.setAttribute('aria-label', name);
    const entity = entityOf(reach.source);
    element.addEventListener('click', () => activateEntity(view, entity, element));
    entityHandlers(view, entity, element);
  }
  const label = source.type === 'entity' && source.inline_label ? source.inline_label : String(number);
  if (reach.kind === 'none') {
    const hidden = document.createElement('span');
    hidden.className = 'sr-only';
    hidden.textContent = name;
    const mark = document.createElement('span');
    mark.setAttribute('aria-hidden', 'true');
    mark.textContent = label;
    element.append(mark, hidden);
  } else {
    element.textContent = label;
  }
  return element;
}

function inlineAnnotations(
  view: ViewContext,
  annotations: readonly Annotation[],
  sources: SourceList,
): MarkdownAnnotation[] {
  const inline: MarkdownAnnotation[] = [];
  annotations.forEach((annotation, at) => {
    const { index } = annotation;
    if (typeof index !== 'number') return;
    const number = sources.numberOf(annotation.source);
    inline.push({
      index,
      key: `${at}:${index}:${number}`,
      render: () => citation(view, annotation, number),
    });
  });
  return inline;
}

function sourceEntry(view: ViewContext, source: Source, number: number): TemplateResult {
  const reach = reachOf(view, source);
  const place = sourcePlace(source);
  const title = source.title || place;
  const inner = html`<span class="source-number" aria-hidden="true"
      >${source.type === 'entity' && hasIcon(source.icon) ? icon(source.icon as string) : number}</span
    ><span class="source-text"
      ><span class="source-title" dir="auto">${title}</span>${
        place === '' || place === title
          ? nothing
          : html`<span class="source-place" dir="auto">${place}</span>`
      }</span
    >`;
  switch (reach.kind) {
    case 'link':
      return html`<a
        class="source"
        part="source"
        href=${reach.href}
        target=${isHere(reach.href) ? nothing : '_blank'}
        rel=${isHere(reach.href) ? nothing : 'noopener noreferrer'}
        title=${source.description ?? title}
        >${inner}</a
      >`;
    case 'button':
      return html`<button
        class="source"
        part="source"
        type="button"
        @click=${(event: MouseEvent) =>
          activateEntity(view, entityOf(reach.source), event.currentTarget as HTMLElement)}
        ${previewed(view, entityOf(reach.source))}
      >
        ${inner}
      </button>`;
    default:
      return html`<span class="source" part="source" title=${source.description ?? title}>${inner}</span>`;
  }
}

// ---------------------------------------------------------------- assistant

function actionBar(view: ViewContext, item: AssistantMessageItem): TemplateResult {
  const { strings, options, state } = view;
  const rating = state.feedback.get(item.id) ?? item.feedback?.kind;
  const text = item.content.map((part) => part.text).join('\n\n');
  return html`<div class="actions" part="message-actions">
    <button
      class="icon-button small copy"
      type="button"
      aria-label=${strings.copy}
      title=${strings.copy}
      @click=${(event: MouseEvent) => view.copy(text, event.currentTarget as HTMLElement)}
    >
      ${icon('copy')}${icon('check')}
    </button>
    ${
      options.threadItemActions?.feedback === true
        ? (['positive', 'negative'] as const).map(
            (kind) =>
              html`<button
                class="icon-button small rate"
                type="button"
                aria-label=${kind === 'positive' ? strings.good : strings.bad}
                title=${kind === 'positive' ? strings.good : strings.bad}
                aria-pressed=${rating === kind ? 'true' : 'false'}
                @click=${() => view.feedback(item.id, kind)}
              >
                ${icon(kind === 'positive' ? 'thumbs-up' : 'thumbs-down')}
              </button>`,
          )
        : nothing
    }
    ${
      options.threadItemActions?.retry === true
        ? iconButton({
            icon: 'retry',
            label: strings.retry,
            small: true,
            disabled: state.turn !== null,
            onClick: () => view.retryAfter(item.id),
          })
        : nothing
    }
  </div>`;
}

function assistantMessage(
  view: ViewContext,
  item: AssistantMessageItem,
  streaming: boolean,
  withActions: boolean,
): TemplateResult {
  const { strings } = view;
  const sources = new SourceList(item);
  const options = markdownOptions(view);
  return html`<article class="message assistant" part="message assistant-message" aria-busy=${streaming}>
    <h3 class="sr-only">${strings.answer}</h3>
    ${item.content.map(
      (part, index) =>
        html`<div
          class="md"
          part="markdown"
          ?data-streaming=${streaming && index === item.content.length - 1}
          ${markdown({
            text: part.text,
            annotations: inlineAnnotations(view, part.annotations ?? [], sources),
            done: !streaming,
            options,
          })}
        ></div>`,
    )}
    ${
      sources.list.length === 0 || streaming
        ? nothing
        : html`<div class="sources" part="sources">
            <p class="sources-title">${strings.sources(sources.list.length)}</p>
            <ol class="source-list" aria-label=${strings.sources(sources.list.length)}>
              ${sources.list.map(({ source, number }) => html`<li>${sourceEntry(view, source, number)}</li>`)}
            </ol>
          </div>`
    }
    ${withActions ? actionBar(view, item) : nothing}
  </article>`;
}

// ---------------------------------------------------------------- the list

function itemView(view: ViewContext, item: ThreadItem, streaming: boolean, withActions: boolean): unknown {
  switch (item.type) {
    case 'user_message':
      return userMessage(view, {
        id: item.id,
        content: item.content,
        attachments: item.attachments ?? [],
        quote: item.quoted_text,
        pending: false,
        failed: false,
      });
    case 'assistant_message':
      return assistantMessage(view, item, streaming, withActions);
    case 'workflow':
      return workflowItem(view, item.workflow, streaming);
    case 'task':
      return taskItem(view, item.task, streaming);
    case 'client_tool_call':
      return clientToolCall(view, item);
    case 'generated_image':
      return generatedImage(view, item, streaming);
    case 'widget':
      return widgetItem(view, item);
    case 'structured_input':
      return structuredInput(view, item);
    case 'end_of_turn':
    case 'hidden_context_item':
    case 'sdk_hidden_context':
      return nothing;
    default:
      return html`<div class="card"><p class="muted">${view.strings.unsupported}</p></div>`;
  }
}

/** Whether the item is the last message of its answer, which carries the answer's actions. */
function closesAnswer(items: readonly ThreadItem[], at: number, running: boolean): boolean {
  for (let next = at + 1; next < items.length; next++) {
    const type = items[next]?.type;
    if (type === 'user_message') return true;
    if (type === 'assistant_message') return false;
  }
  return !running;
}

/** Shown from sending until the first words are there, and while something is being done between them. */
function activity(view: ViewContext): TemplateResult | typeof nothing {
  const { state, strings } = view;
  if (state.turn === null) return nothing;
  if (state.turn === 'reconnecting') {
    return html`<div class="activity">
      ${icon('wifi-off')}<span class="shimmer">${strings.reconnecting}</span>
    </div>`;
  }
  const { progress, items, streaming } = state.thread;
  if (progress !== null) {
    return html`<div class="activity" part="progress">
      ${hasIcon(progress.icon) ? icon(progress.icon as string) : html`<span class="pulse"></span>`}
      <span class="shimmer" dir="auto">${progress.text}</span>
    </div>`;
  }
  const speaking = items.some(
    (item) =>
      streaming.has(item.id) &&
      (item.type !== 'assistant_message' || item.content.some((part) => part.text !== '')),
  );
  return speaking
    ? nothing
    : html`<div class="activity" part="progress">
        <span class="pulse"></span><span class="sr-only">${strings.thinking}</span>
      </div>`;
}

export function messages(view: ViewContext): TemplateResult {
  const { state } = view;
  const { items, streaming } = state.thread;
  const running = state.turn !== null;
  return html`<div class="messages" part="messages">
    ${
      state.older.loading
        ? html`<div class="older" role="status">
            <span class="spinner"></span><span class="sr-only">${view.strings.loadingOlder}</span>
          </div>`
        : nothing
    }
    ${repeat(
      items,
      (item) => item.id,
      (item, at) => {
        const isStreaming = streaming.has(item.id);
        // A failed answer is dealt with in the banner below it.
        const withActions =
          item.type === 'assistant_message' &&
          !isStreaming &&
          closesAnswer(items, at, running || state.banner !== null);
        return guard(
          [
            item,
            isStreaming,
            withActions,
            withActions ? running : false,
            (item.type === 'client_tool_call' || item.type === 'structured_input') && running,
            state.feedback.get(item.id),
            view.options,
            view.strings,
            (item.type === 'user_message' || item.type === 'generated_image') && view.imagesVersion,
            state.thread.thread?.allowed_image_domains,
          ],
          () => itemView(view, item, isStreaming, withActions),
        );
      },
    )}
    ${state.pending === null ? nothing : userMessage(view, pendingBubble(state.pending.submission, state.pending.failed))}
    ${activity(view)} ${notices(view)} ${banner(view)}
  </div>`;
}

export function threadSkeleton(view: ViewContext): TemplateResult {
  return html`<div class="messages skeletons" role="status" aria-label=${view.strings.loadingThread}>
    <div class="skeleton bubble-skeleton"></div>
    <div class="skeleton line w90"></div>
    <div class="skeleton line w75"></div>
    <div class="skeleton line w50"></div>
    <div class="skeleton bubble-skeleton short"></div>
    <div class="skeleton line w80"></div>
    <div class="skeleton line w60"></div>
  </div>`;
}

export function threadFailed(view: ViewContext): TemplateResult {
  const { strings, state } = view;
  return html`<div class="empty" part="load-error" role="alert">
    <span class="empty-icon danger">${icon('warning')}</span>
    <p class="empty-title">${strings.threadFailed}</p>
    <p class="empty-text">${state.loadError?.message ?? ''}</p>
    <div class="empty-actions">
      <button class="button" type="button" @click=${() => view.reloadThread()}>${strings.tryAgain}</button>
      <button class="button quiet" type="button" @click=${() => view.newThread()}>
        ${strings.newThread}
      </button>
    </div>
  </div>`;
}
