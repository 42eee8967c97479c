import type { TextSelection } from '@parlor/client';
import {
  type Ref,
  useEffect,
  useId,
  useImperativeHandle,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { Icon } from './icons.js';
import type { MenuEntry, ProfileOptions } from './menu-types.js';
import { firstView, hasMenu, Panel, type PanelView } from './panel.js';
import { Shell } from './shell.js';
import { type ChatKitWidgetOptions, useChatKitWidget, type WidgetHandle } from './use-chatkit-widget.js';
import { useTextSelection } from './use-text-selection.js';

export interface ChatKitWidgetProps extends ChatKitWidgetOptions {
  /** Whether marked text of the page gets an “Ask” button; it does by default. */
  ask?: boolean | undefined;
  /** Entries of the settings menu. */
  menu?: readonly MenuEntry[] | undefined;
  /** What users may say of themselves, in a form of the settings menu. */
  profile?: ProfileOptions | undefined;
  /** Opens, closes and asks from outside. */
  handle?: Ref<WidgetHandle> | undefined;
}

/**
 * The chat on a site: a button at the bottom of the page and the chat above it, at the side, or in
 * the page; a button beside marked text; a login where one is needed; a menu of the site's own.
 *
 * Renders nothing on the server.
 */
export function ChatKitWidget({ ask = true, menu = [], profile, handle, ...options }: ChatKitWidgetProps) {
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
    const title = document.title.trim();
    const question = title === '' ? labels.questionUntitled : labels.question.replace('{title}', () => title);
    widget.ask(question, { quote: marked.text });
    marked.clear();
  };

  return (
    <Shell inline={inline} colorScheme={scheme}>
      <div className="widget" data-scheme={scheme}>
        {ask && selection !== null && <AskButton selection={selection} labels={labels} onAsk={askAbout} />}
        {!inline && (
          <button
            ref={launcher}
            type="button"
            className="launcher"
            part="launcher"
            aria-label={isOpen ? labels.close : labels.open}
            aria-expanded={isOpen}
            aria-controls={panelId}
            onClick={widget.toggle}
          >
            <Icon name={isOpen ? 'close' : 'chat'} />
            {widget.script.status === 'error' && !isOpen && (
              <span className="badge">
                <span className="sr">{labels.failed}</span>
              </span>
            )}
          </button>
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

function AskButton({
  selection,
  labels,
  onAsk,
}: {
  selection: TextSelection;
  labels: { ask: string; askLong: string };
  onAsk: (selection: TextSelection) => void;
}) {
  const button = useRef<HTMLButtonElement>(null);
  const [place, setPlace] = useState<{ left: number; top: number } | null>(null);
  useEffect(() => {
    const { width, height } = button.current?.getBoundingClientRect() ?? new DOMRect();
    setPlace(selection.place(width, height));
  }, [selection]);
  return (
    <button
      ref={button}
      type="button"
      className="ask"
      part="ask"
      title={labels.askLong}
      style={place === null ? { visibility: 'hidden' } : { left: place.left, top: place.top }}
      // The page must not lose its selection to the button.
      onPointerDown={(event) => event.preventDefault()}
      onClick={() => onAsk(selection)}
    >
      <Icon name="spark" />
      {labels.ask}
    </button>
  );
}

function themed<T>(theme: T | undefined, colorScheme: 'light' | 'dark') {
  if (typeof theme === 'string') return theme;
  return { ...(theme as object | undefined), colorScheme } as Exclude<T, string>;
}

const DARK = '(prefers-color-scheme: dark)';

function useColorScheme(wanted: 'auto' | 'light' | 'dark'): 'light' | 'dark' {
  const dark = useSyncExternalStore(
    (listener) => {
      const query = matchMedia(DARK);
      query.addEventListener('change', listener);
      return () => query.removeEventListener('change', listener);
    },
    () => matchMedia(DARK).matches,
    () => false,
  );
  return wanted === 'auto' ? (dark ? 'dark' : 'light') : wanted;
}
