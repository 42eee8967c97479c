import { ChatKit } from '@openai/chatkit-react';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import { Icon } from './icons.js';
import { Menu, ProfileForm } from './menu.js';
import type { MenuEntry, ProfileOptions } from './menu-types.js';
import type { ChatKitWidgetState, WidgetMode } from './use-chatkit-widget.js';
import { useFullScreen, useIsNarrow, useVisibleViewport } from './use-full-screen.js';

/** What is shown: the chat, or what is set in its place. */
export type PanelView = 'chat' | 'menu' | 'profile';

export interface PanelProps {
  widget: ChatKitWidgetState;
  mode: WidgetMode;
  entries: readonly MenuEntry[];
  profile: ProfileOptions | undefined;
  id: string;
  view: PanelView;
  onView: (view: PanelView) => void;
  /** Whether the element's own header has the buttons to close it and for the settings. */
  hasHeader: boolean;
}

/** How far an arrow key moves the edge. CSS pixels. */
const STEP = 24;
const SMALLEST = { width: 300, height: 360 };

/** The chat, or what stands in its place: loading, a failure, the login, the menu. */
export function Panel({ widget, mode, entries, profile, id, view, onView, hasHeader }: PanelProps) {
  const { labels, isOpen, isReady, wantsFocus, isMounted, focus } = widget;
  const panel = useRef<HTMLElement>(null);
  const [size, setSize] = useState(() => widget.remembered().size);
  const online = useOnline();
  const isFull = useIsNarrow() && mode !== 'inline';
  useFullScreen(panel, isFull && isOpen);
  useVisibleViewport(panel, isOpen && mode !== 'inline');
  const showsChat = isMounted && view === 'chat';
  const back = () => onView(view === 'profile' && hasEntries(widget, entries) ? 'menu' : 'chat');

  // Opening gives it the focus: the composer once there is one, until then what can be done.
  useEffect(() => {
    if (!isOpen || !wantsFocus) return;
    if (isReady && showsChat) focus();
    else panel.current?.focus({ preventScroll: true });
  }, [isOpen, wantsFocus, isReady, showsChat, focus]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    if (view !== 'chat') back();
    else if (mode !== 'inline') widget.close();
    else return;
    event.stopPropagation();
  };
  const resize = (next: { width: number; height: number }) => {
    setSize(next);
    widget.remember({ size: next });
  };

  return (
    <section
      id={id}
      ref={panel}
      className="panel"
      part="panel"
      data-mode={mode}
      role={mode === 'inline' ? 'group' : 'dialog'}
      aria-label={labels.title}
      aria-modal={isFull || undefined}
      tabIndex={-1}
      hidden={!isOpen}
      onKeyDown={onKeyDown}
      style={
        size === null
          ? undefined
          : ({ '--width': `${size.width}px`, '--height': `${size.height}px` } as object)
      }
    >
      {mode !== 'inline' && <Resizer panel={panel} mode={mode} label={labels.resize} onResize={resize} />}
      {/* Until the element has drawn its own header, this one lies over it. */}
      {(!showsChat || !isReady || !hasHeader) && (
        <div className={showsChat && hasHeader ? 'bar over' : 'bar'} part="bar">
          {view !== 'chat' && (
            <button type="button" className="icon" aria-label={labels.back} onClick={back}>
              <Icon name="back" />
            </button>
          )}
          <h2>{view === 'chat' ? labels.title : view === 'menu' ? labels.settings : labels.profile}</h2>
          {showsChat && hasMenu(widget, entries, profile) && (
            <button
              type="button"
              className="icon"
              aria-label={labels.settings}
              onClick={() => onView(firstView(widget, entries))}
            >
              <Icon name="settings" />
            </button>
          )}
          {mode !== 'inline' && (
            <button type="button" className="icon" aria-label={labels.close} onClick={widget.close}>
              <Icon name="close" />
            </button>
          )}
        </div>
      )}
      <p className="offline" role="status" hidden={online}>
        {online ? '' : labels.offline}
      </p>
      {view === 'menu' && (
        <div className="view">
          <Menu widget={widget} entries={entries} profile={profile} onView={onView} />
        </div>
      )}
      {view === 'profile' && profile !== undefined && (
        <div className="view">
          <ProfileForm widget={widget} fields={profile.fields} onDone={() => onView('chat')} />
        </div>
      )}
      {view === 'chat' && !isMounted && <Instead widget={widget} />}
      {/* It stays behind the menu: an answer may be on its way. */}
      {isMounted && (
        <ChatKit
          key={widget.userKey}
          control={widget.control}
          hidden={!showsChat}
          style={showsChat ? undefined : { display: 'none' }}
        />
      )}
    </section>
  );
}

