// Widgets as products use them: what the tests look at, and what the
// development backend answers to "gallery".
const action = (type, more = {}) => ({ type, payload: { id: 7 }, ...more });

/** A small picture: a blue disc. */
const PICTURE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABgAAAAYCAIAAABvFaqvAAADOklEQVR42q3M26qcVgDGcd9k8IC68IAH5jFGRBFloYgiyrzcIIosEUUUUWQu2qRN0kPSvbPTvZv0AdZ1CwN2OknuBn6X3/8jnv7Gd0Hc7ejjF3wXxOMX/E2sc+bcM++dATwL/lkMzlJ4lqPz9/bEw2d8g7ZWxl5ZZ+XclfdWAFfBX8VglcJVjlYlXtVk/boi/viMr1HmQlsLYy+ss3DuwnsLgIvgL2KwSOEiR4sSL2qyaOlyExIf/sIb0pgpc6atmbFn1pk5d+a9GcBZ8GcxmKVwlqNZiWc1mbV01rP5ur05mihzoq2JsSfWmTh34r0JwEnwJzGYpHCSo0mJJzWZtHTSs+l/R+9f8MXuMJLGSJkjbY2MPbLOyLkj740AjoI/isEohaMcjUo8qsmopaOejfvjuOXE7y/4YncYSGOgzIG2BsYeWGfg3IH3BgAHwR/EYJDCQY4GJR7UZNDSQc+G/XHYcuK3Z3yxO/Sk0VNmT1s9Y/es03Nuz3s9gL3g92LQS2EvR70S92rSa2mvZ/3+2G858eszvtgdOtLoKLOjrY6xO9bpOLfjvQ7ATvA7MeiksJOjTok7Nem0tNOzbn/stpz45U98sTu0pNFSZktbLWO3rNNybst7LYCt4Ldi0EphK0etErdq0mppq2ft/thu+fVRQxoNZTa01TB2wzoN5za81wDYCH4jBo0UNnLUKHGjJo2WNnrW7I/Nf0fvPuGL3aEmjZoya9qqGbtmnZpza96rAawFvxaDWgprOaqVuFaTWktrPav3x3rLibef8MXugEgDUSaiLcTYiHUQ5yLeQwAiwUdigKQQyRFSYqQmSEuRnqH9EW058eYJb0ijosyKtirGrlin4tyK9yoAK8GvxKCSwkqOKiWu1KTS0krPquuW+PkJb0ijpMyStkrGLlmn5NyS90oAS8EvxaCUwlKOSiUu1aTU0lLPyuuW+OkjvkaZBW0VjF2wTsG5Be8VABaCX4hBIYWFHBVKXKhJoaXFTXh79C/ayhk7Z52cc3PeywHMBT8Xg1wKcznKlThXk/zrinj9iL+JdU6ce+K9E4AnwT+JwUkKT3J0+t6eePWI74L48QHfBfHDA76LfwBi6YTXSgcZCwAAAABJRU5ErkJggg==';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'];
const sales = months.map((month, at) => ({
  month,
  online: [120, 180, 150, 240, 310, 290][at],
  stores: [90, 70, 110, 100, 130, 160][at],
  target: [150, 200, 220, 260, 340, 400][at],
}));

