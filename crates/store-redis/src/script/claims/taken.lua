-- Leads that a router claimed to post, whose leases are over, and of which nothing was folded; those that are longest
-- over first. None while a node has records of leads that the log has not, unless it was given up. ARGV: 3 how many,
-- 4 seconds after which a node is given up.
local at = now()
for _, said in ipairs(redis.call('HVALS', base .. 'nodes')) do
  local unshipped, heard = string.match(said, '^%S+ (%d+) (%d+)$')
  if unshipped and unshipped ~= '0' and (heard + ARGV[4]) * 1000000 > at then
    return {}
  end
end
local found = {}
for _, lead in ipairs(redis.call('ZRANGEBYSCORE', base .. 'taken', '-inf', whole(at), 'LIMIT', 0, ARGV[3])) do
  if redis.call('EXISTS', base .. 'l:' .. lead) == 1 then
    found[#found + 1] = lead
  else
    redis.call('ZREM', base .. 'taken', lead)
  end
end
return found