/** Whether the menu has more than the profile. */
function hasEntries({ gate }: ChatKitWidgetState, entries: readonly MenuEntry[]): boolean {
  return entries.length > 0 || gate.isVisitor || gate.logout !== null;
}

/** Whether there is anything to set. */
export function hasMenu(
  widget: ChatKitWidgetState,
  entries: readonly MenuEntry[],
  profile: ProfileOptions | undefined,
): boolean {
  return profile !== undefined || hasEntries(widget, entries);
}

/** Where the settings begin: a menu of one entry is none. */
export function firstView(widget: ChatKitWidgetState, entries: readonly MenuEntry[]): PanelView {
  return hasEntries(widget, entries) ? 'menu' : 'profile';
}

/** What is shown as long as there is no chat. */
function Instead({ widget }: { widget: ChatKitWidgetState }) {
  const { labels, gate, script } = widget;
  if (gate.status === 'closed') {
    return (
      <div className="view center" part="login">
        <h3>{labels.signInTitle}</h3>
        <p>{labels.signInText}</p>
        <button type="button" className="button" onClick={gate.login}>
          {labels.signIn}
        </button>
      </div>
    );
  }
  if (gate.status === 'failed') {
    return <Failure title={labels.gateFailed} labels={labels} onRetry={gate.recheck} />;
  }
  if (script.status === 'error') {
    return <Failure title={labels.failed} labels={labels} onRetry={script.load} />;
  }
  return (
    <div className="view center" part="loading">
      <div className="spinner" />
      <p role="status">{gate.status === 'checking' ? labels.checking : labels.loading}</p>
    </div>
  );
}

function Failure({
  title,
  labels,
  onRetry,
}: {
  title: string;
  labels: ChatKitWidgetState['labels'];
  onRetry: () => void;
}) {
  return (
    <div className="view center" part="failure" role="alert">
      <h3>{title}</h3>
      <p>{labels.failedHint}</p>
      <button type="button" className="button" onClick={onRetry}>
        {labels.retry}
      </button>
    </div>
  );
}

/** The corner that the panel is pulled by. */
function Resizer({
  panel,
  mode,
  label,
  onResize,
}: {
  panel: React.RefObject<HTMLElement | null>;
  mode: WidgetMode;
  label: string;
  onResize: (size: { width: number; height: number }) => void;
}) {
  const from = useRef<{ x: number; y: number; width: number; height: number } | null>(null);
  const measured = () => panel.current?.getBoundingClientRect() ?? new DOMRect();
  /** The panel is at the end of the line: to make it wider is to go against the direction of the text. */
  const outwards = () => (panel.current?.matches(':dir(rtl)') === true ? 1 : -1);
  const resize = (width: number, height: number) =>
    onResize({
      width: Math.round(Math.max(SMALLEST.width, Math.min(width, innerWidth - 16))),
      height: Math.round(Math.max(SMALLEST.height, Math.min(height, innerHeight - 16))),
    });
  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    const { width, height } = measured();
    from.current = { x: event.clientX, y: event.clientY, width, height };
  };
  const onPointerMove = (event: PointerEvent) => {
    const start = from.current;
    if (start === null) return;
    const wider = (event.clientX - start.x) * outwards();
    resize(start.width + wider, mode === 'panel' ? start.height : start.height + start.y - event.clientY);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const { width, height } = measured();
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-STEP * outwards(), 0],
      ArrowRight: [STEP * outwards(), 0],
      ArrowUp: [0, STEP],
      ArrowDown: [0, -STEP],
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    resize(width + step[0], height + (mode === 'panel' ? 0 : step[1]));
  };
  const end = () => {
    from.current = null;
  };
  return (
    <button
      type="button"
      className="resize"
      part="resize"
      aria-label={label}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={end}
      onPointerCancel={end}
      onKeyDown={onKeyDown}
    />
  );
}

function useOnline(): boolean {
  const [online, setOnline] = useState(true);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    look();
    addEventListener('online', look);
    addEventListener('offline', look);
    return () => {
      removeEventListener('online', look);
      removeEventListener('offline', look);
    };
  }, []);
  return online;
}
