'use client';
import { type ComponentType, useEffect, useImperativeHandle, useMemo, useRef, useState } from 'react';
import type { Begun, ChatKitWidgetProps } from './chatkit-widget.js';
import { AskButton, Launcher, questionAbout } from './launcher.js';
import { looksOf } from './looks.js';
import { Memory } from './memory.js';
import { Shell } from './shell.js';
import { useColorScheme } from './use-color-scheme.js';
import { useLabels, usePageLanguage } from './use-labels.js';
import type { WidgetHandle } from './use-chatkit-widget.js';
import { useTextSelection } from './use-text-selection.js';
import { whenIdle } from './when-idle.js';

type Whole = ComponentType<ChatKitWidgetProps>;

/**
 * The widget in two parts: the button, and the one beside marked text; the rest is loaded once it is
 * needed, or the page has nothing to do. Then it takes their place.
 */
export function LazyChatKitWidget(props: ChatKitWidgetProps) {
  const [Widget, setWidget] = useState<Whole | null>(null);
  const [begun, setBegun] = useState<Begun | undefined>(undefined);
  const [failed, setFailed] = useState(false);
  const { mode = 'popup', id = 'default', preload = 'idle', defaultOpen = false, ask = true } = props;
  const memory = useMemo(() => new Memory(id), [id]);
  const needed = begun !== undefined || mode === 'inline';

  useEffect(() => {
    let given = true;
    const load = () => {
      setFailed(false);
      import('./chatkit-widget.js').then(
        ({ ChatKitWidget }) => given && setWidget(() => ChatKitWidget),
        () => given && setFailed(true),
      );
    };
    if (needed || (memory.readOpen() ?? defaultOpen)) load();
    else if (preload === 'idle') return whenIdle(load);
    return () => {
      given = false;
    };
  }, [needed, memory, defaultOpen, preload, begun]);

  if (Widget !== null) return <Widget {...props} begun={begun} />;
  if (mode === 'inline') return null;
  return <FirstView props={props} failed={failed} asks={ask} onBegin={setBegun} />;
}

function FirstView({
  props,
  failed,
  asks,
  onBegin,
}: {
  props: ChatKitWidgetProps;
  failed: boolean;
  asks: boolean;
  onBegin: (begun: Begun) => void;
}) {
  const scheme = useColorScheme(props.colorScheme ?? 'auto');
  const language = usePageLanguage();
  const labels = useLabels(props.options?.locale ?? language, props.labels);
  const selection = useTextSelection({ enabled: asks });
  const button = useRef<HTMLButtonElement>(null);
  useImperativeHandle(
    props.handle,
    (): WidgetHandle => ({
      open: () => onBegin({}),
      close: () => undefined,
      toggle: () => onBegin({}),
      ask: (question, options) => onBegin({ question, options }),
    }),
    [onBegin],
  );
  return (
    <Shell inline={false} colorScheme={scheme}>
      <div className="widget" data-scheme={scheme} style={looksOf(props.options?.theme)}>
        {selection !== null && (
          <AskButton
            selection={selection}
            labels={labels}
            onAsk={({ text, clear }) => {
              onBegin({ question: questionAbout(document.title, labels), options: { quote: text } });
              clear();
            }}
          />
        )}
        <Launcher
          button={button}
          isOpen={false}
          hasFailed={failed}
          labels={labels}
          // A new object each time: another click tries again.
          onClick={() => onBegin({})}
        />
      </div>
    </Shell>
  );
}
