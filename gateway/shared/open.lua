-- Begin an account with what the database says, unless it has begun, or the database said it before
-- other rows went from `u` into accounts that were there.
--
-- KEYS[3]  the account
-- ARGV: the epoch; the period's label, and when it began; what was spent; the last row's position

if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return {'ok'} end
if tonumber(redis.call('HGET', KEYS[1], 'position')) > tonumber(ARGV[6]) then return {'ok'} end
local there = redis.call('HMGET', KEYS[3], 'epoch', 'label')
if there[1] == ARGV[2] and there[2] == ARGV[3] then return {'ok'} end
redis.call('HSET', KEYS[3], 'epoch', ARGV[2], 'label', ARGV[3], 'since', ARGV[4], 'spent', ARGV[5],
  'position', ARGV[6])
redis.call('EXPIRE', KEYS[3], DAY)
return {'ok'}
