// The inspector's page: a list of turns, and what happened in one. What is shown is text, never HTML.

const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

const KEY = 'parlor.inspector.token';
let token = sessionStorage.getItem(KEY) ?? '';
let turns = [];
let chosen = decodeURIComponent(location.hash.slice(1));
/** The chosen turn: its summary and its notes so far. */
let shown = null;
/** Which entries are open, by their number. */
const open = new Set();

const GROUPS = [
  ['context', 'Context'],
  ['model', 'Model'],
  ['tool', 'Tools and retrieval'],
  ['guard', 'Guardrails'],
  ['event', 'Events'],
];
const hiddenGroups = new Set();

const LABELS = {
  'turn.began': 'Request',
  'turn.ended': 'End',
  'model.request': 'Prompt',
  'remote.request': 'Request to agent',
  'model.text': 'Text',
  'model.reasoning': 'Reasoning',
  'model.tool_call': 'Call wanted',
  'model.citation': 'Citation',
  'model.done': 'Model done',
  'model.error': 'Model error',
  'tool.call': 'Tool',
  'tool.result': 'Result',
  retrieval: 'Retrieval',
  guardrail: 'Guardrail',
  event: 'Event',
};

function groupOf(kind) {
  if (kind.startsWith('model.') || kind === 'remote.request') return 'model';
  if (kind.startsWith('tool.') || kind === 'retrieval') return 'tool';
  if (kind === 'guardrail') return 'guard';
  return kind === 'event' ? 'event' : 'context';
}

const json = (value) => JSON.stringify(value, null, 2);
const oneLine = (text) => String(text ?? '').replaceAll(/\s+/g, ' ').trim().slice(0, 300);
const milliseconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`);

function isBad({ kind, data }) {
  return (
    kind === 'model.error' ||
    (kind === 'turn.ended' && data.reason !== null) ||
    (kind === 'tool.result' && data.failed) ||
    (kind === 'guardrail' && data.outcome !== 'passed') ||
    (kind === 'event' && data.event.type === 'error')
  );
}

/** What stands in one line. */
function shortOf({ kind, data, pieces }) {
  switch (kind) {
    case 'turn.began':
      return `${data.user}${data.page?.title ? `, on “${data.page.title}”` : ''}`;
    case 'turn.ended':
      return data.reason === null ? data.state : `${data.state}: ${data.reason}`;
    case 'model.request':
      return `${data.model}: ${data.instructions.length.toLocaleString('en')} characters of instructions, ${data.input.length} ${data.input.length === 1 ? 'item' : 'items'}, ${data.tools.length} ${data.tools.length === 1 ? 'tool' : 'tools'}`;
    case 'model.text':
    case 'model.reasoning':
      return `${oneLine(data.text)}${pieces > 1 ? ` (${pieces} pieces)` : ''}`;
    case 'model.done': {
      const tokens = data.tokens ? `${data.tokens.input} in (${data.tokens.cached} cached), ${data.tokens.output} out` : 'no count of tokens';
      return `${data.finish}, ${tokens}`;
    }
    case 'model.error':
      return data.error;
    case 'model.citation':
      return data.url;
    case 'model.tool_call':
    case 'tool.call':
      return `${data.name} ${oneLine(data.arguments)}`;
    case 'tool.result':
      return `${data.name}, ${data.failed ? 'failed' : 'ok'}, ${milliseconds(data.ms)}`;
    case 'retrieval':
      return `“${oneLine(data.query)}”: ${data.passages.length} ${data.passages.length === 1 ? 'passage' : 'passages'}`;
    case 'guardrail':
      return `${data.name} on ${data.on}: ${data.outcome}${data.found ? ` (${oneLine(data.found)})` : ''}${data.ms === null ? '' : `, ${milliseconds(data.ms)}`}`;
    case 'event': {
      const { event } = data;
      const item = event.item ? ` ${event.item.type}` : event.update ? ` ${event.update.type}` : '';
      return `#${data.number} ${event.type}${item}`;
    }
    default:
      return oneLine(json(data));
  }
}

/** What opens. */
function insideOf({ kind, data }) {
  const block = (title, text) => [make('h3', { textContent: title }), make('pre', { textContent: text, tabIndex: 0 })];
  const inside = make('div', { className: 'inside' });
  if (kind === 'model.request') {
    inside.append(...block('Instructions', data.instructions));
    data.input.forEach((item, at) => {
      const text = item.text ?? `${item.name} ${item.arguments}`;
      const files = item.files ? `\n\n[${item.files.join('; ')}]` : '';
      inside.append(...block(`Item ${at + 1}: ${item.role}`, text + files));
    });
    for (const tool of data.tools) inside.append(...block(`Tool: ${tool.name}`, `${tool.description}\n\n${json(tool.parameters)}`));
    if (data.tool_choice !== null) inside.append(...block('Tool that must be called', data.tool_choice));
  } else if (kind === 'tool.result') {
    inside.append(...block('As the model was told', data.told));
  } else if (kind === 'retrieval') {
    for (const passage of data.passages) {
      inside.append(...block(`${Number(passage.score).toFixed(3)}  ${passage.title}  ${passage.url}`, passage.text));
    }
  } else if (kind === 'model.text' || kind === 'model.reasoning') {
    inside.append(make('pre', { textContent: data.text, tabIndex: 0 }));
  } else {
    inside.append(make('pre', { textContent: json(data), tabIndex: 0 }));
  }
  return inside;
}

