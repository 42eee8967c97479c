import type { Strings } from './strings.js';
import type { WidgetStrings } from './widgets/strings.js';

/** Every text of the element in one language. */
export interface Catalogue {
  readonly strings: Strings;
  readonly widgets: WidgetStrings;
}

/** The languages beside English, each a chunk of its own that is loaded when it is needed. */
const TRANSLATIONS = {
  ar: () => import('./locales/ar.js'),
  de: () => import('./locales/de.js'),
  es: () => import('./locales/es.js'),
  fr: () => import('./locales/fr.js'),
  ja: () => import('./locales/ja.js'),
} satisfies Record<string, () => Promise<{ default: Catalogue }>>;

/** A language that the element speaks. */
export type Locale = 'en' | keyof typeof TRANSLATIONS;

const RIGHT_TO_LEFT: ReadonlySet<Locale> = new Set(['ar']);

const asLocale = (tag: string): Locale | null => {
  const language = tag.toLowerCase().split(/[-_]/, 1)[0] ?? '';
  return language === 'en' || Object.hasOwn(TRANSLATIONS, language) ? (language as Locale) : null;
};

/**
 * The language to speak: the option's, else the first of the browser's that is
 * there, else English. A region (`fr-CA`) is served by its language.
 */
export function resolveLocale(option: string | undefined, preferred: readonly string[]): Locale {
  if (option !== undefined) return asLocale(option) ?? 'en';
  return preferred.map(asLocale).find((locale) => locale !== null) ?? 'en';
}

/** Loads the texts of a language; null for English, which is always there. */
export async function loadCatalogue(locale: Locale): Promise<Catalogue | null> {
  return locale === 'en' ? null : (await TRANSLATIONS[locale]()).default;
}

/** The direction a language is written in; undefined where the page decides, as for the fallback. */
export function directionOfLocale(locale: Locale): 'ltr' | 'rtl' | undefined {
  if (locale === 'en') return undefined;
  return RIGHT_TO_LEFT.has(locale) ? 'rtl' : 'ltr';
}
