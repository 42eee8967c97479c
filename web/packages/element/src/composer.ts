import type { Attachment, ChatKitOptions, Entity } from '@openai/chatkit';
import type { InferenceOptions, Submission, UserMessageContent, UserMessageTag } from '@parlor/client';

type ComposerOptions = NonNullable<ChatKitOptions['composer']>;

/** What the composer holds, and the rules for it. Knows no DOM. */
export class Composer {
  text = '';
  quote: string | null = null;
  tags: UserMessageTag[] = [];
  attachments: Attachment[] = [];
  toolId: string | null = null;
  modelId: string | null = null;

  /** True when there is nothing to send. */
  get isEmpty(): boolean {
    return this.text.trim() === '' && this.tags.length === 0 && this.attachments.length === 0;
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
    const content: UserMessageContent[] = [...this.tags];
    const text = this.text.trim();
    if (text !== '') content.push({ type: 'input_text', text });
    const submission: Submission = {
      content,
      attachments: this.attachments,
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
    this.attachments = [];
  }

  /** Puts a submission back, to be edited and sent again. */
  restore(submission: Submission): void {
    this.setContent(submission.content);
    this.quote = submission.quotedText ?? null;
    this.attachments = [...(submission.attachments ?? [])] as Attachment[];
  }

  setContent(content: readonly UserMessageContent[]): void {
    this.tags = content.filter((part) => part.type === 'input_tag');
    this.text = content
      .filter((part) => part.type === 'input_text')
      .map((part) => part.text)
      .join('');
  }
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
