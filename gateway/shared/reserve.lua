-- Set money aside in one or two accounts, where both have room.
--
-- KEYS[3…]  accounts: `label` of the period, `since`, `epoch`, what is `spent` by rows in the database
--           up to `position`; what is held: `r:LABEL` for running calls, `u:LABEL` for rows that
--           are not in the database yet
-- ARGV: how much; how much of that the call has already; whether an account of another
--       period is passed over; of each account the period's label, and the limit
-- Returns `missing` with the account's place and the epoch; `refused` with its place, what was spent,
-- what is set aside, and whether some of the former is not in the database; or `ok` with what was spent
-- of the first

if not lives(me) then return {'join'} end
local wait = closed_for()
if wait > 0 then return {'wait', wait} end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local first = ''
for i = 1, #KEYS - 2 do
  local label, limit = ARGV[3 + i * 2], tonumber(ARGV[4 + i * 2])
  local hash = redis.call('HGETALL', KEYS[2 + i])
  local account = {}
  for j = 1, #hash, 2 do account[hash[j]] = hash[j + 1] end
  if account.label == label and account.epoch == epoch then
    local unstored = held(KEYS[2 + i], hash, 'u:' .. label)
    local spent = tonumber(account.spent) + unstored
    local reserved = held(KEYS[2 + i], hash, 'r:' .. label)
    if spent + reserved - ARGV[3] >= limit then
      return {'refused', i - 1, text(spent), text(reserved), unstored > 0 and 1 or 0}
    end
    if i == 1 then first = text(spent) end
  elseif ARGV[4] == '0' or not account.label or account.label == label then
    return {'missing', i - 1, epoch}
  end
end
for i = 1, #KEYS - 2 do
  redis.call('HINCRBY', KEYS[2 + i], 'r:' .. ARGV[3 + i * 2] .. '@' .. me, text(ARGV[2] - ARGV[3]))
  redis.call('EXPIRE', KEYS[2 + i], DAY)
end
return {'ok', first}
