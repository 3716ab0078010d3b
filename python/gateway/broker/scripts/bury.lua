-- Put refused entries aside: write the letter and acknowledge the entry. KEYS: source, dead-letter queue; they share a
-- server, so this is never run in a cluster. ARGV: group, most letters of the queue, how many arguments one letter has, and
-- those of each letter: names and values, the first value being the entry's id. Answers the ids of those put aside here.
-- What is not pending was put aside already: by a relay that stopped before it heard of it, or by the successor of one
-- that slept. An error undoes nothing in a script, so the letter comes first.
local size, done = tonumber(ARGV[3]), {}
for first = 4, #ARGV, size do
  local id = ARGV[first + 1]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1) > 0 then
    redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[2], '*', unpack(ARGV, first, first + size - 1))
    redis.call('XACK', KEYS[1], ARGV[1], id)
    done[#done + 1] = id
  end
end
return done
