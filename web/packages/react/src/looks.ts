import type { ThemeOption } from '@openai/chatkit';
import type { CSSProperties } from 'react';

/** Variables of the widget that follow the theme of the element, where the page does not set them. */
export function looksOf(theme: ThemeOption | 'light' | 'dark' | undefined): CSSProperties | undefined {
  const color = typeof theme === 'object' ? theme.color : undefined;
  const { accent, surface } = color ?? {};
  if (accent === undefined && surface === undefined) return undefined;
  return {
    ...(accent && {
      '--accent': `var(--parlor-accent, ${accent.primary})`,
      // Black or white, whichever reads better.
      '--on-accent': `var(--parlor-on-accent, oklch(from var(--accent) clamp(0, (0.64 - l) * 1000, 1) 0 0))`,
    }),
    ...(surface && {
      '--surface': `var(--parlor-surface, ${surface.background})`,
      '--text': `var(--parlor-text, ${surface.foreground})`,
    }),
  } as CSSProperties;
}
