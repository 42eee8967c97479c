/** A point in pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The curve types of the models. */
export const CURVES = [
  'basis',
  'basisClosed',
  'basisOpen',
  'bumpX',
  'bumpY',
  'bump',
  'linear',
  'linearClosed',
  'natural',
  'monotoneX',
  'monotoneY',
  'monotone',
  'step',
  'stepBefore',
  'stepAfter',
] as const;
export type Curve = (typeof CURVES)[number];

const n = (value: number) => String(Math.round(value * 100) / 100);
const at = (point: Point) => `${n(point.x)},${n(point.y)}`;
const line = (point: Point) => `L${at(point)}`;
const cubic = (a: Point, b: Point, to: Point) => `C${at(a)} ${at(b)} ${at(to)}`;
const mix = (a: Point, b: Point, part: number): Point => ({
  x: a.x + (b.x - a.x) * part,
  y: a.y + (b.y - a.y) * part,
});

/** Pairs of neighbours. */
function* pairs(points: readonly Point[]): Generator<[Point, Point]> {
  for (let index = 1; index < points.length; index++) {
    yield [points[index - 1] as Point, points[index] as Point];
  }
}

/**
 * The path through the points, after its starting point. Empty for fewer than
 * two points. Monotone in x also where `monotoneY` is asked for: categories run
 * along x, and a curve that swings back over them could not be read.
 */
function segments(points: readonly Point[], curve: Curve): string {
  switch (curve) {
    case 'step':
      return [...pairs(points)].map(([a, b]) => `H${n((a.x + b.x) / 2)}V${n(b.y)}H${n(b.x)}`).join('');
    case 'stepBefore':
      return [...pairs(points)].map(([, b]) => `V${n(b.y)}H${n(b.x)}`).join('');
    case 'stepAfter':
      return [...pairs(points)].map(([, b]) => `H${n(b.x)}V${n(b.y)}`).join('');
    case 'bump':
    case 'bumpX':
      return [...pairs(points)]
        .map(([a, b]) => {
          const x = (a.x + b.x) / 2;
          return cubic({ x, y: a.y }, { x, y: b.y }, b);
        })
        .join('');
    case 'bumpY':
      return [...pairs(points)]
        .map(([a, b]) => {
          const y = (a.y + b.y) / 2;
          return cubic({ x: a.x, y }, { x: b.x, y }, b);
        })
        .join('');
    case 'monotone':
    case 'monotoneX':
    case 'monotoneY':
      return monotone(points);
    case 'natural':
      return natural(points);
    case 'basis':
    case 'basisOpen':
    case 'basisClosed':
      return basis(points);
    default:
      return points.slice(1).map(line).join('');
  }
}

/** Cubic pieces that never overshoot: the tangents after Fritsch and Carlson. */
function monotone(points: readonly Point[]): string {
  const slopes = [...pairs(points)].map(([a, b]) => (b.x === a.x ? 0 : (b.y - a.y) / (b.x - a.x)));
  const tangents = points.map((_point, index) => {
    const before = slopes[index - 1];
    const after = slopes[index];
    if (before === undefined || after === undefined) return before ?? after ?? 0;
    if (before * after <= 0) return 0;
    return (2 * before * after) / (before + after);
  });
  return [...pairs(points)]
    .map(([a, b], index) => {
      const third = (b.x - a.x) / 3;
      return cubic(
        { x: a.x + third, y: a.y + third * (tangents[index] ?? 0) },
        { x: b.x - third, y: b.y - third * (tangents[index + 1] ?? 0) },
        b,
      );
    })
    .join('');
}

/** First control points of the natural cubic spline, by the usual tridiagonal system. */
function naturalControls(values: readonly number[]): number[] {
  const last = values.length - 1;
  const v = (index: number) => values[index] ?? 0;
  const upper: number[] = [];
  const right: number[] = [];
  for (let index = 0; index < last; index++) {
    const lower = index === 0 ? 0 : index === last - 1 ? 2 : 1;
    const middle = index === 0 ? 2 : index === last - 1 ? 7 : 4;
    const value =
      index === 0
        ? v(0) + 2 * v(1)
        : index === last - 1
          ? 8 * v(index) + v(last)
          : 4 * v(index) + 2 * v(index + 1);
    const pivot = middle - lower * (upper[index - 1] ?? 0);
    upper[index] = 1 / pivot;
    right[index] = (value - lower * (right[index - 1] ?? 0)) / pivot;
  }
  const controls: number[] = [];
  for (let index = last - 1; index >= 0; index--) {
    controls[index] = (right[index] ?? 0) - (upper[index] ?? 0) * (controls[index + 1] ?? 0);
  }
  return controls;
}

function natural(points: readonly Point[]): string {
  if (points.length < 3) return points.slice(1).map(line).join('');
  const xs = naturalControls(points.map(({ x }) => x));
  const ys = naturalControls(points.map(({ y }) => y));
  const last = points.length - 1;
  return [...pairs(points)]
    .map(([, b], index) => {
      const first = { x: xs[index] ?? 0, y: ys[index] ?? 0 };
      const second =
        index === last - 1
          ? { x: (b.x + first.x) / 2, y: (b.y + first.y) / 2 }
          : { x: 2 * b.x - (xs[index + 1] ?? 0), y: 2 * b.y - (ys[index + 1] ?? 0) };
      return cubic(first, second, b);
    })
    .join('');
}

/** A B-spline from the first point to the last; the points between only attract it. */
function basis(points: readonly Point[]): string {
  if (points.length < 3) return points.slice(1).map(line).join('');
  const first = points[0] as Point;
  const second = points[1] as Point;
  const parts = [line(mix(first, second, 1 / 6))];
  for (let index = 1; index < points.length - 1; index++) {
    const [a, b, c] = [points[index - 1], points[index], points[index + 1]] as [Point, Point, Point];
    parts.push(
      cubic(mix(a, b, 1 / 3), mix(a, b, 2 / 3), {
        x: (a.x + 4 * b.x + c.x) / 6,
        y: (a.y + 4 * b.y + c.y) / 6,
      }),
    );
  }
  const [beforeLast, last] = points.slice(-2) as [Point, Point];
  parts.push(cubic(mix(beforeLast, last, 1 / 3), mix(beforeLast, last, 2 / 3), mix(beforeLast, last, 5 / 6)));
  parts.push(line(last));
  return parts.join('');
}

/** The path of a line. The closed curves return to where they began. */
export function linePath(points: readonly Point[], curve: Curve): string {
  const first = points[0];
  if (first === undefined) return '';
  const closed = points.length > 2 && (curve === 'linearClosed' || curve === 'basisClosed');
  return `M${at(first)}${segments(points, curve)}${closed ? 'Z' : ''}`;
}

/** The path around an area: along its upper edge, and back along the lower one. */
export function areaPath(upper: readonly Point[], lower: readonly Point[], curve: Curve): string {
  const first = upper[0];
  const back = [...lower].reverse();
  const turn = back[0];
  if (first === undefined || turn === undefined) return '';
  // Going back, "before" and "after" trade places.
  const mirrored = curve === 'stepBefore' ? 'stepAfter' : curve === 'stepAfter' ? 'stepBefore' : curve;
  return `M${at(first)}${segments(upper, curve)}${line(turn)}${segments(back, mirrored)}Z`;
}
