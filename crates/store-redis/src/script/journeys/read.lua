-- What a batch works on. ARGV: 3 how many clicks, 4.. the clicks, then identities. Says the partition's turn; of each
-- click the visitor, and the visitor's node; and the node of each identity. What is not there is empty.
local clicks = tonumber(ARGV[3])
local owners, owned, nodes = {}, {}, {}
for at = 1, clicks do
  local owner = redis.call('GET', base .. 'o:' .. ARGV[3 + at]) or ''
  owners[at] = owner
  owned[at] = owner ~= '' and redis.call('GET', base .. 'n:' .. owner) or ''
end
for at = 4 + clicks, #ARGV do
  nodes[at - 3 - clicks] = redis.call('GET', base .. 'n:' .. ARGV[at]) or ''
end
return { redis.call('GET', base .. 'turn') or '0', owners, owned, nodes }
