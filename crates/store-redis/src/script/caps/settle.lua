-- ARGV: 3 reservation, 4 what it comes to (sold, sent, nothing; pinned, where the store is made again),
-- 5 milliseconds it is known afterwards, 6 its uses, none if they are not known yet, 7 when its lead was made.
local id = ARGV[3]
local key = base .. 'r:' .. id
local known = redis.call('HMGET', key, 'phase', 'uses')
local phase, was = known[1], known[2] or ''
if not phase and now() - ARGV[7] > tonumber(ARGV[5]) * 1000 then
  -- Settled long ago and forgotten since: it is counted.
  return 'ok'
end
local uses = ARGV[6]
if uses == '' then
  -- A reply may be folded before its own posting: it counts once its counters are known.
  uses = was
end
if phase == 'held' then
  redis.call('ZREM', base .. 'holds', id)
end
for amount, sent, kept, name in each(uses) do
  if counts(ARGV[4], sent) then
    put(name, amount, kept)
  end
end
for amount, sent, _, name in each(was) do
  if counts(phase, sent) then
    take(name, amount)
  end
end
redis.call('HSET', key, 'phase', ARGV[4], 'uses', uses)
if ARGV[4] == 'pinned' then
  redis.call('ZADD', base .. 'pins', 0, id)
  redis.call('PERSIST', key)
else
  redis.call('ZREM', base .. 'pins', id)
  redis.call('PEXPIRE', key, ARGV[5])
end
return 'ok'
