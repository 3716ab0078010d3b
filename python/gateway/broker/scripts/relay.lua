-- Write a batch of critical events into one room's history and publish it on the room's live channel. Atomic; repeating
-- it changes nothing.
-- KEYS: history, head, fence, live channel: one slot.
-- ARGV: the lease's number, history's cap, history ms, head ms, '1' for a re-feed; then id, audiences, payload of each entry.
-- Answers {added, repeats, skipped, begun again, 0}, or {0, 0, 0, 0, number} when a later lease has written here.
local history, head_key, fence_key, channel = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local refeed = ARGV[5] == '1'
local BEGUN_AGAIN = '0-1/00000000'  -- protocol/positions.py

-- Keys of another type were not written by a gateway: they count as lost.
local function get(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then redis.call('DEL', key) return nil end
  return value or nil
end

local function one(from, to, command)
  local found = redis.pcall(command, history, from, to, 'COUNT', 1)
  if found.err then redis.call('DEL', history) return nil end
  return found[1]
end

local function position_of(id, payload) return id .. '/' .. string.sub(redis.sha1hex(payload), 1, 8) end

-- Ids compare as two integers of 64 bits, which Lua's numbers cannot hold: canonical decimals compare as text, by length first.
local function less(x, y)
  if #x ~= #y then return #x < #y end
  return x < y
end

local function older(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)')
  if ams ~= bms then return less(ams, bms) end
  return less(aseq, bseq)
end

local fence = get(fence_key)
if fence and tonumber(fence) and tonumber(fence) > tonumber(ARGV[1]) then
  -- A relay that was stopped in the middle of a batch: what it holds was relayed by its successor, and may have left
  -- history since, where it could not be told from a source that went back.
  return {0, 0, 0, 0, tonumber(fence)}
end

local began = 0
local head = get(head_key)
if head and not string.match(head, '^%d+%-%d+/%x+$') then head = nil end
local newest = one('+', '-', 'XREVRANGE')
if newest and head ~= position_of(newest[1], newest[2][2]) then
  -- The head was lost, or one of the two went back alone: what history holds cannot be relied on.
  redis.call('DEL', history)
  head = BEGUN_AGAIN
  began = 1
end
head = head or '0-0'

local added, repeats, skipped = 0, 0, 0
local messages = {}
for i = 6, #ARGV, 3 do
  local id, audiences, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local position = position_of(id, payload)
  local add = older(head, id)
  if not add then
    local held = one(id, id, 'XRANGE')
    if held and held[2][2] == payload then
      repeats = repeats + 1
    elseif not held and position == head then
      repeats = repeats + 1  -- history has expired, and the head still says so
    else
      local oldest = not held and refeed and one('-', '+', 'XRANGE')
      if not held and refeed and (not oldest or older(id, oldest[1])) then
        skipped = skipped + 1
      else
        -- The source went back (a failover): what was relayed after it never happened.
        redis.call('DEL', history)
        head = BEGUN_AGAIN
        began = began + 1
        add = true
      end
    end
  end
  if add then
    redis.call('XADD', history, id, 'event', payload, 'prev', head, 'audiences', audiences)
    messages[#messages + 1] = '1 ' .. position .. ' ' .. head .. ' ' .. audiences .. '\n' .. payload
    head = position
    added = added + 1
  end
end

if added > 0 then
  -- Trimmed once and after the last entry, so that a repeat within the batch is still found.
  redis.call('XTRIM', history, 'MAXLEN', '=', ARGV[2])
  redis.call('PEXPIRE', history, ARGV[3])
  redis.call('SET', head_key, head, 'PX', ARGV[4])
  redis.call('SET', fence_key, ARGV[1], 'PX', ARGV[4])
  -- Last: if publishing is refused (ACL), what was written stands, and nodes repair from it.
  for _, message in ipairs(messages) do redis.call('SPUBLISH', channel, message) end
end
return {added, repeats, skipped, began, 0}
