import type { ChatKitWidgetProps } from '@parlor/react';
import type { Generated } from './generated-module.js';
import { without } from '../without.js';

/** The primary colour of the site, in the scheme that it is in. */
const SITE_ACCENT = 'var(--ifm-color-primary, #2356d8)';

type Values = Partial<ChatKitWidgetProps>;

/** The widget's properties, from the plugin's options and what the site's module says; that wins. */
export function propsFrom(data: Generated['data'], own: Values): ChatKitWidgetProps {
  const { texts, locale, accent, pageContext, widgetId, options } = data;
  const { greeting, prompts, placeholder, labels } = texts;
  // Another element may not know variables as colours.
  const siteAccent = data.script === undefined ? SITE_ACCENT : undefined;
  const primary = accent === false ? undefined : (accent ?? siteAccent);
  const passed = without(data, [
    'texts',
    'locale',
    'accent',
    'pageContext',
    'widgetId',
    'colorScheme',
    'baseUrl',
    'options',
  ]);
  return {
    ...passed,
    id: widgetId,
    ...(pageContext === false && { pageContext }),
    ...own,
    labels: { ...labels, ...own.labels },
    options: {
      ...(locale !== undefined && { locale }),
      ...(primary !== undefined && { theme: { color: { accent: { primary, level: 1 } } } }),
      ...((greeting !== undefined || prompts.length > 0) && {
        startScreen: {
          ...(greeting !== undefined && { greeting }),
          prompts: prompts.map((prompt) => ({ label: prompt, prompt })),
        },
      }),
      ...(placeholder !== undefined && { composer: { placeholder } }),
      ...options,
      ...own.options,
    } as ChatKitWidgetProps['options'],
  };
}
