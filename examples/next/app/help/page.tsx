import type { Metadata } from 'next';

export const metadata: Metadata = { title: 'Help', description: 'Delivery, returns, grinds.' };

export default function Help() {
  return (
    <>
      <h1>Help</h1>
      <h2>Delivery</h2>
      <p>What is ordered by noon is roasted the next morning and arrives the day after. Delivery is free from 25 €.</p>
      <h2>Returns</h2>
      <p id="returns">
        A bag that is not to your taste is replaced by another one within thirty days, opened or not. Keep the old one.
      </p>
      <h2>Grinds</h2>
      <p>Whole beans keep for two months. Ground coffee is for the next two weeks: coarse for a French press, medium for a filter, fine for a moka pot.</p>
    </>
  );
}
