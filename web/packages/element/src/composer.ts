import type { ChatKitOptions, Entity } from '@openai/chatkit';
import type {
  Attachment,
  InferenceOptions,
  Submission,
  UploadQueue,
  UserMessageContent,
  UserMessageTag,
} from '@parlor/client';

type ComposerOptions = NonNullable<ChatKitOptions['composer']>;

/** A tag and the part of the text that stands for it. Offsets in UTF-16 units, as the DOM counts. */
export interface PlacedTag {
  readonly start: number;
  readonly end: number;
  readonly tag: UserMessageTag;
}

/** What the text is to be after an edit, and where the caret belongs in it. */
export interface Edit {
  readonly text: string;
  readonly caret: number;
}

/** What the composer holds, and the rules for it. Knows no DOM. */
export class Composer {
  text = '';
  quote: string | null = null;
  /** In the order of the text; they never overlap. */
  tags: readonly PlacedTag[] = [];
  toolId: string | null = null;
  modelId: string | null = null;
  /** What could not be attached or dictated, in words for the user. */
  problems: readonly string[] = [];
  /** The user has sent, and the files are still on their way. */
  waiting = false;
  readonly uploads: UploadQueue;

  constructor(uploads: UploadQueue) {
    this.uploads = uploads;
  }

  /** True when there is nothing to send. */
  get isEmpty(): boolean {
    return this.text.trim() === '' && this.uploads.entries.length === 0;
  }

  /** Drops selections that the options no longer offer. Returns whether the tool changed. */
  reconcile(options: ComposerOptions | undefined): boolean {
    const before = this.toolId;
    if (!options?.tools?.some((tool) => tool.id === this.toolId)) this.toolId = null;
    const models = options?.models ?? [];
    if (!models.some((model) => model.id === this.modelId && model.disabled !== true)) {
      const usable = models.filter((model) => model.disabled !== true);
      this.modelId = (usable.find((model) => model.default === true) ?? usable[0])?.id ?? null;
    }
    return before !== this.toolId;
  }

  /** Takes what is there as a submission and empties the composer. */
  take(options: ComposerOptions | undefined): Submission {
    const submission: Submission = {
      content: this.#content(),
      attachments: this.uploads.take(),
      quotedText: this.quote ?? undefined,
      inference: this.inference(),
    };
    this.clear();
    const tool = options?.tools?.find((candidate) => candidate.id === this.toolId);
    if (tool?.persistent !== true) this.toolId = null;
    return submission;
  }

  inference(): InferenceOptions {
    return {
      ...(this.toolId === null ? {} : { tool_choice: { id: this.toolId } }),
      ...(this.modelId === null ? {} : { model: this.modelId }),
    };
  }

  /** Empties it; the selected tool and model stay. */
  clear(): void {
    this.text = '';
    this.quote = null;
    this.tags = [];
    this.problems = [];
    this.waiting = false;
    this.uploads.clear();
  }

  /** Puts a submission back, to be edited and sent again. */
  restore(submission: Submission): void {
    this.setContent(submission.content);
    this.quote = submission.quotedText ?? null;
    this.uploads.adopt((submission.attachments ?? []) as Attachment[], { own: true });
  }

  setContent(content: readonly UserMessageContent[]): void {
    this.text = '';
    const tags: PlacedTag[] = [];
    for (const part of content) {
      if (part.type === 'input_text') {
        this.text += part.text;
      } else {
        if (this.text !== '' && !/\s$/.test(this.text)) this.text += ' ';
        const start = this.text.length;
        this.text += labelOf(part);
        tags.push({ start, end: this.text.length, tag: part });
      }
    }
    this.tags = tags;
  }

  /**
   * Takes over what the user made of the text. A tag is kept as long as its words
   * are; deleting a piece of it deletes the rest, unless an input method is at
   * work, which must find the text as it left it.
   */
  edit(next: string, caret: number, composing = false): Edit {
    const before = this.text;
    // What follows the caret is unchanged; what comes before is compared.
    const afterCaret = next.slice(caret);
    const suffix = before.endsWith(afterCaret) ? afterCaret.length : commonSuffix(before, next);
    const oldEnd = before.length - suffix;
    const newEnd = next.length - suffix;
    let from = 0;
    const limit = Math.min(oldEnd, newEnd);
    while (from < limit && before[from] === next[from]) from += 1;
    const shift = next.length - before.length;
    let text = next;
    let at = caret;
    const tags: PlacedTag[] = [];
    for (const placed of this.tags) {
      if (placed.end <= from) tags.push(placed);
      else if (placed.start >= oldEnd) {
        const moved = shift + (text.length - next.length);
        tags.push({ ...placed, start: placed.start + moved, end: placed.end + moved });
      } else if (newEnd === from && !composing) {
        // A deletion that touches the tag: what is left of its words goes too.
        const lost = text.length - next.length;
        const start = Math.min(placed.start, from) + lost;
        const end = Math.max(placed.end + shift, from) + lost;
        text = text.slice(0, start) + text.slice(end);
        if (at > start) at = Math.max(start, at - (end - start));
      }
    }
    this.text = text;
    this.tags = tags;
    return { text, caret: at };
  }

