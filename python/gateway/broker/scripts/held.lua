-- Stands in front of every script of the relay (KEYS[1] the lease; ARGV[1] the token, ARGV[2] the lease's milliseconds).
-- Looking at the lease and doing the rest are one step: a relay that was stopped for an hour does nothing when it wakes.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[2])

-- XINFO answers a flat list of names and values.
local function named(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function group_info(key, name)
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = named(flat)
    if group['name'] == name then return group end
  end
  return nil
end

-- Ids compare as two integers of 64 bits, which Lua's numbers cannot hold: canonical decimals compare as text, by length first.
local function less(x, y)
  if #x ~= #y then return #x < #y end
  return x < y
end

local function older(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams ~= bms then return less(ams, bms) end
  return less(aseq, bseq)
end
