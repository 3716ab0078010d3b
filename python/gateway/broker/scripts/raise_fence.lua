-- (held) KEYS: lease, fence. ARGV: token, lease ms, fence ms, above. Answers a number above all that were seen.
local current = tonumber(redis.call('GET', KEYS[2]) or '0')
local number = math.max(current, tonumber(ARGV[4])) + 1
redis.call('SET', KEYS[2], string.format('%.0f', number), 'PX', ARGV[3])
return number
