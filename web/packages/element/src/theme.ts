import type { ChatKitOptions, ThemeOption } from '@openai/chatkit';

/** The custom properties of one theme, by name. */
export type ThemeProperties = Record<string, string>;

const RADII = {
  pill: { xs: 6, sm: 9, md: 12, lg: 20, xl: 26, full: 999 },
  round: { xs: 5, sm: 8, md: 10, lg: 14, xl: 18, full: 12 },
  soft: { xs: 3, sm: 5, md: 6, lg: 8, xl: 10, full: 6 },
  sharp: { xs: 0, sm: 0, md: 0, lg: 0, xl: 0, full: 0 },
} as const;

const DENSITY = { compact: 0.82, normal: 1, spacious: 1.22 } as const;

/** Hue and chroma of the default palette: gray with a trace of blue. */
const DEFAULT_HUE = 264;
const DEFAULT_CHROMA = 0.0045;

/** Chroma that one step of `tint` adds. */
const TINT_STEP = 0.0035;
/** Lightness that one step of `shade` takes away. */
const SHADE_STEP = 0.011;

/** Lightness of each gray, by scheme. */
const GRAYS = {
  light: {
    surface: 1,
    'surface-raised': 1,
    'surface-sunken': 0.977,
    hover: 0.962,
    active: 0.94,
    bubble: 0.958,
    'code-bg': 0.975,
    border: 0.915,
    'border-strong': 0.84,
    text: 0.24,
    'text-muted': 0.495,
    'text-faint': 0.545,
  },
  dark: {
    surface: 0.205,
    'surface-raised': 0.25,
    'surface-sunken': 0.18,
    hover: 0.27,
    active: 0.305,
    bubble: 0.285,
    'code-bg': 0.175,
    border: 0.31,
    'border-strong': 0.42,
    text: 0.945,
    'text-muted': 0.735,
    'text-faint': 0.68,
  },
} as const;

const SYNTAX = {
  light: {
    keyword: 'oklch(0.5 0.19 300)',
    string: 'oklch(0.48 0.11 150)',
    comment: 'oklch(0.53 0.012 264)',
    number: 'oklch(0.52 0.14 45)',
    title: 'oklch(0.48 0.15 258)',
    attr: 'oklch(0.5 0.1 215)',
  },
  dark: {
    keyword: 'oklch(0.78 0.12 305)',
    string: 'oklch(0.81 0.1 150)',
    comment: 'oklch(0.65 0.012 264)',
    number: 'oklch(0.81 0.1 65)',
    title: 'oklch(0.79 0.1 250)',
    attr: 'oklch(0.81 0.08 205)',
  },
} as const;

const SEMANTIC = {
  light: {
    danger: 'oklch(0.52 0.19 25)',
    'danger-bg': 'oklch(0.972 0.014 20)',
    'danger-border': 'oklch(0.9 0.045 20)',
    warning: 'oklch(0.5 0.11 70)',
    'warning-bg': 'oklch(0.98 0.025 85)',
    'warning-border': 'oklch(0.9 0.07 85)',
    info: 'oklch(0.49 0.13 255)',
    'info-bg': 'oklch(0.975 0.013 255)',
    'info-border': 'oklch(0.91 0.035 255)',
    success: 'oklch(0.52 0.13 150)',
  },
  dark: {
    danger: 'oklch(0.77 0.13 22)',
    'danger-bg': 'oklch(0.255 0.026 20)',
    'danger-border': 'oklch(0.36 0.055 20)',
    warning: 'oklch(0.83 0.11 80)',
    'warning-bg': 'oklch(0.27 0.032 80)',
    'warning-border': 'oklch(0.39 0.06 80)',
    info: 'oklch(0.8 0.09 250)',
    'info-bg': 'oklch(0.27 0.03 255)',
    'info-border': 'oklch(0.39 0.055 255)',
    success: 'oklch(0.8 0.14 150)',
  },
} as const;

const clamp = (value: number) => Math.min(1, Math.max(0, value));
const round = (value: number) => Number(value.toFixed(4));

/** The published theme option, whichever of its two forms was given. */
export function themeOption(theme: ChatKitOptions['theme']): ThemeOption {
  return typeof theme === 'string' ? { colorScheme: theme } : (theme ?? {});
}

/**
 * Computes the custom properties of a theme. Pure: the same option gives the
 * same properties, in the same order.
 */
