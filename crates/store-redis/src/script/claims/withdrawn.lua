-- Nothing is left of a lead of which nothing was recorded.
local function withdraw(lead)
  local entry = base .. 'l:' .. lead
  local known = redis.call('HMGET', entry, 'key', 'quote')
  if known[1] and redis.call('HGET', base .. 'k:' .. known[1], 'lead') == lead then
    redis.call('DEL', base .. 'k:' .. known[1])
  end
  if known[2] and redis.call('GET', base .. 'q:' .. known[2]) == lead then
    redis.call('DEL', base .. 'q:' .. known[2])
  end
  redis.call('DEL', entry)
  redis.call('ZREM', base .. 'unrecorded', lead)
  redis.call('ZREM', base .. 'taken', lead)
  forget(lead)
end

