import type { Metadata } from 'next';
import Link from 'next/link';
import { notFound, redirect } from 'next/navigation';
import { day, orderOf, price, totalOf } from '../../../lib/orders';
import { currentUser } from '../../../lib/session';

interface Props {
  params: Promise<{ number: string }>;
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: `Order ${(await params).number}` };
}

export default async function OrderPage({ params }: Props) {
  const { number } = await params;
  const user = await currentUser();
  if (user === null) redirect(`/login?return_to=/orders/${encodeURIComponent(number)}`);
  const order = orderOf(user.id, number);
  if (order === null) notFound();
  return (
    <>
      <p>
        <Link href="/orders">All orders</Link>
      </p>
      <h1>Order {order.number}</h1>
      <p className="muted">
        {day(order.date)} · {order.status}
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Pieces</th>
            <th scope="col">Price</th>
          </tr>
        </thead>
        <tbody>
          {order.lines.map((line) => (
            <tr key={line.name}>
              <td>{line.name}</td>
              <td>{line.quantity}</td>
              <td>{price(line.quantity * line.cents)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={2}>
              Total
            </th>
            <td>{price(totalOf(order))}</td>
          </tr>
        </tfoot>
      </table>
    </>
  );
}
