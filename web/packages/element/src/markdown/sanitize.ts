import createDOMPurify, { type Config } from 'dompurify';

const MATH_TAGS =
  'math mrow mi mn mo mtext mspace ms mfrac msqrt mroot mstyle merror mpadded mphantom msub msup msubsup munder mover munderover mmultiscripts mprescripts mtable mtr mtd menclose semantics'.split(
    ' ',
  );

const MATH_ATTRIBUTES =
  'display displaystyle scriptlevel mathvariant fence form stretchy symmetric separator lspace rspace minsize maxsize movablelimits accent accentunder linethickness width height depth voffset columnalign columnlines columnspacing rowspacing rowlines rowspan columnspan side notation mathcolor mathbackground mathsize largeop'.split(
    ' ',
  );

const PLAIN_ATTRIBUTES =
  'class dir target rel title alt loading decoding referrerpolicy type disabled checked start scope aria-label aria-hidden role tabindex style'.split(
    ' ',
  );

const config: Config = {
  ALLOWED_TAGS:
    'p h1 h2 h3 h4 h5 h6 ul ol li blockquote hr br strong em del code pre a img input table thead tbody tr th td div span button #text'
      .split(' ')
      .concat(MATH_TAGS),
  ALLOWED_ATTR: ['href', 'src', ...PLAIN_ATTRIBUTES, ...MATH_ATTRIBUTES],
  // Every other attribute's value is checked as if it were an address.
  ADD_URI_SAFE_ATTR: [...PLAIN_ATTRIBUTES, ...MATH_ATTRIBUTES],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|chatkit-link:|#)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  SANITIZE_DOM: true,
  IN_PLACE: true,
};

let purify: ReturnType<typeof createDOMPurify> | undefined;

/**
 * The second wall. The renderer builds elements from tokens and never parses HTML, so there should be nothing to
 * remove here; whatever a mistake of ours lets through stops at this list. An own instance keeps hooks and
 * settings of the embedding page out.
 */
export function sanitize(root: Element): void {
  if (!purify) {
    purify = createDOMPurify(window);
    purify.setConfig(config);
    // Inline styles come from the formula renderer only; elsewhere they could hide or move things.
    purify.addHook('uponSanitizeAttribute', (node, data) => {
      if (
        data.attrName === 'style' &&
        (node.closest?.('math') === null || /url|expression|[@\\]/i.test(data.attrValue))
      ) {
        data.keepAttr = false;
      }
    });
  }
  try {
    if (purify.isSupported) {
      purify.sanitize(root as HTMLElement);
      return;
    }
  } catch {
    // Falls through: what cannot be checked is shown as its words.
  }
  root.replaceChildren(root.textContent ?? '');
}
