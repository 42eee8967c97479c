import type { ChatKitOptions } from '@openai/chatkit';
import { html, nothing, render, type RootPart, type TemplateResult } from 'lit';
import { icon } from '../icons.js';
import type { MarkdownOptions } from '../markdown/index.js';
import { themeOption } from '../theme.js';
import { fieldsOf, mergePayload, readFields, type FormValues, type WidgetAction } from './actions.js';
import { checkFields } from './validity.js';
import { asNode, directionOf, labelsIn, textsOf, type WidgetNode } from './nodes.js';
import { renderNode } from './render.js';
import { englishWidgets, type WidgetStrings } from './strings.js';

/** What a widget asks of whoever shows it. */
export interface WidgetHost {
  /** How Markdown in a widget is rendered; its image domains hold for the widget's images too. */
  readonly markdown: MarkdownOptions;
  readonly theme: ChatKitOptions['theme'];
  readonly strings?: Partial<WidgetStrings>;
  /**
   * Runs an action; the widget shows its loading state until this settles, and
   * the message of a rejection with a button to try again.
   */
  onAction(action: WidgetAction, source: WidgetNode): Promise<void>;
  /** Told of a mistake in the widget that a user can't help. */
  onError?(error: Error): void;
  /** Whether a field may take the focus when it appears (`autoFocus`). */
  mayFocus?(): boolean;
}

/** Where in the tree a component stands. */
export interface Scope {
  readonly view: WidgetView;
  /** Unique among the components of the widget, and stable while it is updated. */
  readonly path: string;
  readonly depth: number;
  /** Direction in which the parent lays out. */
  readonly direction: 'row' | 'col';
  /** The form around, with the names that a `Label` in it is for. */
  readonly form: { readonly path: string; readonly labelled: ReadonlySet<string> };
  readonly scheme: 'light' | 'dark';
  /** Draws a component of any type. In the scope, because components hold components. */
  readonly draw: (node: WidgetNode, scope: Scope) => unknown;
}

interface Failure {
  readonly message: string;
  readonly again: () => void;
}

/** More components than any widget a person can read has; the rest is left out. */
const MAX_NODES = 4000;
let views = 0;

/** Draws one widget into an element, and keeps what its user does to it across updates. */
export class WidgetView {
  readonly container: HTMLElement;
  readonly #uid = `w${++views}`;
  readonly #busy = new Map<string, 'self' | 'container'>();
  readonly #locals = new Map<string, unknown>();
  #host: WidgetHost;
  #root: WidgetNode | null = null;
  #direction: 'ltr' | 'rtl' | null = null;
  #failure: Failure | null = null;
  #left = MAX_NODES;
  #errors: ReadonlyMap<string, string> = new Map();
  #destroyed = false;
  #part: RootPart | null = null;

  constructor(container: HTMLElement, host: WidgetHost) {
    this.container = container;
    this.#host = host;
  }

  get host(): WidgetHost {
    return this.#host;
  }

  get strings(): WidgetStrings {
    return this.#host.strings === undefined ? englishWidgets : { ...englishWidgets, ...this.#host.strings };
  }

