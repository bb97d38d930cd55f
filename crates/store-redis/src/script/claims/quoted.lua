-- The answer to a ping. ARGV: 3 key, 4 digest, 5 answer, 6 till when it is good.
local key = base .. 'k:' .. ARGV[3]
local known = redis.call('HMGET', key, 'digest', 'till')
local at = now()
if not known[1] or (known[2] and tonumber(known[2]) <= at) then
  redis.call('DEL', key)
  redis.call('HSET', key, 'digest', ARGV[4], 'answer', ARGV[5], 'till', ARGV[6])
  redis.call('PEXPIRE', key, whole(math.max(1, math.ceil((ARGV[6] - at) / 1000))))
end
return 'ok'
