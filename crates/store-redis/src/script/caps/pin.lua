-- ARGV: 3 reservation, 4 the caller's time. Says `pinned` or `expired`.
local id = ARGV[3]
local key = base .. 'r:' .. id
local phase = redis.call('HGET', key, 'phase')
if not phase or phase == 'nothing' then
  return 'expired'
end
if phase ~= 'held' then
  return 'pinned'
end
local at = now()
if at - ARGV[4] > 5000000 then
  -- Nobody waits for it any more.
  return 'expired'
end
local expires = tonumber(redis.call('ZSCORE', base .. 'holds', id) or 0)
if expires <= math.max(at, tonumber(ARGV[4])) then
  drop(id)
  return 'expired'
end
redis.call('ZREM', base .. 'holds', id)
redis.call('ZADD', base .. 'pins', 0, id)
redis.call('HSET', key, 'phase', 'pinned')
return 'pinned'
