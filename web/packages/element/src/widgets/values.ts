import { count, isRecord, token, type WidgetNode } from './nodes.js';

/** CSS properties and their values; null leaves a property unset. */
export type Declarations = Record<string, string | null>;

/** Wider or taller than anything that helps; keeps a wrong number from stretching the conversation. */
const MAX_PIXELS = 4000;
/** Longer than any value that makes sense. */
const MAX_CSS = 400;

const COLOR_FUNCTIONS = [
  'rgb',
  'rgba',
  'hsl',
  'hsla',
  'hwb',
  'lab',
  'lch',
  'oklab',
  'oklch',
  'color',
  'color-mix',
];
const GRADIENT_FUNCTIONS = [
  'linear-gradient',
  'radial-gradient',
  'conic-gradient',
  'repeating-linear-gradient',
  'repeating-radial-gradient',
];
const LENGTH_FUNCTIONS = ['calc', 'min', 'max', 'clamp'];

/**
 * A CSS value that consists of plain words, numbers and the named functions
 * only, else null. Nothing that refers to something else gets through: no
 * `url()`, no `image-set()`, no `var()` of the page, no escapes that could
 * spell one, no second declaration. Whether it is a value of the property is
 * the browser's to say.
 */
function plainCss(value: string, functions: readonly string[]): string | null {
  const css = value.trim();
  if (css === '' || css.length > MAX_CSS || !/^[\w\s.,%#()/+*-]+$/.test(css) || css.includes('/*'))
    return null;
  for (const [, name] of css.matchAll(/([\w-]*)\s*\(/g)) {
    if (name !== '' && !functions.includes((name ?? '').toLowerCase())) return null;
  }
  return css;
}

// ---------------------------------------------------------------- lengths

const UNIT = /^-?(?:\d+\.?\d*|\.\d+)(?:px|rem|em|ch|ex|lh|vh|vw|svh|dvh|cqi|cqw|cqb|cqh|%|pt|cm|mm|in)$/i;
const LENGTH_WORDS = new Set([
  'auto',
  'none',
  '0',
  'min-content',
  'max-content',
  'fit-content',
  'inherit',
  'initial',
]);

const bounded = (value: number) => Math.min(MAX_PIXELS, Math.max(-MAX_PIXELS, value));

function cssLength(value: string): string | null {
  const css = plainCss(value, LENGTH_FUNCTIONS);
  if (css === null) return null;
  const pixels = /^(-?[\d.]+)px$/i.exec(css);
  if (pixels !== null) return `${bounded(Number(pixels[1]))}px`;
  return UNIT.test(css) || LENGTH_WORDS.has(css) || /^(?:calc|min|max|clamp)\(/i.test(css) ? css : null;
}

function asNumber(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value.trim()) ? Number(value) : null;
}

/** A size: pixels, or CSS. */
export function size(value: unknown): string | null {
  const pixels = asNumber(value);
  if (pixels !== null) return `${bounded(pixels)}px`;
  return typeof value === 'string' ? cssLength(value) : null;
}

/** A distance: spacing units of 4 px (as the theme's density scales them), or CSS. */
export function spacing(value: unknown): string | null {
  const units = asNumber(value);
  if (units !== null) return units === 0 ? '0px' : `calc(var(--ck-space) * ${bounded(units * 4) / 4})`;
  return typeof value === 'string' ? cssLength(value) : null;
}

const SIDES = { top: 'block-start', bottom: 'block-end', left: 'left', right: 'right' } as const;

function sides(value: unknown): Record<keyof typeof SIDES, unknown> {
  if (!isRecord(value)) return { top: value, right: value, bottom: value, left: value };
  return {
    top: value.top ?? value.y,
    bottom: value.bottom ?? value.y,
    left: value.left ?? value.x,
    right: value.right ?? value.x,
  };
}

/** Padding or margin: one distance for all sides, or an object of them. */
export function edges(property: 'padding' | 'margin', value: unknown): Declarations {
  const declarations: Declarations = {};
  if (value === undefined || value === null) return declarations;
  // `left` means left, as in the models, also where text runs from the right.
  for (const [side, distance] of Object.entries(sides(value))) {
    declarations[`${property}-${SIDES[side as keyof typeof SIDES]}`] = spacing(distance);
  }
  return declarations;
}

const RADII = {
  '2xs': '2px',
  xs: '4px',
  sm: '6px',
  md: '8px',
  lg: '10px',
  xl: '12px',
  '2xl': '16px',
  '3xl': '20px',
  '4xl': '24px',
  full: '9999px',
  '100%': '100%',
  none: '0px',
} as const;

export function radius(value: unknown): string | null {
  return typeof value === 'string' && Object.hasOwn(RADII, value) ? RADII[value as keyof typeof RADII] : null;
}

/** `flex`: a factor, or CSS. */
export function flex(value: unknown): string | null {
  const factor = asNumber(value);
  if (factor !== null) return `${bounded(Math.max(0, factor))} 1 0%`;
  if (typeof value !== 'string') return null;
  return /^(?:auto|none|initial|[\d.]+(?: [\d.]+)?(?: (?:auto|[\d.]+(?:px|%|rem|em)))?)$/.test(value.trim())
    ? value.trim()
    : null;
}

/** A ratio of width to height: a number, `16/9` or `16 / 9`. */
export function aspectRatio(value: unknown): string | null {
  const ratio = asNumber(value);
  if (ratio !== null) return ratio > 0 ? String(ratio) : null;
  return typeof value === 'string' && /^\s*[\d.]+\s*(?:\/\s*[\d.]+\s*)?$/.test(value) ? value.trim() : null;
}

// ---------------------------------------------------------------- colours

const TEXT_COLORS: Record<string, string> = {
  prose: 'var(--ck-text)',
  primary: 'var(--ck-text)',
  emphasis: 'var(--ck-text)',
  secondary: 'var(--ck-text-muted)',
  tertiary: 'var(--ck-text-faint)',
  success: 'var(--ck-success)',
  warning: 'var(--ck-warning)',
  danger: 'var(--ck-danger)',
};
const SURFACE_COLORS: Record<string, string> = {
  surface: 'var(--ck-surface)',
  'surface-secondary': 'var(--ck-surface-sunken)',
  'surface-tertiary': 'var(--ck-active)',
  'surface-elevated': 'var(--ck-surface-raised)',
  'surface-elevated-secondary': 'var(--ck-hover)',
};
const BORDER_COLORS: Record<string, string> = {
  default: 'var(--ck-border)',
  subtle: 'color-mix(in oklab, var(--ck-border) 55%, transparent)',
  strong: 'var(--ck-border-strong)',
};
/** Light enough on dark, dark enough on light; neighbours differ in lightness too, for those who see no hue. */
const CHART_COLORS: Record<string, string> = {
  blue: 'light-dark(oklch(0.56 0.17 257), oklch(0.7 0.14 255))',
  purple: 'light-dark(oklch(0.5 0.2 300), oklch(0.68 0.17 302))',
  orange: 'light-dark(oklch(0.68 0.17 52), oklch(0.77 0.15 60))',
  green: 'light-dark(oklch(0.6 0.14 152), oklch(0.74 0.15 152))',
  red: 'light-dark(oklch(0.57 0.2 26), oklch(0.69 0.17 24))',
  yellow: 'light-dark(oklch(0.78 0.15 86), oklch(0.85 0.15 92))',
  pink: 'light-dark(oklch(0.63 0.2 354), oklch(0.75 0.15 352))',
};

const TOKENS = { text: TEXT_COLORS, surface: SURFACE_COLORS, border: BORDER_COLORS, chart: CHART_COLORS };
export type ColorKind = keyof typeof TOKENS;

/** The order in which a chart's series take colours that were not chosen. */
export const CHART_ORDER = ['blue', 'orange', 'green', 'purple', 'red', 'yellow', 'pink'] as const;

/** Hue and greatest chroma of each family of the palette. */
const FAMILIES: Record<string, [hue: number, chroma: number]> = {
  gray: [264, 0.006],
  red: [26, 0.2],
  orange: [52, 0.175],
  amber: [72, 0.165],
  yellow: [90, 0.16],
  lime: [125, 0.18],
  green: [152, 0.16],
  teal: [185, 0.12],
  cyan: [212, 0.13],
  blue: [257, 0.185],
  indigo: [275, 0.19],
  purple: [302, 0.2],
  pink: [354, 0.2],
};
/** Lightness, and share of the chroma, at the steps of a family; between them it is interpolated. */
const STEPS: readonly [step: number, lightness: number, share: number][] = [
  [0, 1, 0],
  [50, 0.975, 0.11],
  [100, 0.945, 0.25],
  [200, 0.885, 0.46],
  [300, 0.815, 0.7],
  [400, 0.73, 0.92],
  [500, 0.64, 1],
  [600, 0.555, 0.97],
  [700, 0.475, 0.86],
  [800, 0.4, 0.72],
  [900, 0.33, 0.56],
  [950, 0.26, 0.45],
  [1000, 0.19, 0.35],
];

const rounded = (value: number) => Number(value.toFixed(4));

function paletteColor(value: string): string | null {
  const match = /^([a-z]+)-(\d{1,4})$/.exec(value);
  const family =
    match?.[1] !== undefined && Object.hasOwn(FAMILIES, match[1]) ? FAMILIES[match[1]] : undefined;
  if (match === null || family === undefined) return null;
  const step = Number(match[2]);
  const above = STEPS.findIndex(([at]) => at >= step);
  const high = STEPS[above];
  if (high === undefined) return null;
  const low = STEPS[above - 1] ?? high;
  const part = high[0] === low[0] ? 0 : (step - low[0]) / (high[0] - low[0]);
  const between = (from: number, to: number) => from + (to - from) * part;
  return `oklch(${rounded(between(low[1], high[1]))} ${rounded(between(low[2], high[2]) * family[1])} ${family[0]})`;
}

function oneColor(value: unknown, kind: ColorKind): string | null {
  if (typeof value !== 'string') return null;
  const tokens = TOKENS[kind];
  if (Object.hasOwn(tokens, value)) return tokens[value] ?? null;
  const palette = paletteColor(value);
  if (palette !== null) return palette;
  const css = plainCss(value, COLOR_FUNCTIONS);
  if (css === null) return null;
  return /^#[\da-f]{3,8}$/i.test(css) || /^[a-z]+$/i.test(css) || /^[a-z-]+\(.*\)$/i.test(css) ? css : null;
}

/**
 * A colour: a token of the kind, a palette token (`red-500`), a CSS colour, or
 * one for each theme. Null for everything else.
 */
export function color(value: unknown, kind: ColorKind): string | null {
  if (!isRecord(value)) return oneColor(value, kind);
  const light = oneColor(value.light, kind);
  const dark = oneColor(value.dark, kind);
  return light === null || dark === null ? (light ?? dark) : `light-dark(${light}, ${dark})`;
}

/** A background: a colour, or a gradient of colours. */
export function background(value: unknown, scheme: 'light' | 'dark'): Declarations {
  // `light-dark()` takes colours only; a gradient is chosen here.
  const chosen = isRecord(value) ? value[scheme] : value;
  if (typeof chosen === 'string' && /gradient\(/i.test(chosen)) {
    const gradient = plainCss(chosen, [...GRADIENT_FUNCTIONS, ...COLOR_FUNCTIONS]);
    return { 'background-image': gradient };
  }
  return { 'background-color': color(value, 'surface') };
}

// ---------------------------------------------------------------- borders

const BORDER_STYLES = ['solid', 'dashed', 'dotted', 'double', 'groove', 'ridge', 'inset', 'outset'] as const;

function oneBorder(value: unknown): string | null {
  const edge = isRecord(value) ? value : { size: value };
  const width = asNumber(edge.size);
  if (width === null) return null;
  if (width <= 0) return '0';
  const line = token(edge.style, BORDER_STYLES, 'solid');
  return `${Math.min(32, width)}px ${line} ${color(edge.color, 'border') ?? 'var(--ck-border)'}`;
}

/** A border: pixels, one border for all edges, or one for each. */
export function borders(value: unknown): Declarations {
  if (value === undefined || value === null) return {};
  if (!isRecord(value) || 'size' in value) return { border: oneBorder(value) };
  const declarations: Declarations = {};
  for (const [side, edge] of Object.entries(sides(value))) {
    if (edge !== undefined) declarations[`border-${SIDES[side as keyof typeof SIDES]}`] = oneBorder(edge);
  }
  return declarations;
}

// ---------------------------------------------------------------- groups of properties

/** What every block may set: its size, its shape, and the space around it. */
export function blockStyle(node: WidgetNode): Declarations {
  return {
    width: size(node.width ?? node.size),
    height: size(node.height ?? node.size),
    'min-width': size(node.minWidth ?? node.minSize),
    'min-height': size(node.minHeight ?? node.minSize),
    'max-width': size(node.maxWidth ?? node.maxSize),
    'max-height': size(node.maxHeight ?? node.maxSize),
    'aspect-ratio': aspectRatio(node.aspectRatio),
    'border-radius': radius(node.radius),
    flex: flex(node.flex),
    ...edges('margin', node.margin),
  };
}

const ALIGN: Record<string, string> = {
  start: 'flex-start',
  center: 'center',
  end: 'flex-end',
  baseline: 'baseline',
  stretch: 'stretch',
};
const JUSTIFY: Record<string, string> = {
  start: 'flex-start',
  center: 'center',
  end: 'flex-end',
  between: 'space-between',
  around: 'space-around',
  evenly: 'space-evenly',
  stretch: 'stretch',
};

const lookup = (table: Record<string, string>, value: unknown): string | null =>
  typeof value === 'string' && Object.hasOwn(table, value) ? (table[value] ?? null) : null;

export const alignment = (value: unknown) => lookup(ALIGN, value);

/** What every flex container may set. */
export function containerStyle(node: WidgetNode, scheme: 'light' | 'dark'): Declarations {
  return {
    ...blockStyle(node),
    'align-items': alignment(node.align),
    'justify-content': lookup(JUSTIFY, node.justify),
    'flex-wrap': token(node.wrap, ['nowrap', 'wrap', 'wrap-reverse'], undefined) ?? null,
    gap: spacing(node.gap),
    ...edges('padding', node.padding),
    ...borders(node.border),
    ...background(node.background, scheme),
  };
}

/** What every text may set. */
export function textStyle(node: WidgetNode): Declarations {
  const most = count(node.maxLines, 1, 1000);
  const least = count(node.minLines, 1, 100);
  return {
    color: color(node.color, 'text'),
    // `start` is where the layout starts, which is what the style sheet says already.
    'text-align': token(node.textAlign, ['center', 'end'], undefined) ?? null,
    width: size(node.width),
    '--w-lines': most === undefined ? null : String(most),
    'min-height': least === undefined ? null : `${least}lh`,
  };
}
