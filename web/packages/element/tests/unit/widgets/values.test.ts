import { describe, expect, it } from 'vitest';
import {
  aspectRatio,
  background,
  blockStyle,
  borders,
  color,
  edges,
  flex,
  radius,
  size,
  spacing,
} from '../../../src/widgets/values.js';

/** What a hostile server may put where CSS is expected. */
const HOSTILE = [
  'url(https://evil.example/x)',
  'URL(//evil.example)',
  'u\\72l(https://evil.example)',
  'image-set("https://evil.example/x" 1x)',
  'red; background: url(https://evil.example)',
  'red} :host{display:none',
  'var(--ck-text)',
  'env(safe-area-inset-top)',
  'attr(data-x)',
  'expression(alert(1))',
  'element(#x)',
  'src("https://evil.example")',
  'cross-fade(red, url(x))',
  'paint(evil)',
  'red /* url(',
  'red\'"',
  'javascript:alert(1)',
  'a'.repeat(100_000),
  '',
  'linear-gradient(url(https://evil.example), red)',
  'linear-gradient(red, image(x))',
];

describe('values', () => {
  it.each(HOSTILE.map((value) => [value.slice(0, 40), value] as const))(
    'refuse %s wherever CSS may stand',
    (_name, value) => {
      const strict = [size(value), spacing(value), flex(value), aspectRatio(value), radius(value)];
      expect(strict).toEqual(strict.map(() => null));
      for (const kind of ['text', 'surface', 'border', 'chart'] as const) {
        const result = color(value, kind);
        // A single word can only be a name of a colour, which the browser then looks up.
        if (result !== null) expect(result).toMatch(/^[a-z]+$/);
        expect(color({ light: value, dark: value }, kind) ?? '').not.toMatch(/[;:{}\\"'@]|url|var/i);
      }
      for (const result of Object.values(background(value, 'light'))) {
        expect(result ?? '').toMatch(/^[a-z]*$/);
      }
    },
  );

  it('count spacing in units of 4 px and sizes in pixels', () => {
    expect(spacing(2)).toBe('calc(var(--ck-space) * 2)');
    expect(spacing('2')).toBe('calc(var(--ck-space) * 2)');
    expect(spacing('1rem')).toBe('1rem');
    expect(size(120.5)).toBe('120.5px');
    expect(size('50%')).toBe('50%');
    expect(size('calc(100% - 2rem)')).toBe('calc(100% - 2rem)');
    expect(size(1e12)).toBe('4000px');
    expect(size('99999999px')).toBe('4000px');
    expect(size(Number.NaN)).toBeNull();
  });

  it('know tokens, the palette, CSS and a colour for each theme', () => {
    expect(color('secondary', 'text')).toBe('var(--ck-text-muted)');
    expect(color('strong', 'border')).toBe('var(--ck-border-strong)');
    expect(color('surface-elevated', 'surface')).toBe('var(--ck-surface-raised)');
    expect(color('red-500', 'text')).toBe('oklch(0.64 0.2 26)');
    expect(color('gray-0', 'surface')).toBe('oklch(1 0 264)');
    expect(color('red-9999', 'text')).toBeNull();
    expect(color('#2563eb', 'text')).toBe('#2563eb');
    expect(color('rgb(0 0 0 / 50%)', 'text')).toBe('rgb(0 0 0 / 50%)');
    expect(color({ light: 'blue-800', dark: 'white' }, 'text')).toBe(
      'light-dark(oklch(0.4 0.1332 257), white)',
    );
    expect(color('constructor', 'text')).toBe('constructor');
    expect(color(7, 'text')).toBeNull();
  });

  it('make the middle of the palette darker step by step', () => {
    const lightness = [50, 150, 300, 450, 600, 850, 1000].map((step) =>
      Number(/oklch\(([\d.]+)/.exec(color(`blue-${step}`, 'text') ?? '')?.[1]),
    );
    expect(lightness).toEqual([...lightness].sort((a, b) => b - a));
    expect(new Set(lightness).size).toBe(lightness.length);
  });

  it('take gradients as backgrounds, chosen by scheme', () => {
    const gradient = 'linear-gradient(135deg, #14418b 0%, rgb(42 111 201) 100%)';
    expect(background(gradient, 'light')).toEqual({ 'background-image': gradient });
    expect(background({ light: 'white', dark: gradient }, 'dark')).toEqual({ 'background-image': gradient });
    expect(background('surface', 'light')).toEqual({ 'background-color': 'var(--ck-surface)' });
  });

  it('set edges and borders side by side', () => {
    expect(edges('padding', { x: 5, top: 1, left: '4px' })).toEqual({
      'padding-block-start': 'calc(var(--ck-space) * 1)',
      'padding-right': 'calc(var(--ck-space) * 5)',
      'padding-block-end': null,
      'padding-left': '4px',
    });
    expect(borders(2)).toEqual({ border: '2px solid var(--ck-border)' });
    expect(borders({ size: 1, style: 'dashed', color: 'strong' })).toEqual({
      border: '1px dashed var(--ck-border-strong)',
    });
    expect(borders({ left: 0, y: 1 })).toEqual({
      'border-block-start': '1px solid var(--ck-border)',
      'border-block-end': '1px solid var(--ck-border)',
      'border-left': '0',
    });
  });

  it('read shorthands of blocks', () => {
    expect(
      blockStyle({ type: 'Box', size: 10, minSize: 4, width: '50%', flex: 1, aspectRatio: '16/9' }),
    ).toMatchObject({
      width: '50%',
      height: '10px',
      'min-width': '4px',
      flex: '1 1 0%',
      'aspect-ratio': '16/9',
    });
  });
});
