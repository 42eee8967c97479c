import { Lexer, Tokenizer, type MarkedOptions, type Token, type Tokens } from 'marked';
import { mathExtensions } from './mathSyntax.js';

/** Containers (quotes and lists) nested deeper than this are shown as text: recursion must stay bounded. */
const MAX_BLOCK_DEPTH = 12;
/** The same for emphasis and links inside each other. */
const MAX_INLINE_DEPTH = 24;

/**
 * marked's tokenizer without raw HTML (it stays text) and with bounded nesting.
 */
class BoundedTokenizer extends Tokenizer {
  private blockDepth = 0;
  private inlineDepth = 0;

  override html(): undefined {
    return undefined;
  }

  override tag(): undefined {
    return undefined;
  }

  override blockquote(src: string): Tokens.Blockquote | undefined {
    return this.nestedBlock(() => super.blockquote(src));
  }

  override list(src: string): Tokens.List | undefined {
    return this.nestedBlock(() => super.list(src));
  }

  override link(src: string): Tokens.Link | Tokens.Image | undefined {
    return this.nestedInline(() => super.link(src));
  }

  override emStrong(src: string, masked: string, previous?: string): Tokens.Em | Tokens.Strong | undefined {
    return this.nestedInline(() => super.emStrong(src, masked, previous));
  }

  override del(src: string, masked: string, previous?: string): Tokens.Del | undefined {
    return this.nestedInline(() => super.del(src, masked, previous));
  }

  private nestedBlock<T>(run: () => T | undefined): T | undefined {
    if (this.blockDepth >= MAX_BLOCK_DEPTH) return undefined;
    this.blockDepth += 1;
    try {
      return run();
    } finally {
      this.blockDepth -= 1;
    }
  }

  private nestedInline<T>(run: () => T | undefined): T | undefined {
    if (this.inlineDepth >= MAX_INLINE_DEPTH) return undefined;
    this.inlineDepth += 1;
    try {
      return run();
    } finally {
      this.inlineDepth -= 1;
    }
  }
}

/** What a block's inline tokens are read from. */
interface InlineSource {
  src: string;
  /** How many tokens (a task's checkbox) are there before any is read. */
  lead: number;
  read: boolean;
}

/** Targets of reference links by normalised label. */
export type LinkDefinitions = Record<string, { href: string | null; title: string | null }>;

/**
 * The block structure of a piece of source. Inline content is tokenised when a block is first rendered, because
 * most blocks of a re-lex are thrown away: their DOM is already there.
 */
export class BlockLex {
  readonly tokens: Token[];
  private readonly lexer: Lexer;
  private readonly sources = new Map<Token[], InlineSource>();

  constructor(src: string) {
    const options: MarkedOptions = {
      gfm: true,
      breaks: false,
      pedantic: false,
      tokenizer: new BoundedTokenizer(),
      extensions: mathExtensions,
    };
    this.lexer = new Lexer(options);
    try {
      this.tokens = this.lexer.blockTokens(src, this.lexer.tokens);
      for (const { src: inlineSrc, tokens } of this.lexer.inlineQueue)
        this.sources.set(tokens, { src: inlineSrc, lead: tokens.length, read: false });
    } catch {
      // Input built to break the lexer is still shown, as the text it is.
      this.tokens = [plainParagraph(src)];
    }
  }

  /** Makes the reference definitions of the whole text known to this piece. */
  define(links: LinkDefinitions): void {
    this.lexer.tokens.links = links as typeof this.lexer.tokens.links;
  }

  /**
   * Forgets inline tokens, so that references are looked up again. Blocks stay as they are: what they are does not
   * depend on definitions, but may depend on text that a piece cut out of its surroundings has lost.
   */
  forgetInline(): void {
    for (const [tokens, source] of this.sources) {
      if (!source.read) continue;
      source.read = false;
      tokens.length = source.lead;
    }
  }

  /** The inline tokens of a block, tokenised on first use. */
  inline(tokens: Token[] | undefined): Token[] {
    if (!tokens) return [];
    const source = this.sources.get(tokens);
    if (source && !source.read) {
      source.read = true;
      const { src } = source;
      try {
        this.lexer.inlineTokens(src, tokens);
      } catch {
        tokens.splice(source.lead, tokens.length, { type: 'text', raw: src, text: src, escaped: false });
      }
    }
    return tokens;
  }
}

function plainParagraph(src: string): Tokens.Paragraph {
  return {
    type: 'paragraph',
    raw: src,
    text: src,
    tokens: [{ type: 'text', raw: src, text: src, escaped: false }],
  };
}
