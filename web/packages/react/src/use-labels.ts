import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { LABELS, type Labels } from './labels.js';

/** The languages beside English, each a file of its own that is loaded by pages in it. */
const TRANSLATIONS: Readonly<Record<string, () => Promise<{ default: Labels }>>> = {
  ar: () => import('./locales/ar.js'),
  de: () => import('./locales/de.js'),
  es: () => import('./locales/es.js'),
  fr: () => import('./locales/fr.js'),
  ja: () => import('./locales/ja.js'),
};

/** What has been loaded: what takes another's place has it at once. */
const loaded = new Map<string, Labels>();

/** The language of the page; empty where it does not say. */
export function usePageLanguage(): string {
  return useSyncExternalStore(subscribe, read, () => '');
}

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['lang'] });
  return () => observer.disconnect();
}

function read(): string {
  return document.documentElement.lang || document.body.lang;
}

/** Every text of the widget in a language, else in the first of the browser's that is there; `own` ones win. */
export function useLabels(language: string, own: Partial<Labels> | undefined): Labels {
  const [, setLoaded] = useState(0);
  const known = useSyncExternalStore(
    never,
    () => translation(language),
    () => 'en',
  );
  useEffect(() => {
    let wanted = true;
    if (known !== 'en' && !loaded.has(known)) {
      void TRANSLATIONS[known]?.().then(
        ({ default: labels }) => {
          loaded.set(known, labels);
          if (wanted) setLoaded((times) => times + 1);
        },
        // It works in English.
        () => undefined,
      );
    }
    return () => {
      wanted = false;
    };
  }, [known]);
  const labels = loaded.get(known) ?? LABELS;
  return useMemo(() => ({ ...labels, ...own }), [labels, own]);
}

/** As the element finds its own: a language that is not there is English, and the browser's counts where there is none. */
function translation(language: string): string {
  const wanted = language === '' ? (navigator.languages ?? [navigator.language]) : [language];
  return wanted.map(primary).find((tag) => tag === 'en' || Object.hasOwn(TRANSLATIONS, tag)) ?? 'en';
}

function primary(tag: string): string {
  return tag.toLowerCase().split(/[-_]/, 1)[0] ?? '';
}

const never = () => () => undefined;
