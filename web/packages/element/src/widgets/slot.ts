import type { StructuredInputItem } from '@parlor/client';
import { noChange } from 'lit';
import { AsyncDirective } from 'lit/async-directive.js';
import { directive, type ElementPart } from 'lit/directive.js';
import type * as Widgets from './index.js';
import type { QuestionsHost } from './structured-input.js';
import type { WidgetHost } from './view.js';

type Module = typeof Widgets;

let loading: Promise<Module> | null = null;
let loaded: Module | null = null;

/** The code of widgets: many conversations have none, so it comes with the first. */
function load(): Promise<Module> {
  loading ??= import('./index.js').then(
    (module) => (loaded = module),
    (error: unknown) => {
      // The next widget tries again; a chunk may be missing for a moment during a deployment.
      loading = null;
      throw error;
    },
  );
  return loading;
}

/** What a view of this folder offers. */
interface View<T, H> {
  update(content: T, host: H): void;
  setConnected?(connected: boolean): void;
}

/** Hands an element over to a view whose code is loaded on first use. */
abstract class LazyDirective<T, H> extends AsyncDirective {
  #element: HTMLElement | null = null;
  #view: View<T, H> | null = null;
  #latest: { content: T; host: H } | null = null;
  #pending = false;

  protected abstract create(module: Module, element: HTMLElement, host: H): View<T, H>;
  protected abstract failed(element: HTMLElement, content: T, host: H, error: unknown): void;

  override render(_content: T, _host: H): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [content, host]: [T, H]): typeof noChange {
    this.#element = part.element as HTMLElement;
    this.#latest = { content, host };
    if (this.#view !== null) this.#view.update(content, host);
    else void this.#mount();
    return noChange;
  }

  async #mount(): Promise<void> {
    if (this.#pending || this.#element === null) return;
    this.#pending = true;
    const element = this.#element;
    if (loaded === null) element.classList.add('w-loading');
    try {
      // Awaited also when it is there: an element is not in its shadow root yet
      // while its template is rendered for the first time.
      const module = await load();
      if (!this.isConnected || this.#latest === null) return;
      element.classList.remove('w-loading');
      element.classList.add('w-host');
      adopt(element, module);
      element.replaceChildren();
      const { content, host } = this.#latest;
      this.#view = this.create(module, element, host);
      this.#view.update(content, host);
    } catch (error) {
      element.classList.remove('w-loading');
      if (this.#latest !== null) this.failed(element, this.#latest.content, this.#latest.host, error);
    } finally {
      this.#pending = false;
    }
  }

  // An element that is moved is taken out of the document and put back: what was
  // typed must survive that, so the view stays.
  override disconnected(): void {
    this.#view?.setConnected?.(false);
  }

  override reconnected(): void {
    if (this.#view === null) void this.#mount();
    else this.#view.setConnected?.(true);
  }
}

function adopt(element: HTMLElement, module: Module): void {
  const root = element.getRootNode();
  const sheet = module.widgetStyles.styleSheet;
  if (!(root instanceof ShadowRoot) || sheet === undefined || root.adoptedStyleSheets.includes(sheet)) return;
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}

/** A widget, and what is shown of it where the code to draw it can't be loaded. */
export interface WidgetContent {
  readonly widget: unknown;
  readonly fallback: () => string;
}

class WidgetDirective extends LazyDirective<WidgetContent, WidgetHost> {
  protected override create(module: Module, element: HTMLElement, host: WidgetHost) {
    const view = new module.WidgetView(element, host);
    return {
      update: (content: WidgetContent, next: WidgetHost) => view.update(content.widget, next),
      setConnected: (connected: boolean) => view.setConnected(connected),
    };
  }

  protected override failed(
    element: HTMLElement,
    content: WidgetContent,
    host: WidgetHost,
    error: unknown,
  ): void {
    element.textContent = content.fallback();
    host.onError?.(new Error('The code that draws widgets could not be loaded.', { cause: error }));
  }
}

class QuestionsDirective extends LazyDirective<StructuredInputItem, QuestionsHost> {
  protected override create(module: Module, element: HTMLElement, host: QuestionsHost) {
    return new module.StructuredInputView(element, host);
  }

  protected override failed(element: HTMLElement, item: StructuredInputItem): void {
    element.textContent = item.inputs.map((input) => input.question).join('\n');
  }
}

/** Draws a widget into the element it is bound to: `<div ${widget(content, host)}></div>`. */
export const widget = directive(WidgetDirective);

/** Asks questions in the element it is bound to: `<div ${questions(item, host)}></div>`. */
export const questions = directive(QuestionsDirective);
