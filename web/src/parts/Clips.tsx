import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { videoAddress } from "../api/client";
import type { Clip } from "../api/types";
import { link } from "../router";
import { recordings } from "../state";
import { clock, percent } from "../words";
import { Dialog } from "./Dialog";

/** Clips behind a number, played one after the other in a dialog. */
export function Clips({ title, clips, onClose }: { title: string; clips: Clip[]; onClose: () => void }) {
  const at = useSignal(0);
  const isOver = useSignal(false);
  const video = useRef<HTMLVideoElement>(null);
  const clip = clips[at.value];
  const recording = recordings.value?.find((each) => each.id === clip?.recording_id);

  useEffect(() => {
    const element = video.current;
    if (!element || !clip) return;
    const begin = () => {
      isOver.value = false;
      element.currentTime = clip.start_seconds;
      void element.play().catch(() => undefined);
    };
    const watch = () => {
      if (element.currentTime < clip.stop_seconds || element.paused) return;
      element.pause();
      isOver.value = true;
    };
    element.addEventListener("timeupdate", watch);
    if (element.readyState >= 1) begin();
    else element.addEventListener("loadedmetadata", begin, { once: true });
    return () => (element.removeEventListener("timeupdate", watch), element.removeEventListener("loadedmetadata", begin));
  }, [clip, recording?.is_playable]);

  return (
    <Dialog title={title} isWide onClose={onClose}>
      {!clip && <p>No clip is known.</p>}
      {clip && (
        <div class="theatre">
          <div>
            {recording?.is_playable ? (
              <video ref={video} key={clip.recording_id} src={videoAddress(clip.recording_id)} muted playsInline controls aria-label={describe(clip)} />
            ) : (
              <p class="unplayable">Browsers cannot play this recording; a copy can be made on the page of recordings.</p>
            )}
            <p>
              <strong>{describe(clip)}</strong>{" "}
              <a href={link("/label", { recording: clip.recording_id, at: clip.start_seconds })} onClick={onClose}>
                Open on the timeline
              </a>
            </p>
          </div>
          <ol class="clips">
            {clips.map((each, i) => (
              <li key={i}>
                <button type="button" aria-pressed={i === at.value} onClick={() => (at.value === i && isOver.value ? replay(video.current, each) : (at.value = i))}>
                  {each.recording_id} {clock(each.start_seconds, 1)}
                  {each.confidence !== null && `, ${percent(each.confidence)}`}
                </button>
              </li>
            ))}
          </ol>
        </div>
      )}
    </Dialog>
  );
}

function replay(video: HTMLVideoElement | null, clip: Clip): void {
  if (!video) return;
  video.currentTime = clip.start_seconds;
  void video.play().catch(() => undefined);
}

function describe(clip: Clip): string {
  const words = [clip.truth && `labelled ${clip.truth}`, clip.found && `found ${clip.found}`].filter(Boolean).join(", ");
  return `${words || clip.recording_id} ${clock(clip.start_seconds, 1)} – ${clock(clip.stop_seconds, 1)}`;
}
