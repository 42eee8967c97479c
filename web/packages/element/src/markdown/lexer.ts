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

/** Targets of reference links by normalised label. */
export type LinkDefinitions = Record<string, { href: string | null; title: string | null }>;

/**
 * The block structure of a piece of source. Inline content is tokenised when a block is first rendered, because
 * most blocks of a re-lex are thrown away: their DOM is already there.
 */
export class BlockLex {
  readonly tokens: Token[];
  private readonly lexer: Lexer;
  private readonly pending = new Map<Token[], string>();

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
      for (const { src: inlineSrc, tokens } of this.lexer.inlineQueue) this.pending.set(tokens, inlineSrc);
    } catch {
      // Input built to break the lexer is still shown, as the text it is.
      this.tokens = [plainParagraph(src)];
    }
  }

  /** Makes the reference definitions of the whole text known to this piece. */
  define(links: LinkDefinitions): void {
    this.lexer.tokens.links = links as typeof this.lexer.tokens.links;
  }

  /** The inline tokens of a block, tokenised on first use. */
  inline(tokens: Token[] | undefined): Token[] {
    if (!tokens) return [];
    const src = this.pending.get(tokens);
    if (src !== undefined) {
      this.pending.delete(tokens);
      try {
        this.lexer.inlineTokens(src, tokens);
      } catch {
        tokens.splice(0, tokens.length, { type: 'text', raw: src, text: src, escaped: false });
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
