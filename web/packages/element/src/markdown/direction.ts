/** How many words of a text run in each direction. */
export interface Words {
  ltr: number;
  rtl: number;
}

/** Words looked at before a direction is settled: a long text must neither be costly nor turn round late. */
const ENOUGH = 40;

/** The share of right-to-left words that makes a text one: foreign names and units are common in such text. */
const SHARE = 0.4;

const RTL =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Hanifi_Rohingya}\u200f]/u;
const LETTER = /[\p{L}\u200e\u200f]/u;
const ADDRESS = /^(?:https?:|www\.)|@/i;

/** Finds quickly that a text has nothing that runs from right to left. */
const MAYBE_RTL = /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** The direction of a paragraph, heading, cell or quote, or null when nothing in it has one. */
export function directionIn(root: Element): 'ltr' | 'rtl' | null {
  const text = root.textContent ?? '';
  if (!MAYBE_RTL.test(text)) return LETTER.test(text) ? 'ltr' : null;
  return directionOf(wordsOf(root));
}

/** Counts the words that readers read; code, formulas and addresses run left to right in any text. */
export function wordsOf(root: Element): Words {
  const words = { ltr: 0, rtl: 0 };
  count(root, words);
  return words;
}

function count(parent: Element, words: Words): void {
  for (const node of parent.childNodes) {
    if (enough(words)) return;
    if (node.nodeType === 3) countText((node as Text).data, words);
    else if (node.nodeType === 1 && !isAside(node as Element)) count(node as Element, words);
  }
}

function isAside({ localName, classList }: Element): boolean {
  return (
    localName === 'code' ||
    localName === 'input' ||
    classList.contains('ck-code') ||
    classList.contains('ck-math') ||
    classList.contains('ck-cite')
  );
}

function countText(text: string, words: Words): void {
  for (const [word] of text.matchAll(/\S+/g)) {
    if (enough(words)) return;
    const letter = ADDRESS.test(word) ? undefined : LETTER.exec(word)?.[0];
    if (letter !== undefined) words[RTL.test(letter) ? 'rtl' : 'ltr'] += 1;
  }
}

/** Whether more words would not be looked at. */
export function enough({ ltr, rtl }: Words): boolean {
  return ltr + rtl >= ENOUGH;
}

/** The direction of a text, or null when nothing in it has one. */
export function directionOf({ ltr, rtl }: Words): 'ltr' | 'rtl' | null {
  if (ltr + rtl === 0) return null;
  return rtl > SHARE * (ltr + rtl) ? 'rtl' : 'ltr';
}
