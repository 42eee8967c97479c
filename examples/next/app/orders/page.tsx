import type { Metadata } from 'next';
import Link from 'next/link';
import { redirect } from 'next/navigation';
import { day, ordersOf, price, totalOf } from '../../lib/orders';
import { currentUser } from '../../lib/session';

export const metadata: Metadata = { title: 'Orders', description: 'What you have ordered.' };

export default async function Orders() {
  const user = await currentUser();
  if (user === null) redirect('/login?return_to=/orders');
  return (
    <>
      <h1>Your orders</h1>
      <p className="muted">
        Customer {user.customer.number} · {user.customer.plan}
      </p>
      <ul className="orders">
        {ordersOf(user.id).map((order) => (
          <li key={order.number}>
            <Link href={`/orders/${order.number}`}>
              <span>
                <strong>Order {order.number}</strong>
                <span className="muted">{day(order.date)}</span>
              </span>
              <span className="status" data-status={order.status}>
                {order.status}
              </span>
              <span className="price">{price(totalOf(order))}</span>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
