/**
 * For how long a token that the gateway has accepted is still good; undefined where it does not say. Read without
 * verifying it: that is the gateway's part.
 *
 * The claims stand in the second of three parts, in a JWT and in a table token alike. Where this machine's clock cannot
 * be right, since an accepted token seems to be of the future or of the past, its whole life is taken.
 */
export function secondsLeft(token: string, now: number): number | undefined {
  const [, claims, signature] = token.split(".");
  if (claims === undefined || signature === undefined) return undefined;
  try {
    const { exp, iat } = JSON.parse(atob(claims.replace(/-/g, "+").replace(/_/g, "/")));
    if (typeof exp !== "number") return undefined;
    if (typeof iat !== "number") return exp > now ? exp - now : undefined;
    return exp - (iat <= now && now < exp ? now : iat);
  } catch {
    return undefined;
  }
}
