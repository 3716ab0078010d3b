-- (held) KEYS: lease, source, fence. ARGV: token, lease ms, group, seconds to keep, fence ms.
-- Trim the source to the oldest of: so many seconds ago, the lowest pending id, the last delivered id. Answers how many.
redis.call('PEXPIRE', KEYS[3], ARGV[5])  -- a lease that is held for weeks must not outlive its counter
local group = group_info(KEYS[2], ARGV[3])
if not group then return 0 end
local limit = string.format('%.0f-0', math.max(0, tonumber(redis.call('TIME')[1]) - ARGV[4]) * 1000)
local lowest = redis.call('XPENDING', KEYS[2], ARGV[3])[2]
for _, id in ipairs({group['last-delivered-id'], lowest or group['last-delivered-id']}) do
  if older(id, limit) then limit = id end
end
return redis.call('XTRIM', KEYS[2], 'MINID', '~', limit)
