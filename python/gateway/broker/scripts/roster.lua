-- KEYS: the roster. ARGV: a node's name, or nothing to ask only; lease ms. Answers the names of the nodes that live.
local time = redis.call('TIME')  -- the server's: the nodes' clocks need not agree
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('ZRANGE', KEYS[1], 0, -1)
