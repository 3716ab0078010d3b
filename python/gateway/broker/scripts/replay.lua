-- Emit a dead letter's event, once. Atomic; repeating it adds nothing and gives the same answer.
-- KEYS: source, what remembers the letter, what remembers the entry that it was; and, but for a cluster, where it is in
-- another slot, the queue. ARGV: event, seconds to remember, group, the entry's id, the letter's id.
-- Answers the event's id in the source; nil when the letter is not in the queue.
local source, by_letter, by_entry, queue = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id = redis.call('GET', by_letter) or redis.call('GET', by_entry)
if not id then
  if queue and #redis.call('XRANGE', queue, ARGV[5], ARGV[5]) == 0 then return false end
  id = redis.call('XADD', source, '*', 'event', ARGV[1])
end
redis.call('SET', by_letter, id, 'EX', ARGV[2])
redis.call('SET', by_entry, id, 'EX', ARGV[2])
forget(source, ARGV[3], ARGV[4], ARGV[1])
if queue then redis.call('XDEL', queue, ARGV[5]) end
return id
