/** Every text that widgets and questions show or announce by themselves. */
export interface WidgetStrings {
  showMore: (count: number) => string;
  showDetails: string;
  hideDetails: string;
  failed: string;
  tryAgain: string;
  dismiss: string;
  choose: string;
  search: string;
  noMatches: string;
  clear: (name: string) => string;
  imageBlocked: string;
  table: string;
  chart: (series: string) => string;
  chartHint: string;
  noData: string;
  required: string;
  email: string;
  url: string;
  number: string;
  pattern: string;
  check: string;
  pick: string;
  earliest: (date: string) => string;
  latest: (date: string) => string;
  questions: string;
  ownAnswer: string;
  ownAnswerFor: (question: string) => string;
  severalAllowed: string;
  send: string;
  skip: string;
  skipped: string;
}

/** English, the fallback of every locale. */
export const englishWidgets: WidgetStrings = {
  showMore: (count) => `Show ${count} more`,
  showDetails: 'Show details',
  hideDetails: 'Hide details',
  failed: 'This did not work.',
  tryAgain: 'Try again',
  dismiss: 'Dismiss',
  choose: 'Choose…',
  search: 'Search',
  noMatches: 'Nothing found',
  clear: (name) => `Clear ${name}`,
  imageBlocked: 'Image not shown',
  table: 'Table',
  chart: (series) => `Chart: ${series}`,
  chartHint: 'Use the arrow keys to read its values.',
  noData: 'No data yet',
  required: 'Please fill in this field.',
  email: 'Please enter an email address, like name@example.com.',
  url: 'Please enter a web address, like https://example.com.',
  number: 'Please enter a number.',
  pattern: 'This is not in the expected format.',
  check: 'Please tick this box to go on.',
  pick: 'Please choose one of these.',
  earliest: (date) => `The earliest possible date is ${date}.`,
  latest: (date) => `The latest possible date is ${date}.`,
  questions: 'Questions for you',
  ownAnswer: 'Something else',
  ownAnswerFor: (question) => `Your own answer: ${question}`,
  severalAllowed: 'Choose all that apply.',
  send: 'Send',
  skip: 'Skip',
  skipped: 'Skipped',
};