  /** Replaces a stretch of the text, with a tag or with words. */
  replace(start: number, end: number, by: string | UserMessageTag): Edit {
    const label = typeof by === 'string' ? by : labelOf(by);
    const gap = typeof by === 'string' || /^\s/.test(this.text.slice(end)) ? '' : ' ';
    const text = this.text.slice(0, start) + label + gap + this.text.slice(end);
    this.edit(text, start + label.length + gap.length);
    if (typeof by !== 'string') {
      const placed = { start, end: start + label.length, tag: by };
      this.tags = [...this.tags, placed].sort((a, b) => a.start - b.start);
    }
    return { text: this.text, caret: start + label.length + gap.length };
  }

  /** Puts dictated words where the caret is, with a space where words would run together. */
  insert(words: string, start: number, end: number): Edit {
    const before = start > 0 && /\S$/.test(this.text.slice(0, start)) ? ' ' : '';
    const after = /^[\p{L}\p{N}]/u.test(this.text.slice(end)) ? ' ' : '';
    return this.replace(start, end, before + words + after);
  }

  #content(): UserMessageContent[] {
    const parts: UserMessageContent[] = [];
    let from = 0;
    const text = (until: number) => {
      const words = this.text.slice(from, until);
      if (words !== '') parts.push({ type: 'input_text', text: words });
    };
    for (const { start, end, tag } of this.tags) {
      text(start);
      parts.push(tag);
      from = end;
    }
    text(this.text.length);
    return trimmed(parts);
  }
}

/** Without the white space at both ends of the message. */
function trimmed(parts: UserMessageContent[]): UserMessageContent[] {
  const last = parts.length - 1;
  return parts
    .map((part, at) => {
      if (part.type !== 'input_text') return part;
      let { text } = part;
      if (at === 0) text = text.trimStart();
      if (at === last) text = text.trimEnd();
      return { ...part, text };
    })
    .filter((part) => part.type !== 'input_text' || part.text !== '');
}

/** How a tag reads in the text: with its mark, so that it is told apart without its colour. */
function labelOf(tag: { text: string }): string {
  return tag.text.startsWith('@') ? tag.text : `@${tag.text}`;
}

function commonSuffix(a: string, b: string): number {
  let length = 0;
  const most = Math.min(a.length, b.length);
  while (length < most && a[a.length - 1 - length] === b[b.length - 1 - length]) length += 1;
  return length;
}

/** What is being typed behind an `@` or a `/`. */
export interface Trigger {
  readonly kind: 'tag' | 'command';
  /** Where its mark is. */
  readonly from: number;
  readonly query: string;
}

const LONGEST_QUERY = 40;

/** Finds the word before the caret that asks for suggestions. */
export function triggerAt(
  text: string,
  caret: number,
  tags: readonly PlacedTag[],
  kinds: { tag: boolean; command: boolean },
): Trigger | null {
  const before = text.slice(Math.max(0, caret - LONGEST_QUERY - 2), caret);
  const command = kinds.command ? /(?:^|[\s\p{Ps}])\/([^\s/]*)$/u.exec(before)?.[1] : undefined;
  // A mention may be of several words, a command is one.
  const mention = kinds.tag ? /(?:^|[\s\p{Ps}])@((?:[^\s@]+ ?){0,3})$/u.exec(before)?.[1] : undefined;
  const query = command ?? mention;
  if (query === undefined) return null;
  const from = caret - query.length - 1;
  if (tags.some(({ start, end }) => from < end && caret > start)) return null;
  return { kind: command === undefined ? 'tag' : 'command', from, query };
}

/** The entity a tag or source stands for, as the host's callbacks get it. */
export function entityOf(source: {
  id: string;
  title: string;
  icon?: string | null | undefined;
  group?: string | null | undefined;
  interactive?: boolean | undefined;
  data?: Record<string, unknown> | undefined;
}): Entity {
  return {
    id: source.id,
    title: source.title,
    interactive: source.interactive ?? false,
    ...(source.icon == null ? {} : { icon: source.icon }),
    ...(source.group == null ? {} : { group: source.group }),
    ...(source.data === undefined ? {} : { data: source.data as Record<string, string> }),
  };
}

/** The tag that stands for an entity in a message. */
export function tagOf(entity: Entity): UserMessageTag {
  return {
    type: 'input_tag',
    id: entity.id,
    text: entity.title,
    data: entity.data ?? {},
    ...(entity.group === undefined ? {} : { group: entity.group }),
    interactive: entity.interactive ?? false,
  };
}
