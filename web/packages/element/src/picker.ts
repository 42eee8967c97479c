import type { Command, CommandSelection, Entity } from '@openai/chatkit';
import type { Trigger } from './composer.js';

/** One line of the list of suggestions. */
export interface PickerOption {
  readonly id: string;
  readonly label: string;
  readonly description?: string | undefined;
  readonly icon?: string | undefined;
  readonly group?: string | undefined;
  readonly does:
    | { readonly type: 'tag'; readonly entity: Entity }
    | { readonly type: 'command'; readonly command: Command }
    | { readonly type: 'own'; readonly run: () => void };
}

/** A snapshot of the list of suggestions. */
export interface PickerState {
  readonly trigger: Trigger;
  readonly options: readonly PickerOption[];
  /** Index of the option that Enter takes. */
  readonly active: number;
  readonly status: 'searching' | 'ready' | 'failed';
}

export interface PickerHost {
  /** The host's callbacks, as the options name them at this moment. */
  searchTags(query: string): Promise<Entity[]> | undefined;
  searchCommands(query: string): Promise<Command[]> | undefined;
  selectCommand(command: Command): Promise<void | CommandSelection> | undefined;
  /** The element's own commands, before the host's. */
  ownCommands(query: string): PickerOption[];
  /** Puts an entity in place of what was typed; nothing for null. */
  insert(trigger: Trigger, entity: Entity | null): void;
  changed(): void;
  /** How many suggestions there are, for those who do not see them. */
  found(count: number): void;
  report(error: Error): void;
}

/** Typing pauses for this long before a search begins. Milliseconds. */
const PAUSE_MS = 140;
const MOST_OPTIONS = 50;

/**
 * The suggestions behind `@` and `/`: searches while the user types, drops
 * answers that came too late, and does what is chosen.
 */
export class Picker {
  state: PickerState | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #search = 0;
  /** The mark at which the user closed the list; it stays closed there. */
  #closedAt: number | null = null;
  /** Commands that a command has led to; they are shown as they are. */
  #inMenu = false;
  /** The user has marked an option of what is shown now, which may be older than what was typed. */
  #marked = false;
  /** Enter was pressed before the answer to what was typed is there. */
  #chosenEarly = false;
  readonly #host: PickerHost;

  constructor(host: PickerHost) {
    this.#host = host;
  }

