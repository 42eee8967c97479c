// The host page of the tests and of development. Options come from the query:
// ?endpoint=/plain/chatkit&scheme=dark&thread=thr_…&options={"header":…}
(() => {
  const query = new URLSearchParams(location.search);
  const extra = JSON.parse(query.get('options') ?? '{}');
  const scheme = query.get('scheme') ?? 'light';
  window.violations = [];
  window.events = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
  });

  window.optionsFor = (change = {}) => ({
    api: { url: query.get('endpoint') ?? '/chatkit', domainKey: 'local' },
    initialThread: query.get('thread'),
    startScreen: {
      greeting: 'What would you like to know?',
      prompts: [
        { label: 'How do I choose a store?', prompt: 'Tell me about stores in a table', icon: 'cube' },
        { label: 'What does a turn look like from start to end?', prompt: 'workflow', icon: 'compass' },
        { label: 'Why is my token rejected?', prompt: 'hello', icon: 'keys' },
      ],
    },
    threadItemActions: { feedback: true, retry: true },
    composer: { placeholder: 'Ask about the documentation' },
    disclaimer: { text: 'Answers can be wrong. Check the [sources](/docs).' },
    onClientTool: ({ name, params }) => ({
      name,
      text: document.querySelector(params.selector)?.textContent,
    }),
    ...extra,
    theme: { colorScheme: scheme, ...extra.theme, ...change.theme },
  });

  addEventListener('DOMContentLoaded', () => {
    const chat = document.createElement('openai-chatkit');
    for (const name of [
      'ready',
      'error',
      'effect',
      'deeplink',
      'response.start',
      'response.end',
      'history.open',
      'history.close',
      'thread.change',
      'thread.load.start',
      'thread.load.end',
      'tool.change',
    ]) {
      chat.addEventListener(`chatkit.${name}`, (event) => {
        const detail = event.detail?.error ? { error: event.detail.error.message } : event.detail;
        window.events.push({ name: `chatkit.${name}`, detail });
      });
    }
    document.querySelector('main').append(chat);
    window.chat = chat;
    // Options are applied as the published wrapper does: once the tag is defined.
    customElements.whenDefined('openai-chatkit').then(() => chat.setOptions(window.optionsFor()));
  });
})();
