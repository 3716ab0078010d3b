import type { Session } from "./session.js";

type Surroundings = Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">>;

/**
 * Tells a session when the page is looked at again, and when the network comes and goes; until what is returned is
 * called. Does nothing where the platform has neither, as Node.
 */
export function watch(session: Pick<Session, "wake" | "offline" | "online">): () => void {
  const page: Document | undefined = globalThis.document;
  const platform: Surroundings = globalThis;
  const visible = () => {
    if (page?.visibilityState === "visible") session.wake();
  };
  const offline = () => session.offline();
  const online = () => session.online();
  page?.addEventListener("visibilitychange", visible);
  platform.addEventListener?.("offline", offline);
  platform.addEventListener?.("online", online);
  if (globalThis.navigator?.onLine === false) offline();
  else online();
  return () => {
    page?.removeEventListener("visibilitychange", visible);
    platform.removeEventListener?.("offline", offline);
    platform.removeEventListener?.("online", online);
  };
}
