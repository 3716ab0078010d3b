-- Take a place in each of some sets, or in none. Atomic; repeating it changes nothing.
-- KEYS: sets of places, all of one tenant. ARGV: the place's name, lease ms, a limit for each key, then names that were
-- given up. Answers 0, or the number of the first set that is full.
local time = redis.call('TIME')  -- the server's: the nodes' clocks need not agree
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  for i = 3 + #KEYS, #ARGV do redis.call('ZREM', key, ARGV[i]) end
end
for i, key in ipairs(KEYS) do
  if not redis.call('ZSCORE', key, ARGV[1]) and redis.call('ZCARD', key) >= tonumber(ARGV[2 + i]) then return i end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2])
end
return 0
