import type { SiteOptions } from '@parlor/docusaurus';

// What needs functions.
export default {
  pageContext: {
    // Which part of the documentation this is, from the trail above the page.
    refine: (context) => {
      const trail = [...document.querySelectorAll('.breadcrumbs__link')].map(({ textContent }) => textContent);
      return trail.length === 0 ? context : { ...context, section: trail.join(' › ') };
    },
  },
} satisfies SiteOptions;
