import type { ReactNode } from 'react';

export interface Page {
  path: string;
  name: string;
  title: string;
  content: ReactNode;
}

/** The pages of a site about a plant shop. */
export const PAGES: readonly Page[] = [
  {
    path: '/',
    name: 'Ferns',
    title: 'Ferns for dark corners',
    content: (
      <>
        <p className="lead">Four ferns that live where nothing else does.</p>
        <h2>Light</h2>
        <p id="light">
          Two metres from a north window are enough for a cast-iron fern; a maidenhair fern wants to see the sky.
        </p>
        <h2>Water</h2>
        <p>Water when the top of the soil is dry, with rain water if you have any, and never into the crown.</p>
      </>
    ),
  },
  {
    path: '/delivery',
    name: 'Delivery',
    title: 'Delivery and returns',
    content: (
      <>
        <p className="lead">Plants travel on Mondays, so that none spends a weekend in a warehouse.</p>
        <h2>How long it takes</h2>
        <p id="duration">A plant is with you two days after it left, packed in straw and cardboard.</p>
        <h2>Returns</h2>
        <p>Send a photograph within fourteen days; you need not send the plant.</p>
      </>
    ),
  },
];
