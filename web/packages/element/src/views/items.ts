import type {
  AnyComponent,
  ClientToolCallItem,
  StructuredInputItem,
  Task,
  UrlSource,
  WidgetItem,
  Workflow,
} from '@parlor/client';
import { html, nothing, type TemplateResult } from 'lit';
import { hasIcon, icon } from '../icons.js';
import { markdown } from '../markdown-directive.js';
import { safeHref, sourcePlace } from '../sources.js';
import { questions, widget } from '../widgets/slot.js';
import { markdownOptions, widgetMarkdown } from './markdown-options.js';
import type { ViewContext } from './context.js';

function sourceLink(view: ViewContext, source: UrlSource): TemplateResult {
  const href = safeHref(source.url);
  const label = html`<span dir="auto">${source.title || source.url}</span>`;
  return href === null
    ? html`<span class="task-source">${label}</span>`
    : html`<a
        class="task-source"
        href=${href}
        target="_blank"
        rel="noopener noreferrer"
        title="${sourcePlace(source)} (${view.strings.opensInNewTab})"
        >${label}</a
      >`;
}

const TASK_ICONS: Record<string, string> = {
  web_search: 'globe',
  thought: 'brain',
  file: 'document',
  image: 'square-image',
};

function taskBody(view: ViewContext, task: Task, streaming: boolean): TemplateResult {
  const title = task.title ?? null;
  const text = 'content' in task && typeof task.content === 'string' ? task.content : '';
  return html`
    ${title === null ? nothing : html`<div class="task-title" dir="auto">${title}</div>`}
    ${
      task.type === 'web_search' && (task.queries ?? []).length > 0
        ? html`<div class="task-queries">
            ${task.queries.map((query) => html`<span class="task-query" dir="auto">${icon('search')}${query}</span>`)}
          </div>`
        : nothing
    }
    ${
      text === ''
        ? nothing
        : html`<div
            class="md task-text"
            ${markdown({ text, annotations: [], done: !streaming, options: markdownOptions(view) })}
          ></div>`
    }
    ${
      task.type === 'web_search' && (task.sources ?? []).length > 0
        ? html`<div class="task-sources">${task.sources.map((source) => sourceLink(view, source))}</div>`
        : nothing
    }
    ${
      task.type === 'file' && (task.sources ?? []).length > 0
        ? html`<div class="task-sources">
            ${task.sources.map(
              (source) =>
                html`<span class="task-source" dir="auto">${source.title || source.filename}</span>`,
            )}
          </div>`
        : nothing
    }
  `;
}

function taskIcon(task: Task): string {
  if (task.type === 'custom' && hasIcon(task.icon)) return task.icon as string;
  return TASK_ICONS[task.type] ?? 'dot';
}

/** One task on its own line. */
export function taskItem(view: ViewContext, task: Task, streaming: boolean): TemplateResult {
  return html`<div class="task" part="task" data-loading=${task.status_indicator === 'loading'}>
    <span class="task-icon">${icon(taskIcon(task))}</span>
    <div class="task-content">${taskBody(view, task, streaming)}</div>
  </div>`;
}

function workflowTitle(view: ViewContext, workflow: Workflow, streaming: boolean): string {
  const { strings } = view;
  const { summary } = workflow;
  if (summary && 'title' in summary) return summary.title;
  if (summary && 'duration' in summary) return strings.reasonedFor(summary.duration);
  const last = workflow.tasks.at(-1);
  if (streaming) return last?.title ?? (workflow.type === 'reasoning' ? strings.thinking : strings.working);
  return workflow.type === 'reasoning' ? strings.reasoning : strings.steps(workflow.tasks.length);
}

/** A workflow: its title, and its tasks folded behind it. */
export function workflowItem(view: ViewContext, workflow: Workflow, streaming: boolean): TemplateResult {
  const { summary } = workflow;
  const name =
    summary && 'icon' in summary && hasIcon(summary.icon)
      ? (summary.icon as string)
      : workflow.type === 'reasoning'
        ? 'brain'
        : 'sparkle';
  const title = workflowTitle(view, workflow, streaming);
  if (workflow.tasks.length === 0) {
    return html`<div class="workflow-line" data-streaming=${streaming}>
      <span class="task-icon">${icon(name)}</span
      ><span class=${streaming ? 'shimmer' : ''} dir="auto">${title}</span>
    </div>`;
  }
  return html`<details class="workflow" part="workflow" ?open=${workflow.expanded === true}>
    <summary>
      <span class="task-icon">${icon(name)}</span>
      <span class=${streaming ? 'shimmer' : ''} dir="auto">${title}</span>
      <span class="workflow-chevron">${icon('chevron-right')}</span>
    </summary>
    <ol class="workflow-tasks">
      ${workflow.tasks.map(
        (task) =>
          html`<li class="task" data-status=${task.status_indicator ?? 'none'}>
            <span class="task-icon"
              >${icon(task.status_indicator === 'complete' ? 'check-circle' : taskIcon(task))}</span
            >
            <div class="task-content">${taskBody(view, task, streaming)}</div>
          </li>`,
      )}
    </ol>
  </details>`;
}

export function clientToolCall(view: ViewContext, item: ClientToolCallItem): TemplateResult {
  const { strings } = view;
  const pending = item.status === 'pending';
  return html`<div class="workflow-line">
    <span class="task-icon">${icon('wrench')}</span>
    <span class=${pending && view.state.turn !== null ? 'shimmer' : ''} dir="auto"
      >${pending ? strings.usingTool(item.name) : strings.usedTool(item.name)}</span
    >
  </div>`;
}

/** All text of a widget, in reading order: what can be shown where the widget itself can't. */
export function widgetText(node: AnyComponent, depth = 0): string[] {
  const own = ['title', 'value', 'label', 'text']
    .map((name) => node[name])
    .filter((value): value is string => typeof value === 'string' && value.trim() !== '');
  const { children } = node;
  const below = Array.isArray(children) ? children : children ? [children] : [];
  // Nobody nests that deep but to do harm.
  return depth > 50 ? own : [...own, ...below.flatMap((child) => widgetText(child, depth + 1))];
}

/** A widget. Its text stands in where the code that draws it can't be loaded. */
export function widgetItem(view: ViewContext, item: WidgetItem): TemplateResult {
  const fallback = () => item.copy_text || widgetText(item.widget).join('\n') || view.strings.unsupported;
  return html`<div
    part="widget"
    role="group"
    aria-label=${view.strings.widget}
    ${widget(
      { widget: item.widget, fallback },
      {
        markdown: widgetMarkdown(view),
        theme: view.options.theme,
        ...(view.widgetStrings === undefined ? {} : { strings: view.widgetStrings }),
        onAction: (action) => view.widgetAction(item, action),
        onError: (error) => view.report(error),
        mayFocus: () => view.mayFocus(),
      },
    )}
  ></div>`;
}

/** Questions to the user, and the answers given. */
export function structuredInput(view: ViewContext, item: StructuredInputItem): TemplateResult {
  return html`<div
    part="structured-input"
    role="group"
    aria-label=${view.strings.structuredInput}
    ${questions(item, {
      disabled: view.state.turn !== null,
      ...(view.widgetStrings === undefined ? {} : { strings: view.widgetStrings }),
      onSubmit: (submission) => view.answerQuestions(item.id, submission),
    })}
  ></div>`;
}
