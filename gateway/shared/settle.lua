-- Change what this process holds, and count what its calls used.
--
-- KEYS[3…]  where something changes, then windows
-- ARGV: the length of a window in ms; the number of changes; of each what it is, and by how much; of
--       each window how much was used

local changes = tonumber(ARGV[3])
local first = 3 + changes * 2
for i = 1, #KEYS - 2 - changes do
  local key, used = KEYS[2 + changes + i], ARGV[first + i]
  if redis.call('INCRBY', key, used) == tonumber(used) then
    redis.call('PEXPIRE', key, ARGV[2])
  end
end
if not lives(me) then return {'join'} end
for i = 1, changes do
  change(KEYS[2 + i], ARGV[2 + i * 2], ARGV[3 + i * 2])
end
return {'ok'}