  /** Follows the text: `trigger` is what is being typed right now. */
  follow(trigger: Trigger | null): void {
    if (trigger === null) {
      this.#closedAt = null;
      return this.close();
    }
    if (this.#closedAt === trigger.from) return;
    const { state } = this;
    if (state?.trigger.kind === trigger.kind && state.trigger.query === trigger.query && !this.#inMenu)
      return;
    this.#inMenu = false;
    this.#chosenEarly = false;
    this.#marked = false;
    const same = state?.trigger.kind === trigger.kind && state.trigger.from === trigger.from;
    // The old list stays until the new one is there: nothing flickers while typing.
    const kept = same ? state.options.filter(({ does }) => does.type !== 'own') : [];
    const own = trigger.kind === 'command' ? this.#host.ownCommands(trigger.query) : [];
    this.#set({ trigger, options: [...own, ...kept], active: 0, status: 'searching' });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => void this.#find(trigger, own),
      same || trigger.query !== '' ? PAUSE_MS : 0,
    );
  }

  async #find(trigger: Trigger, own: readonly PickerOption[]): Promise<void> {
    const search = ++this.#search;
    try {
      const found =
        trigger.kind === 'tag'
          ? ((await this.#host.searchTags(trigger.query)) ?? []).map(entityOption)
          : ((await this.#host.searchCommands(trigger.query)) ?? []).map(commandOption);
      if (search !== this.#search || this.state === null) return;
      const options = [...own, ...found].slice(0, MOST_OPTIONS);
      // Words that match nothing are words: no list over them.
      if (options.length === 0 && /\s/.test(trigger.query)) return this.close();
      const next = grouped(options);
      const marked = this.#marked ? this.state.options[this.state.active] : undefined;
      const active = next.findIndex(({ id, does }) => id === marked?.id && does.type === marked.does.type);
      this.#set({ trigger, options: next, active: Math.max(0, active), status: 'ready' });
      this.#host.found(options.length);
      if (this.#chosenEarly) this.choose();
      this.#chosenEarly = false;
    } catch (error) {
      if (search !== this.#search || this.state === null) return;
      this.#host.report(error instanceof Error ? error : new Error(String(error)));
      this.#set({ trigger, options: own, active: 0, status: 'failed' });
    }
  }

  /** Closes the list; with `stay`, until another mark is typed. */
  close({ stay = false } = {}): void {
    clearTimeout(this.#timer);
    this.#search += 1;
    this.#inMenu = false;
    this.#chosenEarly = false;
    if (this.state === null) return;
    if (stay) this.#closedAt = this.state.trigger.from;
    this.state = null;
    this.#host.changed();
  }

  move(step: number): void {
    const { state } = this;
    if (state === null || state.options.length === 0) return;
    const count = state.options.length;
    this.#marked = true;
    this.#set({ ...state, active: (state.active + step + count) % count });
  }

  /**
   * Takes the option that is marked; while the search for what was typed runs and
   * the user has marked none, the first that it finds. Returns false when there is nothing to take.
   */
  take(): boolean {
    if (this.state?.status !== 'searching' || this.#marked) return this.choose();
    this.#chosenEarly = true;
    return true;
  }

  /** Does what an option is for. Returns false when there is none. */
  choose(at: number | undefined = this.state?.active): boolean {
    const { state } = this;
    const option = at === undefined ? undefined : state?.options[at];
    if (state === null || option === undefined) return false;
    const { does } = option;
    if (does.type === 'command') {
      void this.#select(does.command, state.trigger);
      return true;
    }
    this.close();
    this.#host.insert(state.trigger, does.type === 'tag' ? does.entity : null);
    if (does.type === 'own') does.run();
    return true;
  }

  async #select(command: Command, trigger: Trigger): Promise<void> {
    // Later answers to what was typed must not come over what the command shows.
    const search = ++this.#search;
    clearTimeout(this.#timer);
    // It is done once, however often Enter is pressed.
    this.#marked = false;
    if (this.state !== null) this.#set({ ...this.state, status: 'searching' });
    try {
      const next = await this.#host.selectCommand(command);
      if (search !== this.#search) return;
      if (typeof next === 'object' && next.type === 'menu') {
        this.#inMenu = true;
        const options = grouped(next.commands.slice(0, MOST_OPTIONS).map(commandOption));
        this.#set({ trigger, options, active: 0, status: 'ready' });
        return;
      }
      this.close();
      this.#host.insert(trigger, typeof next === 'object' ? next.entity : null);
    } catch (error) {
      if (search !== this.#search) return;
      this.close({ stay: true });
      this.#host.report(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #set(state: PickerState): void {
    this.state = state;
    this.#host.changed();
  }
}

const entityOption = (entity: Entity): PickerOption => ({
  id: entity.id,
  label: entity.title,
  icon: entity.icon,
  group: entity.group,
  does: { type: 'tag', entity },
});

const commandOption = (command: Command): PickerOption => ({
  id: command.id,
  label: command.label,
  description: command.description,
  icon: command.icon,
  group: command.group,
  does: { type: 'command', command },
});

/** The options with those of a group beside each other, in the order in which the groups appear. */
function grouped(options: readonly PickerOption[]): PickerOption[] {
  const groups = new Map<string, PickerOption[]>();
  for (const option of options) {
    const group = option.group ?? '';
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [option]);
    else members.push(option);
  }
  return [...groups.values()].flat();
}
