-- Before each script.
--
-- KEYS[1]  what all processes share: `epoch` of the accounts, `position` of the newest row of the
--          ledger that is in them, `server` that holds them, `opens` once all have come back
-- KEYS[2]  the processes, by when they are taken for dead
-- ARGV[1]  this process, as it is called since it joined
--
-- What a process holds is a field of a hash, `WHAT@PROCESS`: it counts as long as the process lives.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me = ARGV[1]
local DAY = 24 * 60 * 60

local known = {}
local function lives(process)
  if known[process] == nil then
    local until_ = redis.call('ZSCORE', KEYS[2], process)
    known[process] = until_ and tonumber(until_) > now or false
  end
  return known[process]
end

-- Milliseconds until those have come back who held something when Redis lost it.
local function closed_for()
  return (tonumber(redis.call('HGET', KEYS[1], 'opens')) or 0) - now
end

-- What living processes hold of one thing in a hash, or in what HGETALL said of it.
local function held(key, hash, what)
  local sum = 0
  for i = 1, #hash, 2 do
    local name, process = string.match(hash[i], '^(.*)@(.*)$')
    if name and not lives(process) then
      redis.call('HDEL', key, hash[i])
    elseif name == what then
      sum = sum + tonumber(hash[i + 1])
    end
  end
  return sum
end

local function change(key, what, amount)
  local field = what .. '@' .. me
  if redis.call('HINCRBY', key, field, amount) == 0 then
    redis.call('HDEL', key, field)
  end
end

-- Numbers go back as text: as a Lua number they would lose digits.
local function text(number)
  return string.format('%.0f', number)
end
