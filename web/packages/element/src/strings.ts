/**
 * Every text the element shows or announces, in one table, so that a locale is
 * one more object of this type.
 */
export interface Strings {
  chat: string;
  conversation: string;
  greeting: string;
  starterPrompts: string;
  placeholder: string;
  message: string;
  send: string;
  stop: string;
  stopping: string;
  removeQuote: string;
  removeAttachment: (name: string) => string;
  tools: string;
  removeTool: (label: string) => string;
  model: string;
  newThread: string;
  history: string;
  /** Buttons that the page puts into the header, which has icons for them and no names. */
  headerActions: {
    back: string;
    close: string;
    darkMode: string;
    enlarge: string;
    home: string;
    lightMode: string;
    menu: string;
    more: string;
    reduce: string;
    settings: string;
    share: string;
    sidebar: string;
  };
  closeHistory: string;
  untitled: string;
  noThreadsTitle: string;
  noThreadsText: string;
  threadsFailed: string;
  loadMore: string;
  loadingThreads: string;
  rename: (title: string) => string;
  renameLabel: string;
  save: string;
  cancel: string;
  delete: (title: string) => string;
  deleteQuestion: string;
  deleteConfirm: string;
  today: string;
  yesterday: string;
  lastWeek: string;
  lastMonth: string;
  older: string;
  loadingThread: string;
  threadFailed: string;
  tryAgain: string;
  loadingOlder: string;
  jumpToLatest: string;
  youSaid: string;
  answer: string;
  thinking: string;
  reconnecting: string;
  notSent: string;
  copy: string;
  copied: string;
  good: string;
  bad: string;
  retry: string;
  retryIn: (seconds: number) => string;
  sendAgainIn: (time: string) => string;
  /** `day` is another day than today, such as `tomorrow`. */
  sendAgainAt: (time: string, day: string | null) => string;
  sendAgain: string;
  dismiss: string;
  edit: string;
  requestId: (id: string) => string;
  sources: (count: number) => string;
  source: (number: number, title: string) => string;
  opensInNewTab: string;
  locked: string;
  closed: string;
  answerStarted: string;
  answerDone: string;
  answerStopped: string;
  answerRemoved: string;
  copyCode: string;
  reasoning: string;
  reasonedFor: (seconds: number) => string;
  working: string;
  steps: (count: number) => string;
  searchedFor: string;
  usingTool: (name: string) => string;
  usedTool: (name: string) => string;
  imageLoading: string;
  generatedImage: string;
  imageFailed: string;
  structuredInput: string;
  widget: string;
  skipped: string;
  unsupported: string;
  noActionHandler: (type: string) => string;
  noServer: string;
  // Files
  attach: string;
  dropHere: string;
  folder: (name: string) => string;
  fileTooLarge: (name: string, size: string) => string;
  fileType: (name: string) => string;
  fileCount: (most: number, names: string) => string;
  uploading: string;
  uploadWaiting: string;
  uploadStarted: (name: string) => string;
  uploadDone: (name: string) => string;
  uploadFailed: (name: string, reason: string) => string;
  cancelUpload: (name: string) => string;
  retryUpload: (name: string) => string;
  removed: (name: string) => string;
  sendWaits: string;
  stopWaiting: string;
  sendBlocked: string;
  attachments: string;
  openImage: (name: string) => string;
  imageGone: (name: string) => string;
  download: (name: string) => string;
  close: string;
  // Dictation
  dictate: string;
  dictating: string;
  dictationDone: string;
  dictationCancel: string;
  dictationTranscribing: string;
  dictationInserted: string;
  dictationStarting: string;
  dictationDenied: string;
  dictationNoMicrophone: string;
  dictationUnsupported: string;
  dictationLimit: string;
  dictationSilent: string;
  dictationFailed: string;
  // Tags and commands
  mention: string;
  tags: string;
  commands: string;
  noMatches: string;
  searchFailed: string;
  searching: string;
  matches: (count: number) => string;
  preview: (title: string) => string;
  errors: {
    generic: string;
    stream: string;
    offline: string;
    network: string;
    connectionLost: string;
    unauthorized: string;
    forbidden: string;
    notFound: string;
    busy: string;
    tooLarge: string;
    fileTooLarge: string;
    fileType: string;
    noUploads: string;
    uploadCut: string;
    uploadExpired: string;
    rateLimited: string;
    unavailable: string;
    server: string;
  };
}

