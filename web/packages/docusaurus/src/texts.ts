import { LABELS, type Labels } from '@parlor/react/labels';
import type { TranslationFile, TranslationMessage } from './docusaurus.js';
import type { Options } from './options.js';

/** What is read in the chat, where the site has words of its own: translated like its other texts. */
export interface Texts {
  greeting?: string | undefined;
  placeholder?: string | undefined;
  prompts: readonly string[];
  /** The others are the widget's, in the language of the page. */
  labels: Partial<Labels>;
}

const DESCRIPTIONS: Partial<Record<string, string>> = {
  greeting: 'The first thing people read in the chat',
  placeholder: 'What stands in the empty field of the chat',
  'labels.question': 'What is sent with marked text; {title} is the title of the page',
};

/** The texts as they are without a translation file. */
export function textsOf({ greeting, placeholder, heading, prompts = [], labels }: Options): Texts {
  return {
    greeting,
    placeholder,
    prompts,
    labels: { ...(heading !== undefined && { title: heading }), ...labels },
  };
}

/** What `docusaurus write-translations` writes to `i18n/LOCALE/parlor-docusaurus/chat.json`. */
export function translationFile({ greeting, placeholder, prompts, labels }: Texts): TranslationFile {
  const content: Record<string, TranslationMessage> = {};
  const add = (name: string, message: string | undefined) => {
    const description = DESCRIPTIONS[name];
    if (message === undefined) return;
    content[name] = { message, ...(description === undefined ? {} : { description }) };
  };
  add('greeting', greeting);
  add('placeholder', placeholder);
  prompts.forEach((prompt, at) => add(`prompts.${at + 1}`, prompt));
  for (const [name, label] of Object.entries({ ...LABELS, ...labels })) add(`labels.${name}`, label);
  return { path: 'chat', content };
}

/** The texts with what a translation file says. */
export function translated(texts: Texts, file: TranslationFile | undefined): Texts {
  const said = (name: string) => file?.content[name]?.message;
  const maybe = (name: string, text: string | undefined) =>
    text === undefined ? text : (said(name) ?? text);
  const labels = Object.entries(LABELS).flatMap(([name, english]) => {
    const label = said(`labels.${name}`);
    // What is English there is not translated yet: the widget may have it in the language of the page.
    return label === undefined || label === english ? [] : [[name, label]];
  });
  return {
    greeting: maybe('greeting', texts.greeting),
    placeholder: maybe('placeholder', texts.placeholder),
    prompts: texts.prompts.map((prompt, at) => said(`prompts.${at + 1}`) ?? prompt),
    labels: { ...texts.labels, ...(Object.fromEntries(labels) as Partial<Labels>) },
  };
}
