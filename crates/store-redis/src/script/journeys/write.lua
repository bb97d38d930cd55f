-- What a batch came to, all or nothing. ARGV: 3 the turn it was read in, 4 up to where in the log it reaches,
-- 5 the number of the rules by which rows are made of it, if any are, 6 milliseconds that a click is kept,
-- 7 milliseconds that a node is kept at least, 8 how many clicks, then each
-- and its visitor; how many nodes are gone, then each; then each node: whose, what, till when it is kept, and 1 if it
-- has converted.
-- Says {1, 0}; {0, 0} if somebody else wrote meanwhile; {0, number} if rows are made by newer rules, of this number.
local turn = base .. 'turn'
if (redis.call('GET', turn) or '0') ~= ARGV[3] then
  return { 0, 0 }
end
if ARGV[5] ~= '' then
  local newest = judged_by(tonumber(ARGV[5]))
  if newest then
    return { 0, newest }
  end
end
redis.call('INCR', turn)
if tonumber(redis.call('GET', base .. 'through') or 0) < tonumber(ARGV[4]) then
  redis.call('SET', base .. 'through', ARGV[4])
end
local at = 8
for _ = 1, ARGV[at] do
  redis.call('SET', base .. 'o:' .. ARGV[at + 1], ARGV[at + 2], 'PX', ARGV[6])
  at = at + 2
end
at = at + 1
local gone = tonumber(ARGV[at])
for _ = 1, gone do
  at = at + 1
  redis.call('DEL', base .. 'n:' .. ARGV[at])
  redis.call('ZREM', base .. 'converted', ARGV[at])
end
local time = now()
while ARGV[at + 1] do
  local left = math.ceil((ARGV[at + 3] - time) / 1000)
  local kept = math.max(left, tonumber(ARGV[7]))
  redis.call('SET', base .. 'n:' .. ARGV[at + 1], ARGV[at + 2], 'PX', whole(kept))
  if ARGV[at + 4] == '1' then
    redis.call('ZADD', base .. 'converted', whole(time + kept * 1000), ARGV[at + 1])
  end
  at = at + 4
end
redis.call('ZREMRANGEBYSCORE', base .. 'converted', '-inf', whole(time))
return { 1, 0 }
