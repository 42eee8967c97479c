import 'server-only';

export type Status = 'Delivered' | 'On its way' | 'Being roasted';

export interface Order {
  number: string;
  /** `2026-11-02` */
  date: string;
  status: Status;
  lines: { name: string; quantity: number; cents: number }[];
}

/** In place of a database: every order belongs to one user. */
const ORDERS: Readonly<Record<string, readonly Order[]>> = {
  ada: [
    {
      number: '20417',
      date: '2026-11-19',
      status: 'On its way',
      lines: [
        { name: 'Harbour Blend, 1 kg, whole beans', quantity: 1, cents: 2890 },
        { name: 'Paper filters no. 4, 100 pieces', quantity: 2, cents: 450 },
      ],
    },
    {
      number: '20102',
      date: '2026-10-22',
      status: 'Delivered',
      lines: [{ name: 'Harbour Blend, 1 kg, whole beans', quantity: 2, cents: 2890 }],
    },
    {
      number: '19650',
      date: '2026-09-08',
      status: 'Delivered',
      lines: [
        { name: 'Sidamo, single origin, 250 g, ground', quantity: 3, cents: 1190 },
        { name: 'Hand grinder', quantity: 1, cents: 6900 },
      ],
    },
  ],
  linus: [
    {
      number: '20431',
      date: '2026-11-21',
      status: 'Being roasted',
      lines: [{ name: 'Night Watch, decaffeinated, 500 g', quantity: 1, cents: 1690 }],
    },
  ],
};

export function ordersOf(userId: string): readonly Order[] {
  return ORDERS[userId] ?? [];
}

/** An order of this user; somebody else's does not exist. */
export function orderOf(userId: string, number: string): Order | null {
  return ordersOf(userId).find((order) => order.number === number) ?? null;
}

export function totalOf(order: Order): number {
  return order.lines.reduce((sum, { quantity, cents }) => sum + quantity * cents, 0);
}

export function price(cents: number): string {
  return new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' }).format(cents / 100);
}

export function day(date: string): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(date));
}
