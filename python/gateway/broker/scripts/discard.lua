-- KEYS: source; and, but for a cluster, the queue. ARGV: event, group, the entry's id, the letter's id.
-- Answers how many letters were removed here.
forget(KEYS[1], ARGV[2], ARGV[3], ARGV[1])
return KEYS[2] and redis.call('XDEL', KEYS[2], ARGV[4]) or 0
