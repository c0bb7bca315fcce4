-- Come (back) under a new name, with all that this process holds.
--
-- KEYS[3…]  where it holds something
-- ARGV: the old name, or ''; the process; the server; how long it lives, and how long others have to
--       come back, in ms; how many processes are known to be dead, and these; of each key what is
--       held there, and how much

local _, process, server, life, others = unpack(ARGV, 1, 5)
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch'))
if not epoch or redis.call('HGET', KEYS[1], 'server') ~= server then
  -- Redis was emptied, or is another. An older one's epochs must not come again.
  epoch = math.max(now, epoch or 0)
  redis.call('HSET', KEYS[1], 'server', server, 'opens', now + others)
end
-- What somebody moved into the accounts may have been lost, so that all are read anew.
epoch = epoch + 1
redis.call('HSET', KEYS[1], 'epoch', text(epoch), 'position', 0)

local dead = {[me] = true}
for i = 7, 6 + ARGV[6] do
  for _, each in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if string.sub(each, 1, #ARGV[i] + 1) == ARGV[i] .. '.' then
      dead[each] = true
    end
  end
end
for each in pairs(dead) do
  redis.call('ZREM', KEYS[2], each)
end

me = process .. '.' .. text(epoch)
redis.call('ZADD', KEYS[2], now + life, me)
local first = 7 + ARGV[6]
for i = 3, #KEYS do
  change(KEYS[i], ARGV[first + (i - 3) * 2], ARGV[first + (i - 3) * 2 + 1])
  redis.call('EXPIRE', KEYS[i], DAY)
end
return {'ok', me}
