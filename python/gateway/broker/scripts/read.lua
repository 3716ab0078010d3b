-- (held) KEYS: lease, source. ARGV: token, lease ms, group, consumer, count, then ids that are done: acknowledged here,
-- since a command of their own would be a third of the relay's round trips.
-- Answers {entries, last delivered id, lag or -1, entries lost before they were delivered}.
local group = group_info(KEYS[2], ARGV[3])
if not group then return redis.error_reply('NOGROUP the consumer group ' .. ARGV[3] .. ' has vanished') end
-- A stream is trimmed from its old end. So if more entries are gone than the group has been given, the difference was
-- lost before it was delivered: a producer trims (XADD MAXLEN) faster than the relay reads.
local lost = 0
if group['entries-read'] then
  local stream = named(redis.call('XINFO', 'STREAM', KEYS[2]))
  local gone = stream['entries-added'] - stream['length']
  lost = math.max(0, gone - group['entries-read'])
  if lost > 0 then
    -- Servers differ in whether reading on makes the counter jump over the hole: set, it is counted once everywhere.
    redis.call('XGROUP', 'SETID', KEYS[2], ARGV[3], group['last-delivered-id'], 'ENTRIESREAD', gone)
  end
end
-- At most a batch's, far below the 8,000 values that unpack() can hand over.
if #ARGV > 5 then redis.call('XACK', KEYS[2], ARGV[3], unpack(ARGV, 6)) end
local got = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[2], '>')
local entries = got and got[1][2] or {}
local last, lag = group['last-delivered-id'], group['lag'] or -1
if #entries > 0 then
  last = entries[#entries][1]
  if lag >= 0 then lag = math.max(0, lag - #entries) end
end
return {entries, last, lag, lost}
