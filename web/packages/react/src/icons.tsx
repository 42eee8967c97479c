const PATHS = {
  chat: 'M21 12a8.5 8.5 0 0 1-12.6 7.4L3.5 21l1.4-4.7A8.5 8.5 0 1 1 21 12Z',
  close: 'M6 6l12 12M18 6 6 18',
  settings:
    'M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM8 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z',
  back: 'M15 5l-7 7 7 7',
  message: 'M4 5h16v11H9l-5 4Z',
  link: 'M14 4h6v6M20 4l-9 9M18 14v5H5V6h5',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20a7.5 7.5 0 0 1 15 0',
  leave: 'M14 4h5v16h-5M4 12h11M11 8l4 4-4 4',
  enter: 'M10 4H5v16h5M10 12h11M17 8l4 4-4 4',
  spark: 'M12 3l1.9 5.6L19.5 10.5l-5.6 1.9L12 18l-1.9-5.6L4.5 10.5l5.6-1.9Z',
} as const;

/** A line drawing in the colour of the text. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
