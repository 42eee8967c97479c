// The demo page: theme, navigation, and the chat beside the article.
//
// Runs before the first paint (it is not deferred) to set the theme; everything else waits for
// the document. Plain JavaScript without a build step: an example to read and copy from.
(() => {
  'use strict';

  // ------------------------------------------------------------ what is remembered

  /** localStorage, or nothing where it is forbidden. */
  const memory = {
    get(key) {
      try {
        return localStorage.getItem(`parlor.${key}`);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        if (value === null) localStorage.removeItem(`parlor.${key}`);
        else localStorage.setItem(`parlor.${key}`, value);
      } catch {
        // The page works without a memory.
      }
    },
  };

  // ------------------------------------------------------------ theme

  const systemDark = matchMedia('(prefers-color-scheme: dark)');
  const theme = {
    get current() {
      return memory.get('theme') ?? (systemDark.matches ? 'dark' : 'light');
    },
    listeners: [],
    apply() {
      document.documentElement.dataset.theme = this.current;
      for (const listener of this.listeners) listener();
    },
  };
  theme.apply();
  systemDark.addEventListener('change', () => theme.apply());
  // Another tab has changed it.
  addEventListener('storage', (event) => {
    if (event.key === 'parlor.theme') theme.apply();
  });

  // ------------------------------------------------------------ personas

  const PERSONAS = {
    ada: {
      userInfo: { name: 'Ada Lovelace', email: 'ada@example.com', role: 'mathematician' },
      greeting: 'Hello Ada, what would you like to know about Parlor?',
    },
    linus: {
      userInfo: { name: 'Linus Torvalds', email: 'linus@example.com', role: 'kernel developer' },
      greeting: 'Hello Linus, what would you like to know about Parlor?',
    },
  };

  /** Where people sign in with Parlor itself: whoever they are, the server knows and the page does not say. */
  const MYSELF = 'me';

  const currentPersona = () => {
    const remembered = memory.get('persona');
    return remembered !== null && Object.hasOwn(PERSONAS, remembered) ? remembered : 'ada';
  };

  // ------------------------------------------------------------ what the assistant is told

  /** The last text that was selected in the article. A click into the chat drops the selection itself. */
  let selectedText = '';

  function pageContext() {
    const headings = [...document.querySelectorAll('#article :is(h1, h2, h3)')];
    return {
      url: location.href,
      path: location.pathname,
      title: document.querySelector('#article h1')?.dataset.text ?? document.title,
      description: document.querySelector('meta[name=description]')?.content,
      headings: headings.slice(0, 5).map((heading) => heading.dataset.text ?? heading.textContent.trim()),
      language: document.documentElement.lang,
      selectedText: selectedText === '' ? undefined : selectedText,
    };
  }

  /** The request with who is asking, and where, in its envelope. Other bodies pass as they are. */
  function withMetadata(body, persona) {
    let request;
    try {
      request = JSON.parse(body);
    } catch {
      return { body, request: null };
    }
    if (request === null || typeof request !== 'object' || Array.isArray(request)) {
      return { body, request: null };
    }
    const { metadata } = request;
    request.metadata = {
      userInfo: PERSONAS[persona]?.userInfo,
      pageContext: pageContext(),
      ...(metadata !== null && typeof metadata === 'object' ? metadata : {}),
    };
    return { body: JSON.stringify(request), request };
  }

  /** A fetch that says who is asking and which page they read. */
  function fetchAs(persona, onAnswered) {
    // Behind an authenticating proxy it would be the proxy that sets this header.
    const header = document.body.dataset.userHeader ?? 'X-Parlor-Persona';
    return async (input, init = {}) => {
      const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
      if (persona !== MYSELF) headers.set(header, persona);
      if (typeof init.body !== 'string') return fetch(input, { ...init, headers });
      const { body, request } = withMetadata(init.body, persona);
      const response = await fetch(input, { ...init, headers, body });
      if (request !== null) onAnswered(request, response);
      return response;
    };
  }

  // ------------------------------------------------------------ the chat

  const narrow = matchMedia('(max-width: 56.24rem)');
  const compact = matchMedia('(max-width: 74.99rem)');

  /** What the server takes beside words, as it says in its page. */
  function offers() {
    const { dictation, files } = document.body.dataset;
    const [maxCount, maxSize] = files?.split(' ').map(Number) ?? [];
    return {
      attachments: { enabled: files !== undefined, maxCount, maxSize },
      dictation: { enabled: dictation !== undefined },
    };
  }

  function options(persona, onAnswered) {
    const dark = theme.current === 'dark';
    return {
      api: { url: '/chatkit', domainKey: 'local', fetch: fetchAs(persona, onAnswered) },
      frameTitle: 'Parlor’s assistant',
      initialThread: memory.get(`thread.${persona}`),
      theme: {
        colorScheme: dark ? 'dark' : 'light',
        radius: 'round',
        color: {
          grayscale: { hue: 85, tint: 1 },
          accent: { primary: dark ? '#86cfb0' : '#1d6b50', level: 1 },
        },
        typography: {
          baseSize: 15,
          fontFamily: getComputedStyle(document.body).fontFamily,
        },
      },
      header: { title: { enabled: true } },
      history: { enabled: true, showRename: true, showDelete: true },
      startScreen: {
        greeting: PERSONAS[persona]?.greeting ?? 'Hello, what would you like to know about Parlor?',
        prompts: [
          { label: 'How do I index my own documents?', prompt: 'How do I index my own documents?', icon: 'book-open' },
          { label: 'Which models can I use?', prompt: 'Which models can I use?', icon: 'sparkle' },
          { label: 'What are you told about this page?', prompt: 'What is the assistant told about the page I am on?', icon: 'compass' },
          { label: 'How do I put the chat on my site?', prompt: 'How do I put the chat element on my own site?', icon: 'square-code' },
        ],
      },
      composer: { placeholder: 'Ask about the documentation', ...offers() },
      threadItemActions: { feedback: true, retry: true },
      thread: { autoScroll: true },
      disclaimer: { text: 'Answers can be wrong. Their sources are linked.' },
    };
  }

  /** Puts a chat of its own into the frame for each persona, so that nothing of the other stays. */
  function mountChat(frame, onSignedOut) {
    let chat;
    let persona;
    let onAnswered;
    const configure = () => {
      // The published way: configure once the tag is defined.
      const target = chat;
      if (target === undefined) return;
      customElements.whenDefined('openai-chatkit').then(() => {
        if (target === chat) target.setOptions(options(persona, onAnswered));
      });
    };
    const mount = (next) => {
      persona = next;
      const key = `thread.${persona}`;
      const element = document.createElement('openai-chatkit');
      chat = element;
      element.addEventListener('chatkit.thread.change', (event) => {
        if (element === chat) memory.set(key, event.detail.threadId);
      });
      onAnswered = (request, response) => {
        // The login has ended, by time or in another window.
        if (persona === MYSELF && response.status === 401 && element === chat) onSignedOut();
        if (request.type === 'threads.create' || request.type === 'threads.add_user_message') selectedText = '';
        // The remembered thread is gone (a fresh database): begin anew instead of showing an error.
        const remembered = memory.get(key);
        if (
          request.type === 'threads.get_by_id' &&
          response.status === 404 &&
          request.params?.thread_id === remembered
        ) {
          memory.set(key, null);
          setTimeout(() => element === chat && element.setThreadId(null), 0);
        }
      };
      element.addEventListener('click', openSourcesHere);
      frame.replaceChildren(element);
      configure();
    };
    theme.listeners.push(configure);
    /** Something else in place of the chat. */
    const replace = (...nodes) => {
      chat = undefined;
      frame.replaceChildren(...nodes);
    };
    /** Also when the element's script is still on its way. */
    const focus = async (stillWanted) => {
      await customElements.whenDefined('openai-chatkit');
      if (stillWanted()) await chat?.focusComposer();
    };
    return { mount, replace, focus };
  }

  // ------------------------------------------------------------ signing in

  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  /** A link: signing in leaves the page, and comes back to it. */
  function signInLink(loginUrl, className) {
    const link = make('a', { className }, 'Sign in');
    const here = location.pathname + location.search + location.hash;
    link.href = `${loginUrl}?${new URLSearchParams({ return_to: here })}`;
    return link;
  }

  /** Asks who has signed in, and shows their chat, or how to get there. */
  async function showAccount(account, chat) {
    let session;
    try {
      const response = await fetch('/auth/session');
      if (!response.ok) throw new Error(`status ${response.status}`);
      session = await response.json();
    } catch {
      account.replaceChildren('Chat is unavailable at the moment.');
      setTimeout(() => void showAccount(account, chat), 3000);
      return;
    }
    if (session.authenticated) {
      const name = session.user.name ?? session.user.email ?? session.user.id;
      const button = make('button', { type: 'button', className: 'sign-out' }, 'Sign out');
      button.addEventListener('click', () => void signOut(button, session.logout_url));
      account.replaceChildren(make('span', { className: 'who' }, 'Signed in as ', make('strong', {}, name)), button);
    } else {
      // A thread of whoever was here before is not the next one's.
      if (!session.anonymous) memory.set(`thread.${MYSELF}`, null);
      account.replaceChildren(
        make('span', { className: 'who' }, session.anonymous ? 'Asking as a visitor' : 'Not signed in'),
        ...(session.anonymous ? [signInLink(session.login_url, 'sign-in')] : []),
      );
    }
    if (session.authenticated || session.anonymous) {
      chat.mount(MYSELF);
      return;
    }
    chat.replace(
      make(
        'div',
        { className: 'chat-note sign-in-note' },
        make('p', {}, 'Sign in to ask about the documentation and to find your earlier conversations.'),
        signInLink(session.login_url, 'sign-in'),
      ),
    );
  }

  async function signOut(button, url) {
    button.disabled = true;
    try {
      const response = await fetch(url, { method: 'POST' });
      if (!response.ok) throw new Error(`status ${response.status}`);
      memory.set(`thread.${MYSELF}`, null);
      const { provider_logout_url: provider } = await response.json();
      // The provider asks whether to sign out there, too.
      if (provider === null) location.reload();
      else location.assign(provider);
    } catch {
      button.disabled = false;
    }
  }

  /** Sources of this documentation open in this page, where the conversation goes on beside them. */
  function openSourcesHere(event) {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (link === undefined || link.origin !== location.origin) return;
    // Others, such as those by which people sign in to a server of tools, open as they say.
    if (link.target === '_blank' && !link.pathname.includes('/docs/')) return;
    event.preventDefault();
    const { href } = link;
    closePanel({ restoreFocus: false });
    if (href.split('#')[0] === location.href.split('#')[0]) {
      location.hash = link.hash;
      focusTarget();
    } else {
      location.assign(href);
    }
  }

  /** Moves the keyboard's place to the heading that the address names. */
  function focusTarget() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id === '' ? null : document.getElementById(id);
    if (target === null) return;
    if (!target.hasAttribute('tabindex')) target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: 'start' });
  }

  // ------------------------------------------------------------ panels of narrow screens

  /** The open panel: `{ panel, button, role }`. */
  let open = null;

  function openPanel(panel, button) {
    closePanel({ restoreFocus: false });
    open = { panel, button, role: panel.getAttribute('role') };
    panel.dataset.open = '';
    panel.setAttribute('role', 'dialog');
    panel.setAttribute('aria-modal', 'true');
    document.documentElement.dataset.panel = panel.id;
    button.setAttribute('aria-expanded', 'true');
    for (const other of document.body.children) {
      if (other !== panel && other.id !== 'scrim') other.inert = true;
    }
  }

  function closePanel({ restoreFocus = true } = {}) {
    if (open === null) return;
    const { panel, button, role } = open;
    open = null;
    delete panel.dataset.open;
    panel.setAttribute('role', role);
    panel.removeAttribute('aria-modal');
    delete document.documentElement.dataset.panel;
    button.setAttribute('aria-expanded', 'false');
    for (const other of document.body.children) other.inert = false;
    if (restoreFocus) button.focus();
  }

  function setUpPanels(focusComposer) {
    const chat = document.getElementById('chat');
    const navigation = document.getElementById('navigation');
    const askButton = document.getElementById('ask-button');
    const menuButton = document.getElementById('menu-button');
    askButton.addEventListener('click', () => {
      openPanel(chat, askButton);
      chat.focus();
      void focusComposer(() => open?.panel === chat);
    });
    menuButton.addEventListener('click', () => {
      openPanel(navigation, menuButton);
      (navigation.querySelector('[aria-current=page]') ?? navigation).focus();
    });
    for (const button of document.querySelectorAll('[data-close]')) {
      button.addEventListener('click', () => closePanel());
    }
    document.getElementById('scrim').addEventListener('click', () => closePanel());
    navigation.addEventListener('click', (event) => {
      if (event.target.closest('.section-link')) closePanel({ restoreFocus: false });
    });
    // The chat stops the Escape that it uses itself, as for its list of conversations.
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.isComposing && !event.defaultPrevented) closePanel();
    });
    const fit = () => {
      chat.toggleAttribute('data-sheet', narrow.matches);
      if (open !== null && !(open.panel === chat ? narrow : compact).matches) {
        closePanel({ restoreFocus: false });
      }
    };
    narrow.addEventListener('change', fit);
    compact.addEventListener('change', fit);
    fit();
  }

  // ------------------------------------------------------------ the article

  const ICON = {
    copy: '<svg class="idle" viewBox="0 0 24 24" aria-hidden="true"><rect x="9" y="9" width="11" height="11" rx="2.5"/><path d="M15 6V5.5A1.5 1.5 0 0 0 13.5 4h-8A1.5 1.5 0 0 0 4 5.5v8A1.5 1.5 0 0 0 5.5 15H6"/></svg>',
    done: '<svg class="done" viewBox="0 0 24 24" aria-hidden="true"><path d="m5 12.5 4.5 4.5L19 7.5"/></svg>',
  };

  function setUpArticle(article) {
    for (const heading of article.querySelectorAll('h1, h2, h3, h4')) {
      heading.dataset.text = heading.textContent.trim();
      if (heading.id === '' || heading.localName === 'h1') continue;
      const anchor = document.createElement('a');
      anchor.className = 'anchor';
      anchor.href = `#${heading.id}`;
      anchor.textContent = '#';
      anchor.setAttribute('aria-label', `Link to “${heading.dataset.text}”`);
      heading.append(anchor);
    }
    for (const table of article.querySelectorAll('table')) {
      const frame = document.createElement('div');
      frame.className = 'table';
      table.replaceWith(frame);
      frame.append(table);
    }
    for (const pre of article.querySelectorAll('pre')) {
      const code = pre.querySelector('code') ?? pre;
      const text = code.textContent;
      const language = /language-(\w+)/.exec(code.className)?.[1] ?? '';
      highlight(code, language);
      const frame = document.createElement('div');
      frame.className = 'code';
      pre.replaceWith(frame);
      frame.append(pre);
      if (language !== 'text' && language !== '') frame.append(copyButton(text));
    }
    // A name such as `--base-url` reads badly when a line breaks at its hyphen.
    for (const code of article.querySelectorAll(':not(pre) > code')) {
      code.classList.toggle('short', code.textContent.length <= 24);
    }
    makeScrollable(article.querySelectorAll('pre, .table'));
    document.addEventListener('selectionchange', () => {
      const selection = getSelection();
      const { anchorNode } = selection;
      if (anchorNode === null || !article.contains(anchorNode)) return;
      selectedText = selection.toString().trim().slice(0, 2000);
    });
  }

  /** What scrolls sideways must be reachable with the keyboard, and only then. */
  function makeScrollable(elements) {
    const observer = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        if (target.scrollWidth > target.clientWidth + 1) {
          target.tabIndex = 0;
          target.setAttribute('role', 'group');
          target.setAttribute('aria-label', target.localName === 'pre' ? 'Code' : 'Table');
        } else {
          for (const name of ['tabindex', 'role', 'aria-label']) target.removeAttribute(name);
        }
      }
    });
    for (const element of elements) observer.observe(element);
  }

  function copyButton(text) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.setAttribute('aria-label', 'Copy code');
    button.innerHTML = ICON.copy + ICON.done;
    // A prompt sign shows where to type; it is not typed.
    const plain = text.replace(/^\$ /gm, '').trimEnd();
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(plain);
      } catch {
        return;
      }
      button.dataset.copied = '';
      setTimeout(() => delete button.dataset.copied, 1600);
    });
    return button;
  }

  const HASH_COMMENT = '#(?=[ !\\n]|$).*';
  const STRING = '"(?:[^"\\\\\\n]|\\\\.)*"|\'(?:[^\'\\\\\\n]|\\\\.)*\'';
  const GRAMMARS = {
    sh: {
      comment: HASH_COMMENT,
      string: STRING,
      prompt: '^\\$ ',
      key: '\\b[A-Z][A-Z0-9_]{2,}(?==)',
      value: '(?<=\\s)--?[a-zA-Z][\\w-]*',
    },
    toml: {
      comment: HASH_COMMENT,
      string: STRING,
      word: '^\\s*\\[\\[?[^\\]\\n]+\\]\\]?',
      key: '^\\s*[\\w.-]+(?=\\s*=)',
      value: '\\b(?:true|false|\\d[\\d_.]*)\\b',
    },
    json: { key: '"(?:[^"\\\\]|\\\\.)*"(?=\\s*:)', string: STRING, value: '\\b(?:true|false|null|-?\\d[\\d.eE+-]*)\\b' },
    js: {
      comment: '//.*|/\\*[^]*?\\*/',
      string: `${STRING}|\`(?:[^\`\\\\]|\\\\.)*\``,
      word: '\\b(?:const|let|var|function|return|if|else|for|of|in|await|async|new|import|from|export|default|class|extends|typeof|type|interface)\\b',
      value: '\\b(?:true|false|null|undefined|\\d[\\d_.]*)\\b',
      key: '\\b[\\w$]+(?=:\\s)',
    },
    rust: {
      comment: '//.*',
      string: '"(?:[^"\\\\]|\\\\.)*"',
      word: '\\b(?:use|fn|let|mut|pub|struct|enum|impl|for|in|async|await|move|return|match|if|else|self|Self|crate|mod|trait|where|dyn|as|const|static)\\b',
      key: '#!?\\[[^\\]\\n]*\\]',
      value: '\\b(?:true|false|\\d[\\d_.]*)\\b',
    },
    html: { comment: '<!--[^]*?-->', string: '"[^"]*"', word: '</?[\\w-]+|/?>', key: '\\b[\\w-]+(?==")' },
    yaml: { comment: HASH_COMMENT, string: STRING, key: '^\\s*(?:- )?[\\w.-]+(?=:)', value: '\\b(?:true|false|null|\\d[\\d.]*)\\b' },
    http: { word: '^(?:GET|POST|PUT|DELETE|HTTP/\\S+)\\b', key: '^[A-Za-z][\\w-]*(?=: )', string: STRING },
  };
  const ALIASES = { bash: 'sh', shell: 'sh', console: 'sh', javascript: 'js', ts: 'js', typescript: 'js', tsx: 'js', jsx: 'js', rs: 'rust', yml: 'yaml', xml: 'html', jsonc: 'json' };

  /** Colours code by a few rules a language; enough for documentation, and no library. */
  function highlight(code, language) {
    const grammar = GRAMMARS[ALIASES[language] ?? language];
    if (grammar === undefined) return;
    const text = code.textContent;
    const rules = Object.entries(grammar).map(([name, rule]) => `(?<${name}>${rule})`);
    const pattern = new RegExp(rules.join('|'), 'gm');
    const parts = [];
    let at = 0;
    for (const match of text.matchAll(pattern)) {
      if (match[0] === '') continue;
      parts.push(text.slice(at, match.index));
      const span = document.createElement('span');
      span.className = `c-${Object.keys(match.groups).find((name) => match.groups[name] !== undefined)}`;
      span.textContent = match[0];
      parts.push(span);
      at = match.index + match[0].length;
    }
    parts.push(text.slice(at));
    code.replaceChildren(...parts);
  }

  /** Marks the section that is being read in the navigation. */
  function followReading(article) {
    const links = new Map(
      [...document.querySelectorAll('.section-link')].map((link) => [
        decodeURIComponent(link.hash.slice(1)),
        link,
      ]),
    );
    const headings = [...article.querySelectorAll('h2[id]')].filter((heading) => links.has(heading.id));
    if (headings.length === 0) return;
    const mark = () => {
      const line = innerHeight * 0.3;
      let current = headings.findLast((heading) => heading.getBoundingClientRect().top < line);
      const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
      if (scrollTop + clientHeight >= scrollHeight - 2 && scrollTop > 0) current = headings.at(-1);
      for (const [id, link] of links) {
        if (id === current?.id) link.setAttribute('aria-current', 'location');
        else link.removeAttribute('aria-current');
      }
    };
    let waiting = false;
    const soon = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        mark();
      });
    };
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    mark();
  }

  // ------------------------------------------------------------ start

  addEventListener('DOMContentLoaded', () => {
    const article = document.getElementById('article');
    setUpArticle(article);
    followReading(article);

    const themeButton = document.getElementById('theme-button');
    const showTheme = () => themeButton.setAttribute('aria-pressed', String(theme.current === 'dark'));
    theme.listeners.push(showTheme);
    showTheme();
    themeButton.addEventListener('click', () => {
      memory.set('theme', theme.current === 'dark' ? 'light' : 'dark');
      theme.apply();
    });

    const account = document.getElementById('account');
    const chat = mountChat(document.getElementById('chat-frame'), () => void showAccount(account, chat));
    const persona = currentPersona();
    for (const radio of document.querySelectorAll('input[name=persona]')) {
      radio.checked = radio.value === persona;
      radio.addEventListener('change', () => {
        memory.set('persona', radio.value);
        chat.mount(radio.value);
      });
    }
    if (account === null) chat.mount(persona);
    else void showAccount(account, chat);
    setUpPanels(chat.focus);
    if (location.hash !== '') focusTarget();
  });
})();
