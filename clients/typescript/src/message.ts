/** A message of the gateway, before it is known what it is. */
export interface Message {
  type: string;
  [member: string]: unknown;
}

/** Types of the gateway's own messages; any other is an event's. */
const OWN = ["welcome", "pong", "gap", "error", "reconnect", "token_refreshed", "sectors_updated"];

export function isOwn(message: Message): boolean {
  return OWN.includes(message.type);
}

/** A message of the gateway: a JSON object with a string `type`; undefined for anything else. */
export function read(text: unknown): Message | undefined {
  try {
    const message = JSON.parse(text as string);
    return typeof message?.type === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

/** A finite number that is not negative; undefined for anything else. */
export function number(value: unknown): number | undefined {
  return Number.isFinite(value) && (value as number) >= 0 ? (value as number) : undefined;
}
