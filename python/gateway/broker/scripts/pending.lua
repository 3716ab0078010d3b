-- (held) KEYS: lease, source. ARGV: token, lease ms, group, consumer, from id, count. Answers {id, deliveries, …}.
local answer = {}
for _, item in ipairs(redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[5], '+', ARGV[6], ARGV[4])) do
  answer[#answer + 1] = item[1]
  answer[#answer + 1] = item[4]
end
return answer
