-- (held) KEYS: lease, source. ARGV: token, lease ms, group, consumer, id. Deliver one pending entry alone: a try.
-- Answers {} when it is not pending any more, {id} when it has vanished from the stream, else {id, fields}.
if #redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[5], ARGV[5], 1) == 0 then return {} end
local got = redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, ARGV[5])
if #got == 0 or not got[1] then
  redis.call('XACK', KEYS[2], ARGV[3], ARGV[5])  -- servers before version 7 keep it pending
  return {ARGV[5]}
end
return got[1]
