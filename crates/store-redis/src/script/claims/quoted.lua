-- The answer to a ping. ARGV: 3 key, 4 digest, 5 answer, 6 till when it is good, 7 bytes of answers that are kept: the
-- oldest go first. `quotes` has all keys with one, by till when they are good, each with its length; `quoted` is the
-- sum of those.
local key = base .. 'k:' .. ARGV[3]
local known = redis.call('HMGET', key, 'digest', 'till')
local at = now()
if not known[1] or (known[2] and tonumber(known[2]) <= at) then
  redis.call('DEL', key)
  redis.call('HSET', key, 'digest', ARGV[4], 'answer', ARGV[5], 'till', ARGV[6])
  redis.call('PEXPIRE', key, whole(math.max(1, math.ceil((ARGV[6] - at) / 1000))))
  local quotes, length = base .. 'quotes', #ARGV[5]
  redis.call('ZADD', quotes, ARGV[6], ARGV[3] .. ' ' .. length)
  local sum = redis.call('INCRBY', base .. 'quoted', length)
  -- As many as come in at most, and some more: what is over is a little, and soon less.
  for _ = 1, 8 do
    local oldest = redis.call('ZRANGE', quotes, 0, 0, 'WITHSCORES')
    if not oldest[1] or (sum <= tonumber(ARGV[7]) and tonumber(oldest[2]) > at) then
      break
    end
    redis.call('ZREM', quotes, oldest[1])
    local gone, bytes = string.match(oldest[1], '^(%S+) (%d+)$')
    sum = redis.call('DECRBY', base .. 'quoted', bytes)
    if redis.call('HGET', base .. 'k:' .. gone, 'till') == oldest[2] then
      redis.call('DEL', base .. 'k:' .. gone)
    end
  end
end
return 'ok'
