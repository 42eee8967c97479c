import type { ChatKitWidgetProps } from '@parlor/react';

/** A script tag or an element, as far as its attributes go. */
export type Attributes = Pick<Element, 'getAttribute' | 'hasAttribute'>;

/**
 * The widget's options from attributes: `data-mode` on the script tag is `mode` on the element.
 * What cannot be read is said in the console, and left out.
 */
export function optionsFrom(element: Attributes, prefix: '' | 'data-', server: string): ChatKitWidgetProps {
  const text = (name: string): string | undefined => element.getAttribute(prefix + name) ?? undefined;
  const oneOf = <const T extends string>(name: string, values: readonly T[]): T | undefined => {
    const value = text(name);
    if (value === undefined || (values as readonly string[]).includes(value)) return value as T | undefined;
    return complain(name, value, values.join(', '));
  };
  const json = <T>(name: string): T | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    try {
      return JSON.parse(value) as T;
    } catch {
      return complain(name, value, 'JSON');
    }
  };
  const complain = (name: string, value: string, wanted: string): undefined => {
    // oxlint-disable-next-line no-console -- the site's author looks there
    console.warn(
      `parlor: the attribute ${prefix}${name} is ${JSON.stringify(value)}; it has to be ${wanted}`,
    );
  };

  const greeting = text('greeting');
  const prompts = text('prompts')
    ?.split('|')
    .map((prompt) => prompt.trim())
    .filter((prompt) => prompt !== '');
  const placeholder = text('placeholder');
  const accent = text('accent');
  const heading = text('heading');
  const labels = { ...json<object>('labels'), ...(heading !== undefined && { title: heading }) };
  return {
    // Its own origin is that of the page, most often: cookies then go by themselves.
    server: text('server') ?? (server === globalThis.location?.origin ? undefined : server),
    credentials: oneOf('credentials', ['include', 'same-origin', 'omit']),
    url: text('url'),
    mode: oneOf('mode', ['popup', 'panel', 'inline']),
    auth: oneOf('auth', ['none', 'session']),
    colorScheme: oneOf('color-scheme', ['auto', 'light', 'dark']),
    preload: oneOf('preload', ['idle', 'open']),
    id: text('widget-id'),
    defaultOpen: element.hasAttribute(`${prefix}open`),
    ask: oneOf('ask', ['true', 'false']) !== 'false',
    pageContext: oneOf('page-context', ['true', 'false']) === 'false' ? false : undefined,
    userId: text('user-id'),
    userInfo: json<Record<string, unknown>>('user-info'),
    menu: json('menu'),
    profile: json('profile'),
    labels,
    options: {
      ...(json<object>('options') as ChatKitWidgetProps['options']),
      ...((greeting !== undefined || prompts !== undefined) && {
        startScreen: {
          ...(greeting !== undefined && { greeting }),
          ...(prompts !== undefined && { prompts: prompts.map((prompt) => ({ label: prompt, prompt })) }),
        },
      }),
      ...(placeholder !== undefined && { composer: { placeholder } }),
      ...(accent !== undefined && { theme: { color: { accent: { primary: accent, level: 1 } } } }),
    } as ChatKitWidgetProps['options'],
  };
}
