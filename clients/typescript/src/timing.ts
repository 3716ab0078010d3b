/** How long the client waits for what; all in seconds. The defaults are what the clients' behaviour table asks for. */
export interface Timing {
  /** Between two pings, where `welcome` does not say: 30. */
  heartbeat: number;
  /** After a ping, until silence means that the connection is dead: 10. */
  answerWithin: number;
  /** From the start of an attempt (the token provider is part of it) to the `welcome`: 20. */
  welcomeWithin: number;
  /** How long a connection must hold until the attempts before it are forgotten: 10. */
  stableAfter: number;
  /** The most that is waited before the first attempt to come back; doubled for each further one: 1. */
  firstWait: number;
  /** The most that is waited before any attempt: 30. */
  longestWait: number;
  /** Attempts to come back, in a row; then the client gives up: 50. With 0 it never comes back. */
  attempts: number;
}

export const DEFAULT_TIMING: Timing = {
  heartbeat: 30,
  answerWithin: 10,
  welcomeWithin: 20,
  stableAfter: 10,
  firstWait: 1,
  longestWait: 30,
  attempts: 50,
};
