-- (held) KEYS: lease, source. ARGV: token, lease ms, group, '1' to begin at the start of the stream.
-- Answers '' when the group is there; otherwise it was made, and the answer is the stream's last id.
if redis.call('EXISTS', KEYS[2]) == 1 and group_info(KEYS[2], ARGV[3]) then return '' end
local from_start = ARGV[4] == '1'
redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[3], from_start and '0' or '$', 'MKSTREAM')
local stream = named(redis.call('XINFO', 'STREAM', KEYS[2]))
-- Redis leaves this counter open for a group that is made in the middle; by it holes are noticed (read.lua).
local read = stream['entries-added']
if from_start then read = read - stream['length'] end
redis.call('XGROUP', 'SETID', KEYS[2], ARGV[3], from_start and '0' or stream['last-generated-id'], 'ENTRIESREAD', read)
return stream['last-generated-id']
