export type { Endpoint } from "./address.js";
export { type ClientOptions, connect, FanoutClient } from "./client.js";
export type { AnyEvents, EventMap, FanoutEvent } from "./event.js";
export type { WebSocketConstructor, WebSocketLike } from "./link.js";
export type { PositionMap } from "./positions.js";
export type { TokenProvider } from "./provider.js";
export type { GiveUp, State } from "./session.js";
export { type PositionStorage, webStorage } from "./storage.js";
export type { Timing } from "./timing.js";
