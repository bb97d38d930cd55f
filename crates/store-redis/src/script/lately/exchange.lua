-- Tells and hears what routers learnt lately. No epoch: nothing of it is lost when it is gone. KEYS[1] is the tag's first
-- key; all others begin as that one does: `news`, a stream; `open`, doors that are open; `p:<hour>`, posts of an
-- hour; `leave:<door>`, who may probe.
-- ARGV: 3 who, 4 the last news it heard, 5 news, 6 milliseconds that news are kept, 7 milliseconds of leave, 8 hours that
-- are told; then how many, each: doors at which it wants to probe; at which it probes; doors that turned, with what
-- is known of them while they are open; posts: contract, hour, answered, rejected.
local base = string.sub(KEYS[1], 1, -6)
local who, last_heard, last = ARGV[3], ARGV[4], ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = 8
local function next_of()
  at = at + 1
  return ARGV[at]
end

local news, open, hours = {}, {}, {}
local joins = last == '' or tonumber(string.match(last, '^%d+')) < now - ARGV[6]
for _, entry in ipairs(redis.call('XRANGE', base .. 'news', joins and '-' or '(' .. last, '+')) do
  last = entry[1]
  if entry[2][2] ~= who then
    news[#news + 1] = entry[2][4]
  end
end
if joins then
  open = redis.call('HVALS', base .. 'open')
end
if last_heard == '' then
  local this = math.floor((ARGV[2] ~= '' and ARGV[2] / 1000 or now) / 3600000)
  for hour = this - ARGV[8] + 1, this do
    local counts = redis.call('HGETALL', base .. 'p:' .. string.format('%.0f', hour))
    if #counts > 0 then
      hours[#hours + 1] = { hour, counts }
    end
  end
end

local leave = {}
for _ = 1, next_of() do
  local door = next_of()
  local key = base .. 'leave:' .. door
  if redis.call('SET', key, who, 'NX', 'PX', ARGV[7]) or redis.call('GET', key) == who then
    redis.call('PEXPIRE', key, ARGV[7])
    leave[#leave + 1] = door
  end
end
for _ = 1, next_of() do
  local key = base .. 'leave:' .. next_of()
  if redis.call('GET', key) == who then
    redis.call('PEXPIRE', key, ARGV[7])
  end
end
for _ = 1, next_of() do
  local door, state = next_of(), next_of()
  redis.call('DEL', base .. 'leave:' .. door)
  if state == '' then
    redis.call('HDEL', base .. 'open', door)
  else
    redis.call('HSET', base .. 'open', door, state)
    redis.call('EXPIRE', base .. 'open', 86400)
  end
end
for _ = 1, next_of() do
  local contract, hour = next_of(), next_of()
  local key = base .. 'p:' .. hour
  redis.call('HINCRBY', key, 'a/' .. contract, next_of())
  redis.call('HINCRBY', key, 'r/' .. contract, next_of())
  redis.call('EXPIRE', key, 3600 * ARGV[8])
end
if ARGV[5] ~= '' then
  last = redis.call('XADD', base .. 'news', 'MINID', '~', string.format('%.0f', now - ARGV[6]), '*', 'of', who, 'news', ARGV[5])
  redis.call('PEXPIRE', base .. 'news', ARGV[6] * 2)
end
if last == '' then
  -- News of this millisecond may still come.
  last = string.format('%.0f-0', now - 1)
end
return { last, news, leave, open, hours }
