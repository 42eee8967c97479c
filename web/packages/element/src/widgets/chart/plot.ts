import { isRecord, optionalText, text, token, type WidgetNode } from '../nodes.js';
import { CHART_ORDER, color } from '../values.js';
import { type Curve, CURVES } from './curves.js';

/** One series, with its values put on top of those it is stacked on. */
export interface PlotSeries {
  readonly type: 'bar' | 'line' | 'area';
  readonly label: string;
  readonly color: string;
  readonly curve: Curve;
  /** The bars of one slot stand on top of each other. */
  readonly slot: number;
  /** By category; null where the data has no number. */
  readonly values: readonly (number | null)[];
  /** From where to where each value is drawn. */
  readonly spans: readonly (readonly [from: number, to: number] | null)[];
}

/** A chart's data, ready to be drawn at any size. */
export interface Plot {
  readonly categories: readonly string[];
  readonly series: readonly PlotSeries[];
  /** How many bars stand side by side in a category. */
  readonly slots: number;
  readonly ticks: readonly number[];
  readonly min: number;
  readonly max: number;
}

/** More points than pixels tell nothing; more series than colours neither. */
const MAX_ROWS = 1000;
const MAX_SERIES = 24;
/** Beyond it, sums of a stack would leave what numbers can hold. */
const MAX_VALUE = 1e200;

/** Round numbers that enclose the values, about `wanted` of them. */
export function ticksFor(low: number, high: number, wanted = 4): number[] {
  const from = Math.min(0, low);
  const to = Math.max(0, high);
  if (from === to) return [0, 1];
  const rough = (to - from) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10) * power;
  const first = Math.floor(from / step);
  const last = Math.ceil(to / step - 1e-9);
  const ticks: number[] = [];
  for (let at = first; at <= last; at++) ticks.push(Number((at * step).toPrecision(12)));
  return ticks;
}

function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Math.abs(number) < MAX_VALUE ? number : null;
}

export function plotOf(node: WidgetNode): Plot {
  const rows = (Array.isArray(node.data) ? node.data : []).filter(isRecord).slice(0, MAX_ROWS);
  const axis = isRecord(node.xAxis) ? node.xAxis : { dataKey: node.xAxis };
  const key = text(axis.dataKey);
  const labels = isRecord(axis.labels) ? axis.labels : {};
  const categories = rows.map((row) => {
    const value = text(Object.hasOwn(row, key) ? row[key] : '');
    return (Object.hasOwn(labels, value) ? optionalText(labels[value]) : undefined) ?? value;
  });

  const slots = new Map<string, number>();
  /** Where the next value of a stack begins, upwards and downwards, by category. */
  const stacks = new Map<string, { up: number; down: number }[]>();
  const series = (Array.isArray(node.series) ? node.series : [])
    .filter(isRecord)
    .slice(0, MAX_SERIES)
    .map((entry, index): PlotSeries => {
      const type = token(entry.type, ['bar', 'line', 'area'], 'bar');
      const dataKey = text(entry.dataKey);
      const stackId = type === 'line' ? undefined : optionalText(entry.stack);
      // Bars and areas of one name are different pictures: each kind stacks for itself.
      const stackKey = `${type}:${stackId ?? `#${index}`}`;
      if (type === 'bar' && !slots.has(stackKey)) slots.set(stackKey, slots.size);
      const values = rows.map((row) => numberOf(Object.hasOwn(row, dataKey) ? row[dataKey] : null));
      let stack = stacks.get(stackKey);
      if (stack === undefined) stacks.set(stackKey, (stack = rows.map(() => ({ up: 0, down: 0 }))));
      const spans = values.map((value, at) => {
        const base = stack[at];
        if (base === undefined || value === null) return null;
        const side = value < 0 ? 'down' : 'up';
        const from = base[side];
        base[side] = from + value;
        return [from, from + value] as const;
      });
      const fallback = CHART_ORDER[index % CHART_ORDER.length] ?? 'blue';
      return {
        type,
        label: optionalText(entry.label) ?? dataKey,
        color: color(entry.color, 'chart') ?? color(fallback, 'chart') ?? 'currentColor',
        curve: token(entry.curveType, CURVES, 'monotone'),
        slot: slots.get(stackKey) ?? 0,
        values,
        spans,
      };
    });

  const ends = series.flatMap((entry) => entry.spans.flatMap((span) => span ?? []));
  const low = ends.reduce((least, value) => Math.min(least, value), 0);
  const high = ends.reduce((most, value) => Math.max(most, value), 0);
  const ticks = ticksFor(low, high);
  return {
    categories,
    series,
    slots: Math.max(1, slots.size),
    ticks,
    min: ticks[0] ?? 0,
    max: ticks.at(-1) ?? 1,
  };
}
