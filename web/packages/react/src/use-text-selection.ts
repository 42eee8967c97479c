import { observeTextSelection, type TextSelection, type TextSelectionOptions } from '@parlor/client';
import { useEffect, useState } from 'react';

/** What the reader has marked in the page; null when that is nothing. `enabled: false` watches nothing. */
export function useTextSelection({
  enabled = true,
  shortest,
  longest,
  ignore,
}: TextSelectionOptions & { enabled?: boolean | undefined } = {}): TextSelection | null {
  const [selection, setSelection] = useState<TextSelection | null>(null);
  useEffect(() => {
    if (!enabled) return undefined;
    const end = observeTextSelection(setSelection, { shortest, longest, ignore });
    return () => {
      end();
      setSelection(null);
    };
  }, [enabled, shortest, longest, ignore]);
  return selection;
}
