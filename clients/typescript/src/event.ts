/** One event, as its producer wrote it. Positions, ids and numbers are as JSON.parse reads them. */
export interface FanoutEvent {
  type: string;
  tenant_id: number;
  branch_id: number;
  session_id?: number;
  sector_id?: number;
  /** Of a critical event alone: its stream id, the same wherever the event is seen. */
  event_id?: string;
  /** Of a critical event alone: the position of its branch behind it. */
  position?: string;
}

/** What the events of each type look like, where the caller does not say: a `FanoutEvent` with whatever else there is. */
export interface AnyEvents {
  [type: string]: FanoutEvent & { [member: string]: unknown };
}

/** What a caller's own map has to keep to. */
export type EventMap<Events> = { [Type in keyof Events]: FanoutEvent };
