import { html, noChange, type TemplateResult } from 'lit';
import { AsyncDirective } from 'lit/async-directive.js';
import { directive, type ElementPart } from 'lit/directive.js';
import type { ChartView } from '../chart/chart-view.js';
import { css } from '../css.js';
import type { WidgetNode } from '../nodes.js';
import { blockStyle, size } from '../values.js';
import type { Scope } from '../view.js';

type Module = typeof import('../chart/chart-view.js');
let loading: Promise<Module> | null = null;

/** The code that draws charts: most conversations have none. */
function load(): Promise<Module> {
  loading ??= import('../chart/chart-view.js').catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

class ChartDirective extends AsyncDirective {
  #view: ChartView | null = null;
  #element: HTMLElement | null = null;
  #latest: { node: WidgetNode; scope: Scope } | null = null;
  #asked = false;

  override render(_node: WidgetNode, _scope: Scope): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [node, scope]: [WidgetNode, Scope]): typeof noChange {
    this.#element = part.element as HTMLElement;
    this.#latest = { node, scope };
    if (this.#view !== null) this.#view.update(node);
    else if (!this.#asked) void this.#mount();
    return noChange;
  }

  async #mount(): Promise<void> {
    this.#asked = true;
    try {
      const { ChartView } = await load();
      if (!this.isConnected || this.#element === null || this.#latest === null) return;
      const { node, scope } = this.#latest;
      this.#view = new ChartView(this.#element, scope.view.strings);
      this.#view.update(node);
    } catch (error) {
      this.#latest?.scope.view.host.onError?.(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#asked = false;
    }
  }

  override disconnected(): void {
    this.#view?.destroy();
    this.#view = null;
  }

  override reconnected(): void {
    if (!this.#asked) void this.#mount();
  }
}

const chartInto = directive(ChartDirective);

/** The default height in pixels: room for five grid lines. */
const HEIGHT = 220;

export function chart(node: WidgetNode, scope: Scope): TemplateResult {
  const style = blockStyle(node);
  const shaped = style.height !== null || style['aspect-ratio'] !== null;
  return html`<div
    class="w-chart"
    ${css({ ...style, height: shaped ? (style.height ?? null) : size(HEIGHT) })}
    ${chartInto(node, scope)}
  ></div>`;
}
