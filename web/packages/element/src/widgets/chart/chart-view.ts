import { html, nothing, render, svg, type TemplateResult } from 'lit';
import { css } from '../css.js';
import { count, isRecord, type WidgetNode } from '../nodes.js';
import type { WidgetStrings } from '../strings.js';
import { areaPath, linePath, type Point } from './curves.js';
import { type Plot, plotOf, type PlotSeries } from './plot.js';

const TOP = 8;
const AXIS = 22;
const EDGE = 6;
/** About the width of a character of an axis label. */
const CHARACTER = 6.2;
const LABEL_GAP = 14;
const MAX_BAR = 56;

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 4 });
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 2 });

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly band: number;
  x(category: number): number;
  y(value: number): number;
}

/**
 * A chart drawn as SVG at the size of its element. What it shows is also a
 * table for those who can't see it, and can be read point by point with the
 * arrow keys.
 */
export class ChartView {
  readonly #container: HTMLElement;
  readonly #strings: WidgetStrings;
  readonly #observer: ResizeObserver | null;
  #node: WidgetNode | null = null;
  #plot: Plot | null = null;
  #width = 0;
  #height = 0;
  #active: number | null = null;

  constructor(container: HTMLElement, strings: WidgetStrings) {
    this.#container = container;
    this.#strings = strings;
    this.#observer = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this.#measure());
    this.#observer?.observe(container);
  }

