// Puts the chat on the page. `?api=NAME` chooses the server behind it, `&upload=two_phase` or `direct` lets files be
// attached; the open thread is remembered, so
// that a reload finds it again. Scenes set `tool` and `onWidgetAction`.
(() => {
  const query = new URLSearchParams(location.search);
  const url = `/chatkit/${query.get('api')}`;
  const upload = query.get('upload');
  window.told = [];
  window.toolCalls = [];
  // A scene may have set it before the page was loaded.
  window.tool ??= ({ name }) => {
    throw new Error(`the scene has no tool "${name}"`);
  };
  window.onWidgetAction = () => {};

  /** Asks the server past the element. */
  window.post = async (type, params) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ type, params }),
    });
    return response.headers.get('content-type').startsWith('application/json') ? response.json() : response.text();
  };

  const chat = document.createElement('openai-chatkit');
  chat.style.blockSize = '40rem';
  for (const name of ['error', 'effect', 'response.start', 'response.end', 'thread.change', 'thread.load.end']) {
    chat.addEventListener(`chatkit.${name}`, ({ detail }) => {
      window.told.push({ name, ...(detail?.error ? { error: detail.error.message } : detail) });
    });
  }
  chat.addEventListener('chatkit.thread.change', ({ detail }) => {
    if (detail.threadId === null) sessionStorage.removeItem('thread');
    else sessionStorage.setItem('thread', detail.threadId);
  });

  const options = {
    api: { url, domainKey: 'local', uploadStrategy: { type: upload ?? 'two_phase', uploadUrl: '/files' } },
    composer: { attachments: { enabled: upload !== null } },
    initialThread: sessionStorage.getItem('thread'),
    startScreen: { greeting: 'Hello from the site' },
    threadItemActions: { feedback: true, retry: true },
    onClientTool: (call) => {
      window.toolCalls.push(call);
      return window.tool(call);
    },
    widgets: { onAction: async (action, item) => window.onWidgetAction(action, item) },
  };
  /** Changes options; null takes one away. */
  window.change = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) delete options[name];
      else options[name] = value;
    }
    chat.setOptions({ ...options });
  };

  addEventListener('DOMContentLoaded', () => {
    document.querySelector('main').append(chat);
    customElements.whenDefined('openai-chatkit').then(() => window.change({}));
  });
})();
