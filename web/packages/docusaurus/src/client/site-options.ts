import type { ChatKitWidgetProps } from '@parlor/react';

type Values = Partial<Omit<ChatKitWidgetProps, 'mode' | 'begun' | 'handle'>>;

/**
 * What the module of a site exports by default: options that data cannot say, such as `token`, or a hook that returns them,
 * which is called with every rendering and may use hooks of React. They win over the plugin's.
 */
export type SiteOptions = Values | (() => Values);