function entry(note, number) {
  const group = groupOf(note.kind);
  const label = LABELS[note.kind] ?? note.kind;
  const details = make(
    'details',
    { className: isBad(note) ? 'bad' : group, open: open.has(number) },
    make(
      'summary',
      {},
      make('span', { className: 'kind', textContent: label }),
      make('span', { className: 'short', textContent: shortOf(note) }),
    ),
  );
  const fill = () => {
    if (details.open && details.childElementCount === 1) details.append(insideOf(note));
  };
  details.addEventListener('toggle', () => {
    if (details.open) open.add(number);
    else open.delete(number);
    fill();
  });
  fill();
  const item = make(
    'li',
    { hidden: hiddenGroups.has(group) },
    make('time', { textContent: `+${milliseconds(note.at)}` }),
    make('div', {}, details),
  );
  item.dataset.group = group;
  return item;
}

function showTurn() {
  $('panes').classList.toggle('open', chosen !== '');
  $('choose').hidden = shown !== null;
  $('shown').hidden = shown === null;
  if (shown === null) return;
  const { turn } = shown;
  $('turn-title').textContent = turn.text;
  const fact = (name, value, bad = false) =>
    make('div', {}, make('dt', { textContent: name }), make('dd', { textContent: value, className: bad ? 'bad' : '' }));
  const failed = turn.state === 'failed' || turn.errors > 0;
  $('facts').replaceChildren(
    fact('State', turn.state, failed),
    fact('Began', new Date(turn.at).toLocaleTimeString()),
    fact('Took', turn.ms === null ? '…' : milliseconds(turn.ms)),
    fact('Tokens', turn.tokens.toLocaleString('en')),
    fact('Model requests', turn.requests),
    fact('Tools', turn.tools),
    ...(turn.tripped > 0 ? [fact('Guardrails tripped', turn.tripped, true)] : []),
    fact('User', turn.tenant === 'default' ? turn.user : `${turn.user} of ${turn.tenant}`),
    fact('Thread', turn.thread_id),
    fact('Turn', turn.id),
  );
  $('cut').hidden = shown.leftOut === 0;
  $('cut').textContent = `${shown.leftOut} more were left out: there was too much of it.`;
}

/** Puts new notes behind those that are there. */
function addNotes(from, notes) {
  shown.notes.splice(from, Infinity, ...notes);
  const list = $('notes');
  while (list.childElementCount > from) list.lastElementChild.remove();
  list.append(...notes.map((note, at) => entry(note, from + at)));
}

