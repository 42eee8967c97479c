import {
  createChatKitFetch,
  fresh,
  getPageContext,
  selectedText,
  type ChatKitFetchOptions,
  type PageContext,
  type PageContextOptions,
  type ScriptOptions,
} from '@parlor/client';
import { useChatKit, type UseChatKitOptions, type UseChatKitReturn } from '@openai/chatkit-react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Labels } from './labels.js';
import { Memory, type Remembered } from './memory.js';
import { type AuthGate, type AuthGateOptions, useAuthGate } from './use-auth-gate.js';
import { whenIdle } from './when-idle.js';
import { type ChatKitScript, useChatKitScript } from './use-chatkit-script.js';
import { useLabels, usePageLanguage } from './use-labels.js';

/** `popup`: above the button. `panel`: along the side. `inline`: where it stands in the page, always open. */
export type WidgetMode = 'popup' | 'panel' | 'inline';

export interface ChatKitWidgetOptions {
  /** Where Parlor is reached, such as `https://chat.example.com`; the page's own origin by default. */
  server?: string | undefined;
  /** Address of the ChatKit endpoint; `/chatkit` of the server by default. */
  url?: string | undefined;
  /** Where the element comes from; `/chatkit.js` of the server by default. */
  script?: ScriptOptions | undefined;
  mode?: WidgetMode | undefined;
  /** Tells widgets of one origin apart in what the browser remembers. */
  id?: string | undefined;
  /** Whether it is open at first, before anybody has opened or closed it. */
  defaultOpen?: boolean | undefined;
  /** When the element is loaded: once the page has nothing to do (the default), or with the first opening. */
  preload?: 'idle' | 'open' | undefined;
  auth?: AuthGateOptions | undefined;
  token?: ChatKitFetchOptions['token'];
  headers?: ChatKitFetchOptions['headers'];
  /** Whether cookies go along; by default also where `server` is another origin. */
  credentials?: RequestCredentials | undefined;
  userId?: string | null | undefined;
  /** What the assistant may know of the user. Wins over what users say of themselves in the profile form. */
  userInfo?: ChatKitFetchOptions['userInfo'];
  /** How the page is read, what to tell instead, or `false` for nothing. */
  pageContext?: PageContextOptions | (() => PageContext | null) | false | undefined;
  /** Options of the element: start screen, theme, composer, tools, … */
  options?: Partial<UseChatKitOptions> | undefined;
  colorScheme?: 'auto' | 'light' | 'dark' | undefined;
  labels?: Partial<Labels> | undefined;
  onOpenChange?: ((open: boolean) => void) | undefined;
  /** The server does not know who asks. */
  onAuthRequired?: (() => void) | undefined;
}

export interface AskOptions {
  /** Quoted with the question. */
  quote?: string | undefined;
  newThread?: boolean | undefined;
}

/** What a site can do with the widget. */
export interface WidgetHandle {
  open: () => void;
  close: () => void;
  toggle: () => void;
  /** Opens the chat, waits until it is ready, and sends a message. */
  ask: (question: string, options?: AskOptions) => void;
}

export interface ChatKitWidgetState extends WidgetHandle {
  /** The four of them, the same object as long as the widget lives. */
  handle: WidgetHandle;
  isOpen: boolean;
  /** Whether it was opened by somebody, and not because it was open before. */
  wantsFocus: boolean;
  /** Whether it was ever open: the chat stays in the page from then on. */
  wasOpened: boolean;
  /** Whether the element is to be in the page: it is loaded, and nobody has to sign in. */
  isMounted: boolean;
  /** Whether the element can be used. */
  isReady: boolean;
  script: ChatKitScript;
  gate: AuthGate;
  /** For `<ChatKit control={…} />`. */
  control: UseChatKitReturn['control'];
  /** Changes when somebody else has signed in: the key of `<ChatKit>`. */
  userKey: string;
  focus: () => void;
  /** Says what is marked: the assistant is told of it though the mark goes when the chat gets the focus. */
  setMarked: (text: string | null) => void;
  remembered: () => Remembered;
  remember: (change: Partial<Remembered>) => void;
  labels: Labels;
}

