import { noChange } from 'lit';
import { AsyncDirective } from 'lit/async-directive.js';
import { directive, type ElementPart } from 'lit/directive.js';
import { StreamingMarkdown, type MarkdownAnnotation, type MarkdownOptions } from './markdown/index.js';

/** What one Markdown block shows. */
export interface MarkdownBlock {
  text: string;
  annotations: readonly MarkdownAnnotation[];
  done: boolean;
  options: MarkdownOptions;
}

/** Hands an element over to the Markdown renderer, which keeps its own DOM in it. */
class MarkdownDirective extends AsyncDirective {
  #element: HTMLElement | null = null;
  #renderer: StreamingMarkdown | null = null;
  #block: MarkdownBlock | null = null;

  override render(_block: MarkdownBlock): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [block]: [MarkdownBlock]): typeof noChange {
    const options = this.#block?.options;
    this.#element = part.element as HTMLElement;
    this.#block = block;
    if (this.#renderer === null) {
      this.#renderer = new StreamingMarkdown(this.#element, block.options);
    } else if (options !== block.options) {
      this.#renderer.setOptions(block.options);
    }
    this.#renderer.update(block.text, block.annotations, block.done);
    return noChange;
  }

  override disconnected(): void {
    this.#renderer?.destroy();
    this.#renderer = null;
  }

  override reconnected(): void {
    if (this.#element === null || this.#block === null) return;
    this.#renderer = new StreamingMarkdown(this.#element, this.#block.options);
    this.#renderer.update(this.#block.text, this.#block.annotations, this.#block.done);
  }
}

/** Renders Markdown into the element it is bound to: `<div ${markdown(block)}></div>`. */
export const markdown = directive(MarkdownDirective);
