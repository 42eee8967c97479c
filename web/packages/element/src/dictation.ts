/** What a recording is like at a moment. */
export interface RecordingState {
  readonly phase: 'starting' | 'recording' | 'transcribing';
  /** Whole seconds since it began. */
  readonly seconds: number;
}

export interface Recording {
  readonly mimeType: string;
  readonly data: Blob;
}

/** Why there is no recording. */
export type DictationFailure = 'denied' | 'no-microphone' | 'unsupported';

export class DictationError extends Error {
  override readonly name = 'DictationError';
  readonly reason: DictationFailure;

  constructor(reason: DictationFailure, options?: ErrorOptions) {
    super(`Dictation is not possible: ${reason}.`, options);
    this.reason = reason;
  }
}

/** What servers of the protocol accept: the media types that its models name, smallest first. */
const TYPES = ['audio/webm;codecs=opus', 'audio/webm', 'audio/ogg;codecs=opus', 'audio/ogg', 'audio/mp4'];
/** Speech needs no more; five minutes are about a megabyte. */
const BITS_PER_SECOND = 32_000;
/** The longest recording. Seconds. */
const MAX_SECONDS = 300;
/** The largest one, where a browser takes no advice about the bits. Parlor takes ten mebibytes. */
const MAX_BYTES = 6_000_000;
const SLICE_MS = 500;
/** How many times a second the level is measured. */
const LEVELS_PER_SECOND = 20;

/** Whether this browser can record at all. A page on plain http has no microphone. */
export function canRecord(): boolean {
  return (
    typeof MediaRecorder === 'function' &&
    typeof navigator.mediaDevices?.getUserMedia === 'function' &&
    TYPES.some((type) => MediaRecorder.isTypeSupported(type))
  );
}

/** One recording, from asking for the microphone to its end. */
export class Recorder {
  #stream: MediaStream | null = null;
  #recorder: MediaRecorder | null = null;
  #audio: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #chunks: Blob[] = [];
  #bytes = 0;
  #began = 0;
  #cancelled = false;
  readonly #onLevel: (level: number, seconds: number) => void;
  readonly #onLimit: () => void;

  /** `onLevel` gets the loudness from 0 to 1; `onLimit` is called when the recording is as long as it may be. */
  constructor(onLevel: (level: number, seconds: number) => void, onLimit: () => void) {
    this.#onLevel = onLevel;
    this.#onLimit = onLimit;
  }

  /**
   * Asks for the microphone and begins.
   *
   * @throws {DictationError} when there is none to be had.
   */
  async start(): Promise<void> {
    if (!canRecord()) throw new DictationError('unsupported');
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true },
      });
    } catch (cause) {
      const name = cause instanceof DOMException ? cause.name : '';
      const denied = name === 'NotAllowedError' || name === 'SecurityError';
      throw new DictationError(denied ? 'denied' : 'no-microphone', { cause });
    }
    this.#stream = stream;
    if (this.#cancelled) return this.#release();
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(stream, {
      audioBitsPerSecond: BITS_PER_SECOND,
      ...(mimeType === undefined ? {} : { mimeType }),
    });
    recorder.addEventListener('dataavailable', ({ data }) => {
      this.#chunks.push(data);
      this.#bytes += data.size;
      if (this.#bytes > MAX_BYTES) this.#limit();
    });
    // The microphone was unplugged, or the permission taken away.
    stream.getAudioTracks()[0]?.addEventListener('ended', () => this.#limit());
    recorder.start(SLICE_MS);
    this.#recorder = recorder;
    this.#began = performance.now();
    this.#measure(stream);
  }

  /** Ends it and returns what was recorded; null when it was given up. */
  async stop(): Promise<Recording | null> {
    const recorder = this.#recorder;
    if (recorder === null || this.#cancelled) return null;
    if (recorder.state !== 'inactive') {
      await new Promise<void>((resolve) => {
        recorder.addEventListener('stop', () => resolve(), { once: true });
        recorder.stop();
      });
    }
    this.#release();
    if (this.#cancelled) return null;
    return { mimeType: recorder.mimeType, data: new Blob(this.#chunks, { type: recorder.mimeType }) };
  }

  /** Gives it up: nothing of it is kept. */
  cancel(): void {
    this.#cancelled = true;
    if (this.#recorder !== null && this.#recorder.state !== 'inactive') this.#recorder.stop();
    this.#chunks = [];
    this.#release();
  }

  #limit(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onLimit();
  }

  #measure(stream: MediaStream): void {
    let read: () => number = () => 0;
    try {
      const audio = (this.#audio = new AudioContext());
      const analyser = audio.createAnalyser();
      analyser.fftSize = 512;
      audio.createMediaStreamSource(stream).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      read = () => {
        analyser.getFloatTimeDomainData(samples);
        const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
        // Speech is between a hundredth and a tenth; the ear hears logarithms.
        return Math.min(1, Math.max(0, (20 * Math.log10(Math.sqrt(power) + 1e-6) + 60) / 50));
      };
    } catch {
      // No level then; the seconds still count.
    }
    this.#timer = setInterval(() => {
      const seconds = (performance.now() - this.#began) / 1000;
      this.#onLevel(read(), Math.floor(seconds));
      if (seconds >= MAX_SECONDS) this.#limit();
    }, 1000 / LEVELS_PER_SECOND);
  }

  /** Turns the microphone off, which the browser shows to the user. */
  #release(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    void this.#audio?.close().catch(() => undefined);
    this.#stream = null;
    this.#audio = null;
  }
}

/** The bytes of a recording as base64, in pieces: one call with all of them would overflow the stack. */
export async function base64Of(data: Blob): Promise<string> {
  const bytes = new Uint8Array(await data.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
