-- (held) KEYS: lease, source. ARGV: token, lease ms, group, seconds, after id or '', count.
-- Delivered entries of the last seconds, oldest first.
local group = group_info(KEYS[2], ARGV[3])
if not group or group['last-delivered-id'] == '0-0' then return {} end
local from
if ARGV[5] == '' then
  -- The last seconds of the stream, not of the clock: it may have jumped forward since the last entry.
  local now = tonumber(redis.call('TIME')[1]) * 1000
  local newest = tonumber((string.match(group['last-delivered-id'], '^(%d+)-')))
  from = string.format('%.0f', math.max(0, math.min(now, newest) - ARGV[4] * 1000))
else
  from = '(' .. ARGV[5]
end
if ARGV[5] == group['last-delivered-id'] then return {} end
return redis.call('XRANGE', KEYS[2], from, group['last-delivered-id'], 'COUNT', ARGV[6])
