// Media Source Extensions, which iPhones have as ManagedMediaSource only.

declare global {
  interface Window {
    ManagedMediaSource?: typeof MediaSource;
  }
}

export const Source: typeof MediaSource | undefined = window.ManagedMediaSource ?? window.MediaSource;

export const mime = (codecs: string) => `video/mp4; codecs="${codecs}"`;

/** Whether this browser plays it. */
export const plays = (codecs: string) => Source?.isTypeSupported(mime(codecs)) ?? false;

/** A source for a video element, and its buffer for `codecs` once it is open. */
export function open(video: HTMLVideoElement, codecs: string, opened: (buffer: SourceBuffer) => void): () => void {
  if (!Source) throw new Error('no Media Source Extensions');
  const source = new Source();
  const url = URL.createObjectURL(source);
  // Without this an iPhone does not open a managed source.
  video.disableRemotePlayback = true;
  video.src = url;
  let closed = false;
  source.addEventListener(
    'sourceopen',
    () => {
      if (closed) return;
      opened(source.addSourceBuffer(mime(codecs)));
    },
    { once: true },
  );
  return () => {
    closed = true;
    URL.revokeObjectURL(url);
  };
}