  update(node: WidgetNode): void {
    if (node === this.#node) return;
    this.#node = node;
    this.#plot = plotOf(node);
    if (this.#active !== null && this.#active >= this.#plot.categories.length) this.#active = null;
    this.#draw();
  }

  destroy(): void {
    this.#observer?.disconnect();
    render(nothing, this.#container);
  }

  #measure(): void {
    const plot = this.#container.querySelector('.w-plot');
    if (plot === null) return;
    const { clientWidth, clientHeight } = plot;
    if (clientWidth === this.#width && clientHeight === this.#height) return;
    this.#width = clientWidth;
    this.#height = clientHeight;
    this.#draw();
  }

  #frame(plot: Plot): Frame {
    const yAxis = this.#node?.showYAxis === true;
    const widest = Math.max(0, ...plot.ticks.map((tick) => compact.format(tick).length));
    const gutter = yAxis ? widest * CHARACTER + 10 : EDGE;
    const left = gutter;
    const right = Math.max(left + 10, this.#width - EDGE);
    const top = TOP;
    const bottom = Math.max(top + 10, this.#height - (this.#axisHidden() ? EDGE : AXIS));
    const many = Math.max(1, plot.categories.length);
    const bars = plot.series.some((series) => series.type === 'bar');
    // Lines alone reach from edge to edge; bars need room on both sides of their category.
    const band = bars || many === 1 ? (right - left) / many : (right - left) / (many - 1);
    const offset = bars || many === 1 ? band / 2 : 0;
    const range = plot.max - plot.min || 1;
    return {
      left,
      right,
      top,
      bottom,
      band,
      x: (category) => left + offset + category * band,
      y: (value) => bottom - ((value - plot.min) / range) * (bottom - top),
    };
  }

  #axisHidden(): boolean {
    const axis = this.#node?.xAxis;
    return isRecord(axis) && axis.hide === true;
  }

  #draw(): void {
    const plot = this.#plot;
    if (plot === null) return;
    render(this.#template(plot), this.#container);
    if (this.#width === 0) this.#measure();
  }

  #template(plot: Plot): TemplateResult {
    const node = this.#node;
    const names = plot.series.map((series) => series.label).join(', ');
    if (plot.categories.length === 0 || plot.series.length === 0) {
      return html`<div class="w-chart-empty">${this.#strings.noData}</div>`;
    }
    const tooltip = node?.showTooltip !== false;
    const legend = node?.showLegend ?? plot.series.length > 1;
    return html`<figure class="w-figure">
      <div
        class="w-plot"
        role="group"
        tabindex=${tooltip ? '0' : nothing}
        aria-roledescription="chart"
        aria-label="${this.#strings.chart(names)}${tooltip ? `. ${this.#strings.chartHint}` : ''}"
        @pointermove=${tooltip ? (event: PointerEvent) => this.#point(event) : nothing}
        @pointerdown=${tooltip ? (event: PointerEvent) => this.#point(event) : nothing}
        @pointerleave=${tooltip ? () => this.#activate(null) : nothing}
        @blur=${tooltip ? () => this.#activate(null) : nothing}
        @keydown=${tooltip ? (event: KeyboardEvent) => this.#key(event) : nothing}
      >
        ${this.#width === 0 ? nothing : this.#picture(plot)}
        ${tooltip && this.#active !== null ? this.#tooltip(plot, this.#active) : nothing}
      </div>
      ${
        legend === true
          ? html`<figcaption class="w-legend">
              ${plot.series.map(
                (series) =>
                  html`<span class="w-legend-entry"
                    ><span
                      class="w-swatch"
                      data-type=${series.type}
                      ${css({ '--w-series': series.color })}
                    ></span
                    ><span dir="auto">${series.label}</span></span
                  >`,
              )}
            </figcaption>`
          : nothing
      }
      ${this.#table(plot)}
      ${
        tooltip
          ? html`<div class="sr-only" role="status">
              ${this.#active === null ? '' : this.#sentence(plot, this.#active)}
            </div>`
          : nothing
      }
    </figure>`;
  }

  #sentence(plot: Plot, at: number): string {
    const values = plot.series.map(
      (series) => `${series.label} ${series.values[at] == null ? '–' : whole.format(series.values[at])}`,
    );
    return `${plot.categories[at] ?? ''}: ${values.join(', ')}`;
  }

  #table(plot: Plot): TemplateResult {
    return html`<table class="sr-only">
      <thead>
        <tr>
          <td></td>
          ${plot.series.map((series) => html`<th scope="col">${series.label}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${plot.categories.map(
          (category, at) =>
            html`<tr>
              <th scope="row">${category}</th>
              ${plot.series.map(
                (series) =>
                  html`<td>${series.values[at] == null ? '' : whole.format(series.values[at])}</td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>`;
  }

  // -------------------------------------------------------------- the picture

  #picture(plot: Plot): TemplateResult {
    const frame = this.#frame(plot);
    const zero = frame.y(0);
    return html`<svg
      class="w-svg"
      viewBox="0 0 ${this.#width} ${this.#height}"
      width=${this.#width}
      height=${this.#height}
      aria-hidden="true"
      focusable="false"
    >
      ${plot.ticks.map(
        (tick) =>
          svg`<line class="w-grid" x1=${frame.left} x2=${frame.right} y1=${frame.y(tick)} y2=${frame.y(tick)}></line>`,
      )}
      ${
        this.#node?.showYAxis === true
          ? plot.ticks.map(
              (tick) =>
                svg`<text class="w-axis" x=${frame.left - 8} y=${frame.y(tick)} dy="0.34em" text-anchor="end">${compact.format(tick)}</text>`,
            )
          : nothing
      }
      ${this.#active === null ? nothing : this.#cursor(plot, frame, this.#active)}
      ${plot.series.filter((series) => series.type === 'area').map((series) => this.#area(series, frame))}
      ${this.#bars(plot, frame)}
      ${plot.min < 0 ? svg`<line class="w-zero" x1=${frame.left} x2=${frame.right} y1=${zero} y2=${zero}></line>` : nothing}
      ${plot.series.filter((series) => series.type === 'line').map((series) => this.#line(series, frame))}
      ${this.#active === null ? nothing : this.#marks(plot, frame, this.#active)}
      ${this.#axisHidden() ? nothing : this.#labels(plot, frame)}
    </svg>`;
  }

  /** Runs of points without gaps: a missing number is not zero. */
  #runs(series: PlotSeries, frame: Frame): { upper: Point[]; lower: Point[] }[] {
    const runs: { upper: Point[]; lower: Point[] }[] = [];
    let open: { upper: Point[]; lower: Point[] } | null = null;
    series.spans.forEach((span, at) => {
      if (span === null) {
        open = null;
        return;
      }
      if (open === null) runs.push((open = { upper: [], lower: [] }));
      const x = frame.x(at);
      open.upper.push({ x, y: frame.y(span[1]) });
      open.lower.push({ x, y: frame.y(span[0]) });
    });
    return runs;
  }

  #line(series: PlotSeries, frame: Frame): TemplateResult[] {
    return this.#runs(series, frame).map(({ upper }) => {
      const [only] = upper;
      return upper.length === 1 && only !== undefined
        ? svg`<circle class="w-dot" cx=${only.x} cy=${only.y} r="3" ${css({ fill: series.color })}></circle>`
        : svg`<path class="w-line" d=${linePath(upper, series.curve)} ${css({ stroke: series.color })}></path>`;
    });
  }

  #area(series: PlotSeries, frame: Frame): TemplateResult[] {
    return this.#runs(series, frame).map(
      ({ upper, lower }) => svg`
        <path class="w-area" d=${areaPath(upper, lower, series.curve)} ${css({ fill: series.color })}></path>
        <path class="w-line" d=${linePath(upper, series.curve)} ${css({ stroke: series.color })}></path>`,
    );
  }

  #bars(plot: Plot, frame: Frame): TemplateResult[] {
    const bars = plot.series.filter((series) => series.type === 'bar');
    if (bars.length === 0) return [];
    const between = count(this.#node?.barGap, 0, 40) ?? 4;
    const groupGap = count(this.#node?.barCategoryGap, 0, 200) ?? Math.max(2, frame.band * 0.26);
    const room = Math.max(1, frame.band - groupGap);
    const width = Math.max(1, Math.min(MAX_BAR, (room - between * (plot.slots - 1)) / plot.slots));
    const group = width * plot.slots + between * (plot.slots - 1);
    return bars.flatMap((series) =>
      series.spans.map((span, at) => {
        if (span === null || span[0] === span[1]) return svg``;
        const x = frame.x(at) - group / 2 + series.slot * (width + between);
        const ends = [frame.y(span[0]), frame.y(span[1])] as const;
        // Only the free end of a stack is round.
        const free = !bars.some(
          (other) =>
            other !== series &&
            other.slot === series.slot &&
            other.spans[at]?.[0] === span[1] &&
            other.spans[at]?.[1] !== span[1],
        );
        return svg`<path
          class="w-bar"
          ?data-dim=${this.#active !== null && this.#active !== at}
          d=${barPath(x, ends[0], ends[1], width, free ? Math.min(4, width / 2) : 0)}
          ${css({ fill: series.color })}
        ></path>`;
      }),
    );
  }

  #labels(plot: Plot, frame: Frame): TemplateResult[] {
    const longest = Math.max(1, ...plot.categories.map((category) => Math.min(14, category.length)));
    const needed = longest * CHARACTER + LABEL_GAP;
    const every = Math.max(1, Math.ceil(needed / frame.band));
    return plot.categories.flatMap((category, at) => {
      if (at % every !== 0) return [];
      const x = frame.x(at);
      const half = (Math.min(14, category.length) * CHARACTER) / 2;
      const anchor = x - half < 0 ? 'start' : x + half > this.#width ? 'end' : 'middle';
      const edge = anchor === 'start' ? Math.max(0, frame.left) : anchor === 'end' ? frame.right : x;
      const short = category.length > 14 ? `${category.slice(0, 13)}…` : category;
      return [
        svg`<text class="w-axis" x=${edge} y=${frame.bottom + 16} text-anchor=${anchor}>${short}</text>`,
      ];
    });
  }

  #cursor(plot: Plot, frame: Frame, at: number): TemplateResult | typeof nothing {
    if (plot.series.every((series) => series.type === 'bar')) return nothing;
    const x = frame.x(at);
    return svg`<line class="w-cursor" x1=${x} x2=${x} y1=${frame.top} y2=${frame.bottom}></line>`;
  }

  #marks(plot: Plot, frame: Frame, at: number): TemplateResult[] {
    return plot.series.flatMap((series) => {
      const span = series.spans[at];
      return series.type === 'bar' || span == null
        ? []
        : [
            svg`<circle class="w-mark" cx=${frame.x(at)} cy=${frame.y(span[1])} r="4" ${css({ fill: series.color })}></circle>`,
          ];
    });
  }

  // -------------------------------------------------------------- reading it

  #tooltip(plot: Plot, at: number): TemplateResult {
    const frame = this.#frame(plot);
    const x = frame.x(at);
    const left = x > this.#width / 2;
    return html`<div
      class="w-tooltip"
      aria-hidden="true"
      ${css({
        left: left ? null : `${Math.round(x + 10)}px`,
        right: left ? `${Math.round(this.#width - x + 10)}px` : null,
      })}
    >
      <div class="w-tooltip-title" dir="auto">${plot.categories[at]}</div>
      ${plot.series.map(
        (series) =>
          html`<div class="w-tooltip-row">
            <span class="w-swatch" data-type=${series.type} ${css({ '--w-series': series.color })}></span>
            <span class="w-tooltip-label" dir="auto">${series.label}</span>
            <span class="w-tooltip-value"
              >${series.values[at] == null ? '–' : whole.format(series.values[at])}</span
            >
          </div>`,
      )}
    </div>`;
  }

  #point(event: PointerEvent): void {
    const plot = this.#plot;
    if (plot === null) return;
    const frame = this.#frame(plot);
    const rect = (event.currentTarget as Element).getBoundingClientRect();
    const position = (event.clientX - rect.left - frame.x(0)) / frame.band;
    this.#activate(Math.min(plot.categories.length - 1, Math.max(0, Math.round(position))));
  }

  #key(event: KeyboardEvent): void {
    const last = (this.#plot?.categories.length ?? 0) - 1;
    const at = this.#active;
    const to = {
      ArrowRight: at === null ? 0 : Math.min(last, at + 1),
      ArrowLeft: at === null ? last : Math.max(0, at - 1),
      Home: 0,
      End: last,
      Escape: null,
    }[event.key];
    if (to === undefined || (event.key === 'Escape' && at === null)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#activate(to);
  }

  #activate(at: number | null): void {
    if (at === this.#active) return;
    this.#active = at;
    this.#draw();
  }
}

/** A bar from its base to its end, with round corners at the end. */
function barPath(x: number, base: number, end: number, width: number, round: number): string {
  const corner = Math.min(round, Math.abs(end - base));
  const away = end < base ? corner : -corner;
  const f = (value: number) => value.toFixed(2);
  return `M${f(x)},${f(base)}V${f(end + away)}Q${f(x)},${f(end)} ${f(x + corner)},${f(end)}H${f(x + width - corner)}Q${f(x + width)},${f(end)} ${f(x + width)},${f(end + away)}V${f(base)}Z`;
}
