/** Every text of the widget, in English. `{title}` stands for the title of the page. */
export const LABELS = {
  /** Name of the chat, for screen readers and in the bar. */
  title: 'Chat',
  open: 'Open chat',
  close: 'Close chat',
  loading: 'Loading the chat',
  failed: 'The chat could not be loaded.',
  failedHint: 'Check your connection, or a blocker of scripts.',
  retry: 'Try again',
  offline: 'You are offline. Messages can be sent when the connection is back.',
  /** On the button beside marked text. */
  ask: 'Ask',
  askLong: 'Ask about the selected text',
  /** What is sent with the marked text. */
  question: 'Can you explain this passage of “{title}”?',
  /** The same on a page without a title. */
  questionUntitled: 'Can you explain this passage?',
  signInTitle: 'Sign in to chat',
  signInText: 'Your conversations are kept with your account.',
  signIn: 'Sign in',
  signOut: 'Sign out',
  checking: 'Finding out who you are',
  gateFailed: 'The login could not be checked.',
  settings: 'Settings',
  profile: 'About you',
  profileHint: 'The assistant is told this with your questions.',
  save: 'Save',
  back: 'Back',
  resize: 'Resize the chat with the arrow keys',
} as const;

export type Labels = { readonly [name in keyof typeof LABELS]: string };
