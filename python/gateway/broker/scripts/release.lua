-- KEYS: lease. ARGV: token. Give the lease up, if it is the token's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
