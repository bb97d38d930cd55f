-- What a batch came to, all or nothing. ARGV: 3 the turn it was read in, 4 up to where in the log it reaches,
-- 5 milliseconds that a click is kept, 6 milliseconds that a node is kept at least, 7 how many clicks, then each
-- and its visitor; how many nodes are gone, then each; then each node: whose, what, and till when it is kept.
-- Says 1, or 0 if somebody else wrote meanwhile.
local turn = base .. 'turn'
if (redis.call('GET', turn) or '0') ~= ARGV[3] then
  return 0
end
redis.call('INCR', turn)
if tonumber(redis.call('GET', base .. 'through') or 0) < tonumber(ARGV[4]) then
  redis.call('SET', base .. 'through', ARGV[4])
end
local at = 7
for _ = 1, ARGV[at] do
  redis.call('SET', base .. 'o:' .. ARGV[at + 1], ARGV[at + 2], 'PX', ARGV[5])
  at = at + 2
end
at = at + 1
local gone = tonumber(ARGV[at])
for _ = 1, gone do
  at = at + 1
  redis.call('DEL', base .. 'n:' .. ARGV[at])
end
local time = now()
while ARGV[at + 1] do
  local left = math.ceil((ARGV[at + 3] - time) / 1000)
  local kept = whole(math.max(left, tonumber(ARGV[6])))
  redis.call('SET', base .. 'n:' .. ARGV[at + 1], ARGV[at + 2], 'PX', kept)
  at = at + 3
end
return 1
