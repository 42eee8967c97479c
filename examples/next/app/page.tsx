import Link from 'next/link';
import { currentUser } from '../lib/session';

export default async function Home() {
  const user = await currentUser();
  return (
    <>
      <section className="hero">
        <h1>Roasted in the morning, at your door the next day</h1>
        <p>
          Four coffees, one roaster, no warehouse. We roast what was ordered, and nothing else, from Monday to Thursday.
        </p>
        <p>
          {user === null ? (
            <Link href="/login?return_to=/orders" className="button">
              Sign in to your orders
            </Link>
          ) : (
            <Link href="/orders" className="button">
              Your orders
            </Link>
          )}
        </p>
      </section>
      <section>
        <h2>What we roast</h2>
        <ul className="cards">
          <li>
            <h3>Harbour Blend</h3>
            <p>Chocolate and hazelnut. For every machine, and for mornings.</p>
          </li>
          <li>
            <h3>Sidamo</h3>
            <p>Washed, from one farm. Bergamot and apricot, best in a filter.</p>
          </li>
          <li>
            <h3>Night Watch</h3>
            <p>Decaffeinated with water, and you would not know.</p>
          </li>
        </ul>
      </section>
    </>
  );
}