/** By what they show. */
export const GALLERY = {
  'a task form': {
    type: 'Card',
    asForm: true,
    status: { text: 'New task', icon: 'notebook-pencil' },
    confirm: { label: 'Create task', action: action('task.create') },
    cancel: { label: 'Cancel', action: action('task.cancel', { handler: 'client' }) },
    children: [
      {
        type: 'Col',
        gap: 1,
        children: [
          { type: 'Label', value: 'Title', fieldName: 'task.title' },
          { type: 'Input', name: 'task.title', placeholder: 'What has to be done?', required: true },
        ],
      },
      {
        type: 'Row',
        align: 'start',
        gap: 3,
        children: [
          {
            type: 'Col',
            flex: 1,
            gap: 1,
            children: [
              { type: 'Label', value: 'Assignee', fieldName: 'task.assignee' },
              {
                type: 'Select',
                name: 'task.assignee',
                placeholder: 'Nobody yet',
                clearable: true,
                options: [
                  { value: 'ada', label: 'Ada Lovelace', description: 'Engines' },
                  { value: 'grace', label: 'Grace Hopper', description: 'Compilers' },
                  { value: 'alan', label: 'Alan Turing', disabled: true },
                ],
              },
            ],
          },
          {
            type: 'Col',
            flex: 1,
            gap: 1,
            children: [
              { type: 'Label', value: 'Due', fieldName: 'task.due' },
              { type: 'DatePicker', name: 'task.due', placeholder: 'Any day', min: '2026-01-01T00:00:00Z' },
            ],
          },
        ],
      },
      {
        type: 'Col',
        gap: 1,
        children: [
          { type: 'Label', value: 'Notes', fieldName: 'task.notes' },
          { type: 'Textarea', name: 'task.notes', rows: 2, autoResize: true },
        ],
      },
      {
        type: 'RadioGroup',
        name: 'task.priority',
        ariaLabel: 'Priority',
        defaultValue: 'normal',
        options: [
          { value: 'low', label: 'Low' },
          { value: 'normal', label: 'Normal' },
          { value: 'high', label: 'High' },
        ],
      },
      { type: 'Checkbox', name: 'task.notify', label: 'Tell the team', defaultChecked: true },
    ],
  },
  'an order': {
    type: 'Card',
    size: 'sm',
    children: [
      {
        type: 'Row',
        children: [
          { type: 'Title', value: 'Order #4127', size: 'sm' },
          { type: 'Spacer' },
          { type: 'Badge', label: 'On its way', color: 'success' },
        ],
      },
      { type: 'Divider', flush: true },
      {
        type: 'Row',
        gap: 3,
        children: [
          { type: 'Image', src: PICTURE, alt: 'A blue mug', size: 48, radius: 'md', frame: true },
          {
            type: 'Col',
            gap: 0,
            flex: 1,
            children: [
              { type: 'Text', value: 'Stoneware mug, cobalt', weight: 'medium', truncate: true },
              { type: 'Caption', value: '2 × €14.00' },
            ],
          },
          { type: 'Text', value: '€28.00', weight: 'medium' },
        ],
      },
      {
        type: 'Row',
        gap: 3,
        children: [
          { type: 'Image', src: 'https://shop.example/tea.jpg', alt: 'Tea', size: 48, radius: 'md' },
          {
            type: 'Col',
            gap: 0,
            flex: 1,
            children: [
              {
                type: 'Text',
                value: 'First flush Darjeeling with a rather long name',
                weight: 'medium',
                maxLines: 1,
              },
              { type: 'Caption', value: '1 × €9.50' },
            ],
          },
          { type: 'Text', value: '€9.50', weight: 'medium' },
        ],
      },
      { type: 'Divider' },
      {
        type: 'Row',
        children: [
          { type: 'Text', value: 'Total', color: 'secondary' },
          { type: 'Spacer' },
          { type: 'Title', value: '€37.50', size: 'md' },
        ],
      },
      {
        type: 'Row',
        children: [
          {
            type: 'Button',
            label: 'Track parcel',
            style: 'primary',
            iconStart: 'map-pin',
            block: true,
            onClickAction: action('order.track'),
          },
        ],
      },
    ],
  },
  'a list': {
    type: 'ListView',
    status: { text: '7 places nearby', icon: 'compass' },
    limit: 3,
    children: [
      'Café Anselm',
      'Kiosk am Kanal',
      'Brasserie Lune',
      'Nordlicht',
      'Ostwind',
      'Südhang',
      'Westend',
    ].map((name, at) => ({
      type: 'ListViewItem',
      key: name,
      gap: 3,
      onClickAction: action('place.open'),
      children: [
        {
          type: 'Box',
          size: 36,
          radius: 'full',
          background: { light: 'blue-100', dark: 'blue-900' },
          align: 'center',
          justify: 'center',
          children: [{ type: 'Icon', name: 'map-pin', color: { light: 'blue-700', dark: 'blue-200' } }],
        },
        {
          type: 'Col',
          gap: 0,
          flex: 1,
          children: [
            { type: 'Text', value: name, weight: 'medium' },
            { type: 'Caption', value: `${200 + at * 130} m · open until 22:00` },
          ],
        },
        { type: 'Icon', name: 'chevron-right', color: 'tertiary' },
      ],
    })),
  },
  'weather on a gradient': {
    type: 'Card',
    size: 'sm',
    theme: 'dark',
    background: 'linear-gradient(155deg, #14418b 0%, #2a6fc9 60%, #5a9be6 100%)',
    border: 0,
    children: [
      {
        type: 'Row',
        align: 'start',
        children: [
          {
            type: 'Col',
            gap: 0,
            children: [
              { type: 'Caption', value: 'Now · Lisbon', color: 'white', size: 'lg' },
              { type: 'Title', value: '24°', size: '5xl', weight: 'normal', color: 'white' },
            ],
          },
          { type: 'Spacer' },
          { type: 'Icon', name: 'sparkle', size: '3xl', color: '#ffe08a' },
        ],
      },
      {
        type: 'Row',
        justify: 'between',
        children: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'].map((day, at) => ({
          type: 'Col',
          align: 'center',
          gap: 0,
          children: [
            { type: 'Caption', value: day, color: 'white' },
            { type: 'Text', value: `${22 + at}°`, color: 'white', weight: 'medium' },
          ],
        })),
      },
    ],
  },
  'a chart of bars and a line': {
    type: 'Card',
    children: [
      { type: 'Title', value: 'Revenue', size: 'sm' },
      { type: 'Caption', value: 'First half of the year, in thousands' },
      {
        type: 'Chart',
        data: sales,
        xAxis: 'month',
        showYAxis: true,
        showLegend: true,
        series: [
          { type: 'bar', dataKey: 'online', label: 'Online', stack: 'a' },
          { type: 'bar', dataKey: 'stores', label: 'Stores', stack: 'a', color: 'purple' },
          { type: 'line', dataKey: 'target', label: 'Target', color: 'orange' },
        ],
      },
    ],
  },
  'a chart of areas': {
    type: 'Card',
    children: [
      {
        type: 'Chart',
        data: sales,
        height: 180,
        xAxis: { dataKey: 'month', labels: { Jan: 'January' } },
        series: [
          { type: 'area', dataKey: 'online', label: 'Online', curveType: 'natural' },
          { type: 'area', dataKey: 'stores', label: 'Stores', curveType: 'stepAfter' },
        ],
      },
    ],
  },
  'a table': {
    type: 'Card',
    size: 'lg',
    children: [
      {
        type: 'Table',
        children: [
          {
            type: 'Table.Row',
            header: true,
            children: ['Plan', 'Seats', 'Status', 'Price'].map((value, at) => ({
              type: 'Table.Cell',
              align: at === 3 ? 'end' : 'start',
              children: [{ type: 'Text', value }],
            })),
          },
          ...[
            ['Team', '12', 'success', 'Active', '€ 96.00'],
            ['Business', '40', 'warning', 'Trial', '€ 480.00'],
            ['Old', '3', 'secondary', 'Ended', '€ 0.00'],
          ].map(([plan, seats, color, label, price]) => ({
            type: 'Table.Row',
            children: [
              { type: 'Table.Cell', children: [{ type: 'Text', value: plan, weight: 'medium' }] },
              { type: 'Table.Cell', children: [{ type: 'Text', value: seats }] },
              { type: 'Table.Cell', children: [{ type: 'Badge', color, label }] },
              { type: 'Table.Cell', align: 'end', children: [{ type: 'Text', value: price }] },
            ],
          })),
        ],
      },
    ],
  },
  buttons: {
    type: 'Card',
    size: 'full',
    children: [
      ...['solid', 'soft', 'outline', 'ghost'].map((variant) => ({
        type: 'Row',
        wrap: 'wrap',
        children: [
          'primary',
          'secondary',
          'info',
          'discovery',
          'success',
          'caution',
          'warning',
          'danger',
        ].map((color) => ({ type: 'Button', label: color, color, variant, onClickAction: action('press') })),
      })),
      {
        type: 'Row',
        wrap: 'wrap',
        children: ['3xs', '2xs', 'xs', 'sm', 'md', 'lg', 'xl', '2xl', '3xl'].map((size) => ({
          type: 'Button',
          label: size,
          size,
          onClickAction: action('press'),
        })),
      },
      {
        type: 'Row',
        wrap: 'wrap',
        children: [
          { type: 'Button', iconStart: 'plus', onClickAction: action('item.add') },
          {
            type: 'Button',
            iconStart: 'star',
            pill: true,
            style: 'primary',
            onClickAction: action('item.star'),
          },
          {
            type: 'Button',
            label: 'Next',
            iconEnd: 'chevron-right',
            pill: true,
            onClickAction: action('next'),
          },
          { type: 'Button', label: 'Not now', disabled: true },
        ],
      },
      {
        type: 'Row',
        wrap: 'wrap',
        children: ['solid', 'soft', 'outline'].flatMap((variant) =>
          ['secondary', 'success', 'danger', 'warning', 'info', 'discovery'].map((color) => ({
            type: 'Badge',
            label: color,
            color,
            variant,
          })),
        ),
      },
    ],
  },
  'an editable note': {
    type: 'Card',
    children: [
      {
        type: 'Form',
        onSubmitAction: action('note.save'),
        children: [
          { type: 'Title', value: 'Meeting notes', size: 'sm' },
          {
            type: 'Text',
            value: 'Kick-off with the new team',
            editable: { name: 'title', required: true },
            size: 'lg',
          },
          {
            type: 'Text',
            value: 'We agreed on weekly demos.\nEveryone brings one question.',
            minLines: 2,
            maxLines: 6,
            editable: { name: 'body' },
          },
          {
            type: 'Row',
            justify: 'end',
            children: [
              { type: 'Button', label: 'Discard', variant: 'ghost', onClickAction: action('note.discard') },
              { type: 'Button', label: 'Save', submit: true },
            ],
          },
        ],
      },
    ],
  },
  'text and markdown': {
    type: 'Basic',
    children: [
      { type: 'Title', value: 'A large title', size: '2xl' },
      { type: 'Text', value: 'Struck out', lineThrough: true, color: 'tertiary', size: 'sm' },
      { type: 'Text', value: 'Italic and red', italic: true, color: { light: 'red-600', dark: 'red-300' } },
      {
        type: 'Markdown',
        value: 'Some **bold** words, a [link](https://example.org/) and `code`:\n\n- one\n- two',
      },
    ],
  },
  'a folded card': {
    type: 'Card',
    collapsed: true,
    status: { text: 'Booked', icon: 'check-circle' },
    children: [
      { type: 'Text', value: 'Table for four at Brasserie Lune' },
      { type: 'Caption', value: 'Friday, 19:30' },
    ],
  },
};

