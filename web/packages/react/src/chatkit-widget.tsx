import type { TextSelection } from '@parlor/client';
import { type Ref, useEffect, useId, useImperativeHandle, useRef, useState } from 'react';
import { AskButton, Launcher, questionAbout } from './launcher.js';
import { looksOf } from './looks.js';
import type { MenuEntry, ProfileOptions } from './menu-types.js';
import { firstView, hasMenu, Panel, type PanelView } from './panel.js';
import { STYLES } from './panel-styles.js';
import { Shell } from './shell.js';
import {
  type AskOptions,
  type ChatKitWidgetOptions,
  useChatKitWidget,
  type WidgetHandle,
} from './use-chatkit-widget.js';
import { useColorScheme } from './use-color-scheme.js';
import { useTextSelection } from './use-text-selection.js';

/** The chat was opened, perhaps with a question. */
export interface Begun {
  readonly question?: string | undefined;
  readonly options?: AskOptions | undefined;
}

export interface ChatKitWidgetProps extends ChatKitWidgetOptions {
  /** Whether marked text of the page gets an “Ask” button; it does by default. */
  ask?: boolean | undefined;
  /** Entries of the settings menu. */
  menu?: readonly MenuEntry[] | undefined;
  /** What users may say of themselves, in a form of the settings menu. */
  profile?: ProfileOptions | undefined;
  /** What was begun before the widget was there: it is opened at once, and this is asked. */
  begun?: Begun | undefined;
  /** Opens, closes and asks from outside. */
  handle?: Ref<WidgetHandle> | undefined;
}

/**
 * The chat on a site: a button at the bottom of the page and the chat above it, at the side, or in
 * the page; a button beside marked text; a login where one is needed; a menu of the site's own.
 *
 * Renders nothing on the server.
 */
export function ChatKitWidget({
  ask = true,
  menu = [],
  profile,
  begun,
  handle,
  ...options
}: ChatKitWidgetProps) {
  const { mode = 'popup', colorScheme = 'auto' } = options;
  const inline = mode === 'inline';
  const scheme = useColorScheme(colorScheme);
  const [view, setView] = useState<PanelView>('chat');
  const [hasSettings, setHasSettings] = useState(false);
  const { theme, header } = options.options ?? {};
  // A header of the site's own is left alone; then the panel has a bar.
  const hasHeader = !inline && header?.enabled !== false && !header?.leftAction && !header?.rightAction;
  const widget = useChatKitWidget({
    ...options,
    options: {
      ...options.options,
      theme: themed(theme, scheme),
      ...(hasHeader && {
        header: {
          ...header,
          ...(hasSettings && {
            leftAction: { icon: 'settings-cog', onClick: () => setView(firstView(widget, menu)) },
          }),
          rightAction: { icon: 'close', onClick: () => widget.close() },
        },
      }),
    },
  });
  const settings = hasMenu(widget, menu, profile);
  useEffect(() => setHasSettings(settings), [settings]);
  const selection = useTextSelection({ enabled: ask || options.pageContext !== false });
  const launcher = useRef<HTMLButtonElement>(null);
  const panelId = useId();
  useImperativeHandle(handle, () => widget.handle, [widget.handle]);

  const { setMarked, isOpen, labels } = widget;
  useEffect(() => {
    // A mark that goes because the chat gets the focus was not taken away by the reader.
    if (selection !== null || document.activeElement?.closest('[data-parlor-widget]') == null) {
      setMarked(selection?.text ?? null);
    }
  }, [selection, setMarked]);
  useEffect(() => {
    const pressed = (event: Event) => {
      if (
        event.composedPath().some((part) => part instanceof Element && part.matches('[data-parlor-widget]'))
      )
        return;
      setMarked(null);
    };
    document.addEventListener('pointerdown', pressed, true);
    return () => document.removeEventListener('pointerdown', pressed, true);
  }, [setMarked]);

  // The focus goes back where it came from.
  const wasOpen = useRef(isOpen);
  useEffect(() => {
    if (wasOpen.current && !isOpen) launcher.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);

  const askAbout = (marked: TextSelection) => {
    widget.ask(questionAbout(document.title, labels), { quote: marked.text });
    marked.clear();
  };

  // Strict mode runs effects twice.
  const taken = useRef<Begun | null>(null);
  useEffect(() => {
    if (begun === undefined || taken.current === begun) return;
    taken.current = begun;
    if (begun.question === undefined) widget.handle.open();
    else widget.handle.ask(begun.question, begun.options);
  }, [begun, widget.handle]);

  return (
    <Shell inline={inline} colorScheme={scheme} styles={STYLES}>
      <div className="widget" data-scheme={scheme} data-open={isOpen || undefined} style={looksOf(theme)}>
        {ask && selection !== null && <AskButton selection={selection} labels={labels} onAsk={askAbout} />}
        {!inline && (
          <Launcher
            button={launcher}
            isOpen={isOpen}
            hasFailed={widget.script.status === 'error'}
            labels={labels}
            controls={panelId}
            onClick={widget.toggle}
          />
        )}
        {widget.wasOpened && (
          <Panel
            id={panelId}
            widget={widget}
            mode={mode}
            entries={menu}
            profile={profile}
            view={view}
            onView={setView}
            hasHeader={hasHeader}
          />
        )}
      </div>
    </Shell>
  );
}

function themed<T>(theme: T | undefined, colorScheme: 'light' | 'dark') {
  if (typeof theme === 'string') return theme;
  return { ...(theme as object | undefined), colorScheme } as Exclude<T, string>;
}
