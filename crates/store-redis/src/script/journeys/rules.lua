-- Whoever makes rows of the partition's journeys does so by rules of this number. Says the number of newer ones, if
-- rows were made by such; else where the walk of these over the journeys is: nothing at its start. The first rules
-- have nothing to walk over.
local function judged_by(rules)
  local newest = tonumber(redis.call('HGET', base .. 'rules', 'newest') or -1)
  if rules < newest then
    return newest
  end
  if rules > newest then
    local first = newest < 0 and redis.call('EXISTS', base .. 'through') == 0
    redis.call('HSET', base .. 'rules', 'newest', rules, 'next', first and 'end' or '')
  end
  return nil, redis.call('HGET', base .. 'rules', 'next')
end
