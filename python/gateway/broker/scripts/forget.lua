-- Stands in front of the scripts that take a letter out of the queue. A relay that takes over feeds the last minute of
-- the source again, but for what is in the queue: without the letter it would relay the entry behind our back, so the
-- entry goes too. An entry of that id with another event is another past's, and stays.
local function forget(source, group, entry_id, event)
  if entry_id == '' then return end
  local held = redis.call('XRANGE', source, entry_id, entry_id)[1]
  if not held then return end
  for i = 1, #held[2], 2 do
    if held[2][i] == 'event' and held[2][i + 1] == event then
      redis.call('XACK', source, group, entry_id)  -- in a cluster: a relay may have stopped before it did
      redis.call('XDEL', source, entry_id)
      return
    end
  end
end
