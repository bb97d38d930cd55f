-- Gives back what a hold, or a pin that came to this, has not used; it is known for so many milliseconds.
local function release(id, usage, kept)
  local key = base .. 'r:' .. id
  local known = redis.call('HMGET', key, 'phase', 'uses')
  if known[1] == 'held' then
    drop(id)
  elseif known[1] == 'pinned' then
    for amount, sent, _, name in each(known[2]) do
      if not counts(usage, sent) then
        take(name, amount)
      end
    end
    redis.call('ZREM', base .. 'pins', id)
    redis.call('HSET', key, 'phase', usage)
    redis.call('PEXPIRE', key, kept)
  end
end