const plural = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;

/** English, the fallback of every locale. */
export const english: Strings = {
  chat: 'Chat',
  conversation: 'Conversation',
  greeting: 'What can I help with today?',
  starterPrompts: 'Suggestions',
  placeholder: 'Message the AI',
  message: 'Message',
  send: 'Send message',
  stop: 'Stop answering',
  stopping: 'Stopping…',
  removeQuote: 'Remove quote',
  removeAttachment: (name) => `Remove ${name}`,
  tools: 'Tools',
  removeTool: (label) => `Don’t use ${label}`,
  model: 'Model',
  newThread: 'New chat',
  history: 'Chat history',
  headerActions: {
    back: 'Back',
    close: 'Close',
    darkMode: 'Dark mode',
    enlarge: 'Enlarge',
    home: 'Home',
    lightMode: 'Light mode',
    menu: 'Menu',
    more: 'More',
    reduce: 'Reduce',
    settings: 'Settings',
    share: 'Share',
    sidebar: 'Sidebar',
  },
  closeHistory: 'Close chat history',
  untitled: 'New chat',
  noThreadsTitle: 'No conversations yet',
  noThreadsText: 'What you ask is kept here, so you can come back to it.',
  threadsFailed: 'Your conversations could not be loaded.',
  loadMore: 'Show older',
  loadingThreads: 'Loading conversations',
  rename: (title) => `Rename “${title}”`,
  renameLabel: 'New title',
  save: 'Save',
  cancel: 'Cancel',
  delete: (title) => `Delete “${title}”`,
  deleteQuestion: 'Delete this conversation?',
  deleteConfirm: 'Delete',
  today: 'Today',
  yesterday: 'Yesterday',
  lastWeek: 'Previous 7 days',
  lastMonth: 'Previous 30 days',
  older: 'Older',
  loadingThread: 'Loading conversation',
  threadFailed: 'This conversation could not be loaded.',
  tryAgain: 'Try again',
  loadingOlder: 'Loading older messages',
  jumpToLatest: 'Jump to the latest message',
  youSaid: 'You said',
  answer: 'Answer',
  thinking: 'Thinking',
  reconnecting: 'Connection lost. Reconnecting…',
  notSent: 'Not sent',
  copy: 'Copy answer',
  copied: 'Copied',
  good: 'Good answer',
  bad: 'Bad answer',
  retry: 'Try again',
  retryIn: (seconds) => `Try again in ${seconds} s`,
  dismiss: 'Dismiss',
  edit: 'Edit message',
  sendAgainIn: (time) => `You can send again in ${time}`,
  sendAgainAt: (time, day) => `You can send again ${day === null ? '' : `${day} `}at ${time}`,
  sendAgain: 'You can send again.',
  requestId: (id) => `Request ${id}`,
  sources: (count) => plural(count, 'source', 'sources'),
  source: (number, title) => `Source ${number}: ${title}`,
  opensInNewTab: 'opens in a new tab',
  locked: 'This conversation is locked.',
  closed: 'This conversation is closed.',
  answerStarted: 'Answering.',
  answerDone: 'Answer finished.',
  answerStopped: 'Answer stopped.',
  answerRemoved: 'The answer was taken back.',
  copyCode: 'Copy code',
  reasoning: 'Reasoning',
  reasonedFor: (seconds) => `Thought for ${plural(seconds, 'second', 'seconds')}`,
  working: 'Working',
  steps: (count) => plural(count, 'step', 'steps'),
  searchedFor: 'Searched for',
  usingTool: (name) => `Using ${name}`,
  usedTool: (name) => `Used ${name}`,
  imageLoading: 'Making an image',
  generatedImage: 'Generated image',
  imageFailed: 'The image could not be made',
  structuredInput: 'Questions for you',
  widget: 'Card',
  skipped: 'Skipped',
  unsupported: 'This message can’t be shown here.',
  noActionHandler: (type) => `Nothing on this page handles “${type}”.`,
  noServer: 'This chat has no server yet.',
  attach: 'Attach files',
  dropHere: 'Drop files to attach them',
  folder: (name) => `“${name}” is a folder. Attach the files in it instead.`,
  fileTooLarge: (name, size) => `“${name}” is too large. Files may have up to ${size}.`,
  fileType: (name) => `“${name}” is of a type that can’t be attached here.`,
  fileCount: (most, names) => `Only ${plural(most, 'file', 'files')} fit in one message. Left out: ${names}.`,
  uploading: 'Uploading…',
  uploadWaiting: 'Waiting…',
  uploadStarted: (name) => `Uploading ${name}.`,
  uploadDone: (name) => `${name} is attached.`,
  uploadFailed: (name, reason) => `${name} was not uploaded: ${reason}`,
  cancelUpload: (name) => `Cancel the upload of ${name}`,
  retryUpload: (name) => `Upload ${name} again`,
  removed: (name) => `${name} removed.`,
  sendWaits: 'Sends as soon as the files are uploaded.',
  stopWaiting: 'Don’t send yet',
  sendBlocked: 'A file was not uploaded. Upload it again or remove it, then send.',
  attachments: 'Attached files',
  openImage: (name) => `Show ${name}`,
  imageGone: (name) => `${name} can’t be shown`,
  download: (name) => `Download ${name}`,
  close: 'Close',
  dictate: 'Dictate',
  dictating: 'Recording',
  dictationDone: 'Insert text',
  dictationCancel: 'Discard recording',
  dictationTranscribing: 'Writing down what you said…',
  dictationInserted: 'Text inserted.',
  dictationStarting: 'Waiting for the microphone…',
  dictationDenied:
    'The microphone is blocked for this page. Allow it in the browser’s settings and try again.',
  dictationNoMicrophone: 'No microphone was found. Connect one and try again.',
  dictationUnsupported: 'Dictation is not available here.',
  dictationLimit: 'That is as long as a recording can be. Its text is being inserted.',
  dictationSilent: 'Nothing was understood. Try again a little closer to the microphone.',
  dictationFailed: 'The recording could not be written down.',
  mention: 'Mention something',
  tags: 'Suggestions for a mention',
  commands: 'Commands',
  noMatches: 'Nothing found',
  searchFailed: 'The suggestions could not be loaded.',
  searching: 'Searching…',
  matches: (count) => plural(count, 'suggestion', 'suggestions'),
  preview: (title) => `About ${title}`,
  errors: {
    generic: 'Something went wrong.',
    stream: 'Something went wrong while the answer was written.',
    offline: 'You are offline. Check your connection and try again.',
    network: 'The server could not be reached. Check your connection and try again.',
    connectionLost: 'The connection was lost before the answer was complete.',
    unauthorized: 'You are not signed in, or your session has expired.',
    forbidden: 'You are not allowed to do this.',
    notFound: 'This conversation does not exist any more.',
    busy: 'An answer is still being written in this conversation.',
    tooLarge: 'This message is too long.',
    fileTooLarge: 'The server does not take files this large.',
    fileType: 'The server does not take files of this type.',
    noUploads: 'This chat takes no files.',
    uploadCut: 'The upload was cut off. Check your connection and try again.',
    uploadExpired: 'The upload took too long to begin. Try again.',
    rateLimited: 'That was a little too fast. Please wait a moment.',
    unavailable: 'Chat is unavailable right now. Please try again soon.',
    server: 'The server had a problem.',
  },
};