/** Everything of the widget but how it looks: state, memory, login, the element's options, asking. */
export function useChatKitWidget(given: ChatKitWidgetOptions): ChatKitWidgetState {
  const { mode = 'popup', id = 'default', preload = 'idle', auth = 'none' } = given;
  const base = (given.server ?? '').replace(/\/+$/, '');
  const url = given.url ?? `${base}/chatkit`;
  // From another origin a visitor is only known by a cookie that is asked for.
  const credentials = given.credentials ?? (base === '' ? undefined : 'include');
  const latest = useRef(given);
  latest.current = given;
  const own: Partial<UseChatKitOptions> = given.options ?? {};
  const language = usePageLanguage();
  const labels = useLabels(own.locale ?? language, given.labels);
  const memory = useMemo(() => new Memory(id), [id]);

  const inline = mode === 'inline';
  const [isOpen, setOpen] = useState(inline);
  const [wantsFocus, setWantsFocus] = useState(false);
  const [wasOpened, setWasOpened] = useState(inline);
  const [isIdle, setIdle] = useState(false);
  const [isReady, setReady] = useState(false);

  const script = useChatKitScript({ src: `${base}/chatkit.js`, ...given.script });
  const gate = useAuthGate(auth, {
    url: `${base}/auth`,
    credentials,
    enabled: wasOpened || isIdle,
  });
  const { load } = script;
  const mounted = gate.status === 'open' && wasOpened && script.status === 'ready';

  const change = useCallback(
    (open: boolean) => {
      setOpen(open);
      setWantsFocus(open);
      if (open) setWasOpened(true);
      memory.write({ open });
      latest.current.onOpenChange?.(open);
    },
    [memory],
  );

  // What was open stays open. Not before the first effect: the server does not know.
  useEffect(() => {
    if (inline) return;
    if (memory.readOpen() ?? latest.current.defaultOpen ?? false) {
      setOpen(true);
      setWasOpened(true);
    }
  }, [inline, memory]);

  useEffect(() => {
    if (preload !== 'idle') return undefined;
    return whenIdle(() => setIdle(true));
  }, [preload]);
  useEffect(() => {
    if (wasOpened || isIdle) load();
  }, [wasOpened, isIdle, load]);

  // What is marked goes with the next question; what is asked about, with its own.
  const marked = useRef<string | null>(null);
  const quoted = useRef<string | null>(null);
  const setMarked = useCallback((text: string | null) => {
    marked.current = text;
  }, []);
  const readPage = useCallback(() => {
    const { pageContext } = latest.current;
    if (pageContext === false) return null;
    if (typeof pageContext === 'function') return pageContext();
    const now = quoted.current ?? (selectedText() || marked.current);
    quoted.current = null;
    return getPageContext({ ...(now === null ? {} : { selectedText: now }), ...pageContext });
  }, []);

  const { recheck } = gate;
  const fetch = useMemo(
    () =>
      createChatKitFetch({
        url,
        token: (request) => latest.current.token?.(request) ?? null,
        headers: async () => (await fresh(latest.current.headers)) ?? {},
        credentials,
        userId: () => latest.current.userId,
        userInfo: async () => {
          const info = { ...filled(memory.read().profile), ...(await fresh(latest.current.userInfo)) };
          return Object.keys(info).length === 0 ? null : info;
        },
        pageContext: readPage,
        onAuthRequired: () => {
          recheck();
          latest.current.onAuthRequired?.();
        },
      }),
    [url, credentials, memory, readPage, recheck],
  );

  const userKey = gate.user?.id ?? given.userId ?? '';
  const thread = useMemo(() => {
    const { thread: last } = memory.read();
    if (!mounted || last === null) return null;
    // What somebody asked as a visitor is theirs once they have signed in with Parlor.
    const wasVisitors = auth === 'session' && last.user === '';
    return last.user === userKey || wasVisitors ? last.id : null;
    // Read when the element comes into the page: it may have gone and come with a login.
  }, [memory, userKey, mounted, auth]);

  const { control, sendUserMessage, focusComposer } = useChatKit({
    initialThread: thread,
    // The chat speaks the language of the page it is on.
    ...(language !== '' && { locale: language as NonNullable<UseChatKitOptions['locale']> }),
    ...own,
    api: { domainKey: 'local', ...own.api, url, fetch } as UseChatKitOptions['api'],
    onReady: () => {
      setReady(true);
      own.onReady?.();
    },
    onThreadChange: (event) => {
      memory.write({ thread: event.threadId === null ? null : { user: userKey, id: event.threadId } });
      own.onThreadChange?.(event);
    },
  });

  // Another user's chat is another element, which is not ready yet.
  useEffect(() => () => setReady(false), [userKey, mounted]);

  const waiting = useRef<{ question: string; options: AskOptions } | null>(null);
  const send = useCallback(() => {
    const next = waiting.current;
    if (next === null) return;
    waiting.current = null;
    const { question, options } = next;
    quoted.current = options.quote ?? null;
    void sendUserMessage({
      text: question,
      ...(options.quote === undefined ? {} : { reply: options.quote }),
      ...(options.newThread === undefined ? {} : { newThread: options.newThread }),
    });
  }, [sendUserMessage]);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    if (isReady) send();
  }, [isReady, asked, send]);

  const openNow = useRef(isOpen);
  openNow.current = isOpen;
  const handle = useMemo<WidgetHandle>(
    () => ({
      open: () => change(true),
      close: () => change(false),
      toggle: () => change(!openNow.current),
      ask: (question, options = {}) => {
        waiting.current = { question, options };
        setAsked((times) => times + 1);
        change(true);
      },
    }),
    [change],
  );

  return {
    ...handle,
    handle,
    isOpen,
    wantsFocus,
    wasOpened,
    isReady,
    isMounted: mounted,
    script,
    gate: {
      ...gate,
      login: () => {
        // Back here, the chat is open.
        memory.write({ open: true });
        gate.login();
      },
    },
    control,
    userKey,
    focus: useCallback(() => void focusComposer(), [focusComposer]),
    setMarked,
    remembered: useCallback(() => memory.read(), [memory]),
    remember: useCallback((what) => memory.write(what), [memory]),
    labels,
  };
}

function filled(profile: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(profile).filter(([, value]) => value.trim() !== ''));
}
