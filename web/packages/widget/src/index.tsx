import type { ChatKitWidgetProps, WidgetHandle } from '@parlor/react';
import { LazyChatKitWidget } from '@parlor/react/lazy';
import { createRef } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { optionsFrom } from './options.js';

declare global {
  /** What a page may set before the script: options that no attribute can hold, such as `token`. */
  var parlorOptions: Partial<ChatKitWidgetProps> | undefined;
  /** What a page can do with the widget of the script tag. */
  var parlor: WidgetHandle | undefined;
}

const SCRIPT = new URL(import.meta.url);

/**
 * `<parlor-widget>`: the widget as an element, in a page or in a shadow tree. Its attributes are those
 * of the script tag without `data-`.
 */
class ParlorWidget extends HTMLElement {
  static readonly observedAttributes = ['mode', 'color-scheme', 'user-id', 'user-info', 'labels'];
  readonly #handle = createRef<WidgetHandle>();
  #root: Root | null = null;
  private options: Partial<ChatKitWidgetProps> = {};

  /** Opens, closes and asks; null while the element is in no page. */
  get handle(): WidgetHandle | null {
    return this.#handle.current;
  }

  /** Options that no attribute can hold. They win over attributes. */
  setOptions(options: Partial<ChatKitWidgetProps>): void {
    this.options = options;
    this.#render();
  }

  connectedCallback(): void {
    this.#root = createRoot(this);
    this.#render();
  }

  disconnectedCallback(): void {
    this.#root?.unmount();
    this.#root = null;
  }

  attributeChangedCallback(): void {
    this.#render();
  }

  #render(): void {
    this.#root?.render(
      <LazyChatKitWidget {...optionsFrom(this, '', SCRIPT.origin)} {...this.options} handle={this.#handle} />,
    );
  }
}

/** The tag that this script came with, where it is in the page itself. */
function ownTag(): HTMLScriptElement | undefined {
  return [...document.scripts].find(({ src }) => src === SCRIPT.href);
}

/** Puts the widget into the page, with the options of the script tag. */
function begin(): void {
  const tag = ownTag();
  if (tag?.hasAttribute('data-manual')) return;
  const widget = document.createElement('parlor-widget') as ParlorWidget;
  for (const { name, value } of tag?.attributes ?? []) {
    if (name.startsWith('data-')) widget.setAttribute(name.slice('data-'.length), value);
  }
  widget.setOptions(globalThis.parlorOptions ?? {});
  // Nothing of it takes room: what floats hangs on the body by itself.
  const place = widget.getAttribute('mode') === 'inline' ? tag : undefined;
  if (place === undefined || !document.body.contains(place)) document.body.append(widget);
  else place.after(widget);
  globalThis.parlor = {
    open: () => widget.handle?.open(),
    close: () => widget.handle?.close(),
    toggle: () => widget.handle?.toggle(),
    ask: (question, options) => widget.handle?.ask(question, options),
  };
}

if (customElements.get('parlor-widget') === undefined) {
  customElements.define('parlor-widget', ParlorWidget);
  if (document.body === null) document.addEventListener('DOMContentLoaded', begin, { once: true });
  else begin();
}
