// Stands where the official element is loaded from: has the interface that npm `@openai/chatkit` publishes, draws nothing,
// and keeps what it is given in `official`. Requests go the way that the element's go: through the option `api.fetch`.
(() => {
  const official = { options: [], calls: [], answers: [], elements: 0 };
  window.official = official;
  const METHODS = ['focusComposer', 'setThreadId', 'sendCustomAction', 'setComposerValue', 'showHistory', 'hideHistory', 'fetchUpdates'];

  class OpenAIChatKit extends HTMLElement {
    #options = null;
    #thread = null;

    constructor() {
      super();
      official.elements += 1;
      official.element = this;
    }

    setOptions(options) {
      official.options.push(options);
      const isFirst = this.#options === null;
      this.#options = options;
      if (!isFirst) return;
      this.#thread = options.initialThread ?? null;
      setTimeout(() => this.tell('chatkit.ready'));
    }

    tell(name, detail) {
      this.dispatchEvent(new CustomEvent(name, { detail }));
    }

    /** A request of the type, and what came back: JSON, or the events of the stream. */
    async request(type, params) {
      const { url, fetch } = this.#options.api;
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ type, params }),
      });
      const text = await response.text();
      const answer = { type, status: response.status, text };
      official.answers.push(answer);
      return answer;
    }

    async sendUserMessage(params) {
      official.calls.push(['sendUserMessage', params]);
      const { text = '', reply, newThread } = params;
      const input = {
        content: [{ type: 'input_text', text }],
        attachments: [],
        quoted_text: reply ?? null,
        inference_options: {},
      };
      const isNew = newThread === true || this.#thread === null;
      this.tell('chatkit.response.start');
      const answer = isNew
        ? await this.request('threads.create', { input })
        : await this.request('threads.add_user_message', { input, thread_id: this.#thread });
      const created = /"type":"thread.created","thread":\{"id":"([^"]+)"/.exec(answer.text)?.[1];
      if (created !== undefined) {
        this.#thread = created;
        this.tell('chatkit.thread.change', { threadId: created });
      }
      this.tell('chatkit.response.end');
      if (answer.status !== 200) this.tell('chatkit.error', { error: new Error(`status ${answer.status}`) });
    }
  }
  for (const name of METHODS) {
    OpenAIChatKit.prototype[name] = async (...given) => {
      official.calls.push([name, ...given]);
    };
  }
  customElements.define('openai-chatkit', OpenAIChatKit);
})();