  /** Shows a widget, or the next version of the one that is shown. */
  update(root: unknown, host: WidgetHost = this.#host): void {
    const next = asNode(root);
    if (next !== this.#root) this.#direction = next === null ? null : directionOf(textsOf(next));
    this.#root = next;
    this.#host = host;
    this.refresh();
  }

  /** Renders again, after local state changed. */
  refresh(): void {
    if (this.#destroyed) return;
    this.#left = MAX_NODES;
    this.#part = render(this.#template(), this.container);
  }

  /** Tells the parts that hold on to something whether the widget is in a document. Its DOM stays. */
  setConnected(connected: boolean): void {
    this.#part?.setConnected(connected);
  }

  destroy(): void {
    this.#destroyed = true;
    render(nothing, this.container);
  }

  // -------------------------------------------------------------- for the components

  /** Counts a component; false when the widget has had enough of them. */
  spend(): boolean {
    return this.#left-- > 0;
  }

  /** State of one component that is no business of the server: what is open, what was picked. */
  local<T extends object>(path: string, initial: () => T): T {
    let state = this.#locals.get(path) as T | undefined;
    if (state === undefined) this.#locals.set(path, (state = initial()));
    return state;
  }

  /** The id, in the DOM, of the field with this name in the form around. */
  fieldId(scope: Scope, name: string): string {
    return domId(`${this.#uid}-${scope.form.path}-${name}`);
  }

  domId(scope: Scope, role: string): string {
    return domId(`${this.#uid}-${scope.path}-${role}`);
  }

  isBusy(path: string): boolean {
    return this.#busy.has(path);
  }

  /** The message beside a field, as of the last attempt to submit. */
  errorOf(fieldId: string): string | undefined {
    return this.#errors.get(fieldId);
  }

  /** Takes a message away as soon as its field is being put right. */
  edited(fieldId: string): void {
    if (!this.#errors.has(fieldId)) return;
    const errors = new Map(this.#errors);
    errors.delete(fieldId);
    this.#errors = errors;
    this.refresh();
  }

  /** The element that a form, or the widget as the form of its loose fields, is. */
  formElement(scope: Scope): Element | null {
    return this.container.querySelector(`[data-form="${CSS.escape(scope.form.path)}"]`);
  }

  /** Checks the form around; shows what is wrong and goes there. True when all is well. */
  validate(scope: Scope): boolean {
    const form = this.formElement(scope);
    if (form === null) return true;
    const fields = fieldsOf(form);
    const { errors, first } = checkFields(fields, this.strings);
    this.#errors = errors;
    this.refresh();
    first?.focus();
    return first === null;
  }

  /**
   * Runs an action of a component. `path` names what shows the loading state;
   * `auto` is what the action's loading behaviour means there.
   */
  async run(
    action: WidgetAction,
    options: {
      scope: Scope;
      source: WidgetNode;
      path?: string;
      auto: 'self' | 'container' | 'none';
      values?: FormValues;
    },
  ): Promise<void> {
    const { scope, source, auto } = options;
    const path = options.path ?? scope.path;
    const behaviour = action.loadingBehavior === 'auto' ? auto : action.loadingBehavior;
    if (this.#busy.has(path) || [...this.#busy.values()].includes('container')) return;
    const form = this.formElement(scope);
    // Loose fields outside a form are nobody's but their own action's.
    const values =
      options.values ?? (form === null || scope.form.path === '' ? {} : readFields(fieldsOf(form)));
    const { payload, collisions } = mergePayload(action.payload, values);
    if (collisions.length > 0) {
      this.#host.onError?.(
        new Error(
          `The action "${action.type}" has the payload keys ${collisions.map((key) => `"${key}"`).join(', ')} already: rename the form fields of the same name.`,
        ),
      );
    }
    this.#failure = null;
    const focused = (this.container.getRootNode() as Document | ShadowRoot).activeElement;
    if (behaviour !== 'none') this.#busy.set(path, behaviour);
    this.refresh();
    try {
      await this.#host.onAction({ ...action, payload }, source);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#failure = {
        message: reason === '' ? this.strings.failed : reason,
        again: () => void this.run(action, options),
      };
    } finally {
      this.#busy.delete(path);
      this.refresh();
      // What is inert loses the focus; give it back unless the user went elsewhere.
      const root = this.container.getRootNode() as Document | ShadowRoot;
      if (
        behaviour === 'container' &&
        focused instanceof HTMLElement &&
        this.container.contains(focused) &&
        (root.activeElement === null || root.activeElement === document.body)
      ) {
        focused.focus({ preventScroll: true });
      }
    }
  }

  // -------------------------------------------------------------- rendering

  #template(): TemplateResult | typeof nothing {
    if (this.#root === null) return nothing;
    const waiting = [...this.#busy.values()].includes('container');
    const scheme = themeOption(this.#host.theme).colorScheme === 'dark' ? 'dark' : 'light';
    const scope: Scope = {
      view: this,
      // With the type, as everywhere: another root must not find this one's state.
      path: this.#root.type,
      depth: 0,
      direction: 'col',
      form: { path: '', labelled: labelsIn(this.#root) },
      scheme,
      draw: renderNode,
    };
    return html`<div
        class="w-root"
        data-form=""
        dir=${this.#direction ?? nothing}
        aria-busy=${waiting ? 'true' : 'false'}
        ?inert=${waiting}
      >
        ${renderNode(this.#root, scope)}
      </div>
      ${this.#alert()}`;
  }

  #alert(): TemplateResult | typeof nothing {
    const failure = this.#failure;
    if (failure === null) return nothing;
    const dismiss = () => {
      this.#failure = null;
      this.refresh();
    };
    return html`<div class="w-alert" role="alert">
      ${icon('warning')}<span class="w-alert-text" dir="auto">${failure.message}</span>
      <button class="w-link" type="button" @click=${failure.again}>${this.strings.tryAgain}</button>
      <button class="w-clear" type="button" aria-label=${this.strings.dismiss} @click=${dismiss}>
        ${icon('close')}
      </button>
    </div>`;
  }
}

function domId(name: string): string {
  return name.replace(/[^\w-]/g, (character) => `_${character.charCodeAt(0).toString(16)}_`);
}