export function themeProperties(theme: ChatKitOptions['theme']): ThemeProperties {
  const option = themeOption(theme);
  const scheme = option.colorScheme === 'dark' ? 'dark' : 'light';
  const properties: ThemeProperties = { 'color-scheme': scheme };
  const set = (name: string, value: string) => {
    properties[`--ck-${name}`] = value;
  };

  const grayscale = option.color?.grayscale;
  const hue = grayscale?.hue ?? DEFAULT_HUE;
  const chroma = grayscale === undefined ? DEFAULT_CHROMA : grayscale.tint * TINT_STEP;
  const shade = (grayscale?.shade ?? 0) * SHADE_STEP;
  for (const [name, lightness] of Object.entries(GRAYS[scheme])) {
    // The page itself stays white in the light scheme unless it is shaded.
    const tinted = scheme === 'light' && lightness === 1 && shade === 0 ? 0 : chroma;
    set(name, `oklch(${round(clamp(lightness - shade))} ${round(tinted)} ${hue})`);
  }

  const surface = option.color?.surface;
  if (surface !== undefined) {
    const { background, foreground } = surface;
    const mix = (percent: number) => `color-mix(in oklab, ${foreground} ${percent}%, ${background})`;
    set('surface', background);
    set('surface-raised', mix(scheme === 'dark' ? 5 : 0));
    set('surface-sunken', mix(3));
    set('hover', mix(5));
    set('active', mix(8));
    set('bubble', mix(6));
    set('code-bg', mix(3));
    set('border', mix(12));
    set('border-strong', mix(24));
    set('text', foreground);
    set('text-muted', mix(72));
    set('text-faint', mix(66));
  }

  for (const [name, value] of Object.entries(SEMANTIC[scheme])) set(name, value);
  for (const [name, value] of Object.entries(SYNTAX[scheme])) set(`syntax-${name}`, value);

  const accent = option.color?.accent;
  if (accent === undefined) {
    set('accent', scheme === 'light' ? 'oklch(0.5 0.16 262)' : 'oklch(0.78 0.11 258)');
    set('primary', scheme === 'light' ? 'oklch(0.26 0.008 264)' : 'oklch(0.95 0.004 264)');
    set('bubble-text', 'var(--ck-text)');
  } else {
    // Readable as text on the surface, whatever colour was chosen.
    const bound = scheme === 'light' ? 'min(l, 0.52)' : 'max(l, 0.76)';
    set('accent', `oklch(from ${accent.primary} ${bound} c h)`);
    set('primary', accent.primary);
    const strength = [0, 9, 18, 100][accent.level] ?? 0;
    if (strength === 100) {
      set('bubble', accent.primary);
      set('bubble-text', onColor(accent.primary));
    } else {
      if (strength > 0) {
        set('bubble', `color-mix(in oklab, ${accent.primary} ${strength}%, var(--ck-surface))`);
      }
      set('bubble-text', 'var(--ck-text)');
    }
  }
  set('on-primary', onColor(properties['--ck-primary'] ?? 'black'));
  set('focus', 'color-mix(in oklab, var(--ck-accent) 70%, transparent)');
  set(
    'shadow-sm',
    scheme === 'light' ? '0 1px 2px oklch(0.2 0.02 264 / 0.06)' : '0 1px 2px oklch(0 0 0 / 0.35)',
  );
  set(
    'shadow-md',
    scheme === 'light'
      ? '0 1px 2px oklch(0.2 0.02 264 / 0.05), 0 6px 20px -6px oklch(0.2 0.02 264 / 0.1)'
      : '0 1px 2px oklch(0 0 0 / 0.3), 0 8px 24px -8px oklch(0 0 0 / 0.5)',
  );
  set(
    'shadow-lg',
    scheme === 'light'
      ? '0 2px 6px oklch(0.2 0.02 264 / 0.06), 0 18px 48px -12px oklch(0.2 0.02 264 / 0.22)'
      : '0 2px 6px oklch(0 0 0 / 0.4), 0 18px 48px -12px oklch(0 0 0 / 0.7)',
  );

  for (const [name, px] of Object.entries(RADII[option.radius ?? 'pill'])) set(`radius-${name}`, `${px}px`);
  set('space', `${round(4 * DENSITY[option.density ?? 'normal'])}px`);

  const typography = option.typography ?? {};
  set('font-size', `${typography.baseSize ?? 15}px`);
  set(
    'font',
    typography.fontFamily ??
      'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif',
  );
  set(
    'font-mono',
    typography.fontFamilyMono ??
      'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace',
  );
  return properties;
}

/** Black or white, whichever reads better on the colour. */
function onColor(color: string): string {
  return `oklch(from ${color} clamp(0, (0.64 - l) * 1000, 1) 0 0)`;
}

/**
 * A style sheet with one `:host` rule that holds the theme. Changed through
 * CSSOM, which a strict `style-src` allows, and property by property, so that a
 * change of theme costs one style recalculation and touches no element.
 */
export class ThemeSheet {
  readonly sheet = new CSSStyleSheet();
  #current: ThemeProperties = {};

  constructor() {
    this.sheet.replaceSync(':host {}');
  }

  apply(theme: ChatKitOptions['theme']): void {
    const rule = this.sheet.cssRules[0];
    if (!(rule instanceof CSSStyleRule)) return;
    const next = themeProperties(theme);
    for (const name of Object.keys(this.#current)) {
      if (!(name in next)) rule.style.removeProperty(name);
    }
    for (const [name, value] of Object.entries(next)) {
      if (this.#current[name] !== value) rule.style.setProperty(name, value);
    }
    this.#current = next;
  }
}

const requestedFonts = new Set<string>();

/** Loads the theme's web fonts once a document. Fonts are a document's, not a shadow root's. */
export function loadFonts(theme: ChatKitOptions['theme'], onError: (error: Error) => void): void {
  for (const source of themeOption(theme).typography?.fontSources ?? []) {
    const key = JSON.stringify(source);
    if (requestedFonts.has(key)) continue;
    requestedFonts.add(key);
    const face = new FontFace(source.family, `url(${JSON.stringify(source.src)})`, {
      weight: String(source.weight ?? 'normal'),
      style: source.style ?? 'normal',
      display: source.display ?? 'swap',
      ...(source.unicodeRange === undefined ? {} : { unicodeRange: source.unicodeRange }),
    });
    document.fonts.add(face);
    face.load().catch((cause: unknown) => {
      requestedFonts.delete(key);
      document.fonts.delete(face);
      onError(new Error(`The font "${source.family}" could not be loaded from ${source.src}.`, { cause }));
    });
  }
}
