-- ARGV: 3 reservation, 4 what a pin has used (sold, sent, nothing), 5 milliseconds it is known afterwards.
local id = ARGV[3]
local key = base .. 'r:' .. id
local known = redis.call('HMGET', key, 'phase', 'uses')
if known[1] == 'held' then
  drop(id)
elseif known[1] == 'pinned' then
  for amount, sent, _, name in each(known[2]) do
    if not counts(ARGV[4], sent) then
      take(name, amount)
    end
  end
  redis.call('ZREM', base .. 'pins', id)
  redis.call('HSET', key, 'phase', ARGV[4])
  redis.call('PEXPIRE', key, ARGV[5])
end
return 'ok'
