-- KEYS: dead-letter queue. ARGV: milliseconds, the earliest that is looked at. Answers the source ids of its letters.
local ids = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+')) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'id' then ids[#ids + 1] = fields[i + 1] end
  end
end
return ids
