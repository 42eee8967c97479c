import type { TextSelection } from '@parlor/client';
import { type Ref, useEffect, useRef, useState } from 'react';
import { Icon } from './icons.js';
import type { Labels } from './labels.js';

/** The floating button. */
export function Launcher({
  button,
  isOpen,
  hasFailed,
  labels,
  controls,
  onClick,
}: {
  button: Ref<HTMLButtonElement>;
  isOpen: boolean;
  /** Whether the chat could not be loaded. */
  hasFailed: boolean;
  labels: Labels;
  /** Id of what it opens. */
  controls?: string | undefined;
  onClick: () => void;
}) {
  return (
    <button
      ref={button}
      type="button"
      className="launcher"
      part="launcher"
      aria-label={isOpen ? labels.close : labels.open}
      aria-expanded={isOpen}
      aria-controls={controls}
      onClick={onClick}
    >
      <Icon name={isOpen ? 'close' : 'chat'} />
      {hasFailed && !isOpen && (
        <span className="badge">
          <span className="sr">{labels.failed}</span>
        </span>
      )}
    </button>
  );
}

/** What is sent with a marked passage of a page. */
export function questionAbout(title: string, labels: Labels): string {
  const name = title.trim();
  return name === '' ? labels.questionUntitled : labels.question.replace('{title}', () => name);
}

/** The button beside marked text. */
export function AskButton({
  selection,
  labels,
  onAsk,
}: {
  selection: TextSelection;
  labels: Labels;
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
