redis.call('ZREM', KEYS[2], me)
return {'ok'}
