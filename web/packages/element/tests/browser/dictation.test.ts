import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  // A microphone that beeps, and nobody who has to say yes.
  lab = await Lab.start(null, ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const transcribed = () => lab.world.requests.filter(({ type }) => type === 'input.transcribe');

const open = (before?: () => void): Promise<ChatPage> =>
  lab.open({
    options: { composer: { placeholder: 'Ask', dictation: { enabled: true } } },
    context: { permissions: ['microphone'] },
    ...(before === undefined ? {} : { before }),
  });
const dictate = (chat: ChatPage) => chat.page.getByRole('button', { name: 'Dictate' });
const insert = (chat: ChatPage) => chat.page.getByRole('button', { name: 'Insert text' });

/** Waits until something was recorded. */
async function record(chat: ChatPage): Promise<void> {
  await dictate(chat).click();
  const timer = chat.page.getByRole('timer');
  await timer.waitFor();
  await expect.poll(() => timer.innerText()).not.toBe('0:00');
}

describe('dictation', () => {
  it('is not offered unless it is asked for', async () => {
    const chat = await lab.open();
    await expect.poll(() => dictate(chat).count()).toBe(0);
  });

  it('is not offered where the browser cannot record', async () => {
    const chat = await open(() => Reflect.deleteProperty(globalThis, 'MediaRecorder'));
    await chat.input.waitFor();
    await expect.poll(() => dictate(chat).count()).toBe(0);
  });

  it('puts what was said where the caret is, and loses nothing that is typed', async () => {
    const chat = await open();
    lab.world.transcript = 'three nights in';
    await chat.input.fill('I want  Oslo, please');
    await chat.input.evaluate((field: HTMLTextAreaElement) => field.setSelectionRange(7, 7));
    await record(chat);
    // The level moves with the sound.
    await expect
      .poll(() =>
        chat.page
          .locator('.level i')
          .evaluateAll((bars) =>
            bars.some((bar) => Number((bar as HTMLElement).style.getPropertyValue('--level')) > 0.2),
          ),
      )
      .toBe(true);
    await insert(chat).press('Enter');
    await expect.poll(() => chat.input.inputValue()).toBe('I want three nights in Oslo, please');
    await expect
      .poll(() => chat.input.evaluate((field: HTMLTextAreaElement) => field.selectionStart))
      .toBe(22);
    const [request] = transcribed();
    expect(request?.params.mime_type).toBe('audio/webm;codecs=opus');
    const bytes = Buffer.from(String(request?.params.audio_base64), 'base64');
    // A WebM file begins with this.
    expect(bytes.subarray(0, 4).toString('hex')).toBe('1a45dfa3');
    expect(bytes.length).toBeGreaterThan(1000);
    await expect.poll(() => chat.page.getByRole('log').innerText()).toContain('Text inserted.');
  });

  it('goes on while the user types, and is sent with the message', async () => {
    const chat = await open();
    lab.world.transcript = 'world';
    await record(chat);
    await chat.input.fill('hello');
    // Enter does not send half of it.
    await chat.input.press('Enter');
    await insert(chat).click();
    await expect.poll(() => chat.input.inputValue()).toBe('hello world');
    await chat.input.press('Enter');
    await chat.event('chatkit.response.end');
    const sent = lab.world.requests.filter(({ type }) => type === 'threads.create');
    expect(sent.map(({ params }) => (params.input as { content: unknown }).content)).toEqual([
      [{ type: 'input_text', text: 'hello world' }],
    ]);
  });

  it('is given up by key and by button, and turns the microphone off', async () => {
    const chat = await open(() => {
      const tracks: MediaStreamTrack[] = [];
      Object.assign(globalThis, { tracks });
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await real(wanted);
        tracks.push(...stream.getTracks());
        return stream;
      };
    });
    const states = () =>
      chat.page.evaluate(() =>
        (globalThis as unknown as { tracks: MediaStreamTrack[] }).tracks.map(({ readyState }) => readyState),
      );
    await chat.input.fill('typed');
    await record(chat);
    await expect.poll(() => states()).toEqual(['live']);
    await insert(chat).press('Escape');
    await dictate(chat).waitFor();
    await record(chat);
    await chat.page.getByRole('button', { name: 'Discard recording' }).click();
    await dictate(chat).waitFor();
    await expect.poll(() => states()).toEqual(['ended', 'ended']);
    await expect.poll(() => chat.input.inputValue()).toBe('typed');
    expect(transcribed()).toHaveLength(0);
  });

  it.each([
    ['NotAllowedError', 'The microphone is blocked for this page.'],
    ['NotFoundError', 'No microphone was found.'],
  ])('says what to do after a %s', async (name, words) => {
    const chat = await open();
    await chat.page.evaluate((error) => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException('no', error);
      };
    }, name);
    await dictate(chat).click();
    await chat.page.getByText(words).waitFor();
    await chat.event('chatkit.error');
    await chat.page.getByRole('button', { name: 'Dismiss' }).click();
    await expect.poll(() => chat.page.getByText(words).count()).toBe(0);
  });

  it('shows the server’s words when it has no speech model, and keeps what was typed', async () => {
    const chat = await open();
    lab.world.failNext.push({
      type: 'input.transcribe',
      status: 422,
      code: 'not_enabled',
      message: 'Dictation is not set up on this server.',
    });
    await chat.input.fill('typed');
    await record(chat);
    await insert(chat).click();
    await chat.page.getByText('Dictation is not set up on this server.').waitFor();
    await expect.poll(() => chat.input.inputValue()).toBe('typed');
    // And it can be tried again.
    lab.world.transcript = 'more';
    await record(chat);
    await insert(chat).click();
    await expect.poll(() => chat.input.inputValue()).toBe('typed more');
    await expect.poll(() => chat.page.getByText('Dictation is not set up').count()).toBe(0);
  });

  it('says so when nothing was understood', async () => {
    const chat = await open();
    lab.world.transcript = '  ';
    await record(chat);
    await insert(chat).click();
    await chat.page.getByText('Nothing was understood.').waitFor();
  });

  it('ends by itself when the recording is as long as it may be', async () => {
    const chat = await open();
    // The time counts from here on; the timer is there before the microphone is.
    await record(chat);
    await chat.page.evaluate(() => {
      const now = performance.now.bind(performance);
      performance.now = () => now() + 300_000;
    });
    await expect.poll(() => chat.input.inputValue()).toBe('Hello from the microphone.');
    await expect
      .poll(() => chat.page.getByRole('log').innerText())
      .toContain('as long as a recording can be');
  });

  it('has no violations for axe while it records', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      const chat = await lab.open({
        scheme,
        options: { composer: { placeholder: 'Ask', dictation: { enabled: true } } },
        context: { permissions: ['microphone'], reducedMotion: 'reduce' },
      });
      await record(chat);
      await expect.poll(() => chat.audit()).toEqual([]);
      await chat.page.getByRole('button', { name: 'Discard recording' }).click();
    }
  });
});
