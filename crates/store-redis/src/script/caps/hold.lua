-- ARGV: 3 reservation, 4 the caller's time, 5 when it expires, 6 its uses, 7.. the limit of each use.
-- Says `granted`, `skew`, or which use has no room.
local at = now()
if math.abs(at - ARGV[4]) > 2000000 then
  return 'skew'
end
sweep(at, 100)
local id, uses = ARGV[3], ARGV[6]
local key = base .. 'r:' .. id
local known = redis.call('HMGET', key, 'phase', 'uses')
if known[1] == 'held' and tonumber(redis.call('ZSCORE', base .. 'holds', id) or 0) <= at then
  drop(id)
  known = {}
end
if known[1] == 'held' and known[2] ~= uses and uses ~= '' then
  -- Another router's, from whom this one took the lead over: it may still pin it.
  return 1
end
-- One that came to nothing may be held anew: by whoever took the lead over.
if known[1] and known[1] ~= 'nothing' then
  return 'granted'
end

local short = redis.call('EXISTS', base .. 'short') == 1

local function without_room()
  local use = 0
  for amount, _, kept, name in each(uses) do
    use = use + 1
    if short and kept == '0' then
      return use
    end
    local full = (redis.call('GET', base .. 'n:' .. name) or 0) + amount
    if full > tonumber(ARGV[6 + use]) or full > MOST then
      return use
    end
  end
end

local missing = without_room()
if missing and sweep(at, 10000) > 0 then
  missing = without_room()
end
if missing then
  return missing
end
for amount, _, kept, name in each(uses) do
  put(name, amount, kept)
end
redis.call('HSET', key, 'phase', 'held', 'uses', uses)
redis.call('PERSIST', key)
redis.call('ZADD', base .. 'holds', ARGV[5], id)
return 'granted'
