import { describe, expect, it } from 'vitest';
import { areaPath, CURVES, linePath } from '../../../src/widgets/chart/curves.js';
import { plotOf, ticksFor } from '../../../src/widgets/chart/plot.js';

const POINTS = [
  { x: 0, y: 10 },
  { x: 10, y: 0 },
  { x: 20, y: 8 },
  { x: 30, y: 8 },
];

describe('curves', () => {
  it.each(CURVES)('%s begins at the first point, ends at the last and has no holes', (curve) => {
    const path = linePath(POINTS, curve);
    expect(path).toMatch(/^M0,10/);
    expect(path).not.toMatch(/NaN|Infinity|undefined/);
    expect(path).toMatch(curve.endsWith('Closed') ? /Z$/ : /(?:[ L]30,8|H30|V8)$/);
    expect(
      areaPath(
        POINTS,
        POINTS.map(({ x }) => ({ x, y: 20 })),
        curve,
      ),
    ).toMatch(/^M0,10.*Z$/);
  });

  it.each(CURVES)('%s draws one or two points, and nothing for none', (curve) => {
    expect(linePath([], curve)).toBe('');
    expect(linePath(POINTS.slice(0, 1), curve)).toBe('M0,10');
    expect(linePath(POINTS.slice(0, 2), curve)).not.toMatch(/NaN|undefined/);
  });

  it('monotone never leaves the band between two neighbours', () => {
    const numbers = (linePath(POINTS, 'monotone').match(/-?[\d.]+,-?[\d.]+/g) ?? []).map((pair) =>
      Number(pair.split(',')[1]),
    );
    expect(Math.min(...numbers)).toBe(0);
    expect(Math.max(...numbers)).toBe(10);
  });

  it('steps turn where their names say', () => {
    const two = POINTS.slice(0, 2);
    expect(linePath(two, 'step')).toBe('M0,10H5V0H10');
    expect(linePath(two, 'stepBefore')).toBe('M0,10V0H10');
    expect(linePath(two, 'stepAfter')).toBe('M0,10H10V0');
  });

  it('the lower edge of a stepped area turns at the same places as the upper one', () => {
    const upper = POINTS.slice(0, 2);
    const lower = [
      { x: 0, y: 20 },
      { x: 10, y: 30 },
    ];
    expect(areaPath(upper, lower, 'stepAfter')).toBe('M0,10H10V0L10,30V20H0Z');
  });
});

describe('plots', () => {
  const node = (
    series: object[],
    data: object[] = [
      { m: 'a', x: 1, y: -2, z: '3' },
      { m: 'b', x: 4 },
    ],
  ) => ({
    type: 'Chart',
    data,
    series,
    xAxis: { dataKey: 'm', labels: { a: 'Alpha' } },
  });

  it('label categories, and keep gaps apart from zero', () => {
    const plot = plotOf(node([{ type: 'line', dataKey: 'z', label: 'Z' }]));
    expect(plot.categories).toEqual(['Alpha', 'b']);
    expect(plot.series[0]?.values).toEqual([3, null]);
  });

  it('stack values of the same sign on each other', () => {
    const { series, slots } = plotOf(
      node([
        { type: 'bar', dataKey: 'x', label: 'X', stack: 's' },
        { type: 'bar', dataKey: 'z', label: 'Z', stack: 's' },
        { type: 'bar', dataKey: 'y', label: 'Y', stack: 's' },
        { type: 'bar', dataKey: 'x', label: 'Alone' },
      ]),
    );
    expect(series.map((entry) => entry.spans[0])).toEqual([
      [0, 1],
      [1, 4],
      [0, -2],
      [0, 1],
    ]);
    expect(slots).toBe(2);
  });

  it('survive data that is not what the model says', () => {
    for (const wrong of [
      { type: 'Chart' },
      { type: 'Chart', data: 'x', series: 7, xAxis: null },
      { type: 'Chart', data: [null, 3, { a: {} }], series: [null, { dataKey: '__proto__' }], xAxis: 'a' },
      {
        type: 'Chart',
        data: [
          { a: 'x', v: 1e308 },
          { a: 'y', v: -1e308 },
        ],
        series: [{ dataKey: 'v' }],
        xAxis: 'a',
      },
    ]) {
      expect(plotOf(wrong).ticks.length).toBeGreaterThan(1);
    }
  });
});

describe('ticks', () => {
  it('are round, include zero and enclose the values', () => {
    expect(ticksFor(0, 450)).toEqual([0, 200, 400, 600]);
    expect(ticksFor(3, 9.5)).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(ticksFor(-30, 70)).toEqual([-50, -25, 0, 25, 50, 75]);
    expect(ticksFor(0, 0)).toEqual([0, 1]);
    expect(ticksFor(0, 0.003)).toEqual([0, 0.001, 0.002, 0.003]);
  });
});
