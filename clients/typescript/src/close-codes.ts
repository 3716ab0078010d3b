/** The close codes that the client treats in a way of their own. */
export const NORMAL = 1000;
export const ABNORMAL = 1006;
export const POLICY_VIOLATION = 1008;
export const AUTH_FAILED = 4001;

/**
 * The codes after which the client does not come back; after 4001 it may, once, with a fresh token. After any other
 * code, also one that it does not know, it does.
 */
export const FINAL: readonly number[] = [NORMAL, 1002, 1003, 1007, POLICY_VIOLATION, 1009, AUTH_FAILED, 4003, 4029];
