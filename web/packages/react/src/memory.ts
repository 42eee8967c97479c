/** What the widget remembers for this browser. Whether it is open, it remembers for the tab. */
export interface Remembered {
  /** The thread that was open, and whose it is. */
  thread: { user: string; id: string } | null;
  /** CSS pixels; null: as the site has it. */
  size: { width: number; height: number } | null;
  /** What the user has said of themselves. */
  profile: Record<string, string>;
}

const NOTHING: Remembered = { thread: null, size: null, profile: {} };

/** All that is stored, in either place. */
type Stored = Partial<Remembered & { open: boolean }>;

/** The memory of the widget `id`. Where the browser keeps nothing, nothing is remembered. */
export class Memory {
  readonly #key: string;

  constructor(id: string) {
    this.#key = `parlor.widget.${id}`;
  }

  read(): Remembered {
    return { ...NOTHING, ...stored(() => localStorage, this.#key) };
  }

  /** Whether it was open in this tab; null when nobody has opened or closed it. */
  readOpen(): boolean | null {
    return stored(() => sessionStorage, this.#key).open ?? null;
  }

  write(change: Stored): void {
    const { open, ...rest } = change;
    if (open !== undefined) keep(() => sessionStorage, this.#key, { open });
    if (Object.keys(rest).length > 0) keep(() => localStorage, this.#key, rest);
  }
}

// The storage itself throws where cookies are blocked.
function stored(storage: () => Storage, key: string): Stored {
  try {
    const value: unknown = JSON.parse(storage().getItem(key) ?? '{}');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function keep(storage: () => Storage, key: string, change: Stored): void {
  try {
    storage().setItem(key, JSON.stringify({ ...stored(storage, key), ...change }));
  } catch {
    // Full, or blocked: it works without.
  }
}
