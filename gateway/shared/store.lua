-- Rows have come into the database: what they cost is no longer held, but spent.
--
-- KEYS[3…]  accounts of what was held, then accounts of what was spent
-- ARGV: the position of the last row; the number of changes; of each what it is, and by how much; of
--       each that was spent the second in which its calls began, and how much

if not lives(me) then return {'join'} end
local position, changes = tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch, newest = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'position'))
if position > tonumber(newest) then redis.call('HSET', KEYS[1], 'position', ARGV[2]) end
for i = 1, changes do
  change(KEYS[2 + i], ARGV[2 + i * 2], ARGV[3 + i * 2])
end
for i = 1, #KEYS - 2 - changes do
  local key = KEYS[2 + changes + i]
  local began, cost = ARGV[2 + (changes + i) * 2], ARGV[3 + (changes + i) * 2]
  local there = redis.call('HMGET', key, 'epoch', 'since', 'position')
  -- An account that was read later has them already.
  if there[1] == epoch and tonumber(began) >= tonumber(there[2]) and position > tonumber(there[3]) then
    redis.call('HINCRBY', key, 'spent', cost)
  end
end
return {'ok'}
