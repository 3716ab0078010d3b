-- (held) KEYS: lease, source. ARGV: token, lease ms, group, consumer, id. Take back the last try of an entry.
local item = redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[5], ARGV[5], 1)[1]
if item and item[4] > 1 then
  redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, ARGV[5], 'RETRYCOUNT', item[4] - 1, 'JUSTID')
end
return 1
