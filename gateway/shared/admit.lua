-- Count a request in, where all limits leave room.
--
-- KEYS[3]   the key's running requests
-- KEYS[4…]  windows
-- ARGV: the length of a window in ms; the most requests at once, or ''; of each window the most, and
--       what this request adds
-- Returns `full` with the window's place, the ms it has left, and the time; `busy`; or `ok` with what
-- was used of each before

local at_once = ARGV[3]
if at_once ~= '' then
  if not lives(me) then return {'join'} end
  local wait = closed_for()
  if wait > 0 then return {'wait', wait} end
end
local answer = {'ok'}
for i = 4, #KEYS do
  local used = tonumber(redis.call('GET', KEYS[i]) or 0)
  if used >= tonumber(ARGV[i * 2 - 4]) then
    return {'full', i - 4, math.max(0, redis.call('PTTL', KEYS[i])), text(now)}
  end
  answer[#answer + 1] = text(used)
end
if at_once ~= '' then
  if held(KEYS[3], redis.call('HGETALL', KEYS[3]), '') >= tonumber(at_once) then
    return {'busy'}
  end
  change(KEYS[3], '', 1)
  redis.call('EXPIRE', KEYS[3], DAY)
end
for i = 4, #KEYS do
  local more = ARGV[i * 2 - 3]
  if more ~= '0' and redis.call('INCRBY', KEYS[i], more) == tonumber(more) then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
return answer