function showList() {
  const wanted = $('filter').value.trim().toLowerCase();
  const text = (turn) => [turn.text, turn.user, turn.tenant, turn.thread_id, turn.id, turn.state].join(' ').toLowerCase();
  const matching = turns.filter((turn) => wanted.split(/\s+/).every((word) => text(turn).includes(word)));
  $('none').hidden = turns.length > 0;
  $('nomatch').hidden = turns.length === 0 || matching.length > 0;
  const list = $('turns');
  const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const items = matching.map((turn) => {
    let item = known.get(turn.id);
    if (item === undefined) {
      const button = make('button', { type: 'button' });
      button.addEventListener('click', () => choose(turn.id, true));
      item = make('li', {}, button);
      item.dataset.id = turn.id;
    }
    const button = item.firstElementChild;
    if (turn.id === chosen) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    const about = [
      make('span', { className: turn.state, textContent: turn.state }),
      make('span', { textContent: turn.user }),
      make('span', { textContent: new Date(turn.at).toLocaleTimeString() }),
      make('span', { textContent: turn.ms === null ? '' : milliseconds(turn.ms) }),
      turn.tripped > 0 ? make('span', { className: 'failed', textContent: 'guardrail' }) : null,
    ];
    const version = JSON.stringify(turn);
    if (item.dataset.version !== version) {
      item.dataset.version = version;
      button.replaceChildren(
        make('span', { className: 'asked', textContent: turn.text }),
        make('span', { className: 'about' }, ...about.filter(Boolean)),
      );
    }
    return item;
  });
  // Only what moves is moved: a button keeps its focus.
  items.forEach((item, at) => {
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  while (list.childElementCount > items.length) list.lastElementChild.remove();
}

async function ask(path) {
  const answer = await fetch(`/inspector/${path}`, { headers: token === '' ? {} : { authorization: `Bearer ${token}` } });
  if (answer.status === 401) throw Object.assign(new Error('token'), { needsToken: true });
  if (!answer.ok) throw Object.assign(new Error(`${answer.status}`), { status: answer.status });
  return answer;
}

async function refresh() {
  turns = (await (await ask('turns')).json()).turns;
  showList();
  if (chosen !== '') await refreshTurn();
}

async function refreshTurn() {
  const id = chosen;
  // The last note may have grown.
  const from = shown?.turn.id === id ? Math.max(0, shown.notes.length - 1) : 0;
  const before = shown?.turn.id === id && shown.turn.state !== 'running' && shown.turn.notes === shown.notes.length;
  const listed = turns.find((turn) => turn.id === id);
  if (before && listed?.notes === shown.notes.length) return;
  try {
    const answer = await (await ask(`turns/${encodeURIComponent(id)}?from=${from}`)).json();
    if (id !== chosen) return;
    if (shown?.turn.id !== id) {
      shown = { turn: answer.turn, notes: [], leftOut: 0 };
      $('notes').replaceChildren();
    }
    shown.turn = answer.turn;
    shown.leftOut = answer.left_out;
    addNotes(answer.from, answer.notes);
  } catch (error) {
    if (error.status !== 404) throw error;
    if (id === chosen) shown = null;
  }
  showTurn();
}

function choose(id, byHand) {
  if (id !== chosen) {
    open.clear();
    shown = null;
  }
  chosen = id;
  history.replaceState(null, '', id === '' ? location.pathname : `#${encodeURIComponent(id)}`);
  showList();
  showTurn();
  if (id !== '') {
    refreshTurn().then(() => {
      if (byHand && matchMedia('(max-width: 48rem)').matches) $('turn').focus();
    }, lost);
  }
}

function move(step) {
  const buttons = [...$('turns').querySelectorAll('button')];
  if (buttons.length === 0) return;
  const at = buttons.findIndex((button) => button.hasAttribute('aria-current'));
  const next = buttons[Math.min(buttons.length - 1, Math.max(0, at + step))];
  next.click();
  next.focus();
}

function live(text, on) {
  $('live').textContent = text;
  $('live').classList.toggle('on', on);
}

function lost(error) {
  if (error.needsToken) askForToken();
}

function askForToken() {
  $('wrong').hidden = token === '';
  token = '';
  sessionStorage.removeItem(KEY);
  live('Locked', false);
  $('panes').hidden = true;
  $('login').hidden = false;
  $('token').value = '';
  $('token').focus();
}

/** Follows the news for as long as the page is open. */
async function follow() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10_000)) {
    try {
      const answer = await ask('news');
      $('login').hidden = true;
      $('panes').hidden = false;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      await refresh();
      live('Live', true);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        pause = 500;
        if (value.includes('data:')) await refresh();
      }
    } catch (error) {
      if (error.needsToken) return askForToken();
    }
    live('Reconnecting…', false);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

for (const [group, name] of GROUPS) {
  const box = make('input', { type: 'checkbox', checked: true });
  box.addEventListener('change', () => {
    if (box.checked) hiddenGroups.delete(group);
    else hiddenGroups.add(group);
    for (const item of $('notes').children) item.hidden = hiddenGroups.has(item.dataset.group);
  });
  $('kinds').append(make('label', {}, box, name));
}

$('filter').addEventListener('input', showList);
$('back').addEventListener('click', () => {
  const id = chosen;
  choose('', true);
  $('turns').querySelector(`[data-id="${CSS.escape(id)}"] button`)?.focus();
});
$('copy').addEventListener('click', async () => {
  const text = json({ turn: shown.turn, notes: shown.notes });
  try {
    await navigator.clipboard.writeText(text);
    $('copy').textContent = 'Copied';
  } catch {
    $('copy').textContent = 'Not allowed';
  }
  setTimeout(() => {
    $('copy').textContent = 'Copy as JSON';
  }, 2000);
});
$('login').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value;
  sessionStorage.setItem(KEY, token);
  follow();
});
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) {
    if (event.key === 'Escape' && event.target === $('filter')) {
      $('filter').value = '';
      showList();
    }
    return;
  }
  if (event.key === 'j') move(1);
  else if (event.key === 'k') move(-1);
  else if (event.key === 'c' && shown !== null) $('copy').click();
  else if (event.key === 'Escape' && chosen !== '') $('back').click();
  else if (event.key === '/') {
    event.preventDefault();
    $('filter').focus();
  }
});

follow();
