-- (held) KEYS: lease, source. ARGV: token, lease ms, group, consumer, count.
-- Give the consumer what other names hold, up to count entries. Answers {taken, vanished}: {0, 0} when nothing is left.
-- XCLAIM and not XAUTOCLAIM: the deliveries of others were no tries of ours, so the counter begins at 1.
local taken, vanished = 0, 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[2], ARGV[3])) do
  local other = named(flat)
  if other['name'] ~= ARGV[4] and other['pending'] > 0 and taken + vanished == 0 then
    local ids = {}
    for _, item in ipairs(redis.call('XPENDING', KEYS[2], ARGV[3], '-', '+', ARGV[5], other['name'])) do
      ids[#ids + 1] = item[1]
    end
    for _, id in ipairs(ids) do
      -- One by one: an argument list made with unpack() is bounded. An entry that is no longer in the stream is
      -- dropped from the pending list by XCLAIM itself.
      local got = redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, id, 'RETRYCOUNT', 1, 'JUSTID')
      if #got == 1 then taken = taken + 1 else vanished = vanished + 1 end
    end
  end
end
return {taken, vanished}