/** A question that waits, and one that was answered. */
export const QUESTIONS = [
  {
    type: 'structured_input',
    id: 'item_q',
    thread_id: 'thr',
    created_at: '2026-01-01T00:00:00Z',
    status: 'pending',
    inputs: [
      {
        type: 'multiple_choice',
        id: 'db',
        question: 'Which database do you use?',
        options: [{ value: 'SQLite' }, { value: 'PostgreSQL' }],
      },
      {
        type: 'multiple_choice',
        id: 'need',
        question: 'What do you need?',
        multiple: true,
        options: [{ value: 'Search' }, { value: 'Attachments' }, { value: 'Widgets' }],
      },
      {
        type: 'freeform',
        id: 'why',
        question: 'Anything else we should know?',
        description: 'In a few words.',
      },
    ],
  },
  {
    type: 'structured_input',
    id: 'item_a',
    thread_id: 'thr',
    created_at: '2026-01-01T00:00:00Z',
    status: 'answered',
    inputs: [
      {
        type: 'multiple_choice',
        id: 'db',
        question: 'Which database do you use?',
        options: [{ value: 'SQLite' }, { value: 'PostgreSQL' }],
        answer: { values: ['PostgreSQL', 'and a little Redis'] },
      },
      { type: 'freeform', id: 'why', question: 'Anything else?', answer: { values: [], skipped: true } },
    ],
  },
];
