-- Live on. ARGV: for so many ms

if not lives(me) then return {'join'} end
redis.call('ZADD', KEYS[2], now + ARGV[2], me)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return {'ok'}
